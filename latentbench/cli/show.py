"""`latentbench show`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli.looking import (
    Asked,
    applicable,
    check_item,
    check_items,
    chosen,
    echo_paths,
    figure_stem,
    items_option,
    look_options,
)
from latentbench.cli.naming import file_name, other_choices
from latentbench.errors import NotApplicableError, RequestError

if TYPE_CHECKING:
    import pandas as pd

    from latentbench.cli.looking import Look
    from latentbench.drawing.sheet import SheetFormat
    from latentbench.drawing.sheet_layout import Sheet
    from latentbench.explore.show import Reconstructions
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["command"]

FORMS: tuple[SheetFormat, ...] = ("png", "svg", "pdf")
ITEMS = (
    "Test items: rows of the sheet, or where traversals start (default: the first of each class; the mean code)."
)


@click.command("show")
@look_options()
@click.option(
    "--what",
    type=click.Choice(["reconstructions", "traversals"]),
    default="reconstructions",
    show_default=True,
    help="Of all models (or of --model) on the same items; or one dimension of a model's codes after the other.",
)
@items_option(ITEMS)
@click.option(
    "--dims", type=click.IntRange(1), default=10, show_default=True, help="Most active dimensions shown."
)
@click.option("--steps", type=click.IntRange(2), default=7, show_default=True, help="Images a dimension.")
def command(asked: Asked, what: str, items: list[int] | None, dims: int, steps: int) -> None:
    """Draw what the models of the run folder RUN decode, and write the numbers beside it.

    Reconstructions: input, reconstruction and difference of fixed test items, for every model that decodes.
    Traversals: one row for each dimension, the most active first, from its 5 % to its 95 % quantile.
    """
    if what == "reconstructions":
        paths = _show_reconstructions(asked, items)
    else:
        look = asked.look("show")
        with applicable(look):
            starts = items or (None,)
            paths = [path for start in starts for path in _show_traversals(look, start, dims, steps)]
    echo_paths(paths)


def _show_reconstructions(asked: Asked, items: list[int] | None) -> list[Path]:
    from latentbench.explore.show import reconstruction_numbers, reconstruction_sheet, reconstructions
    from latentbench.report.page.pictures import shown_items
    from latentbench.report.table.build import datasets, labels
    from latentbench.results import Results

    results = Results(Path(asked.run), asked.plugins)
    dataset = chosen("data set", asked.dataset, datasets(results), "--dataset")
    wanted = labels(results, dataset)
    if asked.model is not None:  # one of all, floors too
        known = list(dict.fromkeys(trial.label for trial in results.trials if trial.dataset == dataset))
        wanted = [label for label in known if asked.model in (label, label.partition("(")[0])]
        if not wanted:
            raise RequestError(f"this run has no model {asked.model!r} on {dataset}; it has {', '.join(known)}")
    seeds = sorted({trial.seed for trial in results.trials if trial.dataset == dataset})
    if asked.seed is not None and asked.seed not in seeds:
        raise RequestError(f"--seed must be one of {', '.join(map(str, seeds))}, got {asked.seed}")
    name = file_name(dataset, asked.model or "", *_seed(asked.seed), "reconstructions", *other_choices("what"))
    seen: list[Reconstructions] = []
    for label in wanted:
        trial = _trial(results, dataset, label, asked.seed)
        if trial is None or trial.traits.reference == "ceiling":
            continue  # the inputs themselves
        try:
            space = results.latent_space(trial)
            items = items or shown_items(space)
            seen.append(reconstructions(space, check_items(space, items), label, trial.seed))
        except NotApplicableError as error:
            click.echo(f"{label} is left out: {error}", err=True)
    if not seen or items is None:
        raise RequestError(f"no model of this run has reconstructions of {dataset} to show")
    folder = Path(asked.output) if asked.output else results.path / "show"
    about = {"dataset": dataset, "items": items, "seeds": {one.label: one.seed for one in seen}}
    sheet = reconstruction_sheet(seen, items, f"{dataset}, test items reconstructed")
    return _written(folder / name, sheet, about, reconstruction_numbers(seen, items))


def _show_traversals(look: Look, item: int | None, most: int, steps: int) -> list[Path]:
    from latentbench.explore.show import traversal_numbers, traversal_sheet, traversals

    start = "the mean code" if item is None else f"item {check_item(look.space, item, '--items')}"
    found = traversals(look.space, item, most, steps)
    sheet = traversal_sheet(found, f"{look.name}: dimensions from {start}")
    where = "" if item is None else f"item={item}"
    stem = figure_stem(look, "traversals", where, *other_choices("what", "items"))
    return _written(stem, sheet, {**look.about, "start": start}, traversal_numbers(found))


def _written(stem: Path, sheet: Sheet, about: Mapping[str, Any], numbers: pd.DataFrame) -> list[Path]:
    from latentbench.drawing.sheet import draw_sheet, write_figure

    return write_figure(stem, {form: draw_sheet(sheet, form, about) for form in FORMS}, numbers)


def _trial(results: Results, dataset: str, label: str, seed: int | None) -> Trial | None:
    """The trial of that seed, of the median error where None; None where it did not end well."""
    from latentbench.report.page.pictures import median_trial
    from latentbench.report.table.build import succeeded

    if seed is None:
        return median_trial(results, dataset, label)
    mine = (trial for trial in results.trials if (trial.dataset, trial.label) == (dataset, label))
    return next((trial for trial in mine if trial.seed == seed and succeeded(trial)), None)


def _seed(seed: int | None) -> list[str]:
    return [] if seed is None else [f"seed{seed}"]
