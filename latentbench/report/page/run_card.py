"""How the numbers of a page were made: in sentences, and as all keys and values that the run recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from latentbench.files.run_files import read_environment
from latentbench.table.outcomes import listed
from latentbench.text import counted

if TYPE_CHECKING:
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["RunCard", "run_card"]

LONGEST = 400  # characters of an entry
MOST_NAMED = 6  # values of one setting in a sentence
SPLITS = {"train": "training", "validation": "validation", "test": "test"}
BUDGET = ("trained_epochs", "batch_size", "optimizer", "learning_rate", "precision", "threads", "train_limit")
SHOWN = ("latentbench", "torch", "numpy", "scikit-learn")  # versions that a sentence names; the others are entries
NOT_RECORDED = "The command that asked for the numbers is not recorded."
OWN = "latentbench"  # the distribution of the built-in plugins


@dataclass(frozen=True)
class RunCard:
    """How the numbers of one run were made.

    Attributes:
        command: the command line that asked for it last, of joined runs a line each; "" where none is recorded.
        sentences: when, on what data, with what budget, by which versions, on which machine.
        entries: everything that is recorded, key and value.
    """

    command: str
    sentences: tuple[str, ...]
    entries: tuple[tuple[str, str], ...]


def run_card(results: Results, sizes: Mapping[str, Mapping[str, int]]) -> RunCard:
    """Return the card of a run.

    Args:
        results: of the run.
        sizes: data set -> split -> number of items, as far as they are known.
    """
    environment = read_environment(results.path)
    command = str(results.request.get("command", ""))
    sentences = (
        _asked(command, str(results.request.get("asked_at", ""))),
        *_data(results.trials, sizes),
        *_budget(results.trials),
        *_seeds(results.trials),
        *_software(environment),
        *_machine(results.trials, environment),
    )
    return RunCard(command, sentences, tuple(_entries(results, environment)))


def _asked(command: str, asked_at: str) -> str:
    when = _day(asked_at)
    if "\n" in command:
        return f"These commands asked for the numbers{f', the last on {when}' * bool(when)}:"
    if command:
        return f"This command asked for the numbers{f' on {when}' * bool(when)}:"
    return f"A program asked for the numbers on {when}." if when else NOT_RECORDED


def _day(moment: str) -> str:
    """Write a moment as "2026-11-30, 12:25 UTC"; "" for what is none."""
    try:
        return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d, %H:%M UTC}"
    except ValueError:
        return ""


def _data(trials: Iterable[Trial], sizes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    fingerprints = {trial.dataset: getattr(trial, "fingerprint", "") for trial in trials}
    for dataset, fingerprint in fingerprints.items():
        known = sizes.get(dataset, {})
        counts = [f"{known[split]:,} {words}" for split, words in SPLITS.items() if split in known]
        items = f"{listed(counts)} items" if counts else ""
        digest = f"the data have the sha256 {fingerprint}" if fingerprint else ""
        if items or digest:
            yield f"{dataset}: {'; '.join(filter(None, [items, digest]))}."


def _budget(trials: Iterable[Trial]) -> Iterator[str]:
    """Say with what budget models were trained that are trained step by step."""
    budgets = [budget for trial in trials if trial.traits.steps and (budget := getattr(trial, "budget", None))]
    if not budgets:
        return
    values = {name: _values(getattr(budget, name) for budget in budgets) for name in BUDGET}
    limit = values["train_limit"]
    parts = [
        f"for {_plural(values['trained_epochs'], 'epoch')}" + f" on at most {limit} training items" * bool(limit),
        f"in batches of {values['batch_size']} by {values['optimizer']}",
        f"with a peak learning rate of {values['learning_rate']}",
        f"in {values['precision']}",
        f"on {_plural(values['threads'], 'thread')}",
    ]
    yield f"Models that learn step by step were trained {', '.join(parts)}."


def _plural(number: str, what: str) -> str:
    return f"{number} {what}{'s' * (number != '1')}"


def _values(values: Iterable[Any]) -> str:
    """List different values, as "2, 4 or 8"; nothing for None."""
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in values if value is not None]
    named = list(dict.fromkeys(texts))
    more = [f"{len(named) - MOST_NAMED + 1} more"] if len(named) > MOST_NAMED else []
    return listed([*named[: MOST_NAMED - 1], *more] if more else named, "or") if named else ""


def _seeds(trials: Iterable[Trial]) -> Iterator[str]:
    seeds = sorted({trial.seed for trial in trials if not trial.traits.deterministic})
    if len(seeds) == 1:
        yield f"Each model has one trial, of seed {seeds[0]}."
    elif seeds:
        without_gaps = seeds[-1] - seeds[0] == len(seeds) - 1
        named = f"{seeds[0]} to {seeds[-1]}" if without_gaps else listed([*map(str, seeds)])
        yield f"Models that depend on the seed have {counted(len(seeds), 'seed')}: {named}."


def _software(environment: Mapping[str, Any]) -> Iterator[str]:
    if not environment:
        return
    versions = environment.get("versions", {})
    named = [f"{name} {versions[name]}" for name in SHOWN if name in versions]
    yield f"Computed with {listed([*named, 'Python ' + str(environment['python'])])}."
    others = [each for each in _plugins(environment) if each.get("distribution", OWN) != OWN]
    if others:
        yield f"Plugins beside those of latentbench: {listed([_named(each) for each in others])}."


def _named(plugin: Mapping[str, Any]) -> str:
    failed = f" (failed: {plugin['error']})" if plugin.get("error") else ""
    return f"{plugin.get('name', '')} {plugin.get('version', '')}".strip() + failed


def _plugins(environment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(environment.get("plugins", ()))


def _plugin(plugin: Mapping[str, Any]) -> str:
    """Return what is known of a plugin in one line."""
    origin = " ".join(str(plugin[name]) for name in ("distribution", "version") if plugin.get(name))
    source = f"sha256 {plugin['sha256']}" if plugin.get("sha256") else ""
    failed = f"failed: {plugin['error']}" if plugin.get("error") else ""
    supplies = [f"{kind}: {', '.join(names)}" for kind, names in plugin.get("supplies", {}).items()]
    return "; ".join(filter(None, [origin, source, failed, *supplies]))


def _machine(trials: Iterable[Trial], environment: Mapping[str, Any]) -> Iterator[str]:
    """Name the machines on which trials ran; that of the last request where no trial tells."""
    told = [getattr(trial.outcome, "environment", {}) for trial in trials if trial.outcome]
    devices = list(dict.fromkeys(str(each["device"]) for each in told if each.get("device")))
    if not environment:
        if devices:
            yield f"Trials ran on {listed(devices)}."
        return
    cuda = "no CUDA" if environment.get("cuda") == "none" else f"CUDA {environment['cuda']}"
    of = f"{counted(environment['cores'], 'core')}, {environment['system']}, {cuda}"
    if devices and devices != [environment["processor"]]:
        yield f"Trials ran on {listed(devices)}; started from {environment['processor']} ({of})."
    else:
        yield f"Machine: {environment['processor']} ({of})."


def _entries(results: Results, environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "run", str(results.path)
    for name in ("dataset", "label", "seed", "epochs", "device", "precision", "likelihood", "environment"):
        values = [text for text in dict.fromkeys(str(getattr(row, name)) for row in results.first_rows) if text]
        if values:
            yield name, ", ".join(sorted(values) if name == "seed" else values)[:LONGEST]
    described = {**environment, "plugins": {each.get("name", ""): _plugin(each) for each in _plugins(environment)}}
    yield from ((key, text[:LONGEST]) for key, text in _flat(described if environment else {}))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Walk through nested JSON: ("torch.version", "2.11")."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        yield name, ", ".join(entry if isinstance(entry, str) else json.dumps(entry) for entry in value)
    else:
        yield name, str(value)
