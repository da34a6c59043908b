"""Optimal transport in one dimension: curves between signals, by moving mass and by fading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from latentbench.drawing.drawing import Drawing
from latentbench.drawing.style import COLORS, INK, SOFT, settings
from latentbench.drawing.words import in_lines, text_inches
from latentbench.latent.paths.interpolation import simplex_weights
from latentbench.latent.transport.signals import signal_barycenters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["signal_drawing", "signal_weights"]

WAYS = ("Wasserstein", "Euclidean")
DOTS_PER_INCH = 100


def signal_weights(count: int, points: int, side: int) -> Tensor:
    """Return the weights `(m, k)` that a figure of `count` signals shows: a path, a square, or the mean."""
    steps = {2: points - 1, 4: side - 1}.get(count)
    return torch.ones(1, count).double() if steps is None else simplex_weights(count, steps)


def signal_drawing(signals: Tensor, names: Sequence[str], weights: Tensor, title: str) -> Drawing:
    """Draw barycenters of signals `(k, n)` under weights `(m, k)` beside their Euclidean means.

    A single row of weights is drawn over the signals, a square of four signals as one panel per row of weights,
    and a path between two as one panel of curves for each kind of mean.

    The numbers have a line for each row of weights and place.

    Raises:
        ValueError: signals or weights that `signal_barycenters` refuses.
    """
    import pandas as pd

    moved = signal_barycenters(signals, weights)
    parts = weights / weights.sum(1, keepdim=True)
    ways = {"Wasserstein": moved, "Euclidean": (parts.double() @ signals.double()).to(moved)}
    with settings():
        figure = _drawn(signals, names, parts, ways)
        room = figure.get_size_inches()[0] * 0.98
        shown = in_lines(title, room, partial(text_inches, points=10), split=True)
        figure.suptitle(shown, fontsize=10, color=INK, x=0.01, ha="left")
    return Drawing(figure, pd.DataFrame(list(_numbers(names, parts, ways))), title)


def _drawn(signals: Tensor, names: Sequence[str], parts: Tensor, ways: Mapping[str, Tensor]) -> Figure:
    if len(parts) == 1:
        return _mean(signals, names, parts[0], ways)
    if parts.shape[1] == 4:
        return _square(names, ways)
    return _path(names, parts, ways)


def _mean(signals: Tensor, names: Sequence[str], part: Tensor, ways: Mapping[str, Tensor]) -> Figure:
    """Draw both means over thin lines of the signals."""
    figure, (panel,) = _panels(1, 1, (7, 3))
    for place, (name, signal) in enumerate(zip(names, signals, strict=True)):
        dash = ("-", "--", ":", "-.")[place % 4]
        panel.plot(
            signal.cpu(), color=SOFT, linewidth=0.9, linestyle=dash, label=f"{name}: {float(part[place]):.2f}"
        )
    for color, (way, values) in zip(COLORS, ways.items(), strict=False):
        panel.plot(values[0].cpu(), color=color, linewidth=2, label=way, linestyle="-" if way == WAYS[0] else "--")
    panel.legend(frameon=False, fontsize=8)
    _name_axes([panel])
    return figure


def _path(names: Sequence[str], parts: Tensor, ways: Mapping[str, Tensor]) -> Figure:
    """Draw one panel of curves for each kind of mean, from the first signal (dark) to the last (light)."""
    from matplotlib import colormaps

    figure, panels = _panels(1, 2, (9, 3))
    for panel, (way, curves) in zip(panels, ways.items(), strict=True):
        for share, curve in zip(parts[:, 1].tolist(), curves, strict=True):
            end = share in (0, 1)
            shade = colormaps["viridis"](0.9 * share)
            panel.plot(curve.cpu(), color=shade, linewidth=2.2 if end else 1.1, label=f"{share:.2f}")
        panel.set_title(way)
    panels[1].legend(
        frameon=False,
        fontsize=8,
        title=f"share of\n{names[1]}",
        title_fontsize=8,
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )
    _name_axes(panels)
    return figure


def _square(names: Sequence[str], ways: Mapping[str, Tensor]) -> Figure:
    """Draw a square of panels with both means in each; the four signals are in the corners."""
    side = round(len(ways[WAYS[0]]) ** 0.5)
    figure, panels = _panels(side, side, (1.9 * side, 1.2 * side + 0.3))
    for place, panel in enumerate(panels):
        for color, style, (way, curves) in zip(COLORS, ("-", "--"), ways.items(), strict=False):
            panel.plot(curves[place].cpu(), color=color, linestyle=style, linewidth=1.4, label=way)
        panel.set_xticks([])
        panel.set_yticks([])
    for corner, name in zip((0, side - 1, side * (side - 1), side * side - 1), names, strict=True):
        panels[corner].set_title(name, fontsize=8)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=2, frameon=False, fontsize=8
    )
    return figure


def _name_axes(panels: Sequence[Axes]) -> None:
    panels[0].set_ylabel("mass", fontsize=8)
    for panel in panels:
        panel.set_xlabel("place along the signal", fontsize=8)


def _panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)


def _numbers(names: Sequence[str], parts: Tensor, ways: Mapping[str, Tensor]) -> Iterator[dict[str, float]]:
    for number, part in enumerate(parts.tolist()):
        weights = {f"{place}: {name}": value for place, (name, value) in enumerate(zip(names, part, strict=True))}
        curves = zip(*(values[number].tolist() for values in ways.values()), strict=True)
        for place, values in enumerate(curves):
            yield {**weights, "place": place, **dict(zip(ways, values, strict=True))}
