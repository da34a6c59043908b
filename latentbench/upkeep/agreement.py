"""Whether runs are of one benchmark, so that one table can show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from latentbench.errors import RequestError
from latentbench.files.json_files import canonical_json
from latentbench.trial import Trial

__all__ = ["refuse_other_benchmarks"]

ADVICE = "these are different benchmarks; merge only runs of one"


@dataclass(frozen=True)
class _Claim:
    """What a run says of something in its tables.

    Attributes:
        kind: "data", "codes", "varied", "setting" or "budget".
        about: as "vae on digits".
        says: name -> value of each part.
    """

    kind: str
    about: str
    says: Mapping[str, Any]


def refuse_other_benchmarks(runs: Sequence[tuple[Path, Sequence[Trial]]]) -> None:
    """Raise RequestError where runs would not make one table.

    They must agree in the data of each dataset that they share, in the budget and the varied parameters on it, and
    in what a heading of the table stands for.

    Args:
        runs: how each run was named, and its trials.
    """
    known: dict[tuple[str, str], tuple[int, _Claim]] = {}
    for number, (_, trials) in enumerate(runs):
        for trial in trials:
            for claim in _claims(trial):
                first, said = known.setdefault((claim.kind, claim.about), (number, claim))
                if first != number and said != claim:
                    raise RequestError(_sentence(said, claim, runs[first][0], runs[number][0]))


def _claims(trial: Trial) -> Iterator[_Claim]:
    on = trial.dataset
    yield _Claim("data", f"the data set {on}", {"fingerprint": trial.fingerprint})
    if trial.given:
        yield _Claim("codes", f"{trial.label} on {on}, seed {trial.seed}", {"codes": trial.params.get("sha256")})
        return
    varied = ", ".join(sorted({*trial.traits.varied, *trial.traits.compared}))
    yield _Claim("varied", f"{trial.model.rpartition('/')[2]} on {on}", {"parameters": varied})
    yield _Claim("setting", f"{trial.label} on {on}", _setting(trial))
    if trial.traits.steps:
        spent = trial.budget.model_dump(mode="json")
        fixed = {name: spent[name] for name in spent if name not in {"checkpoint", *trial.traits.varied}}
        yield _Claim("budget", f"the budget on {on}", fixed)


def _setting(trial: Trial) -> dict[str, Any]:
    """Return what a heading stands for: all that the key holds, but for the seed."""
    budget = {f"budget {name}": value for name, value in trial.budget.model_dump(mode="json").items()}
    named = {"model": trial.model.rpartition("/")[2], "version": trial.model_version, **trial.params, **budget}
    return {**named, "source": replace(trial, seed=0).key}


def _sentence(said: _Claim, says: _Claim, run: Path, other: Path) -> str:
    if said.kind == "data":
        return (
            f"{said.about} is not the same in {run} and in {other}: their fingerprints differ; merge only runs on "
            "the same data"
        )
    if said.kind == "codes":
        return f"{said.about} has other codes in {run} than in {other}; score one of them under another name"
    if said.kind == "varied":
        first, second = (claim.says["parameters"] or "nothing" for claim in (said, says))
        return f"{said.about} varies {first} in {run} and {second} in {other}: {ADVICE}"
    name = next(name for name in {**said.says, **says.says} if said.says.get(name) != says.says.get(name))
    first, second = (canonical_json(claim.says.get(name)).strip('"')[:60] for claim in (said, says))
    return f"{said.about}: {name} is {first} in {run} and {second} in {other}; {ADVICE}"
