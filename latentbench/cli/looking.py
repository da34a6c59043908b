"""What the verbs that look into one trial of a run share: choosing it, its items, and where to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from latentbench.cli.naming import file_name
from latentbench.cli.options import load_plugins, plugin_options, several
from latentbench.errors import NotApplicableError, RequestError, UnknownNameError, near_matches

if TYPE_CHECKING:
    from latentbench.latent.space import LatentSpace
    from latentbench.plugins import Plugins
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = [
    "Asked",
    "Look",
    "applicable",
    "check_item",
    "check_items",
    "chosen",
    "echo_paths",
    "figure_stem",
    "items_option",
    "look_at",
    "look_options",
]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Asked:
    """What the options that all these verbs have say: the run, which trial of it, where to write, plugins.

    `run` is empty where a verb can do without and none was given.
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
        """Those of the command, loaded when first asked for."""
        return load_plugins(self.files, self.blocked)

    def look(self, verb: str) -> Look:
        """Open the trial; see `look_at`."""
        return look_at(self.run, verb, self.plugins, self.model, self.dataset, self.seed, self.output)


@dataclass(frozen=True)
class Look:
    """One trial of a run and its latent space (the test split).

    Attributes:
        results: the run.
        trial: the trial that was chosen.
        space: the test split seen through its model.
        folder: where figures go.
    """

    results: Results
    trial: Trial
    space: LatentSpace
    folder: Path

    @property
    def about(self) -> dict[str, Any]:
        """What a figure's description says of it."""
        return {"dataset": self.trial.dataset, "model": self.trial.label, "seed": self.trial.seed}

    @property
    def name(self) -> str:
        """How titles call it."""
        return f"{self.trial.label}, {self.trial.dataset}, seed {self.trial.seed}"


def look_options(*, run_needed: bool = True) -> Callable[[F], F]:
    """Add the argument RUN and --model, --dataset, --seed, -o and the options of plugins, given as `Asked`."""
    options = (
        click.argument("run", type=click.Path(), required=run_needed, default=None if run_needed else ""),
        click.option("--model", "-m", metavar="NAME", help="Model, as the table calls it; needed with several."),
        click.option("--dataset", "-d", metavar="NAME", help="Data set; needed with several."),
        click.option("--seed", type=int, help="Trial to look at; default: that of the median error."),
        click.option("-o", "--output", type=click.Path(), help="Folder to write to; default: RUN/VERB."),
    )

    def add(command: F) -> F:
        @wraps(command)
        def bundled(**given: Any) -> None:
            command(Asked(**{field.name: given.pop(field.name) for field in fields(Asked)}), **given)

        added = plugin_options(bundled)
        for option in reversed(options):
            added = option(added)
        return added  # type: ignore[return-value]  # a click command takes its options by name

    return add


def items_option(help_text: str) -> Callable[[F], F]:
    """Add --items, test items with commas between them."""
    return click.option("--items", callback=several(int, always=True), metavar="N,...", help=help_text)


def look_at(
    run: str,
    verb: str,
    plugins: Plugins,
    model: str | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    output: str | None = None,
) -> Look:
    """Open the trial that the options name.

    Raises:
        RequestError: several fit, the trial did not end well, or its model cannot be reloaded.
        UnknownNameError: a name that the run does not have.
    """
    from latentbench.report.page.pictures import median_trial
    from latentbench.results import Results

    results = Results(Path(run), plugins)
    data = chosen("data set", dataset, [trial.dataset for trial in results.trials], "--dataset")
    rows = [trial for trial in results.trials if trial.dataset == data]
    label = chosen("model", _whole(model, rows), [trial.label for trial in rows], "--model")
    if seed is None:
        trial = median_trial(results, data, label)
        if trial is None:
            raise RequestError(f"no trial of {label} on {data} ended well; see `latentbench table {run}`")
    else:
        seeds = {trial.seed: trial for trial in rows if trial.label == label}
        if seed not in seeds:
            raise RequestError(f"--seed must be one of {', '.join(map(str, sorted(seeds)))}, got {seed}")
        trial = seeds[seed]
        if trial.outcome is None or trial.outcome.status != "ok":
            raise RequestError(f"{label} with seed {seed} did not end well; choose another --seed")
    try:
        space = results.latent_space(trial)
    except NotApplicableError as error:
        raise RequestError(f"{error}; it cannot be looked at afterwards, choose another --model") from error
    return Look(results, trial, space, Path(output) if output else results.path / verb)


def chosen(what: str, asked: str | None, names: Sequence[str], option: str) -> str:
    """Return the one name that is meant: the only one there is, the one asked for, or the one that begins so.

    Raises:
        RequestError: several, and none is asked for.
        UnknownNameError: no such name.
    """
    known = list(dict.fromkeys(names))
    if asked is None:
        if len(known) == 1:
            return known[0]
        raise RequestError(f"this run has several: choose a {what} with {option}, one of {', '.join(known)}")
    if asked in known:
        return asked
    meant = [name for name in known if name.partition("(")[0] == asked]  # beta_vae for beta_vae(4)
    if len(meant) == 1:
        return meant[0]
    raise UnknownNameError(
        f"this run has no {what} {asked!r}{near_matches(asked, known)}; it has {', '.join(known)}"
    )


@contextmanager
def applicable(look: Look) -> Iterator[None]:
    """Say of what a model lacks, within, that the request was wrong.

    Raises:
        RequestError: instead of NotApplicableError.
    """
    try:
        yield
    except NotApplicableError as error:
        raise RequestError(
            f"{look.trial.label} on {look.trial.dataset}: {error}; choose another --model"
        ) from error


def check_item(space: LatentSpace, number: int, option: str) -> int:
    """Return the number of a test item.

    Raises:
        RequestError: there is no such item.
    """
    if not 0 <= number < len(space):
        raise RequestError(f"{option} must be a test item from 0 to {len(space) - 1}, got {number}")
    return number


def check_items(space: LatentSpace, numbers: Sequence[int]) -> list[int]:
    """Return the numbers of several test items, given by --items."""
    return [check_item(space, number, "--items") for number in numbers]


def figure_stem(look: Look, *parts: str) -> Path:
    """Return where a figure of this look goes, without ending: data set, model, seed and what it shows."""
    return look.folder / file_name(look.trial.dataset, look.trial.label, f"seed{look.trial.seed}", *parts)


def echo_paths(paths: Sequence[Path]) -> None:
    """Say what was written, one path a line."""
    for path in paths:
        click.echo(str(path))


def _whole(asked: str | None, rows: Sequence[Trial]) -> str | None:
    """Return the label of the whole training where a model has looks on the way too: `vae` for vae(epochs=10)."""
    if asked in {trial.label for trial in rows}:
        return asked
    on_the_way = {trial.training_key for trial in rows if trial.budget.checkpoint is not None}
    named = [trial for trial in rows if asked in (None, trial.label.partition("(")[0])]
    labels = {trial.label for trial in named if trial.budget.checkpoint is None}
    looked_at = any(trial.key in on_the_way for trial in named)
    return labels.pop() if looked_at and len(labels) == 1 else asked
