"""Morphs between items: decoded paths of codes beside a pixel fade and optimal transport."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentbench.drawing.animation import frame, moving_ways
from latentbench.drawing.captions import framed
from latentbench.drawing.drawing import Drawing
from latentbench.drawing.montage import patchwork
from latentbench.drawing.pictures import as_pictures, shows_distances
from latentbench.drawing.sheet_layout import SecondBlock, Sheet
from latentbench.explore.ways import DISTANCE_FADE, FADE, TRANSPORT, WAY_STYLES
from latentbench.latent.class_names import item_words
from latentbench.latent.meshes import Mesh, as_obj, surfaces
from latentbench.latent.paths.curves import linear_path
from latentbench.latent.paths.graph import CodeGraph
from latentbench.latent.paths.interpolation import blend, interpolate, leg_ends, simplex_weights
from latentbench.latent.space import LatentSpace
from latentbench.latent.transport.images import image_barycenters, image_displacement

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Morph",
    "MorphRow",
    "as_meshes",
    "blended",
    "blended_sheet",
    "draw_blend",
    "draw_morph",
    "frames",
    "mixed",
    "morphed",
    "morphed_sheet",
    "numbers",
]

STEP = "change of the image from one column to the next (Euclidean distance over all pixels, in [0, 1])"
DISTANCE_STEP = "change of the signed distances from one column to the next (Euclidean distance over the grid)"
PLACES = {3: ("top", "left", "right"), 4: ("top left", "top right", "bottom left", "bottom right")}
ASIDE = 10  # pixels, margin beside a triangle or a square
ROOM = 2.2  # between the centers of 3-D shapes, each in a scene from -1 to 1
MILLISECONDS = 60  # per frame of an animation
MOVIE = 112  # pixels, least shorter side of an image in an animation

Array = NDArray[Any]


@dataclass(frozen=True)
class MorphRow:
    """One way from item to item, a row of the sheet.

    Attributes:
        name: the path, "pixel fade" or "optimal transport".
        images: `(m, *shape)`, decoded or mixed.
        codes: `(m, d)`; None where the images themselves were mixed.
    """

    name: str
    images: Tensor
    codes: Tensor | None = None


@dataclass(frozen=True)
class Morph:
    """Several ways between the same items.

    Attributes:
        items: row numbers in the latent space.
        places: name -> `(m,)`, the position of each point: `t`, or the weight of each item.
        rows: the ways, each of m points.
        notes: a sentence for each way that was left out.
        names: what each item is called, as "item 3 (sneaker)".
    """

    items: tuple[int, ...]
    places: Mapping[str, Tensor]
    rows: tuple[MorphRow, ...]
    notes: tuple[str, ...]
    names: tuple[str, ...]


def morphed(
    space: LatentSpace, items: Sequence[int], points: int, paths: Sequence[str], graph: CodeGraph | None = None
) -> Morph:
    """Go from item to item along each path in `points` points; see `interpolation.interpolate`.

    The pixel fade and optimal transport mix the inputs, leg by leg. A path that is not applicable to this model is
    left out with a note, unless it is the only one.

    Raises:
        NotApplicableError: no decoder, no inputs, or the only path is not applicable.
    """
    paths, notes = _possible(space, paths)
    ways = [(path, interpolate(space, space.codes[list(items)], points, path, graph=graph)) for path in paths]
    rows = [MorphRow(path, space.decode(codes), codes) for path, codes in ways]
    beside, refused = mixed(space.inputs[list(items)], points)
    t = torch.linspace(0, 1, points, dtype=torch.float64)
    return Morph(tuple(items), {"t": t}, (*rows, *beside), (*notes, *refused), _named(space, items))


def mixed(images: Tensor, points: int) -> tuple[list[MorphRow], list[str]]:
    """Mix images `(k, *shape)` themselves, leg by leg, in `points` points, to compare with paths of codes.

    Returns:
        The pixel fade and optimal transport, and no notes; or the fade alone and a note why transport is left out.
    """
    ends = leg_ends(len(images), points)
    transport, refused = _transported(lambda: _legs(images, ends, _displaced))
    return [MorphRow(_fade_name(images), _legs(images, ends, _fade)), *transport], refused


def blended(
    space: LatentSpace, items: Sequence[int], steps: int, paths: Sequence[str], graph: CodeGraph | None = None
) -> Morph:
    """Fill the triangle or the square between three or four items; see `blend` and `simplex_weights`.

    The pixel fade is the weighted mean of the inputs, optimal transport their barycenter.

    Raises:
        NotApplicableError: no decoder, no inputs, or the only path is not applicable.
        ValueError: another number of items, or no steps.
    """
    paths, notes = _possible(space, paths)
    weights = simplex_weights(len(items), steps).to(space.device)
    ways = [(path, blend(space, space.codes[list(items)], weights, path, graph=graph)) for path in paths]
    rows = [MorphRow(path, space.decode(codes), codes) for path, codes in ways]
    images = space.inputs[list(items)]
    mean = (weights @ images.double().flatten(1)).to(images).reshape(-1, *images.shape[1:])
    transport, refused = _transported(lambda: image_barycenters(images, weights))
    places = {f"weight_{item}": column for item, column in zip(items, weights.T.cpu(), strict=True)}
    rows += [MorphRow(_fade_name(images), mean), *transport]
    return Morph(tuple(items), places, tuple(rows), (*notes, *refused), _named(space, items))


def numbers(space: LatentSpace, morph: Morph) -> pd.DataFrame:
    """Return a row for each point of each way.

    Columns: path, point, then its position (t or weights); step, the Euclidean distance of the decoded image from
    the previous one, and code_step, that of the code (both along t only); nearest and nearest_item, the distance
    to the nearest code of the space other than those of the items, and its number; z0, z1, ... the code.
    """
    import pandas as pd

    parts = []
    for row in morph.rows:
        part: dict[str, Any] = {"path": row.name, "point": np.arange(len(row.images))}
        part |= {name: values.numpy() for name, values in morph.places.items()}
        if "t" in morph.places:
            part["step"] = np.append(np.nan, steps(row.images))
            part["code_step"] = np.nan if row.codes is None else np.append(np.nan, steps(row.codes))
        parts.append(pd.DataFrame({**part, **_about_codes(space, morph.items, row.codes)}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(nearest_item=table["nearest_item"].astype("Int64"))


def steps(values: Tensor) -> Array:
    """Return the Euclidean distances `(m - 1,)` between consecutive rows of `(m, *shape)`."""
    distances = torch.linalg.vector_norm(values.double().flatten(1).diff(dim=0), dim=1)
    return np.asarray(distances.cpu().numpy())


def morphed_sheet(morph: Morph, name: str) -> Sheet:
    """Lay out a morph: a row per way, a column per point, and the lengths of steps below.

    Args:
        morph: the morph.
        name: of the model, for the title.
    """
    ends = leg_ends(len(morph.items), len(morph.places["t"]))
    named = dict(zip(ends, (f"item {item}" for item in morph.items), strict=True))
    columns = [named.get(place, f"{float(t):.2f}") for place, t in enumerate(morph.places["t"])]
    decoded = [row for row in morph.rows if row.codes is not None]
    mixes = [named.get(place, "") for place in range(len(columns))]
    distances = any(row.name == DISTANCE_FADE for row in morph.rows)
    return Sheet(
        images=np.stack(_pictures(morph)),
        rows=[row.name for row in morph.rows],
        columns=columns,
        title=f"From {' to '.join(morph.names)}: {name}",
        curves={row.name: steps(row.images) for row in morph.rows},
        curve_title=DISTANCE_STEP if distances else STEP,
        curve_styles=WAY_STYLES,
        corner="reconstruction of",
        second=SecondBlock(len(decoded), "input", mixes),
    )


def blended_sheet(morph: Morph, title: str) -> Sheet:
    """Lay out the triangle or square of each way, side by side."""
    corners = ", ".join(
        f"{name} {place}" for name, place in zip(morph.names, PLACES[len(morph.items)], strict=True)
    )
    filled = _framed([patchwork(images, _rows(len(images), len(morph.items))) for images in _pictures(morph)])
    return Sheet(
        images=filled[None],
        columns=[row.name for row in morph.rows],
        title=f"Between {corners}: {title}; corners of paths are reconstructions",
    )


def draw_morph(space: LatentSpace, morph: Morph, name: str, finer: Morph | None = None) -> Drawing:
    """Draw a morph and, of the same in more points, an animation.

    Args:
        space: whose items they are.
        morph: the morph.
        name: of the model, for the title.
        finer: the same in more points; None: nothing moves.
    """
    sheet = morphed_sheet(morph, name)
    moving = [] if finer is None else framed(frames(finer), sheet.title)
    return Drawing(sheet, numbers(space, morph), sheet.title, moving, MILLISECONDS)


def draw_blend(space: LatentSpace, morph: Morph, name: str) -> Drawing:
    """Draw the triangle or square of each way, side by side."""
    sheet = blended_sheet(morph, name)
    return Drawing(sheet, numbers(space, morph), sheet.title)


def frames(morph: Morph) -> list[Array]:
    """Return the frames of a morph, forward and back: all ways side by side, each under its name."""
    ways = [[frame(image, MOVIE) for image in images] for images in _pictures(morph)]
    return moving_ways(ways, [row.name for row in morph.rows])


def as_meshes(morph: Morph) -> str:
    """Return the surfaces of a morph of 3-D shapes as one OBJ file, each placed as its picture in the strip.

    Raises:
        RequestError: the images are not 3-D shapes, or scikit-image is not installed.
    """
    placed = {}
    for row, way in enumerate(morph.rows):
        for column, mesh in enumerate(surfaces(way.images)):
            place = np.array([ROOM * column, -ROOM * row, 0], np.float32)
            name = f"{way.name.replace(' ', '_')}_{column}"
            placed[name] = Mesh(mesh.vertices + place, mesh.faces)
    return as_obj(placed)


def _named(space: LatentSpace, items: Sequence[int]) -> tuple[str, ...]:
    return tuple(item_words(space, item) for item in items)


def _framed(panels: Sequence[Array]) -> Array:
    """Add a white margin left and right of panels `(c, h, w)`."""
    return np.pad(np.stack(panels), ((0, 0), (0, 0), (0, 0), (ASIDE, ASIDE)), constant_values=1)


def _rows(points: int, corners: int) -> Sequence[int]:
    """Return the number of points in each row of a triangle or a square."""
    if corners == 4:
        return [math.isqrt(points)] * math.isqrt(points)
    return range(1, (math.isqrt(8 * points + 1) + 1) // 2)


def _possible(space: LatentSpace, paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the paths that are applicable to this model, and notes on the others; a single path is kept."""
    reason = space.missing(("decoder_gradient",))
    if reason is None or len(paths) == 1:
        return list(paths), []
    space.decode(space.codes[:1])  # raises where there is no decoder at all
    return [path for path in paths if path != "geodesic"], [f"geodesic is left out: {reason}"] * (
        "geodesic" in paths
    )


