"""`latentbench explore`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import click

from latentbench.cli._shared.options import PATH, TEXT, load_plugins, plugin_options
from latentbench.cli._shared.running import served_page
from latentbench.cli._shared.selection import chosen_trial, opened_space
from latentbench.errors import RequestError
from latentbench.terminal.output import echo

if TYPE_CHECKING:
    from collections.abc import Callable

    from latentbench.results import Results
    from latentbench.serving.content import ServedDecoding
    from latentbench.serving.models import ServedModels
    from latentbench.trial import Trial

__all__ = ["command"]

PORTS = 65535


@click.command("explore")
@click.argument("run", type=PATH)
@click.option(
    "--model",
    "-m",
    type=TEXT,
    metavar="NAME",
    help="Only model to decode and encode with, by its name in the table; default: all that the page shows.",
)
@click.option("--dataset", "-d", type=TEXT, metavar="NAME", help="Data set of this model, if the run has several.")
@click.option("--seed", type=int, help="Seed of this model; default: the one with the median error.")
@click.option(
    "--port", type=click.IntRange(0, PORTS), default=0, help="Port to listen on; default: one that is free."
)
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
@plugin_options
def command(
    run: str,
    model: str | None,
    dataset: str | None,
    seed: int | None,
    port: int,
    no_browser: bool,
    files: tuple[str, ...],
    blocked: tuple[str, ...],
) -> None:
    """Serve the page of the run RUN to a browser on this machine, with all its models behind it.

    Where a decoder cannot run in the page, torch decodes; your own images are encoded. The server listens on
    127.0.0.1, answers only whoever has the token in the address that is printed, and stops with Ctrl-C.
    """
    from latentbench.results import Results
    from latentbench.serving.server import page_server, stop_asked

    if model is None and (dataset or seed is not None):
        raise RequestError("--dataset and --seed say which trial of one model is meant; name it with --model")
    plugins = load_plugins(files, blocked, run)
    results = Results(Path(run), plugins)
    _check_trials(results, run)
    chosen = None if model is None else chosen_trial(results, run, model, dataset, seed)
    with page_server(port) as server:
        server.page = _page(results, server.models, chosen).encode()
        with stop_asked() as stop:
            echo(server.address)
            if not no_browser:
                Thread(target=webbrowser.open, args=(server.address,), daemon=True).start()
            stop.wait()
    echo(f"stopped exploring {run}", err=True)


def _check_trials(results: Results, run: str) -> None:
    """Refuse a run of which there is nothing to see."""
    if not any(trial.ok for trial in results.trials):
        raise RequestError(
            f"nothing of {run} can be explored: none of its {len(results.trials)} trials has succeeded; "
            f"`latentbench status {run}` tells how far it is"
        )


def _page(results: Results, models: ServedModels, chosen: Trial | None) -> str:
    from latentbench.serving.page import served_addition

    return served_page(results, results.loaded_plugins(), served_addition(_decoding(results, models, chosen)))


def _decoding(results: Results, models: ServedModels, chosen: Trial | None) -> Callable[[str], ServedDecoding]:
    """Return what makes the part of a data set that decodes: of all models, or of the chosen one alone."""
    from latentbench.report.page.decoding.content import OpenedModel
    from latentbench.serving.content import ServedDecoding

    def decoding(dataset: str) -> ServedDecoding:
        if chosen is None:
            return ServedDecoding(models)
        if chosen.dataset != dataset:
            return ServedDecoding(models, closed=True)
        space = opened_space(results, chosen)
        return ServedDecoding.of(
            models, [OpenedModel(chosen.label, f"seed {chosen.seed}", chosen.traits.encoder, space)]
        )

    return decoding
