"""`latentbench transport`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.formats import format_options
from latentbench.cli._shared.naming import file_name, other_choices
from latentbench.cli._shared.options import PATH, TEXT, several
from latentbench.cli._shared.selection import (
    SelectedTrial,
    Selection,
    applicable,
    check_items,
    figure_stem,
    items_option,
    selection_options,
)
from latentbench.errors import RequestError
from latentbench.files.failures import refusal
from latentbench.terminal.output import echo_paths

if TYPE_CHECKING:
    from torch import Tensor

    from latentbench.drawing.formats import Formats

__all__ = ["command"]

MOST_NAMED = 8  # signals in a title
SIDE = 5  # pictures along the side of a square between four


@click.command("transport")
@selection_options(run_needed=False)
@items_option("Two or more test images.")
@click.option(
    "--classes",
    type=TEXT,
    metavar="A,B",
    help="Two classes, whose codes are transported, by number or by name.",
)
@click.option(
    "--signals",
    metavar="FILE",
    type=PATH,
    help="File of signals: a CSV file with one column each, or a .npy array with one row each.",
)
@click.option(
    "--weights", metavar="W,W,...", callback=several(float, always=True), help="Weight of each item or signal."
)
@click.option(
    "--points",
    type=click.IntRange(3, 25),
    default=9,
    show_default=True,
    help="Number of pictures from one end to the other.",
)
@format_options(moving=True)
def command(
    selection: Selection,
    items: list[int] | None,
    classes: str | None,
    signals: str | None,
    weights: list[float] | None,
    points: int,
    formats: Formats,
) -> None:
    """Interpolate images, classes of codes or signals by optimal transport, beside plain fading.

    --items draws Wasserstein barycenters of test images beside Euclidean means: two images give a path between
    them, four a square with the images in its corners, any other number (or --weights) a single mean. --classes
    moves the codes of one class to those of another and decodes them, beside the line between the class means.
    --signals does for non-negative curves what --items does for images, without RUN. Writes pictures and their
    numbers as CSV.
    """
    _check_request(selection.run, items, classes, signals, weights)
    if signals is not None:
        echo_paths(_signals(Path(signals), weights, points, selection.output, formats))
    elif items is not None:
        selected = replace(selection, model=selection.model or _any_model(selection)).open("transport")
        echo_paths(_items(selected, items, weights, points, formats))
    else:
        echo_paths(_classes(selection.open("transport"), classes or "", points, formats))


def _check_request(run: str, items: Any, classes: Any, signals: Any, weights: Any) -> None:
    """Raise RequestError for options that do not go together."""
    sources = [
        f"--{name}" for name, value in (("items", items), ("classes", classes), ("signals", signals)) if value
    ]
    if len(sources) != 1:
        raise RequestError(f"give one of --items, --classes and --signals, got {' and '.join(sources) or 'none'}")
    if bool(run) == (sources == ["--signals"]):
        raise RequestError("--signals takes no RUN" if run else f"{sources[0]} needs a RUN, the folder of a run")
    if weights and classes:
        raise RequestError("--weights goes with --items or --signals, got --classes")
    if items and len(items) < 2:
        raise RequestError(f"--items must name two or more images, as --items 3,50, got {len(items)}")
    if classes and "," not in classes:
        raise RequestError(f"--classes must name two classes, as --classes 5,9, got {classes!r}")


def _any_model(selection: Selection) -> str | None:
    """Return any model that finished: the test images are the same for all."""
    from latentbench.results import Results

    trials = Results(Path(selection.run), selection.plugins).trials
    finished = (trial for trial in trials if trial.ok)
    return next((trial.label for trial in finished if selection.dataset in (None, trial.dataset)), None)


def _items(
    selected: SelectedTrial, items: list[int], weights: list[float] | None, points: int, formats: Formats
) -> list[Path]:
    from latentbench.drawing.drawing import write_drawing
    from latentbench.explore.transport import image_grid, image_means, image_strip
    from latentbench.latent.class_names import item_words

    rows = check_items(selected.space, items)
    names = [f"item {row}" for row in rows]
    titles = [item_words(selected.space, row) for row in rows]
    data = selected.trial.dataset
    with _reported(selected):
        images = selected.space.inputs[rows]
        if weights is None and len(rows) == 2:
            title = f"From {' to '.join(titles)}, test images of {data}: moved mass beside plain fading"
            drawing = image_strip(images, points, title)
        elif weights is None and len(rows) == 4:
            places = ("top left", "top right", "bottom left", "bottom right")
            corners = ", ".join(f"{title} {place}" for title, place in zip(titles, places, strict=True))
            drawing = image_grid(images, names, SIDE, f"Between test images of {data}: {corners}")
        else:
            title = f"Weighted means of test images of {data}, by moved mass and by fading"
            drawing = image_means(images, names, _weights(weights, len(rows)), title, titles)
    about = {"dataset": selected.trial.dataset, **selected.items_about(rows), "weights": weights}
    stem = selected.folder / file_name(selected.trial.dataset, *other_choices())
    return write_drawing(replace(drawing, about=about), stem, formats)


def _classes(selected: SelectedTrial, request: str, points: int, formats: Formats) -> list[Path]:
    from latentbench.drawing.drawing import write_drawing
    from latentbench.explore.transport import class_morph
    from latentbench.latent.class_names import class_pair, class_words

    space = selected.space
    with _reported(selected):
        known = sorted(set(space.labels.tolist()))
        pair = class_pair(request, ",", "--classes 5,9, by number or by name", space.class_names, known)
        names = [class_words(number, space.class_names) for number in pair]
        drawing = class_morph(
            space, *pair, points, 0, f"{selected.name}: codes of {names[0]} moved to codes of {names[1]}"
        )
    about = {**selected.about, "classes": list(pair), "class_names": names}
    return write_drawing(replace(drawing, about=about), figure_stem(selected, *other_choices()), formats)


def _signals(
    path: Path, weights: list[float] | None, points: int, output: str | None, formats: Formats
) -> list[Path]:
    from latentbench.drawing.drawing import write_drawing
    from latentbench.explore.signals import signal_drawing, signal_weights

    signals, names = _read_signals(path)
    if len(signals) < 2:
        raise RequestError(f"{path} must hold two or more signals, got {len(signals)}")
    shown = (
        signal_weights(len(signals), points, SIDE) if weights is None else _weights(weights, len(signals))[None]
    )
    try:
        drawing = signal_drawing(signals, names, shown, _signal_title(path.name, names, len(shown)))
    except ValueError as error:
        raise RequestError(f"{path}: {error}") from error
    folder = Path(output) if output else path.parent / "transport"
    stem = folder / file_name("signals", path.stem, *other_choices("signals"))
    return write_drawing(replace(drawing, about={"signals": path.name, "weights": weights}), stem, formats)


def _signal_title(file: str, names: Sequence[str], drawn: int) -> str:
    """Say what a figure of signals shows; names are listed unless they are many."""
    listed = ", ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} signals"
    way = "Mean of" if drawn == 1 else "From" if len(names) == 2 else "Between"
    return f"{way} {' to '.join(names) if way == 'From' else listed} ({file}): moved mass beside plain fading"


def _read_signals(path: Path) -> tuple[Tensor, list[str]]:
    """Read signals `(k, n)` and their names: the columns of a CSV file with a header, or the rows of an array."""
    import numpy as np
    import pandas as pd
    import torch

    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
            names = [f"signal {row}" for row in range(len(array) if array.ndim else 0)]
        else:
            table = pd.read_csv(path, dtype=str).astype("float64")  # pandas before 3 reads all but the last digit
            array, names = table.to_numpy().T, [str(name) for name in table.columns]
        signals = torch.from_numpy(np.array(array, dtype=np.float64))
    except OSError as error:
        raise refusal(error, f"signals cannot be read from {path}") from error
    except (ValueError, EOFError, MemoryError, OverflowError) as error:
        raise RequestError(f"signals cannot be read from {path}: {error}") from error
    if signals.ndim != 2:
        raise RequestError(f"{path} must hold an array (signals, places), got shape {tuple(signals.shape)}")
    for name, signal in zip(names, signals, strict=True):
        wrong = (~signal.isfinite()).nonzero()[:, 0].tolist()
        if wrong:
            raise RequestError(f"{path} must hold finite numbers, {name} has none at place {wrong[0]}, from 0")
    return signals, names


def _weights(weights: list[float] | None, count: int) -> Tensor:
    import torch

    if weights is None:
        return torch.ones(count)
    if len(weights) != count:
        raise RequestError(f"--weights must be {count} numbers, one for each item or signal, got {len(weights)}")
    if not all(0 <= weight < math.inf for weight in weights) or not sum(weights) > 0:
        values = ",".join(f"{weight:g}" for weight in weights)
        raise RequestError(f"--weights must be finite, at least 0 and not all 0, got {values}")
    return torch.tensor(weights)


@contextmanager
def _reported(selected: SelectedTrial) -> Iterator[None]:
    """Raise RequestError for what the model lacks or transport refuses."""
    try:
        with applicable(selected):
            yield
    except ValueError as error:
        raise RequestError(f"{selected.trial.dataset}: {error}") from error
