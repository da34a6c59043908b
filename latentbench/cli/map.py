"""`latentbench map`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from latentbench.cli._shared.formats import format_options
from latentbench.cli._shared.options import TEXT
from latentbench.cli._shared.selection import Selection, selection_options

if TYPE_CHECKING:
    from latentbench.cli._shared.selection import SelectedTrial
    from latentbench.drawing.formats import Formats
    from latentbench.latent.maps.projection import Map
    from latentbench.plugins import Plugins

__all__ = ["command"]


@click.command("map")
@selection_options()
@click.option(
    "--method",
    "methods",
    type=TEXT,
    metavar="NAME,...",
    default="pca,tsne,umap",
    show_default=True,
    help="Maps to draw, separated by commas.",
)
@click.option(
    "--count", type=click.IntRange(2), default=2000, show_default=True, help="Maximum number of test items."
)
@click.option(
    "--by", type=TEXT, metavar="label|FACTOR", help="What the colors show; default: the label, if there is one."
)
@click.option("--map-seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of t-SNE and UMAP.")
@click.option(
    "--map-seeds",
    "repeats",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Make this many maps with consecutive seeds and report how much they differ.",
)
@format_options()
def command(
    selection: Selection,
    methods: str,
    count: int,
    by: str | None,
    map_seed: int,
    repeats: int,
    formats: Formats,
) -> None:
    """Draw maps of a model's codes by PCA, t-SNE and UMAP, side by side, with their trust scores.

    RUN is a run folder. Each map is computed once and stored with the trial; `--model pixels` maps the raw data.
    """
    from latentbench.cli._shared.naming import other_choices
    from latentbench.cli._shared.options import split_names
    from latentbench.cli._shared.selection import applicable, figure_stem
    from latentbench.drawing.drawing import write_drawing
    from latentbench.explore.coloring import choose_coloring
    from latentbench.explore.map import draw_maps
    from latentbench.latent.maps.projection import check_method
    from latentbench.terminal.output import echo_paths

    names = [check_method(name) for name in dict.fromkeys(split_names(methods) or ("",))]
    selected = selection.open("map")
    seeds = range(map_seed, map_seed + repeats)
    with applicable(selected):
        maps_by_method = [_maps(selected, name, count, seeds, selection.plugins) for name in names]
    first = [maps[0] for maps in maps_by_method]
    coloring = choose_coloring(selected.space, first[0].rows, by)
    about = {**selected.about, "methods": names, "map_seed": map_seed, "items": len(first[0].rows)}
    named = {str(number): name for number, name in coloring.marks.items()}
    about |= {"classes": named} if any(number != name for number, name in named.items()) else {}
    notes = {maps[0].method: _agreement(maps) for maps in maps_by_method}
    drawing = replace(draw_maps(first, coloring, selected.name, notes), about=about)
    echo_paths(write_drawing(drawing, figure_stem(selected, *names, *other_choices("methods")), formats))


def _maps(selected: SelectedTrial, method: str, count: int, seeds: range, plugins: Plugins) -> list[Map]:
    """Return the maps of a method, one per seed; PCA has no seed, so one."""
    from latentbench.execution.maps import trial_map
    from latentbench.explore.map import NAMES
    from latentbench.records import Record
    from latentbench.terminal.working import working

    record = Record(selected.results.path, selected.trial.key)
    used = seeds[:1] if method == "pca" else seeds
    with working(f"laying out {NAMES[method]}"):
        return [trial_map(record, selected.space, method, plugins, seed=seed, count=count) for seed in used]


def _agreement(maps: list[Map]) -> str:
    """Return a sentence on how much the maps of other seeds differ from the first."""
    from latentbench.latent.maps.procrustes import disparity

    others = [disparity(other.places, maps[0].places) for other in maps[1:]]
    if not others:
        return ""
    return f"disparity to {len(others)} other seed{'s' * (len(others) > 1)} {sum(others) / len(others):.3f}"