def _legs(images: Tensor, ends: Sequence[int], way: Callable[[Tensor, Tensor, int], Tensor]) -> Tensor:
    """Go from image to image, leg by leg."""
    points = [ends[leg + 1] - ends[leg] + 1 for leg in range(len(images) - 1)]
    legs = [way(images[leg], images[leg + 1], count)[1:] for leg, count in enumerate(points)]
    return torch.cat([images[:1], *legs])


def _fade_name(images: Tensor) -> str:
    """Return what the weighted mean of these images is called: of signed distances it is no fade of pixels."""
    return DISTANCE_FADE if shows_distances(images) else FADE


def _fade(start: Tensor, end: Tensor, points: int) -> Tensor:
    flat = linear_path(start.reshape(1, -1), end.reshape(1, -1), points)
    return flat.reshape(points, *start.shape)


def _displaced(start: Tensor, end: Tensor, points: int) -> Tensor:
    return image_displacement(start, end, torch.linspace(0, 1, points, dtype=torch.float64))


def _transported(make: Callable[[], Tensor]) -> tuple[list[MorphRow], list[str]]:
    """Return the row of optimal transport, or a note why it is left out."""
    try:
        return [MorphRow(TRANSPORT, make())], []
    except ValueError as error:
        return [], [f"{TRANSPORT} is left out: {error}"]


def _about_codes(space: LatentSpace, items: Sequence[int], codes: Tensor | None) -> dict[str, Any]:
    """Return the columns of codes: the nearest other item of each, and the code itself; NaN without codes."""
    if codes is None:
        return {"nearest": np.nan, "nearest_item": np.nan}
    far = torch.cdist(codes.double(), space.codes.double(), compute_mode="donot_use_mm_for_euclid_dist")
    far[:, list(items)] = torch.inf
    near = far.min(1)
    columns = {f"z{number}": column for number, column in enumerate(codes.T.cpu().numpy())}
    return {"nearest": near.values.cpu().numpy(), "nearest_item": near.indices.cpu().numpy(), **columns}


def _pictures(morph: Morph) -> list[Array]:
    """Return the pictures of each row, all drawn in the way that suits the inputs, which the fade consists of."""
    count = len(morph.rows[0].images)
    fade = next(row.images for row in morph.rows if row.codes is None)
    together = as_pictures(torch.cat([row.images for row in morph.rows]), like=fade)
    return [together[start : start + count] for start in range(0, len(together), count)]
