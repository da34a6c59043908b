"""Frames of map animations: a tour with the decoded image beside it, and a map that forms over epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.animation import frame
from latentbench.drawing.captions import LETTERS, LINE_HEIGHT, MARGIN, caption_lines, written
from latentbench.drawing.scatter import draw_classes, mark_anchors, settle_marks
from latentbench.drawing.style import settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MapCanvas", "forming_frames", "tour_frames"]

SIDE = 320  # pixels, height and least width of a map
WIDEST = 1.5  # largest width of a map, in heights
IMAGE = 224  # pixels, width to which an image is enlarged by repeating pixels
DOTS_PER_INCH = 100
DOT_AREA = 5000  # square points, total of all dots
DOT = 6.0  # pixels, radius of the moving dot
ROOM = 0.05  # margin around the places, as a share of their range
INK, PAPER, LINE = (30, 30, 34), (255, 255, 255), "#55555e"

Places = NDArray[np.float64]
Labels = NDArray[np.int64]
Picture = NDArray[np.uint8]


class MapCanvas:
    """Draws maps as pictures `(h, w, 3)`, all at one scale, equal along both axes.

    Args:
        places: `(n, 2)`, all that will be drawn.
        labels: class numbers `(m,)` of the items of a map.
        marks: what is written on the dots of each class.

    Attributes:
        size: (w, h) in pixels.
    """

    def __init__(self, places: Places, labels: Labels | None, marks: Mapping[int, str] | None = None) -> None:
        low, high = places.min(axis=0), places.max(axis=0)
        reach = np.maximum(high - low, 1e-9 * ((high - low).max() or 1.0)) * (1 + 2 * ROOM)
        self.labels, self.marks = labels, marks
        self.size = round(SIDE * float(np.clip(reach[0] / reach[1], 1, WIDEST))), SIDE
        self.unit = float((reach / self.size).max())  # of the map, in a pixel
        self.corner = (low + high) / 2 - self.unit * np.array(self.size) / 2

    @cached_property
    def axes(self) -> Axes:
        """The axes, as large as the picture."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        inches = self.size[0] / DOTS_PER_INCH, self.size[1] / DOTS_PER_INCH
        figure = Figure(figsize=inches, dpi=DOTS_PER_INCH, facecolor="white")
        FigureCanvasAgg(figure)
        return figure.add_axes((0.0, 0.0, 1.0, 1.0))

    def draw(
        self, places: Places, line: Places | None = None, anchors: Mapping[int, int] | None = None
    ) -> Picture:
        """Draw a map, and a closed line on it; marks stand on the rows of `anchors`, if they are given."""
        with settings():
            self.axes.clear()
            self.axes.set_axis_off()
            area = min(max(DOT_AREA / len(places), 1.2), 16)
            marks = draw_classes(self.axes, places, self.labels, area, self.marks, anchors)
            if line is not None:
                x, y = np.concatenate([line, line[:1]]).T
                self.axes.plot(x, y, color=LINE, linewidth=0.8, alpha=0.7, zorder=2.5)
            self.axes.set_xlim(self.corner[0], self.corner[0] + self.unit * self.size[0])
            self.axes.set_ylim(self.corner[1], self.corner[1] + self.unit * self.size[1])
            settle_marks(self.axes, marks)
            canvas: Any = self.axes.figure.canvas
            canvas.draw()
            return np.array(canvas.buffer_rgba())[..., :3].copy()

    def pixels(self, places: Places) -> Places:
        """Return the pixels `(n, 2)` of places: from the left, and from the top."""
        across, up = ((places - self.corner) / self.unit).T
        return np.stack([across, self.size[1] - up], axis=1)


def tour_frames(
    places: Places,
    labels: Labels | None,
    path: Places,
    images: NDArray[Any],
    words: Sequence[str],
    marks: Mapping[int, str] | None = None,
) -> list[Picture]:
    """Draw a tour: the map with a moving dot, beside the image decoded at each point of the path.

    Args:
        places: the map, `(n, 2)`.
        labels: class numbers `(n,)`.
        path: the place of the dot in each frame, `(frames, 2)`.
        images: the decoded images, `(frames, 1 or 3, h, w)` in [0, 1].
        words: the captions above the images, broken into lines where they are wider.
        marks: what is written on the dots of each class.

    Returns:
        A frame `(h, w, 3)` for each point of the path.
    """
    canvas = MapCanvas(np.concatenate([places, path]), labels, marks)
    shown = [_enlarged(image) for image in images]
    captions = [caption_lines(caption, max(shown[0].shape[1], IMAGE)) for caption in words]
    lines = max(caption.count("\n") + 1 for caption in captions)
    map_picture, spots = canvas.draw(places, path), canvas.pixels(path)
    return [
        _beside(_with_dot(map_picture, spot), image, caption, lines)
        for spot, image, caption in zip(spots, shown, captions, strict=True)
    ]


