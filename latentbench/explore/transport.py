"""Figures of optimal transport: images and codes between which mass moves, beside plain fading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentbench.drawing.animation import frame, moving_ways
from latentbench.drawing.captions import framed
from latentbench.drawing.drawing import Drawing
from latentbench.drawing.montage import patchwork
from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.sheet_layout import Sheet
from latentbench.explore.ways import FADE, TRANSPORT, WAY_STYLES
from latentbench.latent.paths.interpolation import simplex_weights
from latentbench.latent.transport.clouds import class_codes, cloud_morph
from latentbench.latent.transport.images import image_barycenters, image_displacement

if TYPE_CHECKING:
    import pandas as pd

    from latentbench.latent.space import LatentSpace

__all__ = ["class_morph", "image_grid", "image_means", "image_strip"]

BETWEEN = 3  # frames of an animation for each step between columns
SHOWN = 8  # decoded codes of a cloud
MOVIE = 112  # pixels, least shorter side of an image in an animation
WIDE = 110  # pixels, least width of an image with a title of two words above
EXACT = "donot_use_mm_for_euclid_dist"  # a code's distance to itself is 0

Array = NDArray[Any]


def image_strip(images: Tensor, points: int, title: str) -> Drawing:
    """Draw the path between two images `(2, 1, h, w)` by optimal transport, above the path by fading.

    The curves below show on how many pixels the mass of each image stands, which fading doubles half way.

    Raises:
        ValueError: images that `image_displacement` refuses.
    """
    shares = torch.linspace(0, 1, BETWEEN * (points - 1) + 1)
    ways = {
        TRANSPORT: image_displacement(images[0], images[1], shares),
        FADE: torch.lerp(images[0], images[1], shares[:, None, None, None]),
    }
    drawn = np.stack([as_pictures(way[::BETWEEN]) for way in ways.values()])
    sheet = Sheet(
        drawn,
        tuple(ways),
        [f"{share:.2f}" for share in shares[::BETWEEN].tolist()],
        title,
        {name: _lit_pixels(way[::BETWEEN]).numpy() for name, way in ways.items()},
        "number of pixels that the mass stands on",
        WAY_STYLES,
    )
    numbers = [_rows(name, {"share": shares, **_masses(way)}) for name, way in ways.items()]
    moving = [[frame(image, MOVIE) for image in as_pictures(way)] for way in ways.values()]
    return Drawing(sheet, _table(numbers), title, framed(moving_ways(moving, tuple(ways)), title))


def image_grid(images: Tensor, names: Sequence[str], side: int, title: str) -> Drawing:
    """Draw the square between four images `(4, 1, h, w)` in its corners: barycenters left, means right.

    The columns of the numbers have the `names` of the images.

    Raises:
        ValueError: images that `image_barycenter` refuses.
    """
    weights = simplex_weights(4, side - 1).float()
    ways = _ways(images, weights)
    halves = [as_pictures(way).reshape(side, side, *images.shape[1:]) for way in ways.values()]
    blank = np.ones((side, 1, *images.shape[1:]), np.float32)
    columns = ["" for _ in range(2 * side + 1)]
    columns[side // 2], columns[side + 1 + side // 2] = "Wasserstein barycenters", "Euclidean means"
    numbers = [_rows(name, {**_columns(names, weights), **_masses(way)}) for name, way in ways.items()]
    sheet = Sheet(np.concatenate([halves[0], blank, halves[1]], 1), (), columns, title)
    return Drawing(sheet, _table(numbers), title)


def image_means(
    images: Tensor, names: Sequence[str], weights: Tensor, title: str, titles: Sequence[str] = ()
) -> Drawing:
    """Draw images `(k, 1, h, w)`, their barycenter under weights `(k,)`, and their mean.

    Columns of numbers are called by the `names` of the images, images by their `titles`, if there are any.

    Raises:
        ValueError: images or weights that `image_barycenter` refuses.
    """
    ways = _ways(images, weights[None])
    drawn = np.concatenate([as_pictures(images), *(as_pictures(way) for way in ways.values())])
    times = -(-WIDE // drawn.shape[3])
    parts = (weights / weights.sum()).tolist()
    columns = [f"{name}: {part:.2f}" for name, part in zip(titles or names, parts, strict=True)]
    numbers = [_rows(name, {**_columns(names, weights[None]), **_masses(way)}) for name, way in ways.items()]
    sheet = Sheet(drawn.repeat(times, 2).repeat(times, 3)[None], (), [*columns, *ways], title)
    return Drawing(sheet, _table(numbers), title)


def class_morph(space: LatentSpace, from_class: int, to_class: int, points: int, seed: int, title: str) -> Drawing:
    """Draw codes of one class moved to their partners in another, decoded, above the line between class means.

    The curves below show how far the codes on the way are from the nearest code of the split.

    Raises:
        ValueError: classes that `cloud_morph` refuses.
        NotApplicableError: no labels, no decoder, or outputs that are not images.
    """
    shares = torch.linspace(0, 1, BETWEEN * (points - 1) + 1, device=space.device)
    cloud = cloud_morph(space, from_class, to_class, shares, seed=seed)
    first, last = (class_codes(space, number).mean(0) for number in (from_class, to_class))
    ways = {"moved codes": cloud, "class means": torch.lerp(first, last, shares[:, None])[:, None]}
    decoded = [as_pictures(space.decode(way[:, :SHOWN].flatten(0, 1)), like=space.inputs) for way in ways.values()]
    drawn = [images.reshape(len(shares), -1, *images.shape[1:]) for images in decoded]
    near = {name: _nearest(space, way) for name, way in ways.items()}
    images = np.concatenate(drawn, 1).swapaxes(0, 1)
    rows = [f"code {number + 1}" for number in range(drawn[0].shape[1])] + ["class means"]
    sheet = Sheet(
        images[:, ::BETWEEN],
        rows,
        [f"{share:.2f}" for share in shares[::BETWEEN].tolist()],
        title,
        {name: values[::BETWEEN].cpu().numpy() for name, values in near.items()},
        "distance to the nearest code of an item (Euclidean, in units of the codes)",
    )
    numbers = [
        _rows(name, {"share": shares, "nearest_code": near[name], "spread": way.var(1, correction=0).sum(1)})
        for name, way in ways.items()
    ]
    moving = [[frame(patchwork(images, _halves(len(images)))) for images in way] for way in drawn]
    return Drawing(sheet, _table(numbers), title, framed(moving_ways(moving, tuple(ways)), title))


def _ways(images: Tensor, weights: Tensor) -> dict[str, Tensor]:
    means = torch.einsum("mk,k...->m...", weights / weights.sum(1, keepdim=True), images)
    return {"Wasserstein": image_barycenters(images, weights), "Euclidean": means}


def _lit_pixels(images: Tensor) -> Tensor:
    """Return on how many pixels the mass of each image `(n, ...)` stands: squared sum over sum of squares."""
    flat = images.flatten(1).double()
    return flat.sum(1).square() / flat.square().sum(1)


def _nearest(space: LatentSpace, way: Tensor) -> Tensor:
    """Return the mean distance `(points,)` of codes on the way, `(points, n, d)`, to the nearest of an item."""
    return torch.stack([torch.cdist(codes, space.codes, compute_mode=EXACT).amin(1).mean() for codes in way])


def _masses(images: Tensor) -> dict[str, Tensor]:
    return {"mass": images.flatten(1).sum(1), "lit_pixels": _lit_pixels(images)}


def _columns(names: Sequence[str], weights: Tensor) -> dict[str, Tensor]:
    parts = weights / weights.sum(1, keepdim=True)
    return {f"{place}: {name}": column for place, (name, column) in enumerate(zip(names, parts.T, strict=True))}


def _rows(way: str, values: Mapping[str, Tensor]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"way": way, **{name: column.double().cpu().numpy() for name, column in values.items()}})


def _table(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(parts, ignore_index=True)


def _halves(count: int) -> list[int]:
    """Return the number of images in each of two rows, or in one row for an odd number."""
    return [count] if count % 2 else [count // 2] * 2
