"""`latentbench tour`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from latentbench.cli.looking import Asked, look_options

if TYPE_CHECKING:
    from latentbench.cli.looking import Look
    from latentbench.explore.tour import Film
    from latentbench.plugins import Plugins

__all__ = ["command"]


@click.command("tour")
@look_options()
@click.option("--method", type=click.Choice(["pca", "tsne", "umap"]), default="umap", show_default=True)
@click.option("--count", type=click.IntRange(2), default=2000, show_default=True, help="Test items at most.")
@click.option("--clusters", type=click.IntRange(1), default=30, show_default=True, help="Stops of the tour.")
@click.option(
    "--seconds-per-stop",
    "seconds",
    type=click.FloatRange(0.16, 60),
    help="Default: 0.8; from epoch to epoch 1.6.",
)
@click.option("--forming", is_flag=True, help="Show the map at each checkpoint of the run instead.")
@click.option("--map-seed", type=click.IntRange(0), default=0, show_default=True, help="Of map and clusters.")
@click.option("--format", "form", type=click.Choice(["webp", "gif"]), default="webp", show_default=True)
def command(
    asked: Asked,
    method: str,
    count: int,
    clusters: int,
    seconds: float | None,
    forming: bool,
    map_seed: int,
    form: Any,
) -> None:
    """Film a model's map: a dot visits each cluster, what the decoder makes of its code beside it.

    With --forming: how the map forms over the epochs of a run made with `latentbench run --checkpoints 1,2,5,10`.
    """
    from latentbench.cli.looking import applicable, echo_paths, figure_stem
    from latentbench.cli.naming import other_choices
    from latentbench.drawing.animation import animation
    from latentbench.drawing.sheet import write_figure
    from latentbench.explore.tour import MILLISECONDS

    look = asked.look("tour")
    with applicable(look):
        if forming:
            film = _forming(look, method, count, map_seed, seconds or 1.6, asked.plugins)
        else:
            film = _tour(look, method, count, map_seed, clusters, seconds or 0.8, asked.plugins)
    stem = figure_stem(look, method, *other_choices("method"))
    echo_paths(write_figure(stem, {form: animation(film.frames, MILLISECONDS, form)}, film.numbers))


def _tour(look: Look, method: str, count: int, seed: int, clusters: int, seconds: float, plugins: Plugins) -> Film:
    """Film the round trip through the clusters."""
    from latentbench.errors import NotApplicableError
    from latentbench.execution.maps import trial_map
    from latentbench.explore.tour import cluster_tour
    from latentbench.records import Record

    if reason := look.space.missing(("decoder",)):
        raise NotApplicableError(f"{reason}, so a tour has nothing to show (`latentbench map` needs none)")
    record = Record(look.results.path, look.trial.key)
    made = trial_map(record, look.space, method, plugins, seed=seed, count=count)
    return cluster_tour(look.space, made, clusters, seconds, seed)


def _forming(look: Look, method: str, count: int, seed: int, seconds: float, plugins: Plugins) -> Film:
    """Film the maps of all looks at the training; each but the last begins where the next one lies."""
    from latentbench.execution.maps import trial_map
    from latentbench.explore.tour import forming_film, looks_on_the_way
    from latentbench.records import Record

    trials = looks_on_the_way(look.results, look.trial)
    maps, start = [], None
    for trial in reversed(trials):
        space = look.space if trial.key == look.trial.key else look.results.latent_space(trial)
        record = Record(look.results.path, trial.key)
        maps.append(trial_map(record, space, method, plugins, seed=seed, count=count, start=start))
        start = maps[-1].places
    rows = maps[0].rows
    labels = look.space.labels.cpu().numpy()[rows] if "labels" in look.space.supplies else None
    return forming_film(maps[::-1], trials, labels, seconds)
