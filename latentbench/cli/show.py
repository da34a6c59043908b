"""`latentbench show`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentbench.cli._shared.formats import format_options
from latentbench.cli._shared.naming import file_name, other_choices
from latentbench.cli._shared.selection import (
    Selection,
    applicable,
    check_item,
    check_items,
    choose,
    figure_stem,
    items_option,
    output_folder,
    selection_options,
)
from latentbench.errors import NotApplicableError, RequestError
from latentbench.terminal.output import echo, echo_paths

if TYPE_CHECKING:
    from latentbench.cli._shared.selection import SelectedTrial
    from latentbench.drawing.formats import Formats
    from latentbench.explore.show import Reconstructions
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["command"]

ITEMS = (
    "Test items to reconstruct (default: the first of each class), or to start traversals from (default: the mean "
    "code)."
)


@click.command("show")
@selection_options()
@click.option(
    "--what",
    type=click.Choice(["reconstructions", "traversals"]),
    default="reconstructions",
    show_default=True,
    help="What to draw: reconstructions by all models (or --model), or traversals of one, a dimension per row.",
)
@items_option(ITEMS)
@click.option(
    "--dims",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="How many of the most active dimensions to traverse.",
)
@click.option("--steps", type=click.IntRange(2), default=7, show_default=True, help="Images per dimension.")
@format_options()
def command(
    selection: Selection, what: str, items: list[int] | None, dims: int, steps: int, formats: Formats
) -> None:
    """Draw what the models of the run folder RUN decode, and write the numbers as CSV.

    Reconstructions: input, reconstruction and difference of the same test items, for every model with a decoder.
    Traversals: one row per dimension, the most active first, from its 5 % to its 95 % quantile.
    """
    if what == "reconstructions":
        paths = _show_reconstructions(selection, items, formats)
    else:
        selected = selection.open("show")
        with applicable(selected):
            starts = items or (None,)
            paths = [path for start in starts for path in _show_traversals(selected, start, dims, steps, formats)]
    echo_paths(paths)


def _show_reconstructions(selection: Selection, items: list[int] | None, formats: Formats) -> list[Path]:
    from latentbench.drawing.drawing import write_drawing
    from latentbench.explore.show import draw_reconstructions, reconstructions
    from latentbench.latent.class_names import item_words
    from latentbench.report.page.pictures import shown_items
    from latentbench.results import Results
    from latentbench.table.columns import datasets, labels

    results = Results(Path(selection.run), selection.plugins)
    folder = output_folder(results, "show", selection.output)
    dataset = choose("data set", selection.dataset, datasets(results), "--dataset")
    shown = labels(results, dataset)
    if selection.model is not None:  # one of all, floors too
        known_labels = list(dict.fromkeys(trial.label for trial in results.trials if trial.dataset == dataset))
        shown = [label for label in known_labels if selection.model in (label, label.partition("(")[0])]
        if not shown:
            raise RequestError(
                f"this run has no model {selection.model!r} on {dataset}; it has {', '.join(known_labels)}"
            )
    seeds = sorted({trial.seed for trial in results.trials if trial.dataset == dataset})
    if selection.seed is not None and selection.seed not in seeds:
        raise RequestError(f"--seed must be one of {', '.join(map(str, seeds))}, got {selection.seed}")
    name = file_name(
        dataset, selection.model or "", *_seed(selection.seed), "reconstructions", *other_choices("what")
    )
    reconstructed: list[Reconstructions] = []
    names: list[str] = []
    for label in shown:
        trial = _trial(results, dataset, label, selection.seed)
        if trial is None or trial.traits.reference == "ceiling":
            continue  # the inputs themselves
        try:
            space = results.latent_space(trial)
            items = items or shown_items(space)
            reconstructed.append(reconstructions(space, check_items(space, items), label, trial.seed))
            names = [item_words(space, item) for item in items]
        except NotApplicableError as error:
            echo(f"{label} is left out: {error}", err=True)
    if not reconstructed or items is None:
        raise RequestError(f"no model of this run has reconstructions of {dataset} to show")
    seeds_by_model = {model.label: model.seed for model in reconstructed}
    about = {"dataset": dataset, "items": items, "item_names": names, "seeds": seeds_by_model}
    drawing = draw_reconstructions(reconstructed, items, names, f"Test items of {dataset}, reconstructed")
    return write_drawing(replace(drawing, about=about), folder / name, formats)


def _show_traversals(
    selected: SelectedTrial, item: int | None, most: int, steps: int, formats: Formats
) -> list[Path]:
    from latentbench.drawing.drawing import write_drawing
    from latentbench.explore.show import draw_traversals, traversals
    from latentbench.latent.class_names import item_words

    start = "the mean code"
    if item is not None:
        start = item_words(selected.space, check_item(selected.space, item, "--items"))
    decoded = traversals(selected.space, item, most, steps)
    drawing = draw_traversals(decoded, f"{selected.name}: each dimension run through its quantiles, from {start}")
    where = "" if item is None else f"item={item}"
    stem = figure_stem(selected, "traversals", where, *other_choices("what", "items"))
    return write_drawing(replace(drawing, about={**selected.about, "start": start}), stem, formats)


def _trial(results: Results, dataset: str, label: str, seed: int | None) -> Trial | None:
    """Return the trial of that seed, or of the median error; None if it failed."""
    from latentbench.report.page.pictures import median_trial

    if seed is None:
        return median_trial(results, dataset, label)
    trials = (trial for trial in results.trials if (trial.dataset, trial.label) == (dataset, label))
    return next((trial for trial in trials if trial.seed == seed and trial.ok), None)


def _seed(seed: int | None) -> list[str]:
    return [] if seed is None else [f"seed{seed}"]
