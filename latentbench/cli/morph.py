"""`latentbench morph`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.formats import format_options
from latentbench.cli._shared.naming import other_choices
from latentbench.cli._shared.options import TEXT, several, split_names
from latentbench.cli._shared.selection import (
    SelectedTrial,
    Selection,
    applicable,
    check_item,
    figure_stem,
    selection_options,
)
from latentbench.errors import RequestError
from latentbench.terminal.output import echo, echo_paths

if TYPE_CHECKING:
    from latentbench.drawing.formats import Formats
    from latentbench.latent.paths.graph import CodeGraph

__all__ = ["command"]

POINTS, EDGE_POINTS = 12, 5
FRAMES = 41  # forward; the same without the ends lead back


@click.command("morph")
@selection_options()
@click.option("--from", "start", type=int, metavar="ITEM", help="Test item to start from.")
@click.option("--to", "end", type=int, metavar="ITEM", help="Test item to end at.")
@click.option("--via", multiple=True, type=int, metavar="ITEM", help="Test item to pass through; may be repeated.")
@click.option(
    "--blend",
    "corners",
    callback=several(int, always=True),
    metavar="ITEM,ITEM,...",
    help="Instead of --from and --to: fill the triangle between three test items, or the square between four.",
)
@click.option(
    "--path",
    default="linear",
    show_default=True,
    type=TEXT,
    metavar="PATH",
    help="Path between codes: linear, slerp, norm, geodesic or graph; several separated by commas, or all.",
)
@click.option("--points", type=int, help="Images in a row (default: 12) or along an edge of a blend (default: 5).")
@click.option(
    "--neighbors",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Neighbors of each code in the graph of --path graph.",
)
@format_options(moving=True)
@click.option("--meshes", is_flag=True, help="Also write the surfaces of 3-D shapes, as one .obj file.")
def command(
    selection: Selection,
    start: int | None,
    end: int | None,
    via: tuple[int, ...],
    corners: list[int] | None,
    path: str,
    points: int | None,
    neighbors: int,
    meshes: bool,
    formats: Formats,
) -> None:
    """Morph one test item into another through the codes of a model from the run folder RUN.

    Writes a strip of images (a row per path, then a pixel fade and optimal transport for comparison), an animation
    of it, and a table of its numbers. Items are counted from 0, in the order of the test split. 3-D shapes are
    drawn as surfaces.
    """
    paths = _paths(path)
    selected = selection.open("morph")
    if corners is not None:
        if start is not None or end is not None or via:
            raise RequestError("give --from and --to, or --blend, not both")
        if meshes:
            raise RequestError("--meshes goes with --from and --to, not with --blend; leave one out")
        items = _corners(selected, corners)
    else:
        items = _way(selected, start, end, via)
    count = _points(points, EDGE_POINTS if corners else POINTS, 2 if corners else len(items))
    with applicable(selected):
        graph = _graph(selected, neighbors) if "graph" in paths else None
        if corners is None:
            written = _write_strip(selected, items, paths, count, graph, formats, meshes)
        else:
            written = _write_blend(selected, items, paths, count, graph, formats)
    echo_paths(written)


def _write_strip(
    selected: SelectedTrial,
    items: list[int],
    paths: list[str],
    points: int,
    graph: CodeGraph | None,
    formats: Formats,
    meshes: bool,
) -> list[Path]:
    from latentbench.drawing.drawing import write_drawing
    from latentbench.explore.morph import as_meshes, draw_morph, morphed

    morph = morphed(selected.space, items, points, paths, graph)
    _tell(morph.notes)
    finer = None
    if formats.moving:
        possible = [way for way in paths if way in _names(morph)]
        finer = morph if points >= FRAMES else morphed(selected.space, items, FRAMES, possible, graph)
    others = {"obj": as_meshes(morph).encode()} if meshes else {}
    drawing = draw_morph(selected.space, morph, selected.name, finer)
    drawing = replace(drawing, about=_about(selected, items, paths), others=others)
    return write_drawing(drawing, _stem(selected, items), formats)


def _write_blend(
    selected: SelectedTrial,
    items: list[int],
    paths: list[str],
    points: int,
    graph: CodeGraph | None,
    formats: Formats,
) -> list[Path]:
    from latentbench.drawing.drawing import write_drawing
    from latentbench.explore.morph import blended, draw_blend

    morph = blended(selected.space, items, points - 1, paths, graph)
    _tell(morph.notes)
    drawing = replace(draw_blend(selected.space, morph, selected.name), about=_about(selected, items, paths))
    return write_drawing(drawing, _stem(selected, items, "blend"), formats)


def _paths(text: str) -> list[str]:
    """Read the names of paths.

    Raises:
        UnknownNameError: there is no such path.
    """
    from latentbench.latent.paths.interpolation import PATHS, check_path

    names = list(PATHS) if text.strip() == "all" else list(dict.fromkeys(split_names(text)))
    for name in names or [text]:
        check_path(name)
    return names


def _way(selected: SelectedTrial, start: int | None, end: int | None, via: Sequence[int]) -> list[int]:
    """Return the items of a morph, from the first to the last."""
    if start is None or end is None:
        raise RequestError("give the two test items --from and --to, or three or four with --blend")
    options = ["--from", *["--via"] * len(via), "--to"]
    items = [
        check_item(selected.space, item, option) for item, option in zip([start, *via, end], options, strict=True)
    ]
    for place in range(len(items) - 1):
        if items[place] == items[place + 1]:
            pair = f"{options[place]} and {options[place + 1]}"
            raise RequestError(f"{pair} must be two different items, got item {items[place]} twice")
    return items


def _corners(selected: SelectedTrial, corners: Sequence[int]) -> list[int]:
    """Return the items to blend."""
    if len(corners) not in (3, 4) or len(set(corners)) < len(corners):
        raise RequestError(
            f"--blend takes three or four different test items as in 3,50,77, got {','.join(map(str, corners))}"
        )
    return [check_item(selected.space, item, "--blend") for item in corners]


def _points(requested: int | None, usual: int, least: int) -> int:
    """Return how many points to draw."""
    if requested is None:
        return max(usual, least)
    if requested < least:
        raise RequestError(f"--points must be at least {least} for these items, got {requested}")
    return requested


def _graph(selected: SelectedTrial, neighbors: int) -> CodeGraph:
    from latentbench.latent.paths.graph import code_graph

    selected.space.decode(selected.space.codes[:1])  # a model without decoder is reported before the search
    graph = code_graph(selected.space.codes, neighbors)
    if graph.bridges:
        joined = f"the neighbor graph has separate parts, joined by {graph.bridges} bridges"
        _tell([f"{joined}; raise --neighbors for fewer"])
    return graph


def _names(morph: Any) -> list[str]:
    return [row.name for row in morph.rows]


def _about(selected: SelectedTrial, items: Sequence[int], paths: Sequence[str]) -> dict[str, Any]:
    return {**selected.about, **selected.items_about(items), "paths": list(paths)}


def _stem(selected: SelectedTrial, items: Sequence[int], kind: str = "") -> Path:
    """Return the path of the figure without its ending; other trials, items or options have another one."""
    way = "-".join(map(str, items))
    return figure_stem(selected, kind, way, *other_choices("start", "end", "via", "corners", "meshes"))


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        echo(f"note: {note}", err=True)
