"""How ways from one image to another look: one color and one marker a way, in all figures."""

from __future__ import annotations

from collections.abc import Mapping

from latentbench.drawing.style import COLORS, INK, MARKERS, SOFT, LineStyle

__all__ = ["DISTANCE_FADE", "FADE", "TRANSPORT", "WAY_STYLES"]

FADE, DISTANCE_FADE, TRANSPORT = "pixel fade", "fade of distances", "optimal transport"
PATHS = ("linear", "slerp", "norm", "geodesic", "graph")
WAY_STYLES: Mapping[str, LineStyle] = {
    **{name: LineStyle(COLORS[place], MARKERS[place], "-", 1.2) for place, name in enumerate(PATHS)},
    **dict.fromkeys((FADE, DISTANCE_FADE), LineStyle(SOFT, "x", "--", 1.2)),
    TRANSPORT: LineStyle(INK, "D", ":", 1.2),
}
