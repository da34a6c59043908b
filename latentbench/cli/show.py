"""`latentbench show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    from latentbench.cli.looking import Look
    from latentbench.records import Trial
    from latentbench.report.artwork import Sheet, SheetFormat
    from latentbench.results import Results

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


@dataclass(frozen=True)
class _Seen:
    """What one model makes of the shown items: pictures `(n, c, h, w)` and errors `(n,)`."""

    label: str
    seed: int
    inputs: Any
    reconstructions: Any
    errors: Any


def _show_reconstructions(asked: Asked, items: list[int] | None) -> list[Path]:
    from latentbench.report.gather import datasets, labels
    from latentbench.results import Results

    results = Results(Path(asked.run), asked.plugins)
    dataset = chosen("data set", asked.dataset, datasets(results), "--dataset")
    known = labels(results, dataset)
    wanted = [label for label in known if asked.model in (None, label, label.partition("(")[0])]
    if not wanted:
        raise RequestError(f"this run has no model {asked.model!r} on {dataset}; it has {', '.join(known)}")
    name = file_name(dataset, asked.model or "", *_seed(asked.seed), "reconstructions", *other_choices("what"))
    seen = []
    for label in wanted:
        trial = _trial(results, dataset, label, asked.seed)
        if trial is None or trial.traits["reference"] == "ceiling":
            continue  # the inputs themselves
        try:
            found, items = _reconstructed(results, trial, items)
        except NotApplicableError as error:
            click.echo(f"{label} is left out: {error}", err=True)
        else:
            seen.append(found)
    if not seen:
        raise RequestError(f"no model of this run has reconstructions of {dataset} to show")
    folder = Path(asked.output) if asked.output else results.path / "show"
    about = {"dataset": dataset, "items": items, "seeds": {one.label: one.seed for one in seen}}
    return _written(folder / name, _sheet(dataset, items or [], seen), about, _rows(items or [], seen))


def _reconstructed(results: Results, trial: Trial, items: Sequence[int] | None) -> tuple[_Seen, list[int]]:
    """Decode the shown items, and no others; choose them where none are given."""
    from latentbench.report.artwork import as_pictures
    from latentbench.report.pictures import shown_rows

    space = results.latent_space(trial)
    labels = space.labels.cpu().numpy() if "labels" in space.supplies else None
    rows = list(map(int, shown_rows(len(space), labels))) if items is None else list(items)
    inputs = space.inputs[check_items(space, rows)]
    codes = space.encode(inputs) if "encoder" in space.supplies else space.codes[rows]
    outputs = space.decode(codes)
    errors = (outputs - inputs).double().square().flatten(1).mean(1).cpu().numpy()
    return _Seen(trial.label, trial.seed, as_pictures(inputs), as_pictures(outputs, like=inputs), errors), rows


def _sheet(dataset: str, items: Sequence[int], seen: Sequence[_Seen]) -> Sheet:
    """The inputs, then for each model what it gives and by how much that is off."""
    import numpy as np

    from latentbench.report.artwork import Sheet

    images, words = [seen[0].inputs], ["input"]
    for one in seen:
        images += [one.reconstructions, np.abs(one.reconstructions - one.inputs)]
        words += [one.label, "difference"]
    return Sheet(np.stack(images), words, [str(item) for item in items], f"{dataset}, test items reconstructed")


def _rows(items: Sequence[int], seen: Sequence[_Seen]) -> list[dict[str, Any]]:
    return [
        {"model": one.label, "seed": one.seed, "item": item, "mse": float(error)}
        for one in seen
        for item, error in zip(items, one.errors, strict=True)
    ]


def _show_traversals(look: Look, item: int | None, most: int, steps: int) -> list[Path]:
    from latentbench.latent.traversal import activity, activity_unit, most_active, quantile_levels, traverse
    from latentbench.report.artwork import Sheet, as_pictures

    space = look.space
    start = "the mean code" if item is None else f"item {check_item(space, item, '--items')}"
    dims, unit = most_active(space, most), activity_unit(space)
    codes = traverse(space, item, dims, steps)
    pictures = as_pictures(space.decode(codes.flatten(0, 1)), like=space.inputs)
    levels, active = quantile_levels(steps).tolist(), activity(space)[dims].tolist()
    sheet = Sheet(
        pictures.reshape(len(dims), steps, *pictures.shape[1:]),
        [
            f"dim {dim}: " + (f"{value:.3g} nats" if unit == "nats" else f"{unit} {value:.3g}")
            for dim, value in zip(dims, active, strict=True)
        ],
        [f"{100 * level:.3g} %" for level in levels],
        f"{look.name}: dimensions from {start}",
    )
    rows = [
        {
            "dim": dim,
            "activity": value,
            "unit": unit,
            "quantile": round(level, 6),
            "code": float(codes[row, step, dim]),
        }
        for row, (dim, value) in enumerate(zip(dims, active, strict=True))
        for step, level in enumerate(levels)
    ]
    where = "" if item is None else f"item={item}"
    stem = figure_stem(look, "traversals", where, *other_choices("what", "items"))
    return _written(stem, sheet, {**look.about, "start": start}, rows)


def _written(stem: Path, sheet: Sheet, about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    import pandas as pd

    from latentbench.report.artwork import draw_sheet, write_figure

    return write_figure(stem, {form: draw_sheet(sheet, form, about) for form in FORMS}, pd.DataFrame(rows))


def _trial(results: Results, dataset: str, label: str, seed: int | None) -> Trial | None:
    """The trial of that seed, of the median error where None; None where it did not end well."""
    from latentbench.report.gather import succeeded
    from latentbench.report.pictures import median_trial

    if seed is None:
        return median_trial(results, dataset, label)
    mine = (trial for trial in results.trials if (trial.dataset, trial.label) == (dataset, label))
    return next((trial for trial in mine if trial.seed == seed and succeeded(trial)), None)


def _seed(seed: int | None) -> list[str]:
    return [] if seed is None else [f"seed{seed}"]
