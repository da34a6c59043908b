"""`latentbench sample`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.formats import format_options
from latentbench.cli._shared.naming import other_choices
from latentbench.cli._shared.selection import (
    SelectedTrial,
    Selection,
    applicable,
    check_item,
    figure_stem,
    selection_options,
)
from latentbench.errors import RequestError
from latentbench.terminal.output import echo_paths

if TYPE_CHECKING:
    from pathlib import Path

    from latentbench.drawing.drawing import Drawing
    from latentbench.drawing.formats import Formats

__all__ = ["command"]

HOW = ("auto", "prior", "gaussian", "mixture", "grid", "variations", "inverse")
BELONGS = {"item": "variations", "width": "variations", "map_kind": "inverse", "points": "inverse"}
POINTS = 2000


@click.command("sample")
@selection_options()
@click.option(
    "--how",
    type=click.Choice(HOW),
    default="auto",
    show_default=True,
    help="Source of the codes; auto: the prior, or a Gaussian fitted to the training codes where there is none.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 4096),
    default=64,
    show_default=True,
    help="Number of images; a square number for grids.",
)
@click.option("--item", type=int, help="Test item to vary; goes with --how variations.")
@click.option(
    "--width",
    type=click.FloatRange(0),
    help="Width of the neighborhood of --item, as a multiple of the measured one; default: as wide "
    "as needed for images that differ as much as those of the nearest items.",
)
@click.option(
    "--map",
    "map_kind",
    type=click.Choice(("pca", "umap")),
    help="Map to invert; goes with --how inverse; default: umap.",
)
@click.option("--points", type=click.IntRange(40), help=f"Number of test items on the map; default: {POINTS}.")
@click.option(
    "--seed-draw",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of the random draws.",
)
@format_options()
def command(selection: Selection, how: str, formats: Formats, **options: Any) -> None:
    """Decode new codes of a model from the run folder RUN; write a sheet of images, and their codes as CSV.

    --how prior, gaussian or mixture draws codes. grid spans the two dimensions that vary most. variations draws
    around the code of one test item. inverse maps a grid between four corners of a 2-D map back to codes, by the
    map's own inverse and by nearest neighbors, and reports the error of both.
    """
    for name, owner in BELONGS.items():
        if options[name] is not None and how != owner:
            raise RequestError(f"--{name.partition('_')[0]} goes with --how {owner}, got --how {how}")
    if how == "variations" and options["item"] is None:
        raise RequestError("--how variations needs the number of a test item, as --item 12")
    side = _side(options["count"]) if how in ("grid", "inverse") else 0
    selected = selection.open("sample")
    with applicable(selected):
        drawing = _sample(selected, how, side, options)
    echo_paths(_write(selected, how, drawing, options, formats))


def _side(count: int) -> int:
    side = math.isqrt(count)
    if side * side != count or side < 2:
        near = max(2, round(math.sqrt(count))) ** 2
        raise RequestError(f"a grid needs --count to be a square number, 4 or more, got {count}; take {near}")
    return side


def _sample(selected: SelectedTrial, how: str, side: int, options: dict[str, Any]) -> Drawing:
    from latentbench.explore.sample import draws, grid, inverse_grid, varied

    space, name, drawn = selected.space, selected.name, options["seed_draw"]
    if how == "grid":
        return grid(space, side, name)
    if how == "variations":
        item = check_item(space, options["item"], "--item")
        return varied(space, item, options["count"], drawn, options["width"], name)
    if how == "inverse":
        points = options["points"] or POINTS
        return inverse_grid(space, options["map_kind"] or "umap", side, points, drawn, name)
    return draws(space, options["count"], drawn, how, name)  # type: ignore[arg-type]  # click has checked it


def _write(
    selected: SelectedTrial, how: str, drawing: Drawing, options: dict[str, Any], formats: Formats
) -> list[Path]:
    from latentbench.drawing.drawing import write_drawing

    chosen = {name: value for name, value in options.items() if value is not None}
    items = selected.items_about([options["item"]]) if how == "variations" else {}
    about = {**selected.about, "how": how, **chosen, **items}
    stem = figure_stem(selected, how, *other_choices("how"))
    return write_drawing(replace(drawing, about=about), stem, formats)
