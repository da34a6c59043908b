"""Shoes and clothes in grey on black, painted part by part; lengths are pixels of a 28x28 picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench_datasets._drawn.factor_pictures import Columns
from latentbench_datasets._drawn.shapes import Canvas, Size, box, ellipse, polygon, under

__all__ = ["SIDE", "paint_clothes", "paint_shoes"]

Array = npt.NDArray[np.floating[Any]]

SIDE = 28
GROUND = 25.0  # the y that shoes stand on
BACK = 25.0  # the x of a shoe's back
SHOULDER = 3.0  # the y of the shoulders


def paint_shoes(pixels: npt.NDArray[np.float32], shoe: Columns) -> None:
    """Paint shoes seen from the side, toes to the left, over `pixels` `(n, 1, 28, 28)`."""
    canvas = whole(pixels, 0.0)
    light = tone(shoe["brightness"])
    length = 18 + 4.5 * shoe["width"]
    ankle, heel, sole = 6.3 + 10 * shoe["height"], 3.8 * shoe["reach"], 1.2 + 1.8 * shoe["flare"]
    along = (canvas.x[:, :1] - BACK) / length + 1  # 0 at the toe, 1 at the back
    base = GROUND - sole - heel * ease((along - 0.42) / 0.4)
    top = base - profile(along, ankle)
    upper = np.maximum(below(canvas, top), -below(canvas, base))
    upper = np.maximum(upper, np.maximum(BACK - length - canvas.x, canvas.x - BACK))
    upper = np.maximum(upper, -openings(canvas, shoe["openness"], length, ankle, GROUND - sole - heel))
    canvas.paint(upper, light)
    collar = np.maximum(-below(canvas, top + 1.3), BACK - 0.36 * length - canvas.x)
    canvas.paint(np.maximum(upper, collar), 0.6 * light)
    paint_sole(canvas, base, sole, heel, length, 0.5 * light)


def profile(along: Array, ankle: Array) -> Array:
    """Return how high the upper is above the sole: a round toe, the instep, then the shaft."""
    toe = 3.6 * np.sqrt(1.01 - (1 - along / 0.16).clip(0, 1) ** 2)
    return toe + 2.4 * ease((along - 0.12) / 0.4) + (ankle - 6) * ease((along - 0.42) / 0.22)


def openings(canvas: Canvas, openness: Array, length: Array, ankle: Array, base: Array) -> Array:
    """Return the distance from what is cut out of the upper: at the toe, over the instep and beside the heel.

    They grow from nothing and leave straps between them.
    """
    x = (canvas.x - BACK) / length + 1
    slanted = x - 0.35 * (GROUND - 3 - canvas.y) / length
    high = 0.5 * ankle - 0.9
    cuts = [
        box((slanted - 0.02) * length, canvas.y - GROUND + 4.5, 0.14 * length * openness, 6 * openness, openness),
        box((slanted - 0.40) * length, canvas.y - GROUND + 6, 0.12 * length * openness, 7.5 * openness, openness),
        box(
            (x - 0.77) * length, canvas.y - base + high, 0.15 * length * openness, high * openness, 1.5 * openness
        ),
    ]
    distance: Array = np.minimum(np.minimum(cuts[0], cuts[1]), cuts[2]) + 0.5 * (1 - openness)
    return distance


def paint_sole(canvas: Canvas, base: Array, sole: Array, heel: Array, length: Array, light: Array) -> None:
    """Paint the sole, which rises with the heel, and the heel under it."""
    band = np.maximum(below(canvas, base), -below(canvas, base + sole))
    band = np.maximum(band, abs(canvas.x - BACK + 0.5 * length) - 0.5 * length - 0.4)
    block_height = 0.5 * (sole + heel)
    block = box(canvas.x - BACK + 0.1 * length, canvas.y - GROUND + block_height, 0.12 * length, block_height)
    canvas.paint(np.minimum(band, block), light)


def paint_clothes(pixels: npt.NDArray[np.float32], garment: Columns) -> None:
    """Paint shirts and dresses seen from the front over `pixels` `(n, 1, 28, 28)`."""
    canvas = whole(pixels, SIDE / 2)
    light = tone(garment["brightness"])
    half, hem = 4.8 + 1.9 * garment["width"], 15 + 11 * garment["height"]
    wide = half - 0.3 + 4.5 * garment["flare"]
    aside, y = abs(canvas.x), canvas.y
    paint_sleeves(canvas, half, 2.5 + 10.5 * garment["reach"], 0.78 * light)
    body: list[tuple[Size, Size]] = [
        (-4.0, SHOULDER - 1),
        (2.2, SHOULDER - 1),
        (half, SHOULDER),
        (half - 0.3, 10.0),
        (wide, hem),
        (-4.0, hem),
    ]
    neck = ellipse(aside, y - SHOULDER + 1.2, 1.8 + 1.8 * garment["openness"], 1 + 5.5 * garment["openness"])
    canvas.paint(np.maximum(polygon(aside, y, body), -neck), light)
    trim = np.maximum(neck - 0.9, polygon(aside, y, body))
    canvas.paint(np.maximum(trim, -neck), 0.6 * light)


def paint_sleeves(canvas: Canvas, half: Array, length: Array, light: Array) -> None:
    """Paint both sleeves, which hang down from the shoulders a little aside."""
    along_x, along_y = 0.375, 0.927
    end_x, end_y = half - 0.6 + along_x * length, SHOULDER + 0.8 + along_y * length
    sleeve: list[tuple[Size, Size]] = [
        (half - 2.5, SHOULDER - 0.4),
        (half + 0.4, SHOULDER),
        (end_x + 1.9 * along_y, end_y - 1.9 * along_x),
        (end_x - 1.7 * along_y, end_y + 1.7 * along_x),
        (half - 2.5, SHOULDER + 5.0),
    ]
    canvas.paint(polygon(abs(canvas.x), canvas.y, sleeve), light)


def whole(pixels: npt.NDArray[np.float32], x: float) -> Canvas:
    """Return the canvas of all pixels, its origin `x` from the left at the top."""
    zero = np.zeros((len(pixels), 1, 1), np.float32)
    return Canvas.place(pixels, 1.0, zero + np.float32(x), zero, zero)


def tone(brightness: Array) -> Array:
    """Return the grey `(n, 1)` of the main part."""
    return 75 + 170 * brightness[:, 0]


def ease(place: Array) -> Array:
    """Return 0 up to 0, 1 from 1 on, and a smooth step between."""
    share = place.clip(0, 1)
    step: Array = share * share * (3 - 2 * share)
    return step


def below(canvas: Canvas, curve: Array) -> Array:
    """Return the distance from what lies under a curve given per column, `(n, 1, w)`."""
    return under(canvas.y, curve, np.gradient(curve, axis=-1))
