"""Pictures of the models of a run: reconstructions, walks and maps, each from the trial of the median seed."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentbench.drawing.montage import data_uri, montage, png_bytes
from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.scatter import code_map
from latentbench.errors import NotApplicableError, RunFolderError, UntrustedCodeError
from latentbench.execution.maps import COUNT, stored_maps
from latentbench.execution.maps import JUDGES as TRUST
from latentbench.explore.coloring import class_marks
from latentbench.explore.map import NAMES
from latentbench.explore.morph import mixed
from latentbench.explore.show import Traversals, reconstructions, traversals
from latentbench.latent.class_names import item_words
from latentbench.latent.maps.pca import pca_map
from latentbench.latent.maps.projection import Map, shown_rows
from latentbench.latent.paths.interpolation import interpolate
from latentbench.latent.sampling import sample_codes
from latentbench.latent.space import LatentSpace
from latentbench.records import Record
from latentbench.report.page.decoding.content import OpenedModel, item_rows
from latentbench.report.page.decoding.section import DecodingContent
from latentbench.report.page.linked import LinkedMaps
from latentbench.report.page.making_maps import completed_maps
from latentbench.score_rows import ScoreRow
from latentbench.table.columns import labels
from latentbench.table.sweeps import sweeps

if TYPE_CHECKING:
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["Picture", "Pictures", "median_trial", "median_trials", "pictures", "shown_items"]

IMAGES = 10
STRIP_IMAGES = 8  # on the first screen, beside a walk
STEPS = 10
MOST_SETTINGS = 6  # of a sweep; each is a model to open, to run and to draw
MOST_DIMENSIONS, LEVELS = 5, 7  # of traversals
JUDGES = ("mse", "r2")  # the median seed is that of the first of these scores that a model has
ITEM_SCORES = {"mse": "reconstruction error (mse)"}  # score -> how a color by its values is called
NO_IMAGES = "The inputs are neither gray or RGB images nor bodies in space, so there are no pictures of them."
NO_INPUTS = "There are codes alone, without the inputs that they are of, so there are no pictures of them."
NO_DECODER = "No model decodes."
NO_MODEL = "No model can be loaded."

Array = NDArray[Any]


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        label: its heading.
        note: below that.
        uri: the picture itself, as a data URI.
        alt: what it shows, in words.
        columns: number of images side by side; 0 for a picture that is not a strip of images.
        pixels: width of one of these images.
    """

    label: str
    note: str
    uri: str
    alt: str
    columns: int = 0
    pixels: int = 0


@dataclass(frozen=True)
class Pictures:
    """All pictures of one data set, or a sentence that says why there are none.

    Attributes:
        reconstructions: the inputs, then one strip for each model.
        walks: from one test image to another, a strip for each model that decodes.
        beside: the same without a model: the fade of pixels and, where it can be computed, optimal transport.
        items: what the images are called, as "item 3 (sneaker)".
        walk: from where to where.
        traversals: the most active dimensions of each model.
        samples: decoded samples of the prior, for each model that has one.
        maps: for each model the PCA map, then the maps that are stored with the trial.
        linked: what two linked maps are made of (`LinkedMaps`), or None.
        decoding: the models whose decoders run in the page.
        sentence: why there are no strips.
        skipped: (model, reason) of what could not be shown.
        choice: which of the chosen settings are shown, where they are too many; "" where all are.
        sizes: split -> number of items, as far as a model tells.
    """

    reconstructions: tuple[Picture, ...] = ()
    walks: tuple[Picture, ...] = ()
    beside: tuple[Picture, ...] = ()
    items: tuple[str, ...] = ()
    walk: str = ""
    traversals: tuple[Picture, ...] = ()
    samples: tuple[Picture, ...] = ()
    maps: tuple[Picture, ...] = ()
    linked: Mapping[str, Any] | None = None
    decoding: DecodingContent = field(default_factory=DecodingContent)
    sentence: str = ""
    skipped: tuple[tuple[str, str], ...] = ()
    choice: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)


def _judging_rows(results: Results) -> list[list[ScoreRow]]:
    return [results.rows_of(scores={score}) for score in JUDGES]


