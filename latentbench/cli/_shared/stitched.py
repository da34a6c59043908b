"""`latentbench similar RUN --show A,B`: the decoders of two models exchange codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentbench.cli._shared.naming import file_name, other_choices
from latentbench.cli._shared.options import split_names
from latentbench.cli._shared.selection import check_items, choose, output_folder
from latentbench.errors import NotApplicableError, RequestError

if TYPE_CHECKING:
    from latentbench.drawing.formats import Formats
    from latentbench.explore.stitch import StitchedSide
    from latentbench.plugins import Plugins
    from latentbench.results import Results

__all__ = ["check_show", "show_stitched"]

ITEMS = 8
OF_MATRICES = {
    "models": "--models",
    "scores": "--scores",
    "every": "--all",
    "labels": "--labels",
    "calibrated": "--calibrated",
}


def show_stitched(
    run: str, show: str, items: Sequence[int] | None, plugins: Plugins, formats: Formats
) -> list[Path]:
    """Draw test items as two models of a run reconstruct them, and as each decodes the codes of the other.

    Args:
        run: folder of the run, or a packed one.
        show: the models, as "ae,vae".
        items: numbers of test items; None: eight, chosen by a fixed seed.
        plugins: where models come from.
        formats: of the drawing.

    Raises:
        RequestError: the run has no such models, or one of them does not decode.
    """
    from latentbench.drawing.drawing import write_drawing
    from latentbench.drawing.pictures import as_pictures
    from latentbench.explore.stitch import draw_stitched, stitched_rows
    from latentbench.latent.class_names import item_words
    from latentbench.latent.part import some_rows
    from latentbench.results import Results
    from latentbench.table.columns import datasets

    options = click.get_current_context().params
    results = Results(Path(run), plugins)
    folder = output_folder(results, "figures", options["output"])
    dataset = choose("data set", options["dataset"], datasets(results), "--dataset")
    first, second = (_side(results, dataset, name) for name in _two(results, dataset, show))
    space = first.space
    shown = check_items(space, items) if items else some_rows(len(space), ITEMS).tolist()
    try:
        rows = stitched_rows(first, second, shown)
        inputs = as_pictures(space.inputs[shown])
    except NotApplicableError as reason:
        raise RequestError(f"{reason}; choose two other models of {run} with --show") from reason
    names = [item_words(space, item) for item in shown]
    title = f"{dataset}: {first.label} and {second.label} decode each other's codes, taken over by a linear map"
    seeds = {side.label: side.seed for side in (first, second)}
    about = {"dataset": dataset, "items": shown, "item_names": names, "seeds": seeds}
    drawing = replace(draw_stitched(inputs, rows, names, title), about=about)
    stem = folder / file_name("stitched", dataset, first.label, second.label, *other_choices("spaces", "show"))
    return write_drawing(drawing, stem, formats)


def check_show(runs: Sequence[str], named: Sequence[str]) -> str:
    """Return the one run of a command with --show; --items without it is refused.

    Raises:
        RequestError: something else is compared, or an option is about matrices.
    """
    context = click.get_current_context()
    given = [option for name, option in OF_MATRICES.items() if context.params[name] not in (None, False)]
    if named or len(runs) != 1:
        raise RequestError(f"--show draws two models of one run, got {' '.join([*runs, *named])}; name one run")
    if given:
        raise RequestError(f"{given[0]} is about matrices, and --show draws pictures; leave one of them out")
    return runs[0]


def _two(results: Results, dataset: str, show: str) -> tuple[str, str]:
    """Return the labels of the two models.

    Raises:
        RequestError: these are not two.
        UnknownNameError: the run has no such model.
    """
    labels = [trial.label for trial in results.trials if trial.dataset == dataset]
    names = [choose("model", name, labels, "--show") for name in _split(show, labels)]
    if len(set(names)) != 2 or len(names) != 2:
        raise RequestError(
            f"--show takes two models as A,B, got {show!r}; there are {', '.join(dict.fromkeys(labels))}"
        )
    return names[0], names[1]


def _split(show: str, labels: Sequence[str]) -> Sequence[str]:
    """Split A,B where both are labels, which may hold commas themselves, as vae(beta=4,latent_dim=2)."""
    parts = show.split(",")
    halves = [(",".join(parts[:cut]).strip(), ",".join(parts[cut:]).strip()) for cut in range(1, len(parts))]
    return next((half for half in halves if set(half) <= set(labels)), split_names(show))


def _side(results: Results, dataset: str, label: str) -> StitchedSide:
    """Return the model of the median seed with its space, on few enough training items.

    Raises:
        RequestError: no trial of it ended well, or its model cannot be reloaded.
    """
    from latentbench.explore.stitch import StitchedSide
    from latentbench.report.page.pictures import median_trial
    from latentbench.similarity.spaces import ComparedSpace

    trial = median_trial(results, dataset, label)
    if trial is None:
        raise RequestError(f"no trial of {label} on {dataset} succeeded; see `latentbench table {results.source}`")
    try:
        space = ComparedSpace(trial.seed, trial.key, lambda: results.latent_space(trial)).space
    except NotApplicableError as reason:
        raise RequestError(f"{label}: {reason}; choose another model with --show") from reason
    return StitchedSide(label, trial.seed, space)
