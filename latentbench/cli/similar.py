"""`latentbench similar`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.formats import read_forms
from latentbench.cli._shared.naming import file_name, other_choices
from latentbench.cli._shared.options import NAME_OR_PATH, PATH, TEXT, load_plugins, plugin_options, split_names
from latentbench.cli._shared.own_codes import codes_by_name
from latentbench.cli._shared.selection import items_option
from latentbench.cli._shared.stitched import check_show, show_stitched
from latentbench.drawing.formats import STILL_FORMS, Formats
from latentbench.errors import RequestError
from latentbench.files.reading import is_there
from latentbench.packed.opening import is_archive
from latentbench.terminal.output import echo, echo_paths, terminal_width

if TYPE_CHECKING:
    from latentbench.plugins import Plugins
    from latentbench.similarity.requests import PairRequest
    from latentbench.similarity.similarity import Similarity

__all__ = ["command"]

DEFAULT = "text,png"
STYLES = ("text", "md", "csv", "latex", "html")


@click.command("similar")
@click.argument("spaces", nargs=-1, required=True, type=NAME_OR_PATH, metavar="RUN [RUN] | NAME=FILE[,FILE] ...")
@click.option("--models", type=TEXT, metavar="MODEL,...", help="Compare only these models, as tables call them.")
@click.option(
    "--scores",
    "-s",
    type=TEXT,
    metavar="SCORE,...",
    help="Compute only these pair scores; default: the quick ones.",
)
@click.option("--all", "every", is_flag=True, help="Compute all pair scores, those that take long too.")
@click.option("-d", "--dataset", type=TEXT, help="Data set of the run; needed where it has several.")
@click.option("--labels", type=PATH, metavar="FILE", help="Class of each item of own codes, in their order.")
@click.option(
    "--calibrated", is_flag=True, help="Print where scores lie between unrelated spaces (0) and equal ones (1)."
)
@click.option(
    "--format",
    "form",
    type=TEXT,
    metavar="FORMAT,...",
    default=DEFAULT,
    show_default=True,
    help=f"How matrices are printed, of {', '.join(STYLES)}, and what the figure is written as, "
    f"of {', '.join(STILL_FORMS)}.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Folder for the figure; default: RUN/figures, and no figure of own codes alone.",
)
@click.option(
    "--show",
    type=TEXT,
    metavar="A,B",
    help="Instead of matrices, draw what the decoder of each of these two models makes of the other's codes.",
)
@items_option("Test items for --show; default: eight, chosen by a fixed seed.")
@plugin_options
def command(
    spaces: tuple[str, ...],
    form: str,
    calibrated: bool,
    show: str | None,
    files: tuple[str, ...],
    blocked: tuple[str, ...],
    **options: Any,
) -> None:
    """Tell how alike the spaces are that the models of RUN have found, and how alike seeds of one model are.

    NAME=FILE puts the codes in a .npy, .npz, CSV or parquet file beside them; several files are seeds of one
    model. All hold the same items in the same order. What is computed is kept in RUN/similarity. The matrices are
    also drawn, with their numbers as CSV.
    """
    style, formats = _formats(form, show)
    named = codes_by_name(text for text in spaces if "=" in text and not is_there(text))
    runs = [text for text in spaces if "=" not in text or is_there(text)]
    if show:
        run = check_show(runs, list(named))
        echo_paths(show_stitched(run, show, options["items"], load_plugins(files, blocked, run), formats))
        return
    if options["items"]:
        raise RequestError("--items is about the pictures of --show; add --show A,B or leave it out")
    from latentbench.similarity.render import render_similarity
    from latentbench.similarity.similarity import compare_models
    from latentbench.similarity.sources import compared_sources

    plugins = load_plugins(files, blocked, runs[0] if runs else "")
    requests = _requests(options["scores"], options["every"], plugins)
    source = compared_sources(
        [Path(run) for run in runs], named, options["labels"] or "", options["dataset"], plugins
    )
    models = source.chosen(split_names(options["models"]))
    similarity = compare_models(source.dataset, models, requests, source.folder)
    echo(render_similarity(similarity, style, calibrated, terminal_width()))
    _draw(similarity, runs, list(named), options["output"], formats)


def _formats(text: str, show: str | None) -> tuple[str, Formats]:
    """Return how matrices are printed, and in which formats the figure is written.

    Raises:
        RequestError: an unknown format, several of the print, or one with --show, which prints nothing.
    """
    names = split_names(text) or (text,)
    forms = read_forms(names, STYLES)
    styles = [style for style in STYLES if style in names]
    if len(styles) > 1:
        raise RequestError(f"--format takes one format of the print, got {' and '.join(styles)}; leave one out")
    if show and styles and text != DEFAULT:
        raise RequestError(
            f"--format {styles[0]} is about matrices, and --show draws pictures; leave one of them out"
        )
    return (*styles, "text")[0], Formats(forms or ("png",))


def _draw(
    similarity: Similarity, runs: Sequence[str], named: Sequence[str], output: str | None, formats: Formats
) -> None:
    """Write the figure, where there is a folder for it; on standard error, say where it is."""
    if not output and (not runs or is_archive(Path(runs[0]))):
        return
    from latentbench.drawing.drawing import write_drawing
    from latentbench.report.charts.similarity_plot import similarity_plot

    others = [Path(run).resolve().name for run in runs[bool(runs) :]]
    choices = other_choices("spaces", "calibrated", "labels")
    folder = Path(output) if output else Path(runs[0]) / "figures"
    stem = folder / file_name("similarity", similarity.dataset, *others, *named, *choices)
    echo_paths(write_drawing(similarity_plot(similarity).drawing, stem, formats), err=True)
    if not (output or others or named):
        echo(f"`latentbench report {runs[0]}` shows in its page how alike its models are", err=True)


def _requests(scores: str | None, every: bool, plugins: Plugins) -> list[PairRequest]:
    from latentbench.similarity.requests import pair_requests

    if scores and every:
        raise RequestError("--all asks for all pair scores, --scores for some; leave one of them out")
    requests = pair_requests(split_names(scores), plugins, ("quick", "full") if every else ("quick",))
    if not requests:
        raise RequestError("no plugin supplies a pair score (`latentbench list pair_metrics`)")
    return requests