def median_trial(
    results: Results, dataset: str, label: str, judges: Sequence[Sequence[ScoreRow]] | None = None
) -> Trial | None:
    """Return the trial of the median seed by mse or r2; without either, the first trial that went well.

    `judges` are the rows of both scores, where they are looked up once for many labels.
    """
    trials = [trial for trial in results.trials if (trial.dataset, trial.label) == (dataset, label)]
    succeeded = {trial.key: trial for trial in trials if trial.ok}
    for judging in _judging_rows(results) if judges is None else judges:
        rows = [row for row in judging if row.trial in succeeded and row.has_value]
        if rows:
            ordered = sorted(rows, key=lambda row: (row.value, row.seed))
            return succeeded[ordered[(len(ordered) - 1) // 2].trial]
    return next(iter(succeeded.values()), None)


def pictures(
    results: Results, dataset: str, methods: Sequence[str] = (), decoding: DecodingContent | None = None
) -> Pictures:
    """Draw all pictures of a data set. A model that cannot be loaded is skipped, with the reason.

    Args:
        results: of the run.
        dataset: heading of the data set.
        methods: maps of each compared model that are made, where they are not there yet, and put into the run.
        decoding: collects the models that decode in the page; default: those whose decoders can run there.
    """
    excerpts: list[_Excerpt] = []
    skipped: list[tuple[str, str]] = []
    medians, choice = median_trials(results, dataset)
    kept = _kept(results, dataset, medians)
    decoding = DecodingContent() if decoding is None else decoding
    sizes: dict[str, int] = {}
    linked = LinkedMaps(max([COUNT, *(len(map_.rows) for _, stored in kept for map_ in stored)]))
    for trial, stored in kept:
        try:
            space = results.latent_space(trial)
            decoder: int | str = "the page holds the decoder of the median seed alone"
            sizes = sizes or _sizes(space)
            if trial in medians:
                stored = completed_maps(results, trial, space, stored, methods)
                excerpts.append(_excerpt(trial, space, _note(results, trial), stored))
                decoder = "a ceiling stands for no model, so the page holds no decoder of it"
                if trial.traits.reference != "ceiling":
                    about = (trial.label, f"seed {trial.seed}", trial.traits.encoder, space)
                    decoder = decoding.add(OpenedModel(*about, reference=bool(trial.traits.reference)))
            linked.add(
                _space_name(results, trial),
                space,
                stored,
                _item_scores(results, trial),
                trial.traits.reference,
                decoder,
            )
        except (UntrustedCodeError, RunFolderError) as error:
            warnings.warn(f"{trial.label} is left out of the pictures: {error}", stacklevel=2)
            skipped.append((trial.label, str(error)))
        except Exception as error:  # noqa: BLE001 - a model that cannot be loaded must not cost the page
            skipped.append((trial.label, f"{type(error).__name__}: {error}"))
    drawn = _drawn(excerpts, tuple(skipped))
    return replace(drawn, choice=choice, linked=linked.content, decoding=decoding, sizes=sizes)


def median_trials(results: Results, dataset: str) -> tuple[list[Trial], str]:
    """Return the trial of the median seed of each column that is pictured, and a sentence on the others."""
    pictured, choice = _pictured(results, dataset)
    judges = _judging_rows(results)
    found = (median_trial(results, dataset, label, judges) for label in pictured)
    return [trial for trial in found if trial is not None], choice


def _kept(results: Results, dataset: str, medians: Sequence[Trial]) -> list[tuple[Trial, list[Map]]]:
    """Return the trials of median seeds, then others that keep maps, each with its stored maps."""
    others = [trial for trial in results.trials if trial.dataset == dataset and trial.ok and trial not in medians]
    stored = [(trial, stored_maps(Record(results.path, trial.key))) for trial in [*medians, *others]]
    return [(trial, maps) for trial, maps in stored if maps or trial in medians]


def _sizes(space: LatentSpace) -> dict[str, int]:
    """Return the number of items of each split, where they are known without encoding any."""
    splits = {"train": space.others.train, "validation": space.others.validation}
    known = {name: len(split) for name, split in splits.items() if _holds_inputs(split)}
    return {**known, "test": len(space)}


def _holds_inputs(split: LatentSpace | None) -> TypeGuard[LatentSpace]:
    return split is not None and split.data.inputs is not None


def _space_name(results: Results, trial: Trial) -> str:
    return f"{trial.label}, seed {trial.seed}" if _note(results, trial) else trial.label


def _item_scores(results: Results, trial: Trial) -> dict[str, Array | None]:
    return {words: results.items(trial.key, score) for score, words in ITEM_SCORES.items()}


def _pictured(results: Results, dataset: str) -> tuple[list[str], str]:
    """Return the columns of a comparison, of a large sweep without the settings that few scores chose.

    Each model keeps the setting that most scores chose. The sentence says what is left out; "" for nothing.
    """
    columns = labels(results, dataset)
    choices = [choice for sweep in sweeps(results) if sweep.dataset == dataset for choice in sweep.choices]
    counts = Counter(choice.label for choice in choices)
    if len(counts) <= MOST_SETTINGS:
        return columns, ""
    ranked = [label for label, _ in counts.most_common()]
    models = {choice.label: choice.model for choice in choices}
    first = {models[label]: label for label in reversed(ranked)}.values()
    kept = list(dict.fromkeys([*first, *ranked]))[: max(MOST_SETTINGS, len(first))]
    left_out = counts.keys() - kept
    sentence = (
        f"Pictured are {len(kept)} of {len(counts)} chosen settings: of each model those that most scores chose."
    )
    return [label for label in columns if label not in left_out], sentence


def shown_items(space: LatentSpace, most: int = IMAGES) -> list[int]:
    """Return the first test item of each class; evenly spaced ones without classes. The same for all models."""
    return item_rows(space, most, of_class=1)


@dataclass(frozen=True)
class _Excerpt:
    """What the pictures need of one latent space, so that it can be freed; images `(m, c, h, w)` in [0, 1]."""

    label: str
    note: str
    items: list[int]
    names: tuple[str, ...]  # of the items
    maps: tuple[Picture, ...]
    codes_alone: bool = False
    inputs: Array | None = None
    ends: Tensor | None = None  # of walks, as the model sees them
    reconstructions: Array | None = None
    walk: Array | None = None
    traversals: Traversals | None = None
    samples: Array | None = None


def _excerpt(trial: Trial, space: LatentSpace, note: str, stored: Sequence[Map] = ()) -> _Excerpt:
    items = shown_items(space, STRIP_IMAGES)
    names = tuple(item_words(space, item) for item in items)
    excerpt = _Excerpt(trial.label, note, items, names, tuple(_maps(trial.label, note, space, stored)))
    if "inputs" not in space.supplies:
        return replace(excerpt, codes_alone=True)
    if not _can_be_drawn(space.inputs[items]):
        return excerpt
    excerpt = replace(excerpt, inputs=as_pictures(space.inputs[items]), ends=space.inputs[items[:2]])
    if trial.traits.reference == "ceiling" or "decoder" not in space.supplies:
        return excerpt
    excerpt = replace(excerpt, reconstructions=reconstructions(space, items, trial.label, trial.seed).outputs)
    return _with_decoded(excerpt, space) if _decodes(space) else excerpt


def _with_decoded(excerpt: _Excerpt, space: LatentSpace) -> _Excerpt:
    """Add decoded walks, traversals and samples."""
    walk = interpolate(space, space.codes[excerpt.items[:2]], STEPS, "linear")
    excerpt = replace(
        excerpt,
        walk=as_pictures(space.decode(walk), like=space.inputs),
        traversals=traversals(space, None, MOST_DIMENSIONS, LEVELS),
    )
    if "prior" not in space.supplies:
        return excerpt
    drawn = sample_codes(space, IMAGES, 0, "prior")
    return replace(excerpt, samples=as_pictures(space.decode(drawn), like=space.inputs))


def _decodes(space: LatentSpace) -> bool:
    """Whether codes can be decoded; some spaces hold reconstructions as an array, and no decoder."""
    try:
        space.decode(space.codes[:1])
    except NotApplicableError:
        return False
    return True


def _can_be_drawn(inputs: Tensor) -> bool:
    try:
        as_pictures(inputs)
    except NotApplicableError:
        return False
    return True


def _note(results: Results, trial: Trial) -> str:
    seeds = [other for other in results.trials if (other.dataset, other.label) == (trial.dataset, trial.label)]
    return f"seed {trial.seed}, the median" if len(seeds) > 2 else f"seed {trial.seed}" * (len(seeds) > 1)


def _drawn(excerpts: Sequence[_Excerpt], skipped: tuple[tuple[str, str], ...]) -> Pictures:
    if not excerpts:
        return Pictures(sentence=NO_MODEL, skipped=skipped)
    maps = tuple(picture for excerpt in excerpts for picture in excerpt.maps)
    bare = Pictures(maps=maps, sentence=NO_INPUTS if _codes_alone(excerpts) else NO_IMAGES, skipped=skipped)
    first = next((excerpt for excerpt in excerpts if excerpt.inputs is not None), None)
    return bare if first is None else _with_strips(bare, first, excerpts)


def _codes_alone(excerpts: Sequence[_Excerpt]) -> bool:
    return all(excerpt.codes_alone for excerpt in excerpts)


def _with_strips(bare: Pictures, first: _Excerpt, excerpts: Sequence[_Excerpt]) -> Pictures:
    inputs = _strip("input", "", first.inputs, f"{len(first.items)} test images: {', '.join(first.names)}")
    beside = [_strip(name, "", images, f"{STEPS} mixtures of two test images") for name, images in _beside(first)]
    decoded = _strips(excerpts, "reconstructions", "the same images, reconstructed by {}")
    walks = _strips(excerpts, "walk", f"{STEPS} images that {{}} decodes along a straight line")
    return replace(
        bare,
        reconstructions=tuple(filter(None, [inputs, *decoded])),
        walks=walks,
        beside=tuple(filter(None, beside)) if walks else (),
        items=first.names,
        walk=f"from {first.names[0]} to {first.names[min(1, len(first.names) - 1)]}",
        traversals=tuple(
            _traversals(each.label, each.note, each.traversals) for each in excerpts if each.traversals
        ),
        samples=_strips(excerpts, "samples", f"{IMAGES} codes drawn from the prior, decoded by {{}}"),
        sentence="" if decoded else NO_DECODER,
    )


def _strips(excerpts: Sequence[_Excerpt], name: str, alt: str) -> tuple[Picture, ...]:
    """Return a strip of each model that has images of this name; `{}` in `alt` stands for the model."""
    strips = (_strip(each.label, each.note, getattr(each, name), alt.format(each.label)) for each in excerpts)
    return tuple(filter(None, strips))


def _beside(excerpt: _Excerpt) -> list[tuple[str, Array]]:
    """Mix the two images at the ends of a walk, the same for all models."""
    if excerpt.ends is None:
        return []
    rows, _ = mixed(excerpt.ends, STEPS)
    return [(row.name, as_pictures(row.images, like=excerpt.ends)) for row in rows]


def _strip(label: str, note: str, images: Array | None, alt: str) -> Picture | None:
    if images is None:
        return None
    return Picture(label, note, data_uri(png_bytes(montage(images[None]))), alt, len(images), images.shape[-1])


def _traversals(label: str, note: str, shown: Traversals) -> Picture:
    dims = ", ".join(f"{dim} ({value:.2g})" for dim, value in zip(shown.dims, shown.activity, strict=True))
    below = ", ".join(filter(None, [note, f"from above dimension ({shown.unit}) {dims}"]))
    alt = f"{len(shown.dims)} dimensions of {label}, each run through its quantiles"
    drawn = data_uri(png_bytes(montage(shown.pictures)))
    return Picture(label, below, drawn, alt, len(shown.levels), shown.pictures.shape[-1])


def _maps(label: str, note: str, space: LatentSpace, stored: Sequence[Map]) -> list[Picture]:
    """Draw the PCA map, which costs nothing, and the maps that are stored with the trial."""
    rows = shown_rows(len(space), COUNT)
    places, shares = pca_map(space.codes[rows].cpu().numpy())
    drawn = [_map(label, f"PCA, {shares.sum():.0%} of the variance", note, space, rows, places)]
    for map_ in stored:
        if map_.method != "pca":
            trust = [f"{TRUST[name]} {value:.2f}" for name, value in map_.trust.items()][:1]
            drawn.append(_map(label, ", ".join([NAMES[map_.method], *trust]), note, space, map_.rows, map_.places))
    return drawn


def _map(label: str, method: str, note: str, space: LatentSpace, rows: Array, places: Array) -> Picture:
    classes = space.labels.cpu().numpy()[rows] if "labels" in space.supplies else None
    shown = f"{len(rows):,} of {len(space):,} items" if len(rows) < len(space) else f"all {len(space):,} items"
    marks = class_marks([] if classes is None else np.unique(classes).tolist(), space.class_names)
    kinds = "" if classes is None else f", {len(np.unique(classes))} classes: {', '.join(marks.values())}"
    alt = f"{method.partition(',')[0]} map of {len(rows)} codes of {label}{kinds}"
    below = ", ".join(filter(None, [method, shown, note]))
    return Picture(label, below, data_uri(code_map(places, classes, marks)), alt)
