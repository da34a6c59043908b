"""Pictures as bytes: image grids as one array, and maps of codes. No pyplot, no global state."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLORS", "MOST_CLASSES", "code_map", "data_uri", "draw_classes", "montage", "png_bytes"]

# Petroff 2021, "Accessible Color Sequences for Data Visualization": ten colors
COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
MARKERS = ("o", "^", "s", "D")  # from one round of colors to the next
MOST_CLASSES = 20  # with more, numbers at their centers cannot be read: one color for all
DOTS_PER_INCH = 144
INCHES = 3.4
DOT_AREA = 9000  # square points, of all dots together: few are drawn larger


def montage(images: ArrayLike, gap: int = 1) -> NDArray[np.uint8]:
    """Lay a grid of images out as one RGBA picture, transparent between them.

    Args:
        images: `(rows, columns, c, h, w)`, in [0, 1] (values outside are clipped), c = 1 (gray) or 3.
        gap: pixels between neighbors.

    Returns:
        `(rows * (h + gap) - gap, columns * (w + gap) - gap, 4)`.

    Raises:
        ValueError: another shape.

    >>> montage(np.ones((2, 3, 1, 8, 8))).shape
    (17, 26, 4)
    """
    grid = np.asarray(images, dtype=np.float32)
    if grid.ndim != 5 or grid.shape[2] not in (1, 3) or not grid.size:
        raise ValueError(f"images must be (rows, columns, 1 or 3, h, w), got shape {grid.shape}")
    rows, columns, _, height, width = grid.shape
    pixels = (np.nan_to_num(grid).clip(0, 1) * 255).round().astype(np.uint8)
    sheet = np.zeros((rows, height + gap, columns, width + gap, 4), np.uint8)
    sheet[:, :height, :, :width, :3] = pixels.transpose(0, 3, 1, 4, 2)
    sheet[:, :height, :, :width, 3] = 255
    flat = sheet.reshape(rows * (height + gap), columns * (width + gap), 4)
    return flat[: flat.shape[0] - gap, : flat.shape[1] - gap]


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """Encode `(h, w)` gray, `(h, w, 3)` or `(h, w, 4)` as PNG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(out, format="PNG", optimize=True)
    return out.getvalue()


def data_uri(content: bytes, media_type: str = "image/png") -> str:
    """Return content as an address that a page carries inside itself.

    >>> data_uri(b"<svg/>", "image/svg+xml")
    'data:image/svg+xml;base64,PHN2Zy8+'
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def code_map(places: NDArray[np.float64], labels: NDArray[np.int64] | None = None) -> bytes:
    """Draw a two-dimensional map of codes as a transparent PNG: a color and a marker per class, its number inside.

    Args:
        places: `(n, 2)`.
        labels: class numbers `(n,)`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(INCHES, INCHES), dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.04)
    draw_classes(axes, places, labels, min(max(DOT_AREA / len(places), 6), 24))
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DOTS_PER_INCH, transparent=True, metadata={"Software": None})
    return out.getvalue()


def draw_classes(
    axes: Axes, places: NDArray[np.float64], labels: NDArray[np.int64] | None, size: float, numbers: bool = True
) -> None:
    """Draw a dot for each code, in the color and with the marker of its class.

    Args:
        axes: where to.
        places: `(n, 2)`.
        labels: class numbers `(n,)`.
        size: area of a dot in square points.
        numbers: write each class's number at the median of its places.
    """
    for number, rows, color, marker in _classes(places, labels):
        x, y = places[rows].T
        axes.scatter(x, y, s=size, c=color, marker=marker, alpha=0.75, linewidths=0, rasterized=True)
        if numbers and number is not None:
            _write(axes, number, np.median(places[rows], axis=0))


def _classes(
    places: NDArray[np.float64], labels: NDArray[np.int64] | None
) -> Iterator[tuple[int | None, NDArray[np.bool_], str, str]]:
    numbers = np.unique(labels) if labels is not None else np.empty(0, np.int64)
    if labels is None or len(numbers) > MOST_CLASSES:
        yield None, np.ones(len(places), bool), COLORS[0], MARKERS[0]
        return
    for place, number in enumerate(numbers):
        turn, color = divmod(place, len(COLORS))
        yield int(number), labels == number, COLORS[color], MARKERS[turn % len(MARKERS)]


def _write(axes: Axes, number: int, place: NDArray[np.float64]) -> None:
    from matplotlib.patheffects import withStroke

    text = axes.text(
        float(place[0]), float(place[1]), str(number), color="#111", ha="center", va="center", zorder=3
    )
    text.set_fontsize(11)
    text.set_fontweight("bold")
    text.set_path_effects([withStroke(linewidth=3, foreground="white")])
