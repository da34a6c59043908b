"""Sheets of decoded new codes: random draws, the manifold grid, variations, and grids over a map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentbench.drawing.drawing import Drawing
from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.sheet_layout import Sheet
from latentbench.errors import NotApplicableError
from latentbench.latent.class_names import item_words
from latentbench.latent.grids import active_dimensions, corner_items, four_corner_grid, manifold_grid
from latentbench.latent.maps.inverse import (
    Inverse,
    InverseErrors,
    NeighborInverse,
    PlaneInverse,
    UmapInverse,
    inverse_error,
)
from latentbench.latent.sampling import Source, sample_codes, sampler_name
from latentbench.latent.space import LatentSpace
from latentbench.latent.variations import neighborhood_name, variations

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MAPS", "MapKind", "draws", "grid", "inverse_grid", "varied", "visible_width"]

MapKind = Literal["pca", "umap"]
MAPS: Mapping[MapKind, str] = {"pca": "PCA", "umap": "UMAP"}
WIDTHS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # of neighborhoods, that are tried
NEAREST, TRIED = 5, 32  # items that variations are compared with; variations at each width
HELD_OUT = 64  # items on which inverses are evaluated
FEWEST = 40  # items on a map

Array = NDArray[Any]


def draws(space: LatentSpace, count: int, seed: int, how: Source, name: str) -> Drawing:
    """Decode `count` new codes; see `sample_codes`."""
    codes = sample_codes(space, count, seed, how)
    columns = _wide(count)
    images = _in_rows(_decoded(space, codes), columns)
    title = f"{name}: {count} images of codes drawn from {sampler_name(space, how)}"
    return Drawing(Sheet(images, title=title), _numbers(codes, columns), title)


def grid(space: LatentSpace, side: int, name: str) -> Drawing:
    """Decode the manifold grid through the two dimensions that vary most; see `manifold_grid`."""
    codes = manifold_grid(space, side).flatten(0, 1)
    first, second = active_dimensions(space)[:2].tolist()
    of = "the prior" if "prior" in space.supplies else "the training codes"
    title = f"{name}: quantiles of {of}, dimension {first} to the right, {second} upwards"
    sheet = Sheet(_in_rows(_decoded(space, codes), side), title=title)
    return Drawing(sheet, _numbers(codes, side), title)


def varied(space: LatentSpace, item: int, count: int, seed: int, width: float | None, name: str) -> Drawing:
    """Decode variations of a test item below the item and its reconstruction; see `variations`.

    Without a width it is `visible_width`: a posterior is often so narrow that all its images look alike.
    """
    chosen, why = visible_width(space, item, seed) if width is None else (width, "")
    codes = variations(space, item, count, seed, chosen)
    columns = max(2, _wide(count))
    first = torch.cat([space.inputs[item : item + 1], space.decode(space.codes[item : item + 1])])
    images = np.concatenate(
        [_in_rows(as_pictures(first, like=space.inputs), columns), _in_rows(_decoded(space, codes), columns)]
    )
    rows = ["input, reconstruction", "variations", *[""] * (len(images) - 2)]
    title = f"{name}: {count} variations of {item_words(space, item)}, "
    title += f"from {neighborhood_name(space)}, width {chosen:g}"
    title += f" ({why})" if why else ""
    numbers = _numbers(codes, columns)
    numbers["row"] += 1
    return Drawing(Sheet(images, rows=rows, title=title), numbers, title)


def visible_width(space: LatentSpace, item: int, seed: int = 0) -> tuple[float, str]:
    """Return the least of some widths at which variations change the image as much as the nearest items do.

    That is the mean distance from the decoded code of the item to the decoded codes of the five nearest others.

    Returns:
        The width, or the largest where none is enough; and in words why.
    """
    itself = space.decode(space.codes[item : item + 1])
    distances = torch.linalg.vector_norm(space.codes - space.codes[item], dim=1)
    distances[item] = torch.inf
    near = space.decode(space.codes[distances.topk(min(NEAREST, len(space) - 1), largest=False).indices])
    enough = _apart(near, itself)
    changes = (
        (width, _apart(space.decode(variations(space, item, TRIED, seed, width)), itself)) for width in WIDTHS
    )
    width = next((width for width, change in changes if change >= enough), None)
    if width is None:
        return WIDTHS[-1], "the widest tried, images change less than to the nearest items"
    return width, "images change as much as to the nearest items, or more"


def _apart(images: Tensor, image: Tensor) -> float:
    """Return the mean Euclidean distance of images `(n, ...)` from one `(1, ...)`."""
    return float(torch.linalg.vector_norm((images - image).flatten(1), dim=1).mean())


def inverse_grid(space: LatentSpace, kind: MapKind, side: int, points: int, seed: int, name: str) -> Drawing:
    """Decode a grid between four corners of a map, by its own inverse and by neighbors, side by side.

    The map shows `points` test items, drawn by `seed`. Both inverses are evaluated on 64 other items; the sheet
    states how far the decoded images are from those items. `corner_items` chooses the corners.

    Raises:
        NotApplicableError: too few test items, no inputs, no decoder.
    """
    mapped, held = _chosen_items(len(space), points, seed)
    codes = space.codes[mapped].cpu().numpy().astype(np.float64)
    inverse_map: PlaneInverse | UmapInverse = PlaneInverse(codes) if kind == "pca" else UmapInverse(codes, seed)
    labels = space.labels[mapped].cpu().numpy() if "labels" in space.supplies else None
    corners = corner_items(inverse_map.places, labels)
    places = four_corner_grid(inverse_map.places[corners], side).reshape(-1, 2)
    held_places = inverse_map.place(space.codes[held].cpu().numpy())
    ways: dict[str, Inverse] = {
        f"{MAPS[kind]}'s inverse": inverse_map,
        "10 nearest on the map": NeighborInverse(inverse_map.places, codes),
    }
    errors = {way: inverse_error(inverse, space, held, held_places) for way, inverse in ways.items()}
    codes_of = {way: _tensor(inverse.invert(places), space) for way, inverse in ways.items()}
    parts = [_in_rows(_decoded(space, inverted), side) for inverted in codes_of.values()]
    gap = np.ones_like(parts[0][:, :1])
    sheet = Sheet(
        np.concatenate([parts[0], gap, parts[1]], axis=1),
        columns=_captions(errors, side),
        title=f"{name}: between {', '.join(item_words(space, int(item)) for item in mapped[corners])}, "
        f"on {_map_name(kind, inverse_map)} of {len(mapped):,} test codes; errors of {len(held)} others",
    )
    tables = [_inverse_numbers(way, codes_of[way], ways[way], places, errors[way], side) for way in ways]
    return Drawing(sheet, _together(tables), sheet.title)


def _chosen_items(total: int, points: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the row numbers of the items on the map, and of the items held out."""
    held = min(HELD_OUT, total // 4)
    points = min(points, total - held)
    if points < FEWEST:
        raise NotApplicableError(f"a map needs at least {FEWEST} test items, got {max(points, 0)}")
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    return order[:points], order[points : points + held]


def _map_name(kind: MapKind, inverse_map: PlaneInverse | UmapInverse) -> str:
    if isinstance(inverse_map, PlaneInverse):
        return f"the PCA plane ({1 - inverse_map.unexplained:.0%} of variance)"
    return f"a {MAPS[kind]} map"


def _captions(errors: Mapping[str, InverseErrors], side: int) -> list[str]:
    """Return the titles of columns: each inverse's name and errors over the middle of its half."""
    titles = [""] * (2 * side + 1)
    for number, (way, error) in enumerate(errors.items()):
        words = f"{way}: mse {error.image:.4f} from images, {error.reconstruction:.4f} from reconstructions"
        titles[number * (side + 1) + side // 2] = words
    return titles


def _inverse_numbers(
    way: str, codes: Tensor, inverse: Inverse, places: Array, errors: InverseErrors, side: int
) -> pd.DataFrame:
    table = _numbers(codes, side)
    about: dict[str, Any] = {
        "inverse": way,
        "x": places[:, 0],
        "y": places[:, 1],
        "distance_to_data": inverse.support(places),
        "held_out_image_mse": errors.image,
        "held_out_reconstruction_mse": errors.reconstruction,
    }
    for number, (column, values) in enumerate(about.items()):
        table.insert(number, column, values)
    return table


def _together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(tables, ignore_index=True)


def _numbers(codes: Tensor, columns: int) -> pd.DataFrame:
    """Return one row per image: its row and column on the sheet, and its code."""
    import pandas as pd

    values = codes.cpu().numpy()
    table = pd.DataFrame(values, columns=[f"z{number}" for number in range(values.shape[1])])
    order = np.arange(len(values))
    table.insert(0, "row", order // columns)
    table.insert(1, "column", order % columns)
    return table


def _decoded(space: LatentSpace, codes: Tensor) -> Array:
    return as_pictures(space.decode(codes), like=space.inputs)


def _wide(count: int) -> int:
    """Return the number of columns that makes a sheet four times as wide as high: titles are long."""
    return math.ceil(2 * math.sqrt(count))


def _in_rows(images: Array, columns: int) -> Array:
    """Lay out images `(n, c, h, w)` in rows; white fills up the last one."""
    rows = -(-len(images) // columns)
    white = np.ones((rows * columns - len(images), *images.shape[1:]), images.dtype)
    return np.concatenate([images, white]).reshape(rows, columns, *images.shape[1:])


def _tensor(codes: Array, space: LatentSpace) -> Tensor:
    return torch.as_tensor(codes, dtype=torch.float32).to(space.device)
