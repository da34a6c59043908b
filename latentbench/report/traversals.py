"""Traversals, a row for each dimension, the most active first, as `latentbench show` draws them and the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from torch import Tensor

from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.sheet_layout import Sheet
from latentbench.latent.space import LatentSpace
from latentbench.latent.traversal import activity, activity_unit, most_active, quantile_levels, traverse

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Traversals", "traversal_numbers", "traversal_sheet", "traversals"]


@dataclass(frozen=True)
class Traversals:
    """Decoded traversals of k dimensions.

    Attributes:
        dims: numbers of the dimensions, the most active first.
        activity: of each, in `unit`.
        unit: "nats" or "variance".
        levels: quantile of each step.
        codes: `(k, steps, d)`.
        pictures: decoded `(k, steps, c, h, w)` in [0, 1].
    """

    dims: list[int]
    activity: list[float]
    unit: str
    levels: list[float]
    codes: Tensor
    pictures: NDArray[Any]


def traversals(space: LatentSpace, item: int | None, most: int, steps: int) -> Traversals:
    """Decode traversals of the `most` most active dimensions; see `latentbench.latent.traversal.traverse`.

    Raises:
        NotApplicableError: no decoder, no inputs, or no pictures.
    """
    dims = most_active(space, most)
    codes = traverse(space, item, dims, steps)
    pictures = as_pictures(space.decode(codes.flatten(0, 1)), like=space.inputs)
    return Traversals(
        dims,
        activity(space)[dims].tolist(),
        activity_unit(space),
        quantile_levels(steps).tolist(),
        codes,
        pictures.reshape(len(dims), steps, *pictures.shape[1:]),
    )


def traversal_sheet(found: Traversals, title: str) -> Sheet:
    """Lay them out: a row each dimension, a column each quantile."""
    rows = [
        f"dim {dim}: " + (f"{value:.3g} nats" if found.unit == "nats" else f"{found.unit} {value:.3g}")
        for dim, value in zip(found.dims, found.activity, strict=True)
    ]
    return Sheet(found.pictures, rows, [f"{100 * level:.3g} %" for level in found.levels], title)


def traversal_numbers(found: Traversals) -> pd.DataFrame:
    """Return one row an image: dim, activity, unit, quantile, and the code's number in that dimension."""
    import pandas as pd

    return pd.DataFrame(
        {
            "dim": dim,
            "activity": value,
            "unit": found.unit,
            "quantile": round(level, 6),
            "code": float(found.codes[row, step, dim]),
        }
        for row, (dim, value) in enumerate(zip(found.dims, found.activity, strict=True))
        for step, level in enumerate(found.levels)
    )
