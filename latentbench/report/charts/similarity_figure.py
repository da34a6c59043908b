"""The figure of pair scores: a panel for each score, in which darker cells are more alike."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from latentbench.drawing.panels import SMALL
from latentbench.drawing.style import INK, SOFT, settings
from latentbench.report.charts.heat_layout import HeatRoom, heat_room
from latentbench.scores import gain
from latentbench.similarity.matrix import Matrix, PairCell
from latentbench.similarity.null import LEVEL
from latentbench.similarity.render import BELOW, UNRELATED, mark_of, number_of, render_similarity
from latentbench.similarity.similarity import Similarity
from latentbench.table.outcomes import listed
from latentbench.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["contrast", "similarity_alt", "similarity_figure", "similarity_numbers"]

COLORS, GRAYS = "YlGnBu", "Greys"  # their lightness falls all the way: also read in print and by the color-blind
MOST_GRAY = 0.55  # of the grays, so that they are not taken for the dark end of the colors
BLACK, WHITE, EMPTY = "#000000", "#ffffff", "#f4f4f6"
MOST_SAID = 3  # pairs of a score in the words that stand for the figure
Rgb = tuple[float, float, float]


def similarity_figure(similarity: Similarity) -> Figure:
    """Draw a panel for each score, rows and columns models in the order of the matrices.

    The color is the calibrated score: 0 where unrelated spaces come in 5 % of permutations, 1 for equal ones.
    Where there is none, it is a gray that compares the cells of that panel alone. The diagonal compares seeds of a
    model.
    """
    from matplotlib.figure import Figure

    matrices = similarity.matrices
    colored = any(map(_is_calibrated, matrices))
    heads = [_head(matrix) for matrix in matrices]
    room = heat_room(matrices[0].models, heads, _title(similarity), list(_legend(similarity)), colored)
    with settings():
        figure = Figure(figsize=(room.width, room.height))
        figure.text(*room.at(0.1, room.height - 0.1), room.title, va="top", fontsize=9, color=INK)
        for place, matrix in enumerate(matrices):
            _draw(figure.add_axes(room.panel(place)), matrix, room, place)
        for line, words in enumerate(room.legend):
            figure.text(*room.legend_line(line), words, va="center", fontsize=SMALL, color=INK)
        if colored:
            _draw_scale(figure, room)
    return figure


def _title(similarity: Similarity) -> str:
    seeds = {count for matrix in similarity.matrices for count in matrix.seeds.values()}
    most = counted(max(seeds), "seed")
    return (
        f"{similarity.dataset}, test split ({counted(similarity.items, 'item')}), "
        f"{'up to ' if len(seeds) > 1 else ''}{most} a model; darker: more alike"
    )


def _head(matrix: Matrix) -> tuple[str, str]:
    """Return the title of a panel, and what unrelated spaces score."""
    quantiles = sorted(cell.null.quantile for cell in matrix.cells.values() if cell.null)
    if not quantiles:
        return f"{matrix.request.name} ({matrix.request.better})", ""
    span = " to ".join(dict.fromkeys(number_of(value) for value in (quantiles[0], quantiles[-1])))
    return f"{matrix.request.name} ({matrix.request.better})", f"unrelated spaces: {span}"


def _legend(similarity: Similarity) -> Iterator[str]:
    """Yield what colors and marks mean, of all panels together."""
    matrices = similarity.matrices
    cells = [cell for matrix in matrices for cell in matrix.cells.values() if cell.has_value]
    if any(map(_is_calibrated, matrices)):
        yield "color: share of the way from unrelated spaces (0, or less) to equal ones (1)"
    if any(cell.of_seeds for cell in cells):
        yield "framed: seeds of one model"
    marks = {mark_of(cell) for cell in cells}
    if BELOW in marks:
        yield f"{BELOW} below the seeds of either model"
    if UNRELATED in marks:
        yield f"{UNRELATED} no more than unrelated spaces"
    if len(cells) < sum(len(matrix.cells) for matrix in matrices):
        yield "-: no score"
    counts = {cell.null.count for cell in cells if cell.null}
    if counts:
        share = f"{100 * (1 - LEVEL):.0f} % of {max(counts)} permutations of the items"
        yield f"unrelated spaces: what they reach in {share}"
    directed = [matrix.request.name for matrix in matrices if not matrix.request.metric.symmetric]
    if directed:
        yield f"{listed(directed)}: from the model of the row to that of the column"
    gray = [matrix.request.name for matrix in matrices if not _is_calibrated(matrix)]
    if gray:
        yield f"gray ({listed(gray)}): there is no score of unrelated spaces; compare shades within the panel only"


def _draw(panel: Axes, matrix: Matrix, room: HeatRoom, place: int) -> None:
    colors = _colors(matrix)
    panel.imshow(colors, aspect="auto", interpolation="nearest")
    for row, first in enumerate(matrix.models):
        for column, second in enumerate(matrix.models):
            cell = matrix.cells[first, second]
            ink = _ink(tuple(colors[row, column])) if cell.has_value else SOFT
            panel.text(column, row, _written(cell), ha="center", va="center", fontsize=room.points, color=ink)
            if cell.of_seeds and cell.has_value:
                _frame(panel, row)
    _name_models(panel, matrix.models, beside=room.is_first(place), below=room.is_last(place))
    title, unrelated = _head(matrix)
    panel.set_title(title, pad=16, fontsize=9)
    panel.annotate(
        unrelated, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=7, color=SOFT
    )


def _frame(panel: Axes, place: int) -> None:
    """Frame a cell of the diagonal, so that it is seen on any color."""
    from matplotlib.patches import Rectangle

    for width, edge in ((2.8, WHITE), (1.2, BLACK)):
        frame = Rectangle((place - 0.45, place - 0.43), 0.9, 0.86, linewidth=width, edgecolor=edge)
        panel.add_patch(frame).set_facecolor("none")


def _name_models(panel: Axes, models: Sequence[str], beside: bool, below: bool) -> None:
    """Name rows and columns where no other panel does, and draw lines between cells."""
    count, none = len(models), [""] * len(models)
    panel.set_xticks(range(count), models if below else none, rotation=90)
    panel.set_yticks(range(count), models if beside else none)
    panel.tick_params(labelsize=SMALL, length=0, pad=3)
    panel.spines[:].set_visible(False)
    panel.set_xticks(np.arange(count - 1) + 0.5, minor=True)
    panel.set_yticks(np.arange(count - 1) + 0.5, minor=True)
    panel.tick_params(which="minor", length=0)
    panel.grid(False)
    panel.grid(True, which="minor", axis="both", color=WHITE, linewidth=0.8)


def _written(cell: PairCell) -> str:
    return f"{mark_of(cell)}{number_of(cell.mean)}"


def _is_calibrated(matrix: Matrix) -> bool:
    return any(math.isfinite(cell.calibrated) for cell in matrix.cells.values())


def _colors(matrix: Matrix) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the color of each cell, `(models, models, 3)`."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    labels = matrix.models
    values = np.array([[_share(matrix, matrix.cells[row, column]) for column in labels] for row in labels])
    painted = np.asarray(colormaps[COLORS if _is_calibrated(matrix) else GRAYS](values))[..., :3]
    painted[np.isnan(values)] = to_rgb(EMPTY)
    return painted


def _share(matrix: Matrix, cell: PairCell) -> float:
    """Return how far along its scale of colors a cell lies, from 0 to 1; NaN where it has no score."""
    if _is_calibrated(matrix):
        return min(max(cell.calibrated, 0.0), 1.0) if math.isfinite(cell.calibrated) else math.nan
    gains = [gain(each.mean, matrix.request.better) for each in matrix.cells.values() if each.has_value]
    if not cell.has_value:
        return math.nan
    span = max(gains) - min(gains)
    return MOST_GRAY * (gain(cell.mean, matrix.request.better) - min(gains)) / span if span else 0.0


def _ink(color: Rgb) -> str:
    """Return the color of text, black or white, that stands out more from a color."""
    from matplotlib.colors import to_rgb

    return max((BLACK, WHITE), key=lambda ink: contrast(to_rgb(ink), color))


def contrast(one: Rgb, other: Rgb) -> float:
    """Return how many times as bright the lighter of two colors is, as WCAG 2 defines contrast: 1 to 21.

    >>> contrast((0, 0, 0), (1, 1, 1))
    21.0
    """
    lights = sorted(float(np.dot([0.2126, 0.7152, 0.0722], _linear(color))) for color in (one, other))
    return round((lights[1] + 0.05) / (lights[0] + 0.05), 6)


def _linear(color: Rgb) -> list[float]:
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color]


def _draw_scale(figure: Figure, room: HeatRoom) -> None:
    """Draw the scale of colors."""
    scale = figure.add_axes(room.colors())
    scale.imshow(np.linspace(0, 1, 256)[None], cmap=COLORS, aspect="auto", extent=(0, 1, 0, 1))
    scale.grid(False)
    scale.set_yticks([])
    scale.set_xticks([0, 0.5, 1], ["0", ".5", "1"], fontsize=SMALL)
    scale.tick_params(length=2, pad=2)


def similarity_numbers(similarity: Similarity) -> pd.DataFrame:
    """Return a row for each cell, as text: the very lines of `latentbench similar --format csv`."""
    header, *rows = csv.reader(io.StringIO(render_similarity(similarity, "csv")))
    return pd.DataFrame(rows, columns=header)


def similarity_alt(similarity: Similarity) -> str:
    """Say what the panels hold: of each score the most alike pairs."""
    return f"How alike models are on {similarity.dataset}. " + " ".join(map(_panel_alt, similarity.matrices))


def _panel_alt(matrix: Matrix) -> str:
    better = matrix.request.better
    cells = sorted((cell for cell in matrix.pairs if cell.has_value), key=lambda cell: -gain(cell.mean, better))
    said = [f"{cell.row} and {cell.column} {_written(cell)}" for cell in cells[:MOST_SAID]]
    more = f"; {len(cells) - MOST_SAID} pairs less alike" if len(cells) > MOST_SAID else ""
    return f"{matrix.request.name}: {', '.join(said) or 'no score'}{more}."
