"""Whether runs are of one benchmark, so that one table can show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from latentbench.errors import RequestError
from latentbench.files.json_files import canonical_json
from latentbench.trial import Trial

__all__ = ["Claim", "refuse_other_benchmarks"]

ADVICE = "these are different benchmarks; merge only runs of one, or give both the same settings"
Claim = tuple[str, Mapping[str, Any]]  # what it is about, and what a run says of it


def refuse_other_benchmarks(runs: Sequence[tuple[Path, Sequence[Trial]]]) -> None:
    """Raise RequestError where two runs would not make one table.

    They must agree in the data of each dataset that they share, in the budget and the varied parameters on it, and
    in what a heading of the table stands for.

    Args:
        runs: how each run was named, and its trials.
    """
    known: dict[str, tuple[Path, Mapping[str, Any]]] = {}
    for run, trials in runs:
        for trial in trials:
            for about, says in _claims(trial):
                first, said = known.setdefault(about, (run, says))
                if said != says and first != run:
                    raise RequestError(_sentence(about, (first, said), (run, says)))


def _claims(trial: Trial) -> Iterator[Claim]:
    on = trial.dataset
    yield f"the data set {on}", {"fingerprint": trial.fingerprint}
    varied = {"varies": ", ".join(sorted({*trial.traits.varied, *trial.traits.compared})) or "nothing"}
    if trial.given:
        yield f"{trial.label} on {on}, seed {trial.seed}", {"codes": trial.params.get("sha256")}
        return
    yield f"{trial.model.rpartition('/')[2]} on {on}", varied
    yield f"{trial.label} on {on}", _setting(trial)
    if trial.traits.steps:
        spent = trial.budget.model_dump(mode="json")
        free = {"checkpoint", *trial.traits.varied}
        yield f"the budget on {on}", {name: value for name, value in spent.items() if name not in free}


def _setting(trial: Trial) -> dict[str, Any]:
    """Return what a heading stands for: all that the key holds, but for the seed."""
    budget = {f"budget {name}": value for name, value in trial.budget.model_dump(mode="json").items()}
    named = {"model": trial.model.rpartition("/")[2], "version": trial.model_version, **trial.params, **budget}
    return {**named, "source": replace(trial, seed=0).key}


def _sentence(about: str, first: tuple[Path, Mapping[str, Any]], second: tuple[Path, Mapping[str, Any]]) -> str:
    (run, said), (other, says) = first, second
    names = [name for name in {**said, **says} if said.get(name) != says.get(name)]
    name = names[0]
    if name == "fingerprint":
        return (
            f"{about} is not the same in {run} and in {other}: their fingerprints differ; merge only runs on the "
            "same data"
        )
    if name == "codes":
        return f"{about} stands for other codes in {run} than in {other}; score one of them under another name"
    values = [canonical_json(part.get(name)).strip('"')[:60] for part in (said, says)]
    return f"{about}: {name} is {values[0]} in {run} and {values[1]} in {other}; {ADVICE}"