def forming_frames(
    maps: Sequence[Places],
    labels: Labels | None,
    epochs: Sequence[int],
    steps: int,
    rest: int,
    marks: Mapping[int, str] | None = None,
) -> tuple[list[Picture], list[tuple[int, float]]]:
    """Draw a map that forms: dots move smoothly from each map to the next.

    Args:
        maps: places `(n, 2)` of the same items, at two or more epochs.
        labels: class numbers `(n,)`.
        epochs: the epoch of each map.
        steps: frames from one map to the next.
        rest: frames for which each map stands still.
        marks: what is written on the dots of each class.

    Returns:
        The frames, and for each the number of the map it starts from and the share of the way to the next.
    """
    canvas = MapCanvas(np.concatenate(maps), labels, marks)
    frames, moments = [], list(_moments(len(maps), steps, rest))
    anchors = mark_anchors(maps[-1], labels)
    standing: dict[int, Picture] = {}
    for first, share in moments:
        if share == 0 and first in standing:
            frames.append(standing[first])
            continue
        last = min(first + 1, len(maps) - 1)
        picture = canvas.draw((1 - share) * maps[first] + share * maps[last], anchors=anchors)
        now = f"epoch {epochs[first]}" if share == 0 else f"epoch {epochs[first]} to {epochs[last]}"
        frames.append(_below(picture, f"{now} of {epochs[-1]}", (first + share) / (len(maps) - 1)))
        if share == 0:
            standing[first] = frames[-1]
    return frames, moments


def _moments(maps: int, steps: int, rest: int) -> Iterator[tuple[int, float]]:
    """Yield (map, eased share of the way to the next) for each frame; the last map stands twice as long."""
    for first in range(maps):
        yield from [(first, 0.0)] * (rest if first < maps - 1 else 2 * rest)
        for step in range(1, steps) if first < maps - 1 else ():
            share = step / steps
            yield first, share**2 * (3 - 2 * share)


def _with_dot(picture: Picture, spot: Places) -> Picture:
    """Draw a white dot with a dark rim, at any fraction of a pixel."""
    drawn = picture.astype(np.float64)
    down, across = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    distance = np.hypot(across - spot[0], down - spot[1])[..., None]
    for radius, color in ((DOT, INK), (DOT - 2, PAPER)):
        cover = np.clip(radius - distance + 0.5, 0, 1)
        drawn = drawn * (1 - cover) + cover * np.array(color)
    return drawn.round().astype(np.uint8)


def _enlarged(image: NDArray[Any]) -> Picture:
    """Turn an image into a frame, enlarged as far as it fits."""
    small = frame(image)
    times = max(1, IMAGE // max(small.shape[:2]))
    return small.repeat(times, axis=0).repeat(times, axis=1)


def _beside(picture: Picture, image: Picture, words: str, lines: int) -> Picture:
    """Put the map on the left, and the image with its caption of so many lines on the right."""
    above = MARGIN + LETTERS + 5 + (lines - 1) * LINE_HEIGHT
    high, wide = max(SIDE, image.shape[0] + 2 * above + 8), picture.shape[1]
    page = np.full((high, wide + max(image.shape[1], IMAGE) + 2 * MARGIN, 3), 255, np.uint8)
    page[(high - SIDE) // 2 : (high - SIDE) // 2 + SIDE, :wide] = picture
    top, left = (high - image.shape[0]) // 2, wide + MARGIN
    page[top : top + image.shape[0], left : left + image.shape[1]] = image
    return written(page, words, (left, top - 22 - words.count("\n") * LINE_HEIGHT))


def _below(picture: Picture, words: str, share: float) -> Picture:
    """Write a caption below a picture, with a progress bar of the animation."""
    wide = picture.shape[1]
    page = np.full((SIDE + 34, wide, 3), 255, np.uint8)
    page[:SIDE] = picture
    page[SIDE + 28 : SIDE + 32, MARGIN : wide - MARGIN] = 225
    page[SIDE + 28 : SIDE + 32, MARGIN : MARGIN + round(share * (wide - 2 * MARGIN))] = INK
    return written(page, words, (MARGIN, SIDE + 4))
