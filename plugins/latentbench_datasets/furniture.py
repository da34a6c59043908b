"""Chairs, tables and couches made of boxes, as signed distances or as images, drawn on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from latentbench_datasets._drawn.factor_dataset import FactorDataset
from latentbench_datasets._drawn.factor_design import FactorRange

__all__ = ["Furniture", "union_distances"]

Array = npt.NDArray[np.float64]
Box = Sequence[tuple[Array, Array]]

KINDS = ("chair", "table", "couch")
FLOOR = -0.9  # the scene is [-1, 1] along every axis
FOOT = 0.15  # from the floor to the body of a couch
RANGES = {  # smallest and largest, in units of half the side of the scene: of a chair, of a table, of a couch
    "width": ((0.7, 1.1), (1.1, 1.8), (1.2, 1.8)),
    "height": ((0.55, 0.85), (0.7, 1.2), (0.4, 0.6)),
    "thickness": ((0.1, 0.2), (0.1, 0.2), (0.2, 0.36)),
    "leg_thickness": ((0.1, 0.18), (0.1, 0.2), (0.1, 0.2)),
    "leg_inset": ((0.0, 0.12), (0.0, 0.25), (0.0, 0.25)),
    "panel": ((0.45, 0.85), (0.06, 0.3), (0.3, 0.6)),
    "depth": ((0.7, 1.1), (0.8, 1.5), (0.7, 1.0)),
}
SIZES = {2: 64, 3: 32}
MOST_VALUES = 1_000_000_000
CHUNK = 2**20  # distances computed at once


class Furniture(FactorDataset):
    """Chairs, tables and couches as unions of boxes, in the plane or in space, with all their factors known.

    Chairs are seen from the side, their back on the left, couches from the front; the plane shows the outline of
    what stands in space. Factors are the kind, which is also the label (0 chair, 1 table, 2 couch), and the sizes
    of its parts, each from 0, the smallest that this kind has, to 1, its largest. Factors are even and independent
    but as `correlation` and `holdout` say in train and validation; the test split always has all of them:

    - `width` from left to right; `depth` from front to back, of space only,
    - `height` of a seat or a table's top over the floor,
    - `thickness` of a chair's seat and back, a table's top, a couch's arms and back,
    - `leg_thickness`, and `leg_inset`: how far the legs stand in from the edges,
    - `panel`: how far a back rises over the seat (a couch's arms half as far), or a table's apron hangs down.

    `form=sdf` gives float32 signed distances at the centers of a grid of pixels `(n, 1, size, size)` or voxels
    `(n, 1, size, size, size)`, in units of half the side of the scene, negative inside; `form=image` gives uint8
    outlines `(n, 1, size, size)`, white on black and anti-aliased. Rows go down, columns to the right, and the
    first of three axes goes from the back to the front. See `union_distances` for how exact the distances are.
    """

    class Params(FactorDataset.Params):
        """What is drawn, and how much of it."""

        factors: ClassVar = (FactorRange("kind", size=len(KINDS), meanings=KINDS), *map(FactorRange, RANGES))
        dims: int = Field(default=2, ge=2, le=3, description="2: outlines in the plane; 3: bodies in space")
        form: Literal["sdf", "image"] = Field(
            default="sdf", description="sdf: signed distances, negative inside; image: white outlines, of dims=2"
        )
        size: int | None = Field(
            default=None, ge=16, le=256, description="pixels or voxels along each axis; unset: 64, or 32 in space"
        )
        train: int = Field(default=2000, ge=50, le=1_000_000, description="training pieces")
        test: int = Field(default=500, ge=10, le=1_000_000, description="test pieces")

        @property
        def varied(self) -> tuple[FactorRange, ...]:
            """The kind and the sizes of its parts; in the plane without the last, the depth."""
            return self.factors[: 5 + self.dims]

        @model_validator(mode="after")
        def _can_be_drawn(self) -> Furniture.Params:
            if self.form == "image" and self.dims == 3:
                raise ValueError("form=image needs dims=2, got dims=3")
            values = (self.train + self.test) * (self.size or SIZES[self.dims]) ** self.dims
            if values > MOST_VALUES:
                raise ValueError(
                    f"size, train and test must make at most {MOST_VALUES:,} values together, they make {values:,}"
                )
            return self

    params: Params
    title = "furniture"
    class_names = KINDS
    source = "uniform"

    def _render(self, values: Array) -> npt.NDArray[Any]:
        dims, size = self.params.dims, self.params.size or SIZES[self.params.dims]
        drawn = np.empty((len(values), 1, *(size,) * dims), np.float32 if self.params.form == "sdf" else np.uint8)
        along = (2 * np.arange(size) + 1) / size - 1
        axes = (along, -along, along)[:dims]
        rows = max(1, CHUNK // size**dims)
        for kind, start in ((kind, start) for kind in range(3) for start in range(0, len(values), rows)):
            chosen = start + np.flatnonzero(values[start : start + rows, 0] == kind)
            distances = union_distances(list(_boxes(kind, values[chosen, 1:], dims)), axes)
            drawn[chosen, 0] = distances if self.params.form == "sdf" else _covered(distances, 2 / size)
        return drawn

    def _label(self, columns: dict[str, Array]) -> npt.NDArray[np.int64]:
        return columns["kind"].astype(np.int64)


def union_distances(boxes: Sequence[Box], axes: Sequence[Array]) -> npt.NDArray[np.float32]:
    """Return signed distances from the surface of unions of boxes, negative inside.

    Outside they are exact. Inside they are minus the largest of the depths in single boxes: exact for one box, at
    most as deep as the true one for several, and below 0 wherever boxes that touch overlap.

    Args:
        boxes: for each box its lowest and highest coordinates along each axis, two arrays `(n,)`; along x, y and,
            in space, z.
        axes: coordinates of the grid along each axis, `(s,)` each.

    Returns:
        `(n, s, s)`, rows along y and columns along x, or `(n, s, s, s)` with z first.

    >>> box = [(np.array([-0.5]), np.array([0.5]))] * 2
    >>> union_distances([box], [np.array([0.0, 0.8]), np.array([0.0, 0.9])]).round(3)
    array([[[-0.5,  0.3],
            [ 0.4,  0.5]]], dtype=float32)
    """
    distances: npt.NDArray[np.float32] = np.minimum.reduce([_box_distances(box, axes) for box in boxes])
    return distances


def _box_distances(box: Box, axes: Sequence[Array]) -> npt.NDArray[np.float32]:
    beyond = []
    for axis, (along, (low, high)) in enumerate(zip(axes, box, strict=True)):
        outside = abs(along - (low + high)[:, None] / 2) - (high - low)[:, None] / 2
        lead = len(axes) - 1 - axis
        beyond.append(outside.astype(np.float32).reshape(len(low), *(1,) * lead, len(along), *(1,) * axis))
    squared: Any = sum(each.clip(0) ** 2 for each in beyond)
    deepest = beyond[0]
    for each in beyond[1:]:
        deepest = np.maximum(deepest, each)
    distances: npt.NDArray[np.float32] = np.sqrt(squared) + deepest.clip(None, 0)
    return distances


def _covered(distances: npt.NDArray[np.float32], pixel: float) -> npt.NDArray[np.float32]:
    """Return how bright pixels are, 0 to 255: by how much of each lies inside, were its edge straight."""
    bright: npt.NDArray[np.float32] = np.rint((0.5 - distances / np.float32(pixel)).clip(0, 1) * 255)
    return bright


def _boxes(kind: int, shares: Array, dims: int) -> Iterator[Box]:
    """Yield the boxes of pieces of one kind; where parts meet, boxes overlap, so no seam has a distance of 0."""
    limits = np.array([RANGES[name][kind] for name in list(RANGES)[: shares.shape[1]]])
    sizes = limits[:, 0] + shares * (limits[:, 1] - limits[:, 0])
    width, height, thickness, leg, inset, panel = sizes.T[:6]
    depth = sizes.T[6] if dims == 3 else np.zeros(len(sizes))
    right, front, top = width / 2, depth / 2, FLOOR + height
    floor = np.full(len(sizes), FLOOR)
    whole = (-right, right), (-front, front)
    for x in ((inset - right, inset - right + leg), (right - inset - leg, right - inset)):
        for z in ((front - inset - leg, front - inset), (inset - front, inset - front + leg))[: dims - 1]:
            yield (x, (floor, top), z)[:dims]
    for x, y, z in (_chair, _table, _couch)[kind](whole, top, thickness, inset, panel):
        yield (x, y, z)[:dims]


Spans = tuple[tuple[Array, Array], tuple[Array, Array]]


def _chair(whole: Spans, top: Array, thickness: Array, inset: Array, panel: Array) -> Iterator[Box]:  # noqa: ARG001
    (left, _), _ = across, through = whole
    yield across, (top - thickness, top), through
    yield (left, left + thickness), (top - thickness, top + panel), through


def _table(whole: Spans, top: Array, thickness: Array, inset: Array, panel: Array) -> Iterator[Box]:
    (left, right), (back, front) = across, through = whole
    yield across, (top - thickness, top), through
    yield (left + inset, right - inset), (top - thickness - panel, top), (back + inset, front - inset)


def _couch(whole: Spans, top: Array, thickness: Array, inset: Array, panel: Array) -> Iterator[Box]:  # noqa: ARG001
    (left, right), (back, _) = across, through = whole
    bottom, arm = np.full_like(top, FLOOR + FOOT), (top + panel / 2)
    yield across, (bottom, top), through
    yield (left, left + thickness), (bottom, arm), through
    yield (right - thickness, right), (bottom, arm), through
    yield (left + thickness / 2, right - thickness / 2), (bottom, top + panel), (back, back + thickness)
