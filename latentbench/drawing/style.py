"""How everything is drawn: settings, colors, markers and line styles."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["COLORS", "INK", "SOFT", "LineStyle", "line_styles", "settings"]


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


def line_styles(lines: Mapping[str, tuple[str, bool]]) -> dict[str, LineStyle]:
    """Choose a style for each line.

    Args:
        lines: name -> (the reference kind that the model declares, whether the line is level).
    """
    places: Counter[str] = Counter()
    chosen = {}
    order = ("", "yardstick", "ceiling", "floor")
    last = len(order)  # kinds of reference that only a plugin knows
    for name, (reference, level) in sorted(
        lines.items(), key=lambda line: order.index(line[1][0]) if line[1][0] in order else last
    ):
        place = places[reference]
        places[reference] += 1
        turn = place % len(DASHES)
        if reference == "yardstick":
            chosen[name] = LineStyle(INK, "" if level else THIN_MARKERS[turn], DASHES[turn], 1.2)
        elif reference:
            dash = DOTS[turn] if reference == "floor" else SOLIDS[place % len(SOLIDS)]
            chosen[name] = LineStyle(SOFT, "", dash, 1.0)
        elif level:
            chosen[name] = LineStyle(COLORS[place % len(COLORS)], "", DASHES[-1 - turn], 1.2)
        else:
            chosen[name] = LineStyle(COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)], "-", 1.8)
    return chosen
