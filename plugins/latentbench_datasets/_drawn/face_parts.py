"""A face, painted part by part from behind to the front; lengths are 64ths of the picture's side."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench_datasets._drawn.factor_pictures import Columns
from latentbench_datasets._drawn.shapes import Canvas, box, capsule, disk, ellipse, under

__all__ = ["paint_face"]

Array = npt.NDArray[np.floating[Any]]
Color = tuple[int, int, int]

SIDE = 64  # units to a picture
MIDDLE = (32.0, 35.0)  # of the face, without a shift
EYE_LEVEL = -1.5
MOUTH_LEVEL = 8.6

BACKGROUNDS: tuple[Color, ...] = ((126, 186, 224), (190, 214, 190), (250, 218, 150))
SKINS: tuple[Color, ...] = ((118, 76, 52), (196, 138, 98), (255, 224, 194))
HAIRS: tuple[Color, ...] = ((38, 28, 32), (142, 82, 44), (240, 206, 122))
SHIRT: Color = (84, 92, 150)
BLUSH: Color = (238, 104, 104)
LIP: Color = (164, 46, 58)
MOUTH: Color = (88, 16, 30)
TEETH: Color = (255, 252, 244)
WHITE: Color = (255, 255, 255)
IRIS: Color = (66, 112, 128)
DARK: Color = (26, 22, 32)
FRAME: Color = (34, 32, 46)
HAT: Color = (206, 58, 56)
BRIM: Color = (244, 230, 208)


def paint_face(pixels: npt.NDArray[np.float32], face: Columns) -> None:
    """Paint faces over `pixels` `(n, 3, side, side)`; `face` holds each factor as `(n, 1, 1)`."""
    scale = pixels.shape[-1] / SIDE
    x, y = MIDDLE[0] + face["x"], MIDDLE[1] + face["y"]
    head = Canvas.place(pixels, scale, x, y, np.radians(face["tilt"]))
    pixels[:] = ramp(BACKGROUNDS, face["background"])[:, :, None, None]
    skin, hair = ramp(SKINS, face["skin"]), ramp(HAIRS, face["hair_tone"])
    size = {**face, "half": 14 + 4.5 * face["face_width"], "tall": 16.5 + 4 * face["face_height"]}
    hair_behind(head, size, hair)
    body(Canvas.place(pixels, scale, x, y, np.zeros_like(x)), skin)
    skull(head, size, skin)
    beard(head, size, hair)
    nose(head, skin)
    mouth(head, face)
    eyes(head, face)
    brows(head, face, hair)
    fringe(head, size, hair)
    glasses(head, size)
    hat(head, size)


def ramp(stops: tuple[Color, ...], place: Array) -> Array:
    """Return the colors `(n, 3)` at `place` `(n, 1, 1)` in [0, 1], between colors at even steps."""
    steps = np.linspace(0, 1, len(stops))
    channels = [np.interp(place[:, 0, 0], steps, channel) for channel in np.array(stops, dtype=float).T]
    return np.stack(channels, axis=1).astype(np.float32)


def outlined(part: Canvas, distance: Array, color: Array, opacity: Array | float = 1.0) -> None:
    """Paint hair with a darker edge, which sets it off from skin of the same color."""
    part.paint(distance, color * 0.6, opacity)
    part.paint(distance + 0.9, color, opacity)


def hair_behind(head: Canvas, face: Columns, color: Array) -> None:
    """Long hair falls behind ears and shoulders."""
    half, tall, bottom = face["half"] + 2.6, face["tall"] + 1.5, -3 + 25 * face["hair_length"]
    part = head.window(-half, -tall, half, bottom)
    around = ellipse(part.x, part.y, half, tall)
    reach = 0.5 * bottom.clip(0.1)
    strands = box(part.x, part.y - bottom + reach, half, reach, np.minimum(reach, 5.0))
    part.paint(np.maximum(np.minimum(around, strands), part.y - bottom), color)


def body(upright: Canvas, skin: Array) -> None:
    """Neck and shoulders move with the face but do not tilt."""
    part = upright.window(-26, 8, 26, 40)
    shoulders = ellipse(part.x, part.y - 34.5, 24.0, 13.0)
    neckline = ellipse(part.x, part.y - 21.5, 7.0, 5.5)
    part.paint(shoulders, SHIRT)
    part.paint(np.maximum(shoulders, neckline), skin * 0.86)
    part.paint(box(part.x, part.y - 15, 5.0, 9.0), skin * 0.86)


def skull(head: Canvas, face: Columns, skin: Array) -> None:
    """Ears, head and blushing cheeks."""
    half, tall = face["half"], face["tall"]
    part = head.window(-half - 4, -tall - 1, half + 4, tall + 1)
    side = abs(part.x)
    part.paint(ellipse(side - half - 0.4, part.y - 0.5, 2.7, 3.6), skin * 0.86)
    part.paint(ellipse(part.x, part.y, half, tall), skin)
    cheeks = head.window(-12, 1, 12, 9)
    cheek = ellipse(abs(cheeks.x) - 8.4, cheeks.y - 5, 2.8, 2.2)
    cheeks.paint(cheek, BLUSH, 0.38)


def beard(head: Canvas, face: Columns, hair: Array) -> None:
    """From ear to ear below the nose; the mouth goes on top."""
    half, tall = face["half"], face["tall"]
    part = head.window(-half - 2, -4, half + 2, tall + 4)
    aside = (part.x / half).clip(-1.1, 1.1)
    edge = 5.2 + 3.4 * aside**2 - 10 * aside**4
    slope = (6.8 * aside - 40 * aside**3) / half
    below = under(part.y, edge, slope)
    around = ellipse(part.x, part.y - 0.9, half + 0.6, tall + 1.6)
    outlined(part, np.maximum(below, around), hair * 0.9, face["beard"])


def nose(head: Canvas, skin: Array) -> None:
    """A small shadow."""
    part = head.window(-3, 1, 3, 6)
    part.paint(ellipse(part.x, part.y - 3, 1.7, 1.2), skin * 0.76)


def mouth(head: Canvas, face: Columns) -> None:
    """A curve with its ends up or down, which opens downwards and shows teeth."""
    half = 4.5 + 3.3 * face["mouth_width"]
    bend, gap = 3.7 * face["smile"], 2.1 * face["mouth_openness"]
    part = head.window(-half - 2, MOUTH_LEVEL - 4, half + 2, MOUTH_LEVEL + 8)
    inside = part.x.clip(-half, half)
    bow = 1 - (inside / half) ** 2
    upper = MOUTH_LEVEL + bend * (bow - 0.5)
    middle, opening = upper + gap * bow, gap * bow
    slope = -2 * inside / half**2 * (bend + gap)
    across = (abs(part.y - middle) - opening) / np.sqrt(1 + slope**2)
    beside = abs(part.x - inside)
    edge = np.where(beside > 0, disk(beside, across, 0.0), across)
    part.paint(edge - 0.85, LIP)
    part.paint(edge + 0.5, MOUTH)
    part.paint(np.maximum(edge + 0.5, part.y - upper - 1.5), TEETH)


def eye_place(face: Columns) -> Array:
    """Return how far an eye is from the middle of the face."""
    return 6.1 + 2.3 * face["eye_distance"]


def eyes(head: Canvas, face: Columns) -> None:
    """White, iris, pupil and a spark, cut off by the lids, and the upper lid itself."""
    apart, half = eye_place(face), 2.6 + 1.9 * face["eye_size"]
    high = 0.4 + (half * 0.95 - 0.4) * face["eye_openness"]
    part = head.window(-14, EYE_LEVEL - 6, 14, EYE_LEVEL + 6)
    x, y = abs(part.x) - apart, part.y - EYE_LEVEL
    ball = ellipse(x, y, half, high)
    part.paint(ball, WHITE)
    part.paint(np.maximum(ball, disk(x, y, 0.62 * half)), IRIS)
    part.paint(np.maximum(ball, disk(x, y, 0.36 * half)), DARK)
    part.paint(np.maximum(ball, disk(x, y + 0.34 * half, 0.2 * half)), WHITE)
    lid = ellipse(x, y, half, np.maximum(high, 1.0))
    part.paint(np.maximum(abs(lid) - 0.6, y), DARK)


def brows(head: Canvas, face: Columns, hair: Array) -> None:
    """Their inner ends go down as the angle grows."""
    apart, rise = eye_place(face), 1.9 * face["brow_angle"]
    part = head.window(-14, -12, 14, -4)
    inner, outer = (apart - 3.2, -8.4 + rise), (apart + 3.2, -8.4 - rise)
    part.paint(capsule(abs(part.x), part.y, inner, outer, 0.95), hair * 0.4)


def hairline(face: Columns) -> Array:
    """Return the y of the lowest part of the forehead's upper edge."""
    return -11.5 - 0.5 * (face["tall"] - 16.5)


