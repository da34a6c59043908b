"""What verbs that show something write: sheets of images with their words, animations, and the numbers beside."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentbench.errors import NotApplicableError
from latentbench.files import write_atomically
from latentbench.report.bodies import shaded
from latentbench.report.figures import COLORS, montage
from latentbench.report.panels import INK, MARKERS, SETTINGS
from latentbench.report.room import CURVE, DOTS_PER_INCH, LINE, MARGIN, POINTS, Room, room_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Sheet",
    "SheetFormat",
    "animation",
    "as_pictures",
    "draw_sheet",
    "frame",
    "moving_ways",
    "patchwork",
    "side_by_side",
    "write_figure",
]

SheetFormat = Literal["png", "svg", "pdf"]
READABLE = 56  # pixels of the shorter side of an image, at least
GAP = 2  # pixels between images
ROUNDING = 1e-4  # inches: a sheet of whole pixels must not lose one
LETTERS, HEAD, APART = 14, 22, 8  # pixels: of letters over a frame, the room for them, and between frames
STEEPEST = 4  # of a signed distance over the whole image; it is 2 where a scene is 2 wide, and a network's varies
EDGE = 0.03  # of the scene: a signed distance turns from white to black over so much

Array = NDArray[Any]


@dataclass(frozen=True)
class Sheet:
    """A grid of images with words around it.

    Attributes:
        images: `(rows, columns, c, h, w)` in [0, 1], c = 1 or 3.
        rows: a title for each row, left of it; none where empty.
        columns: a title for each column, above it; none where empty.
        title: above all.
        curves: name -> one number a column, or one a step between columns, drawn below the grid.
        curve_title: what the numbers are.
    """

    images: Array
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    title: str = ""
    curves: Mapping[str, Array] = field(default_factory=dict)
    curve_title: str = ""


def as_pictures(values: Tensor, like: Tensor | None = None) -> Array:
    """Return images `(n, 1 or 3, h, w)` in [0, 1] of inputs or of what a decoder made of codes.

    Signed distances show their inside white: one channel, values below 0, and no jumps from pixel to pixel, as a
    distance has none. Those of bodies in space `(n, 1, d, h, w)` are drawn as surfaces; see `shaded`.

    Args:
        values: what to draw.
        like: inputs that tell whether these are signed distances, where the values need not show it: a decoder of
            images may undershoot 0, and one of shapes may give no inside. Best given with anything decoded.

    Raises:
        NotApplicableError: these are no pictures.
    """
    told = (values if like is None else like).detach().float().cpu().numpy()
    if values.ndim == 5 and _are_distances(told):
        return shaded(values)
    if values.ndim != 4 or values.shape[1] not in (1, 3):
        raise NotApplicableError(
            "only images of one or three channels and signed distances in space can be drawn, these items have "
            f"shape {tuple(values.shape[1:])}"
        )
    found = values.detach().float().cpu().numpy()
    return 1 / (1 + np.exp(np.clip(found / EDGE, -30, 30))) if _are_distances(told) else found.clip(0, 1)


def draw_sheet(sheet: Sheet, form: SheetFormat = "png", about: Mapping[str, Any] | None = None) -> bytes:
    """Draw a sheet; one array for all images, text as text.

    Args:
        sheet: what to draw.
        form: png, svg or pdf.
        about: what else to write into the file's description, as the seed.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    zoomed = _zoomed(sheet.images)
    picture = montage(zoomed, gap=GAP)
    figure = Figure(dpi=DOTS_PER_INCH)
    with rc_context(SETTINGS):
        room = room_of(sheet, figure, zoomed.shape[4] + GAP, picture.shape)
        figure.set_size_inches(room.width + ROUNDING, room.height + ROUNDING)
        axes = figure.add_axes(room.part(room.left, room.bottom, room.wide, room.high))
        axes.imshow(picture, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        _write_titles(axes, sheet, room, zoomed.shape[3:], picture.shape)
        if sheet.title:
            place = MARGIN / room.width, 1 - MARGIN / room.height
            figure.text(*place, sheet.title, va="top", fontsize=POINTS + 2)
        if sheet.curves:
            below = figure.add_axes(room.part(room.left, room.key * LINE + 2 * MARGIN, room.wide, CURVE))
            _draw_curves(below, sheet, room)
        return _saved(figure, form, about)


def animation(frames: Sequence[Array], milliseconds: int = 80, form: Literal["webp", "gif"] = "webp") -> bytes:
    """Encode frames `(h, w, 3)` uint8 of one size as an animation that repeats for ever."""
    from PIL import Image

    shapes = {np.shape(one) for one in frames}
    if len(shapes) != 1:
        raise ValueError(f"frames must be at least one, all of one size, got sizes {sorted(shapes)}")
    first, *others = [Image.fromarray(np.ascontiguousarray(one)) for one in frames]
    out = io.BytesIO()
    options: dict[str, Any] = (
        {"quality": 80, "method": 4, "minimize_size": True} if form == "webp" else {"optimize": True}
    )
    first.save(
        out, format=form.upper(), save_all=True, append_images=others, duration=milliseconds, loop=0, **options
    )
    return out.getvalue()


def frame(image: Array, smallest: int = READABLE) -> Array:
    """Turn an image `(1 or 3, h, w)` in [0, 1] into a frame `(h, w, 3)` uint8 that is large enough to see.

    Args:
        image: what to show.
        smallest: pixels of its shorter side at least; whole pixels are repeated.
    """
    pixels = (_zoomed(image, smallest) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def side_by_side(frames: Sequence[Array], titles: Sequence[str]) -> Array:
    """Lay frames `(h, w, 3)` uint8 beside each other on white, each under its title; the result is a frame."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(LETTERS)
    widths = [
        max(one.shape[1], int(np.ceil(font.getlength(title)))) for one, title in zip(frames, titles, strict=True)
    ]
    size = sum(widths) + APART * (len(widths) + 1), HEAD + max(one.shape[0] for one in frames) + APART
    sheet = Image.new("RGB", size, "white")
    draw, left = ImageDraw.Draw(sheet), APART
    for one, title, width in zip(frames, titles, widths, strict=True):
        draw.text((left + width / 2, HEAD / 2), title, fill=INK, font=font, anchor="mm")
        sheet.paste(Image.fromarray(one), (left + (width - one.shape[1]) // 2, HEAD))
        left += width + APART
    return np.asarray(sheet)


def moving_ways(ways: Sequence[Sequence[Array]], titles: Sequence[str]) -> list[Array]:
    """Return frames that show several ways side by side, each under its title, there and back again.

    Args:
        ways: for each title its frames `(h, w, 3)` uint8, equally many.
        titles: one for each way.
    """
    there = [side_by_side(now, titles) for now in zip(*ways, strict=True)]
    return there + there[-2:0:-1]


def patchwork(images: Array, lengths: Sequence[int]) -> Array:
    """Lay images `(m, c, h, w)` in [0, 1] out in rows of these lengths, centered on white: one image `(c, H, W)`.

    >>> patchwork(np.zeros((3, 1, 56, 56)), [1, 2]).shape
    (1, 114, 114)
    """
    tiles = _zoomed(images)
    channels, high, wide = tiles.shape[1:]
    size = len(lengths) * (high + GAP) - GAP, max(lengths) * (wide + GAP) - GAP
    whole, own = np.ones((channels, *size), np.float32), iter(tiles)
    for row, length in enumerate(lengths):
        top, first = row * (high + GAP), (max(lengths) - length) * (wide + GAP) // 2
        for column in range(length):
            left = first + column * (wide + GAP)
            whole[:, top : top + high, left : left + wide] = next(own)
    return whole


def write_figure(stem: Path, drawn: Mapping[str, bytes], numbers: pd.DataFrame) -> list[Path]:
    """Write `stem.ENDING` for each kind of picture, and `stem.csv`, the numbers behind it; return the paths."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    content = {**drawn, "csv": numbers.to_csv(index=False).encode()}
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in content]
    for path, data in zip(paths, content.values(), strict=True):
        write_atomically(path, data)
    return paths


def _are_distances(values: Array) -> bool:
    if values.shape[1] != 1 or not values.size or float(values.min()) >= 0:
        return False
    jumps = [np.abs(np.diff(values, axis=axis)).max(initial=0) for axis in range(2, values.ndim)]
    return bool(max(jumps) <= STEEPEST / min(values.shape[2:]))


def _zoomed(images: Array, smallest: int = READABLE) -> Array:
    """Repeat pixels of `(..., h, w)` until an image can be seen."""
    times = max(1, -(-smallest // min(images.shape[-2:])))
    return np.asarray(images, np.float32).clip(0, 1).repeat(times, -2).repeat(times, -1)


def _write_titles(axes: Axes, sheet: Sheet, room: Room, image: Sequence[int], picture: Sequence[int]) -> None:
    """Write titles of rows and columns, in pixels of the picture."""
    for number, row in enumerate(sheet.rows):
        place = number * (image[0] + GAP) + image[0] / 2
        axes.text(-100 * MARGIN, place, row, ha="right", va="center", clip_on=False)
    for number, column in enumerate(room.columns):
        place = number * (image[1] + GAP) + image[1] / 2
        turned = 90 if room.upright else 0
        axes.text(place, -6, column, ha="center", va="bottom", rotation=turned, clip_on=False)
    axes.set_xlim(-0.5, picture[1] - 0.5)
    axes.set_ylim(picture[0] - 0.5, -0.5)


def _draw_curves(axes: Axes, sheet: Sheet, room: Room) -> None:
    """Draw the curves under the columns they belong to; numbers of steps stand between two columns."""
    columns = sheet.images.shape[1]
    for number, (name, values) in enumerate(sheet.curves.items()):
        places = np.arange(len(values)) + (columns - len(values)) / 2
        color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
        axes.plot(places, values, label=name, color=color, marker=marker, linewidth=1.2, markersize=4)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(bottom=0)
    axes.set_xticks([])
    axes.locator_params(axis="y", nbins=4)
    axes.set_title(sheet.curve_title, fontsize=POINTS, fontweight="normal")
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, -MARGIN / CURVE / 2), ncols=room.keys, fontsize=POINTS, frameon=False,
        borderpad=0, borderaxespad=0, labelspacing=0.3, columnspacing=1.2, handlelength=1.6,
    )  # fmt: skip


def _saved(figure: Figure, form: SheetFormat, about: Mapping[str, Any] | None) -> bytes:
    """Write the figure, the same bytes every time, with its description where the format has a place."""
    told = json.dumps(dict(about or {}), sort_keys=True)
    kept: dict[str, dict[str, Any]] = {
        "png": {"Software": None, "Description": told},
        "svg": {"Date": None, "Description": told},
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None, "Subject": told},
    }
    out = io.BytesIO()
    figure.savefig(out, format=form, dpi=DOTS_PER_INCH, metadata=kept[form], facecolor="white")
    return out.getvalue()
