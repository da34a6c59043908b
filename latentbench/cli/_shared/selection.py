"""Selecting one trial of a run, its items and where to write: shared by the verbs that explore a latent space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from latentbench.cli._shared.naming import file_name
from latentbench.cli._shared.options import PATH, TEXT, load_plugins, plugin_options, several
from latentbench.errors import NotApplicableError, RequestError, UnknownNameError, near_matches
from latentbench.packed.opening import refuse_writing
from latentbench.text import normalized

if TYPE_CHECKING:
    from latentbench.latent.space import LatentSpace
    from latentbench.plugins import Plugins
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = [
    "SelectedTrial",
    "Selection",
    "applicable",
    "check_item",
    "check_items",
    "choose",
    "chosen_trial",
    "figure_stem",
    "items_option",
    "open_trial",
    "opened_space",
    "output_folder",
    "selection_options",
]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Selection:
    """The options that all these verbs have: the run, which trial of it, where to write, and plugins.

    `run` is empty when a verb works without one and none was given.
    """

    run: str
    model: str | None
    dataset: str | None
    seed: int | None
    output: str | None
    files: tuple[str, ...]
    blocked: tuple[str, ...]

    @cached_property
    def plugins(self) -> Plugins:
        """The plugins that the command names, loaded when first used."""
        return load_plugins(self.files, self.blocked, self.run)

    def open(self, verb: str) -> SelectedTrial:
        """Open the selected trial; see `open_trial`."""
        return open_trial(self.run, verb, self.plugins, self.model, self.dataset, self.seed, self.output)


@dataclass(frozen=True)
class SelectedTrial:
    """One trial of a run and its latent space (the test split).

    Attributes:
        results: the run.
        trial: the selected trial.
        space: the test split seen through its model.
        folder: where figures are written.
    """

    results: Results
    trial: Trial
    space: LatentSpace
    folder: Path

    @property
    def about(self) -> dict[str, Any]:
        """What the description inside a figure says about the trial."""
        return {"dataset": self.trial.dataset, "model": self.trial.label, "seed": self.trial.seed}

    def items_about(self, items: Sequence[int]) -> dict[str, Any]:
        """What the description inside a figure says about its items: their numbers, and what they are called."""
        from latentbench.latent.class_names import item_words

        return {"items": list(items), "item_names": [item_words(self.space, item) for item in items]}

    @property
    def name(self) -> str:
        """The trial in titles: model, data set and seed."""
        return f"{self.trial.label} on {self.trial.dataset}, seed {self.trial.seed}"


def selection_options(*, run_needed: bool = True) -> Callable[[F], F]:
    """Add the argument RUN, --model, --dataset, --seed, -o and the plugin options, passed on as a `Selection`."""
    options = (
        click.argument("run", type=PATH, required=run_needed),
        click.option(
            "--model",
            "-m",
            type=TEXT,
            metavar="NAME",
            help="Model, by its name in the table; required if the run has several.",
        ),
        click.option(
            "--dataset", "-d", type=TEXT, metavar="NAME", help="Data set; required if the run has several."
        ),
        click.option("--seed", type=int, help="Seed of the trial; default: the trial with the median error."),
        click.option("-o", "--output", type=PATH, help="Folder to write to; default: RUN/VERB."),
    )

    def add(command: F) -> F:
        @wraps(command)
        def bundled(**arguments: Any) -> None:
            selection = {field.name: arguments.pop(field.name) for field in fields(Selection)}
            command(Selection(**{**selection, "run": selection["run"] or ""}), **arguments)

        added = plugin_options(bundled)
        for option in reversed(options):
            added = option(added)
        return added  # type: ignore[return-value]  # a click command takes its options by name

    return add


def items_option(help_text: str) -> Callable[[F], F]:
    """Add --items, the numbers of test items separated by commas."""
    return click.option("--items", callback=several(int, always=True), metavar="N,...", help=help_text)


def open_trial(
    run: str,
    verb: str,
    plugins: Plugins,
    model: str | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    output: str | None = None,
) -> SelectedTrial:
    """Open the trial that the options name.

    Raises:
        RequestError: several trials match, the trial failed, or its model cannot be reloaded.
        UnknownNameError: the run has no such data set or model.
    """
    from latentbench.results import Results

    results = Results(Path(run), plugins)
    folder = output_folder(results, verb, output)
    trial = chosen_trial(results, run, model, dataset, seed)
    return SelectedTrial(results, trial, opened_space(results, trial), folder)


def chosen_trial(results: Results, run: str, model: str | None, dataset: str | None, seed: int | None) -> Trial:
    """Return the trial that the options name; see `open_trial`."""
    from latentbench.report.page.pictures import median_trial

    data = choose("data set", dataset, [trial.dataset for trial in results.trials], "--dataset")
    rows = [trial for trial in results.trials if trial.dataset == data]
    label = choose("model", _final_label(model, rows), [trial.label for trial in rows], "--model")
    if seed is None:
        trial = median_trial(results, data, label)
        if trial is None:
            raise RequestError(f"no trial of {label} on {data} succeeded; see `latentbench table {run}`")
    else:
        seeds = {trial.seed: trial for trial in rows if trial.label == label}
        if seed not in seeds:
            raise RequestError(f"--seed must be one of {', '.join(map(str, sorted(seeds)))}, got {seed}")
        trial = seeds[seed]
        if not trial.ok:
            raise RequestError(f"{label} with seed {seed} did not succeed; choose another --seed")
    return trial


def opened_space(results: Results, trial: Trial) -> LatentSpace:
    """Return the latent space of a chosen trial; see `open_trial`."""
    try:
        return results.latent_space(trial)
    except NotApplicableError as error:
        raise RequestError(f"{error}; choose another --model") from error


def output_folder(results: Results, verb: str, output: str | None) -> Path:
    """Return the folder that -o names, or that of a verb in the run folder.

    Raises:
        RunFolderError: none is named, and the run is packed.
    """
    if output:
        return Path(output)
    refuse_writing(results.source, "give a folder with -o")
    return results.path / verb


def choose(what: str, requested: str | None, names: Sequence[str], option: str) -> str:
    """Return the requested name, or the name that it abbreviates; without a request the only name there is.

    Raises:
        RequestError: several names, and none is requested.
        UnknownNameError: no such name.
    """
    names = list(dict.fromkeys(names))
    requested = next((name for name in names if normalized(name) == requested), requested)
    if requested is None:
        if len(names) == 1:
            return names[0]
        raise RequestError(f"this run has several: choose a {what} with {option}, one of {', '.join(names)}")
    if requested in names:
        return requested
    abbreviated = [name for name in names if name.partition("(")[0] == requested]  # beta_vae for beta_vae(4)
    if len(abbreviated) == 1:
        return abbreviated[0]
    raise UnknownNameError(
        f"this run has no {what} {requested!r}{near_matches(requested, names)}; it has {', '.join(names)}"
    )


@contextmanager
def applicable(selected: SelectedTrial) -> Iterator[None]:
    """Raise RequestError instead of NotApplicableError within this context."""
    try:
        yield
    except NotApplicableError as error:
        raise RequestError(
            f"{selected.trial.label} on {selected.trial.dataset}: {error}; choose another --model"
        ) from error


def check_item(space: LatentSpace, number: int, option: str) -> int:
    """Return the number of a test item, checked; `option` gave it.

    Raises:
        RequestError: there is no such item.
    """
    if not 0 <= number < len(space):
        raise RequestError(f"{option} must be a test item from 0 to {len(space) - 1}, got {number}")
    return number


def check_items(space: LatentSpace, numbers: Sequence[int]) -> list[int]:
    """Return the numbers of test items given by --items, checked."""
    return [check_item(space, number, "--items") for number in numbers]


def figure_stem(selected: SelectedTrial, *parts: str) -> Path:
    """Return the path of a figure without its ending: data set, model, seed and what it shows."""
    return selected.folder / file_name(
        selected.trial.dataset, selected.trial.label, f"seed{selected.trial.seed}", *parts
    )


def _final_label(requested: str | None, rows: Sequence[Trial]) -> str | None:
    """Return the label of the finished model where the run has checkpoints of it too: `vae` for vae(epochs=10)."""
    if requested in {trial.label for trial in rows}:
        return requested
    with_checkpoints = {trial.training_key for trial in rows if trial.budget.checkpoint is not None}
    named = [trial for trial in rows if requested in (None, trial.label.partition("(")[0])]
    labels = {trial.label for trial in named if trial.budget.checkpoint is None}
    has_checkpoints = any(trial.key in with_checkpoints for trial in named)
    return labels.pop() if has_checkpoints and len(labels) == 1 else requested