def fringe(head: Canvas, face: Columns, hair: Array) -> None:
    """Hair over the skull, parted on one side."""
    half, tall = face["half"], face["tall"]
    part = head.window(-half - 3, -tall - 4, half + 3, 6)
    aside = (part.x - 4) / half
    edge = hairline(face) + 5.5 * aside**2
    above = -under(part.y, edge, 11 * aside / half)
    around = ellipse(part.x, part.y + 0.9, half + 1.8, tall + 1.9)
    outlined(part, np.maximum(above, around), hair)


def glasses(head: Canvas, face: Columns) -> None:
    """Two rings, a bridge and what reaches to the ears."""
    apart, radius = eye_place(face), 5.3
    part = head.window(-face["half"] - 2, EYE_LEVEL - 7, face["half"] + 2, EYE_LEVEL + 7)
    x, y = abs(part.x), part.y - EYE_LEVEL
    ring = abs(disk(x - apart, y, radius)) - 0.75
    bridge = capsule(x, y, (0.0, -0.8), (apart - radius, -0.8), 0.6)
    temple = capsule(x, y, (apart + radius, -1.0), (face["half"] + 0.6, -1.0), 0.6)
    part.paint(np.minimum(ring, np.minimum(bridge, temple)), FRAME, face["glasses"])


def hat(head: Canvas, face: Columns) -> None:
    """A woolen hat with a rolled brim and a pompom, over the hair and above the brows."""
    half, tall = face["half"], face["tall"]
    level = hairline(face) - 1.4
    wide = (half + 1.8) * np.sqrt(1 - ((level + 0.9) / (tall + 1.9)) ** 2) + 1.2
    high = tall + 5.2 + level
    part = head.window(-wide - 4, level - high - 7, wide + 4, level + 4)
    y = part.y - level
    part.paint(disk(part.x, y + high + 1.2, 3.0), BRIM, face["hat"])
    part.paint(np.maximum(ellipse(part.x, y, wide, high), y), HAT, face["hat"])
    part.paint(box(part.x, y, wide + 1.4, 2.3, 2.2), BRIM, face["hat"])
