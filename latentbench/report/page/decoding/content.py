"""What the page shows of one data set beside its decoders: items, their codes, directions, dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentbench.drawing.montage import data_uri, montage, png_bytes
from latentbench.drawing.pictures import as_pictures
from latentbench.latent.class_names import class_words, item_words
from latentbench.latent.edits.directions import mean_difference
from latentbench.latent.shown import shown_at
from latentbench.latent.space import LatentSpace
from latentbench.latent.traversal import LOWEST, activity, activity_unit
from latentbench.report.page.decoding.sampler import sampler_data
from latentbench.report.page.decoding.ways import geodesics, transports, way_pairs
from latentbench.report.page.embedding import base64_floats

__all__ = ["OpenedModel", "UsualCodes", "item_rows", "items_data", "model_data"]

MOST_ITEMS = 40
COLUMNS = 10  # of the sheet of thumbnails
ITEMS_OF_CLASS = 4
MOST_DIMENSIONS = 8
MOST_FACTORS = 24
TRAINING_ITEMS = 2000  # that directions are found from
FAR = 0.99  # of the test codes are nearer to their mean than the distance beyond which a code is called far
ORIGINS = {
    "amortized": "Codes of items are what its encoder gives for their pictures",
    "optimized": "It has no encoder: codes of items were found by a search for what decodes to their pictures",
    "given": "Codes of items were given",
}


@dataclass(frozen=True)
class OpenedModel:
    """A model of which the page shows the decoder.

    Attributes:
        label: its name in tables.
        note: which seed it is, in words.
        encoder: where its codes come from, a key of `ORIGINS`.
        space: its latent space of the test split.
        reference: whether it only serves to compare; the page begins with one that does not.
    """

    label: str
    note: str
    encoder: str
    space: LatentSpace
    reference: bool = False


@dataclass(frozen=True)
class UsualCodes:
    """Where most codes of a space lie.

    Attributes:
        mean: `(d,)`.
        spread: standard deviation of each number, `(d,)`.
        far: root of the mean square of a code's distances from the mean, each in such deviations, that 99 % of the
            codes stay below.
    """

    mean: Tensor
    spread: Tensor
    far: float

    @classmethod
    def of(cls, codes: Tensor) -> UsualCodes:
        """Measure codes `(n, d)`."""
        precise = codes.double().cpu()
        mean, spread = precise.mean(0), precise.std(0, correction=0).clamp_min(1e-12)
        reaches = ((precise - mean) / spread).square().mean(1).sqrt()
        return cls(mean, spread, float(torch.quantile(reaches, FAR)))

    @property
    def data(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"mean": base64_floats(self.mean), "spread": base64_floats(self.spread), "far": self.far}


def item_rows(space: LatentSpace, most: int = MOST_ITEMS, of_class: int = ITEMS_OF_CLASS) -> list[int]:
    """Return up to `most` test items: the first ones of each class, or evenly spaced ones without classes."""
    if "labels" in space.supplies:
        labels = space.labels.cpu().numpy()
        classes = np.unique(labels)
        if len(classes) > 1:
            each = _each(len(classes), most, of_class)
            return [int(row) for number in classes[:most] for row in np.flatnonzero(labels == number)[:each]]
    return [int(row) for row in np.unique(np.linspace(0, len(space) - 1, most).round().astype(int))]


def _each(classes: int, most: int = MOST_ITEMS, of_class: int = ITEMS_OF_CLASS) -> int:
    """Return how many items of each class are shown."""
    return max(1, min(of_class, most // classes))


def items_data(space: LatentSpace, rows: Sequence[int]) -> dict[str, Any]:
    """Return the items for JSON: names, and one sheet of their pictures without loss."""
    pictures = as_pictures(space.inputs[list(rows)], like=space.inputs)
    lines = -(-len(rows) // COLUMNS)
    sheet = np.zeros((lines * COLUMNS, *pictures.shape[1:]), np.float32)
    sheet[: len(rows)] = pictures
    grid = montage(sheet.reshape(lines, COLUMNS, *pictures.shape[1:]), gap=0)
    shape = [int(size) for size in pictures.shape[1:]]
    labels = space.labels[list(rows)].tolist() if "labels" in space.supplies else []
    return {
        "names": [item_words(space, row) for row in rows],
        "classes": [class_words(label, space.class_names) for label in labels],
        "shape": shape,
        "columns": COLUMNS,
        "sheet": data_uri(png_bytes(grid[..., :3])),
        "words": _items_in_words(space, rows),
        "pairs": way_pairs(len(rows)),
        "transport": transports(space, rows, way_pairs(len(rows))),
    }


def _items_in_words(space: LatentSpace, rows: Sequence[int]) -> str:
    if len(rows) == len(space):
        return f"Shown are all {len(rows)} test items."
    classes = len(torch.unique(space.labels)) if "labels" in space.supplies else 1
    each = _each(classes)
    first = "the first of each class" if each == 1 else f"the first {each} of each class"
    which = first if classes > 1 else "evenly spaced"
    return f"Shown are {len(rows)} of {len(space):,} test items, {which}."


def model_data(model: OpenedModel, rows: Sequence[int], decoder: Mapping[str, Any]) -> dict[str, Any]:
    """Return for JSON what the page shows of a model whose decoder was exported."""
    space = model.space
    source, source_codes, words = _source(model)
    return {
        "label": model.label,
        "note": model.note,
        "reference": model.reference,
        "origin": _origin(model),
        **decoder,
        "codes": base64_floats(space.codes[list(rows)]),
        "geodesic": geodesics(space, space.codes[list(rows)], way_pairs(len(rows)), decoder["products"]),
        **UsualCodes.of(space.codes).data,
        "directions": _directions(source, source_codes),
        "directionWords": words,
        "sampler": sampler_data(space, source_codes, words),
        "dimensions": _dimensions(space),
        "dimensionUnit": activity_unit(space),
    }


def _origin(model: OpenedModel) -> str:
    mean = (
        ": the mean of a distribution"
        if model.encoder == "amortized" and "posterior" in model.space.supplies
        else ""
    )
    return f"{ORIGINS.get(model.encoder, ORIGINS['given'])}{mean}."


def _dimensions(space: LatentSpace) -> list[dict[str, float]]:
    """Return the most active dimensions, and where most codes lie in each."""
    active = activity(space)
    sampled = (space.code_samples if "posterior" in space.supplies else space.codes).double()
    order = active.sort(descending=True, stable=True).indices[:MOST_DIMENSIONS].tolist()
    levels = torch.tensor([LOWEST, 1 - LOWEST], dtype=torch.float64, device=sampled.device)
    ends = [torch.quantile(sampled[:, dim], levels).tolist() for dim in order]
    return [
        {"dimension": dim, "activity": float(active[dim]), "low": low, "high": high}
        for dim, (low, high) in zip(order, ends, strict=True)
    ]


def _directions(source: LatentSpace, codes: Tensor) -> dict[str, Any]:
    """Return the mean code of each class and the direction of each factor."""
    labels = source.labels if "labels" in source.supplies else None
    return {
        "classes": list(_classes(source, codes, labels)),
        "factors": list(_factors(source, codes, labels)),
    }


def _classes(source: LatentSpace, codes: Tensor, labels: Tensor | None) -> Iterator[dict[str, Any]]:
    """Yield each class with the mean of its codes."""
    for number in torch.unique(labels)[:MOST_ITEMS] if labels is not None else ():
        mean = codes[labels == number].double().mean(0)
        yield {"name": class_words(int(number), source.class_names), "mean": base64_floats(mean)}


def _factors(source: LatentSpace, codes: Tensor, labels: Tensor | None) -> Iterator[dict[str, Any]]:
    """Yield each factor that varies and is not the class: how codes change by one of its standard deviations."""
    if "factors" not in source.supplies:
        return
    for name, values in list(zip(source.factor_names, source.factors.double().T, strict=True))[:MOST_FACTORS]:
        spread = values.std(correction=0)
        same = labels is not None and bool((values == labels).all())
        if spread > 0 and not same:
            yield {"name": name, "vector": base64_floats(mean_difference(codes, values) * spread)}


def _source(model: OpenedModel) -> tuple[LatentSpace, Tensor, str]:
    """Return what directions are found from: training items that are encoded here, or the test items."""
    space = model.space
    if model.encoder != "amortized" or "train" not in space.supplies:
        return space, space.codes.cpu(), f"the {len(space):,} test codes"
    train = space.train
    part = train if isinstance(train.data.codes, Tensor) else _encoded_part(space)
    return part, part.codes, f"{len(part):,} training items"


def _encoded_part(space: LatentSpace) -> LatentSpace:
    """Return up to 2,000 training items, encoded here: all of them may take long."""
    train, data = space.train, space.train.data
    rows = torch.arange(len(train))
    if len(rows) > TRAINING_ITEMS:
        rows = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:TRAINING_ITEMS].sort().values
    rows = rows.to(space.device)
    return LatentSpace.from_arrays(
        codes=space.encode(shown_at(train, rows)).cpu(),
        labels=None if data.labels is None else data.labels[rows].cpu(),
        factors=None if data.factors is None else data.factors[rows].cpu(),
        factor_names=data.factor_names,
        factor_sizes=data.factor_sizes,
        class_names=data.class_names,
    )
