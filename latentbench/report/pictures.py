"""What the models of a run look like: reconstructions, walks and maps, each from the trial of the median seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentbench.errors import NotApplicableError
from latentbench.latent.paths import linear_path
from latentbench.latent.projection import pca_map
from latentbench.latent.space import LatentSpace
from latentbench.report.figures import code_map, data_uri, montage, png_bytes
from latentbench.report.gather import labels as columns_of
from latentbench.report.gather import succeeded

if TYPE_CHECKING:
    from latentbench.records import Trial
    from latentbench.results import Results

__all__ = ["Picture", "Pictures", "median_trial", "pictures", "shown_rows"]

IMAGES = 10
STEPS = 10
MOST_POINTS = 2000
JUDGES = ("mse", "r2")  # the median seed is that of the first of these scores that a model has
NO_IMAGES = "The inputs are not gray or RGB images: there is nothing to look at."
NO_DECODER = "No model here decodes."
NO_MODEL = "No model can be looked at."

Array = NDArray[Any]


@dataclass(frozen=True)
class Picture:
    """One picture: its heading, a note, the picture itself as a data URI, and what it shows in words."""

    label: str
    note: str
    uri: str
    alt: str


@dataclass(frozen=True)
class Pictures:
    """All pictures of one data set; a sentence stands where there are none.

    Attributes:
        reconstructions: the inputs, then one strip for each model.
        walks: the fade of pixels, then one strip for each model.
        walk: from where to where.
        maps: one for each model.
        points: what the maps show.
        sentence: why there are no strips.
        skipped: (model, reason) of what could not be shown.
    """

    reconstructions: tuple[Picture, ...] = ()
    walks: tuple[Picture, ...] = ()
    walk: str = ""
    maps: tuple[Picture, ...] = ()
    points: str = ""
    sentence: str = ""
    skipped: tuple[tuple[str, str], ...] = ()


def median_trial(results: Results, dataset: str, label: str) -> Trial | None:
    """Return the trial of the median seed by mse or r2; the first that went well where it has neither."""
    trials = [trial for trial in results.trials if (trial.dataset, trial.label) == (dataset, label)]
    well = {str(trial.key): trial for trial in trials if succeeded(trial)}
    frame = results.scores
    for score in JUDGES:
        rows = frame[(frame["score"] == score) & frame["trial"].isin(list(well)) & frame["value"].notna()]
        if len(rows):
            ordered = rows.sort_values(["value", "seed"])["trial"].tolist()
            return well[str(ordered[(len(ordered) - 1) // 2])]
    return next(iter(well.values()), None)


def pictures(results: Results, dataset: str) -> Pictures:
    """Draw all pictures of a data set. A model that cannot be looked at is skipped, with the reason."""
    looks: list[_Look] = []
    skipped: list[tuple[str, str]] = []
    for label in columns_of(results, dataset):
        trial = median_trial(results, dataset, label)
        if trial is None:
            continue
        try:
            looks.append(_look(label, trial, results.latent_space(trial), _note(results, trial)))
        except Exception as error:  # noqa: BLE001 - a model that cannot be loaded must not cost the page
            skipped.append((label, f"{type(error).__name__}: {error}"))
    return _drawn(looks, tuple(skipped))


@dataclass(frozen=True)
class _Look:
    """What is taken out of one latent space, which may then be forgotten."""

    label: str
    note: str
    rows: Array
    total: int
    classes: Array | None
    places: Array
    shares: Array
    inputs: Array | None = None
    fade: Array | None = None
    reconstructions: Array | None = None
    walk: Array | None = None


def _look(label: str, trial: Trial, space: LatentSpace, note: str) -> _Look:
    classes = space.labels.cpu().numpy() if "labels" in space.supplies else None
    rows = shown_rows(len(space), classes)
    some = np.unique(np.linspace(0, len(space) - 1, MOST_POINTS).round().astype(int))
    places, shares = pca_map(space.codes[some].cpu().numpy())
    own = None if classes is None else classes[some]
    look = _Look(label, note, rows, len(space), own, places, shares)
    if "inputs" not in space.supplies or not _are_images(space.inputs):
        return look
    inputs, fade = space.inputs[rows].cpu().numpy(), _path(space.inputs[rows[:2]]).cpu().numpy()
    look = replace(look, inputs=inputs, fade=fade)
    if trial.traits["reference"] == "ceiling" or "decoder" not in space.supplies:
        return look
    try:
        walk = space.decode(_path(space.codes[rows[:2]])).cpu().numpy()
        return replace(look, reconstructions=space.decode(space.codes[rows]).cpu().numpy(), walk=walk)
    except NotApplicableError:  # reconstructions were given as an array
        return replace(look, reconstructions=space.reconstructions[rows].cpu().numpy())


def _path(ends: Tensor) -> Tensor:
    """Return the straight line from the first to the last row, `(STEPS, *shape)`."""
    flat = linear_path(ends[:1].flatten(1), ends[-1:].flatten(1), STEPS)[:, 0]
    return flat.reshape(STEPS, *ends.shape[1:])


def shown_rows(n: int, classes: Array | None) -> Array:
    """The first test item of each class; evenly spaced ones without classes. The same for all models."""
    if classes is not None and len(np.unique(classes)) > 1:
        return np.asarray(np.unique(classes, return_index=True)[1][:IMAGES])
    return np.unique(np.linspace(0, n - 1, IMAGES).round().astype(int))


def _are_images(inputs: Tensor) -> bool:
    return inputs.ndim == 4 and inputs.shape[1] in (1, 3)


def _note(results: Results, trial: Trial) -> str:
    seeds = [other for other in results.trials if (other.dataset, other.label) == (trial.dataset, trial.label)]
    return f"seed {trial.seed}, the median" if len(seeds) > 2 else f"seed {trial.seed}" * (len(seeds) > 1)


def _drawn(looks: Sequence[_Look], skipped: tuple[tuple[str, str], ...]) -> Pictures:
    if not looks:
        return Pictures(sentence=NO_MODEL, skipped=skipped)
    first = next((look for look in looks if look.inputs is not None), looks[0])
    shown, total = len(first.places), first.total
    points = f"{shown:,} of {total:,} test items" if shown < total else f"all {total:,} test items"
    bare = Pictures(maps=tuple(map(_map, looks)), points=points, sentence=NO_IMAGES, skipped=skipped)
    return bare if first.inputs is None else _with_strips(bare, first, looks)


def _with_strips(bare: Pictures, first: _Look, looks: Sequence[_Look]) -> Pictures:
    inputs = _strip("input", "", first.inputs, f"{len(first.rows)} test images")
    fade = _strip("pixel fade", "the two images mixed", first.fade, f"{STEPS} mixtures of two test images")
    made = [
        _strip(look.label, look.note, look.reconstructions, f"the same images, reconstructed by {look.label}")
        for look in looks
    ]
    walks = [
        _strip(look.label, look.note, look.walk, f"{STEPS} images that {look.label} decodes along a straight line")
        for look in looks
    ]
    found = tuple(filter(None, made))
    return replace(
        bare,
        reconstructions=tuple(filter(None, [inputs, *found])),
        walks=tuple(filter(None, [fade, *walks])),
        walk=f"from test item {first.rows[0]} to test item {first.rows[min(1, len(first.rows) - 1)]}",
        sentence="" if found else NO_DECODER,
    )


def _strip(label: str, note: str, images: Array | None, alt: str) -> Picture | None:
    if images is None or images.ndim != 4 or images.shape[1] not in (1, 3):
        return None
    return Picture(label, note, data_uri(png_bytes(montage(images[None]))), alt)


def _map(look: _Look) -> Picture:
    percent = f"{look.shares.sum():.0%} of the variance"
    note = ", ".join(filter(None, [percent, look.note]))
    kinds = "" if look.classes is None else f", {len(np.unique(look.classes))} classes, each named by its number"
    alt = f"PCA map of {len(look.places)} codes of {look.label}{kinds}"
    return Picture(look.label, note, data_uri(code_map(look.places, look.classes)), alt)
