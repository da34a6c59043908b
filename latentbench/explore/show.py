"""Reconstructions and traversals: what `latentbench show` draws and the page shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentbench.drawing.drawing import Drawing
from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.sheet_layout import ColorScale, Sheet
from latentbench.errors import NotApplicableError
from latentbench.latent.space import LatentSpace
from latentbench.latent.traversal import activity, activity_unit, most_active, quantile_levels, traverse
from latentbench.table.number_format import number, row_style

if TYPE_CHECKING:
    import pandas as pd


__all__ = [
    "Reconstructions",
    "Traversals",
    "draw_reconstructions",
    "draw_traversals",
    "reconstruction_numbers",
    "reconstruction_sheet",
    "reconstructions",
    "traversal_numbers",
    "traversal_sheet",
    "traversals",
]

Array = NDArray[Any]
DIFFERENCE = "inferno"  # from black, 0, to bright
ALL_BUT_FEW = 0.995


@dataclass(frozen=True)
class Reconstructions:
    """Items as a model reconstructs them.

    Attributes:
        label: of the model.
        seed: of its trial.
        inputs: pictures `(m, c, h, w)` in [0, 1].
        outputs: likewise.
        errors: mean squared error of each item `(m,)`, measured on the model's outputs, not on pictures.
    """

    label: str
    seed: int
    inputs: Array
    outputs: Array
    errors: Array


def reconstructions(space: LatentSpace, rows: Sequence[int], label: str, seed: int) -> Reconstructions:
    """Reconstruct the items of these rows; an encoder is applied to them only.

    Raises:
        NotApplicableError: no inputs, no decoder, or outputs that are not images.
    """
    inputs = space.inputs[list(rows)]
    try:
        codes = space.encode(inputs) if "encoder" in space.supplies else space.codes[list(rows)]
        outputs = space.decode(codes)
    except NotApplicableError:  # reconstructions may have been given as an array
        if "decoder" not in space.supplies:
            raise
        outputs = space.reconstructions[list(rows)]
    errors = (outputs - inputs).double().square().flatten(1).mean(1).cpu().numpy()
    return Reconstructions(label, seed, as_pictures(inputs), as_pictures(outputs, like=inputs), errors)


def reconstruction_sheet(models: Sequence[Reconstructions], names: Sequence[str], title: str) -> Sheet:
    """Lay out the inputs of these names, then for each model its reconstructions and their absolute differences.

    Differences of all models have one scale of colors, so that they can be compared; it ends where all but few of
    them lie, as most are far from 1.
    """
    differences = [np.abs(model.outputs - model.inputs).mean(1) for model in models]
    top = float(np.quantile(np.stack(differences), ALL_BUT_FEW)) or 1.0
    images, words = [_colored(models[0].inputs)], ["input"]
    for model, difference in zip(models, differences, strict=True):
        images += [_colored(model.outputs), _painted(difference / top)]
        words += [model.label, "difference"]
    scale = ColorScale(
        f"absolute difference of pixels, in [0, 1]; {top:.2f} and more is brightest", top, DIFFERENCE
    )
    return Sheet(np.stack(images), words, names, title, scale=scale)


def _colored(images: Array) -> Array:
    """Return images `(n, 1 or 3, h, w)` with three channels."""
    return np.broadcast_to(images, (len(images), 3, *images.shape[2:]))


def _painted(values: Array) -> Array:
    """Return values `(n, h, w)`, from 0 to 1, in the colors of differences `(n, 3, h, w)`."""
    from matplotlib import colormaps

    painted = np.asarray(colormaps[DIFFERENCE](np.clip(values, 0, 1)), np.float32)
    return painted[..., :3].transpose(0, 3, 1, 2)


def draw_reconstructions(
    models: Sequence[Reconstructions], items: Sequence[int], names: Sequence[str], title: str
) -> Drawing:
    """Draw items of these names and what models make of them."""
    return Drawing(reconstruction_sheet(models, names, title), reconstruction_numbers(models, items), title)


def reconstruction_numbers(models: Sequence[Reconstructions], items: Sequence[int]) -> pd.DataFrame:
    """Return one row per model and item: model, seed, item, mse."""
    import pandas as pd

    return pd.DataFrame(
        {"model": model.label, "seed": model.seed, "item": item, "mse": float(error)}
        for model in models
        for item, error in zip(items, model.errors, strict=True)
    )


@dataclass(frozen=True)
class Traversals:
    """Decoded traversals of k dimensions.

    Attributes:
        dims: numbers of the dimensions, the most active first.
        activity: the activity of each dimension, in `unit`.
        unit: "nats" or "variance".
        levels: the quantile of each step.
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
        NotApplicableError: no decoder, no inputs, or outputs that are not images.
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


def traversal_sheet(decoded: Traversals, title: str) -> Sheet:
    """Lay out traversals: a row per dimension, a column per quantile."""
    style = row_style(decoded.activity, [math.nan] * len(decoded.activity))
    shown = [number(value, style) for value in decoded.activity]
    rows = [
        f"dimension {dim}: " + (f"{value} nats" if decoded.unit == "nats" else f"{decoded.unit} {value}")
        for dim, value in zip(decoded.dims, shown, strict=True)
    ]
    return Sheet(decoded.pictures, rows, [f"{100 * level:.3g} %" for level in decoded.levels], title)


def draw_traversals(decoded: Traversals, title: str) -> Drawing:
    """Draw traversals: a row per dimension, a column per quantile."""
    return Drawing(traversal_sheet(decoded, title), traversal_numbers(decoded), title)


def traversal_numbers(decoded: Traversals) -> pd.DataFrame:
    """Return one row per image: dim, activity, unit, quantile, and the value of the code in that dimension."""
    import pandas as pd

    return pd.DataFrame(
        {
            "dim": dim,
            "activity": value,
            "unit": decoded.unit,
            "quantile": round(level, 6),
            "code": float(decoded.codes[row, step, dim]),
        }
        for row, (dim, value) in enumerate(zip(decoded.dims, decoded.activity, strict=True))
        for step, level in enumerate(decoded.levels)
    )
