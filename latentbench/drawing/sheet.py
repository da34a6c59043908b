"""Sheets of images with titles, as figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentbench.drawing.montage import GAP, READABLE, Array, montage, zoomed
from latentbench.drawing.sheet_layout import (
    BAND,
    CURVE,
    LINE,
    MARGIN,
    POINTS,
    SCALE_WIDTH,
    ColorScale,
    Room,
    SecondBlock,
    Sheet,
    room_of,
)
from latentbench.drawing.style import COLORS, MARKERS, LineStyle, settings
from latentbench.drawing.words import DOTS_PER_INCH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_sheet"]

SIZES = READABLE, 3 * READABLE // 2, 2 * READABLE  # pixels, least shorter side of an image
HAIR = 1e-6  # inches, taken off images: matplotlib before 3.11 stretches what is a hair over 56 pixels to 57


def draw_sheet(sheet: Sheet) -> Figure:
    """Draw a sheet: all images as one array, text as text."""
    from matplotlib.figure import Figure

    figure = Figure(dpi=DOTS_PER_INCH)
    with settings():
        enlarged, picture, room = _laid_out(sheet)
        figure.set_size_inches(room.width, room.height)
        axes = figure.add_axes(room.part(room.left, room.bottom, room.wide - HAIR, room.high - HAIR))
        axes.imshow(picture, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        _write_titles(axes, sheet, room, enlarged.shape[3:], picture.shape)
        if sheet.title:
            place = MARGIN / room.width, 1 - MARGIN / room.height
            figure.text(*place, room.title, va="top", fontsize=POINTS + 2)
        if sheet.scale:
            _draw_scale(figure, sheet.scale, room)
        if sheet.curves:
            below = figure.add_axes(room.part(room.left, room.key * LINE + 2 * MARGIN, room.wide, CURVE))
            _draw_curves(below, sheet, room)
    return figure


def _laid_out(sheet: Sheet) -> tuple[Array, Array, Room]:
    """Return the images, as large as needed for titles of columns that are not turned, up to twice as large."""
    tried = []
    for smallest in SIZES:
        enlarged = zoomed(sheet.images, smallest)
        picture = _with_band(montage(enlarged, gap=GAP), sheet, enlarged.shape[3] + GAP)
        room = room_of(sheet, enlarged.shape[4] + GAP, picture.shape)
        tried.append((enlarged, picture, room))
        if not room.upright:
            return tried[-1]
    return tried[0]


def _with_band(picture: Array, sheet: Sheet, row: int) -> Array:
    """Return the picture with room for the second titles of columns; `row` is the height of one, in pixels."""
    if sheet.second is None:
        return picture
    return np.insert(picture, [sheet.second.row * row] * BAND, 0, axis=0)


def _write_titles(axes: Axes, sheet: Sheet, room: Room, image: Sequence[int], picture: Sequence[int]) -> None:
    """Write the titles of rows and columns, placed in pixels of the picture."""
    second = sheet.second or SecondBlock(len(sheet.rows), "", ())
    beside: dict[str, Any] = {"ha": "right", "clip_on": False}
    for number, row in enumerate(sheet.rows):
        place = number * (image[0] + GAP) + image[0] / 2 + BAND * (number >= second.row)
        axes.text(-100 * MARGIN, place, row, va="center", **beside)
    above = second.row * (image[0] + GAP) + BAND - 6
    for top, corner, titles in ((-6, sheet.corner, room.columns), (above, second.corner, second.columns)):
        axes.text(-100 * MARGIN, top, corner, va="bottom", **beside)
        for number, column in enumerate(titles):
            place = number * (image[1] + GAP) + image[1] / 2
            turned = 90 if room.upright and top < 0 else 0
            axes.text(place, top, column, ha="center", va="bottom", rotation=turned, clip_on=False)
    axes.set_xlim(-0.5, picture[1] - 0.5)
    axes.set_ylim(picture[0] - 0.5, -0.5)


def _draw_scale(figure: Figure, scale: ColorScale, room: Room) -> None:
    """Draw a scale of colors at the bottom, its words beside it."""
    bar = figure.add_axes(room.part(room.left, MARGIN + LINE, SCALE_WIDTH, 0.12))
    bar.imshow(np.linspace(0, 1, 256)[None], cmap=scale.colormap, aspect="auto", extent=(0, scale.top, 0, 1))
    bar.grid(False)
    bar.set_yticks([])
    bar.set_xticks([0, scale.top / 2, scale.top], [f"{part * scale.top:.2f}" for part in (0, 0.5, 1)])
    bar.tick_params(length=2, pad=2, labelsize=POINTS - 1)
    bar.spines[:].set_visible(False)
    words = (room.left + SCALE_WIDTH + 3 * MARGIN) / room.width, (MARGIN + LINE + 0.06) / room.height
    figure.text(*words, scale.words, va="center", fontsize=POINTS)


def _draw_curves(axes: Axes, sheet: Sheet, room: Room) -> None:
    """Draw the curves below their columns; values of steps are placed between two columns."""
    columns = sheet.images.shape[1]
    for number, (name, values) in enumerate(sheet.curves.items()):
        places = np.arange(len(values)) + (columns - len(values)) / 2
        usual = LineStyle(COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)], "-", 1.2)
        style = sheet.curve_styles.get(name, usual)
        drawn: dict[str, Any] = {"color": style.color, "marker": style.marker, "linestyle": style.dash}
        axes.plot(places, values, label=name, linewidth=1.2, markersize=4, **drawn)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(bottom=0)
    axes.set_xticks([])
    axes.locator_params(axis="y", nbins=4)
    axes.set_title(sheet.curve_title, fontsize=POINTS, fontweight="normal")
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, -MARGIN / CURVE / 2), ncols=room.keys, fontsize=POINTS, frameon=False,
        borderpad=0, borderaxespad=0, labelspacing=0.3, columnspacing=1.2, handlelength=1.6,
    )  # fmt: skip
