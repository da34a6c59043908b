"""How everything is drawn: settings, colors, markers and line styles."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["COLORS", "INK", "SOFT", "LineOf", "LineStyle", "line_styles", "model_places", "settings"]


# Petroff 2021, "Accessible Color Sequences for Data Visualization": ten colors
COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip


SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # shipped with matplotlib, and wide: other fonts need no more room
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": "#e8e8ea",
    "svg.fonttype": "none",
    "svg.hashsalt": "latentbench",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names may hold a dollar sign
}
INK, SOFT = "#333", "#777"
MARKERS = ("o", "s", "^", "v", "P", "X", "<", ">", "p")  # nine with ten colors: ninety pairs
THIN_MARKERS = ("x", "+", "1", "2")
DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (5, 1.5, 1, 1.5)), (0, (9, 2)), (0, (5, 1.5, 1, 1.5, 1, 1.5)))
DOTS: tuple[Any, ...] = ((0, (1, 1.5)), (0, (1, 3)), (0, (1, 1, 1, 4)), (0, (2, 3)))
SOLIDS: tuple[Any, ...] = ("-", *DASHES)
DARKEST, LIGHTEST = -0.5, 0.3  # shades of a color, as shares of the way to black and to white


@dataclass(frozen=True)
class LineStyle:
    """How a line is drawn; no two lines differ by color alone."""

    color: str
    marker: str
    dash: Any
    width: float


@contextmanager
def settings() -> Iterator[None]:
    """Draw with this project's settings instead of the user's; ignore warnings of letters that the font lacks."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


@dataclass(frozen=True)
class LineOf:
    """What decides how a line is drawn.

    Attributes:
        model: whose line it is; all lines of a model have its color and its marker.
        reference: the reference kind that the model declares; empty for a contender.
        level: whether the line is level.
    """

    model: str
    reference: str = ""
    level: bool = False


def model_places(models: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the place of each model among those of its reference kind, from (model, kind) in their order.

    >>> model_places([("vae", ""), ("pca", "yardstick"), ("ae", ""), ("vae", "")])
    {'vae': 0, 'pca': 0, 'ae': 1}
    """
    places: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for model, reference in models:
        if model not in places:
            places[model] = counts[reference]
            counts[reference] += 1
    return places


def line_styles(lines: Mapping[str, LineOf], places: Mapping[str, int] | None = None) -> dict[str, LineStyle]:
    """Choose a style for each line: the color and the marker of its model, in several shades for several lines.

    Args:
        lines: name -> what it is.
        places: those of `model_places`, of all models of a run, so that a model looks the same in all figures;
            default: of the models of these lines.
    """
    ordered = sorted(lines.items(), key=lambda line: _kind_place(line[1].reference))
    known = places or {}
    own = model_places((line.model, line.reference) for _, line in ordered)
    counts = Counter((line.model, line.level) for line in lines.values())
    drawn: Counter[tuple[str, bool]] = Counter()
    chosen = {}
    for name, line in ordered:
        key = line.model, line.level
        place = known.get(line.model, len(known) + own[line.model] if known else own[line.model])
        chosen[name] = _style(line, place, drawn[key], counts[key])
        drawn[key] += 1
    return chosen


def _kind_place(reference: str) -> int:
    order = ("", "yardstick", "upper bound", "ceiling", "floor")
    return order.index(reference) if reference in order else len(order)  # kinds that only a plugin knows


def _style(line: LineOf, place: int, number: int, count: int) -> LineStyle:
    """Return the style of a line, the `number`-th of `count` of the model at this place."""
    turn = (place + number) % len(DASHES)
    if line.reference == "yardstick":
        return LineStyle(INK, "" if line.level else THIN_MARKERS[place % len(THIN_MARKERS)], DASHES[turn], 1.2)
    if line.reference:
        return LineStyle(
            SOFT, "", DOTS[turn] if line.reference == "floor" else SOLIDS[(place + number) % len(SOLIDS)], 1.0
        )
    color = _shade(COLORS[place % len(COLORS)], number, count)
    if line.level:
        return LineStyle(color, "", DASHES[-1 - turn], 1.2)
    return LineStyle(color, MARKERS[place % len(MARKERS)], SOLIDS[number % len(SOLIDS)], 1.8)


def _shade(color: str, number: int, count: int) -> str:
    """Return the `number`-th of `count` shades of a color, from dark to light; a single one is the color itself.

    >>> _shade("#808080", 0, 1), _shade("#808080", 0, 3), _shade("#808080", 2, 3)
    ('#808080', '#404040', '#a6a6a6')
    """
    if count == 1:
        return color
    share = DARKEST + (LIGHTEST - DARKEST) * number / (count - 1)
    parts = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    mixed = [part + share * (255 - part if share > 0 else part) for part in parts]
    return "#" + "".join(f"{round(part):02x}" for part in mixed)
