"""`latentbench tour`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from latentbench.cli._shared.formats import format_options
from latentbench.cli._shared.selection import Selection, selection_options

if TYPE_CHECKING:
    from latentbench.cli._shared.selection import SelectedTrial
    from latentbench.drawing.drawing import Drawing
    from latentbench.drawing.formats import Formats
    from latentbench.plugins import Plugins

__all__ = ["command"]


@click.command("tour")
@selection_options()
@click.option(
    "--method", type=click.Choice(["pca", "tsne", "umap"]), default="umap", show_default=True, help="Map to film."
)
@click.option(
    "--count", type=click.IntRange(2), default=2000, show_default=True, help="Maximum number of test items."
)
@click.option("--clusters", type=click.IntRange(1), default=30, show_default=True, help="Number of stops.")
@click.option(
    "--seconds-per-stop",
    "seconds",
    type=click.FloatRange(0.16, 60),
    help="Seconds from stop to stop; default: 0.8, with --forming 1.6 from epoch to epoch.",
)
@click.option("--forming", is_flag=True, help="Film how the map forms over the checkpoints of the run instead.")
@click.option(
    "--map-seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the map and the clusters."
)
@format_options(moving=True)
def command(
    selection: Selection,
    method: str,
    count: int,
    clusters: int,
    seconds: float | None,
    forming: bool,
    map_seed: int,
    formats: Formats,
) -> None:
    """Film a model's map: a dot visits each cluster, with the decoded image beside the map.

    Of a model without decoder, and of own codes, the nearest test item is shown.

    RUN is a run folder. --forming films how the map forms over the epochs of a run that was made with
    `latentbench run --checkpoints 1,2,5,10`.
    """
    from latentbench.cli._shared.naming import other_choices
    from latentbench.cli._shared.selection import applicable, figure_stem
    from latentbench.drawing.drawing import write_drawing
    from latentbench.terminal.output import echo_paths

    selected = selection.open("tour")
    with applicable(selected):
        if forming:
            drawing = _forming(selected, method, count, map_seed, seconds or 1.6, selection.plugins)
        else:
            drawing = _tour(selected, method, count, map_seed, clusters, seconds or 0.8, selection.plugins)
    stem = figure_stem(selected, method, *other_choices("method"))
    drawing = replace(drawing, about={**selected.about, "method": method, "map_seed": map_seed})
    echo_paths(write_drawing(drawing, stem, formats))


def _tour(
    selected: SelectedTrial, method: str, count: int, seed: int, clusters: int, seconds: float, plugins: Plugins
) -> Drawing:
    """Film a round trip through the clusters."""
    from latentbench.execution.maps import trial_map
    from latentbench.explore.tour import cluster_tour
    from latentbench.records import Record

    record = Record(selected.results.path, selected.trial.key)
    layout = trial_map(record, selected.space, method, plugins, seed=seed, count=count)
    return cluster_tour(selected.space, layout, selected.name, clusters, seconds, seed)


def _forming(
    selected: SelectedTrial, method: str, count: int, seed: int, seconds: float, plugins: Plugins
) -> Drawing:
    """Film the maps of all checkpoints; each but the last is computed from the places of the next one."""
    from latentbench.execution.maps import trial_map
    from latentbench.explore.coloring import choose_coloring
    from latentbench.explore.tour import finished_checkpoints, forming_film
    from latentbench.records import Record

    trials = finished_checkpoints(selected.results, selected.trial)
    maps, start = [], None
    for trial in reversed(trials):
        space = selected.space if trial.key == selected.trial.key else selected.results.latent_space(trial)
        record = Record(selected.results.path, trial.key)
        maps.append(trial_map(record, space, method, plugins, seed=seed, count=count, start=start))
        start = maps[-1].places
    rows = maps[0].rows
    coloring = choose_coloring(selected.space, rows)
    return forming_film(maps[::-1], trials, coloring, selected.name, seconds)
