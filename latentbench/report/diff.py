"""Two runs, or two models, side by side: paired differences of their scores, and how their setups differ.

diff_text.py prints it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from latentbench.api import load_results
from latentbench.errors import RequestError, near_matches
from latentbench.files.lookup import existing
from latentbench.files.run_files import read_environment
from latentbench.results import Results
from latentbench.score_rows import ScoreRow
from latentbench.scores import UNDECLARED, gain
from latentbench.statistics import PairedDifference, holm, holm_levels
from latentbench.table.baselines import LEVEL
from latentbench.table.conditions import run_conditions
from latentbench.table.contests import contender
from latentbench.table.pairing import FEWEST_SEEDS, Contender, common_seeds, difference, entries
from latentbench.text import normalized

__all__ = [
    "Difference",
    "Side",
    "compare",
    "differences_in_environment",
    "judged",
    "read_side",
    "regressions",
]


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a run, or one model of it."""

    results: Results
    label: str = ""


@dataclass(frozen=True)
class Difference:
    """One score of one pair of models.

    Attributes:
        dataset: the data set.
        a: heading of the first model; `b` of the second.
        score: its name; `better` is its direction.
        mean_a: mean over common seeds; `mean_b` likewise. A deterministic model has one value for all seeds.
        paired: b - a over common seeds and test items; None where neither can be compared. Of a score that should
            be near a value, the difference of the distances to it.
        seeds: number of common seeds.
        kind: "quality" or "cost"; `unit` is that of the score.
        unequal: a cost of trials that ran under different conditions, so that it cannot be compared.
        single: both models have one trial, so that test items alone can tell them apart.
        unlike: why values are of no common likelihood, so that they cannot be compared; "" where they can.
        p_value: Holm-adjusted over all rows of quality; over the rows of one score for a cost.
        level: of the interval that decides, by Holm's procedure over the same rows; 95 % where none is decided.
    """

    dataset: str
    a: str
    b: str
    score: str
    better: str
    mean_a: float
    mean_b: float
    paired: PairedDifference | None
    seeds: int
    kind: str = "quality"
    unit: str = ""
    unequal: bool = False
    single: bool = False
    unlike: str = ""
    p_value: float = math.nan
    level: float = LEVEL

    @property
    def half(self) -> float:
        """Half the interval that decides: b differs from a where it leaves 0 out. NaN without one."""
        return math.nan if self.paired is None else self.paired.half(self.level)

    @property
    def tested(self) -> bool:
        """Whether there is enough to tell the two apart."""
        known = self.paired is not None and (self.single or self.seeds >= FEWEST_SEEDS)
        return known and self.better != "none" and not self.unequal

    @property
    def verdict(self) -> str:
        """Whether b is "better" or "worse" than a, or "="; otherwise why they are not compared."""
        if self.better == "none":
            return "no better direction"
        if self.unlike:
            return self.unlike
        if self.unequal:
            return "unequal conditions"
        if self.paired is None or not self.tested:
            few = "one trial each" if self.kind == "cost" else "no per-item values"
            return few if self.single else f"fewer than {FEWEST_SEEDS} common seeds"
        if not abs(self.paired.mean) > self.half:
            return "="
        return "better" if (self.paired.mean > 0) == (self.better == "up") else "worse"


def read_side(text: str) -> Side:
    """Read "RUN" or "RUN:LABEL".

    Raises:
        RunFolderError: RUN is not a run folder.
        RequestError: the run has no such model.
    """
    if existing(Path(text)).exists() or ":" not in text:
        return Side(load_results(existing(Path(text))))
    folder, _, label = text.rpartition(":")
    results = load_results(existing(Path(folder)))
    labels = list(dict.fromkeys(trial.label for trial in results.trials))
    label = next((known for known in labels if normalized(known) == normalized(label)), label)
    if label not in labels:
        raise RequestError(
            f"run {folder} has no model {label!r}{near_matches(label, labels)} (it has {', '.join(labels)})"
        )
    return Side(results, label)


def compare(a: Side, b: Side, every: bool = False) -> list[Difference]:
    """Compare b with a: the models named, or each model that both runs have.

    Raises:
        RequestError: they share no score, or their test data differ.
    """
    _refuse_other_data(a.results, b.results)
    rows = [row for pair in _pairs(a, b) for row in _pair_rows(a, b, *pair, every)]
    if not rows:
        raise RequestError("the two share no score of the same model and data set; name models as RUN:MODEL")
    return judged(rows)


def judged(rows: Sequence[Difference]) -> list[Difference]:
    """Correct for many rows: all rows of quality are one family, and the rows of each cost score are another."""
    families: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row.tested:
            families.setdefault(row.score if row.kind == "cost" else "", []).append(place)
    judged = list(rows)
    for places in families.values():
        raw = [paired.p_value for place in places if (paired := rows[place].paired) is not None]
        for place, p, level in zip(places, holm(raw), holm_levels(raw, LEVEL), strict=True):
            judged[place] = replace(rows[place], p_value=float(p), level=float(level))
    return judged


def regressions(rows: Sequence[Difference], limits: Mapping[str, float]) -> list[str]:
    """Return one sentence for each score that got worse by more than its limit, a share of its old value.

    Raises:
        RequestError: a limit is set for a score whose values are of no common likelihood.
    """
    sentences = []
    for row in rows:
        if row.unlike and row.score in limits:
            raise RequestError(
                f"a limit of {row.score} needs models of one likelihood, {row.a} and {row.b} are not "
                f"({row.unlike}); take it out, or name other models"
            )
        lost = gain(row.mean_a, row.better) - gain(row.mean_b, row.better)
        limit = limits.get(row.score, math.inf)
        if row.better != "none" and lost > limit * abs(row.mean_a):
            sentences.append(
                f"{row.score} of {row.b} on {row.dataset} is worse by {lost / abs(row.mean_a):.1%}, "
                f"over the limit of {limit:.1%}"
            )
    return sentences


def differences_in_environment(a: Results, b: Results) -> list[str]:
    """Return one line for each version, machine or budget that differs."""
    facts_a, facts_b = _facts(a), _facts(b)
    return [
        f"{name}: {facts_a.get(name, '-')} | {facts_b.get(name, '-')}"
        for name in {**facts_a, **facts_b}
        if facts_a.get(name) != facts_b.get(name)
    ]


def _refuse_other_data(a: Results, b: Results) -> None:
    prints_a, prints_b = ({t.dataset: t.fingerprint for t in results.trials} for results in (a, b))
    for name in prints_a.keys() & prints_b.keys():
        if prints_a[name] != prints_b[name]:
            raise RequestError(
                f"data set {name} is not the same in both: its fingerprints differ, so nothing is comparable"
            )


def _pairs(a: Side, b: Side) -> Iterator[tuple[str, str]]:
    labels_a, labels_b = (list(dict.fromkeys(trial.label for trial in side.results.trials)) for side in (a, b))
    if a.label or b.label:
        yield a.label or b.label, b.label or a.label
        return
    yield from ((label, label) for label in labels_a if label in labels_b)


def _pair_rows(a: Side, b: Side, label_a: str, label_b: str, every: bool) -> Iterator[Difference]:
    rows_b = _with_value(b.results, label_b, every)
    for (dataset, score), rows in _with_value(a.results, label_a, every).items():
        others = rows_b.get((dataset, score))
        if others is None:
            continue
        first, single = rows[0], rows[0].deterministic and others[0].deterministic
        ours, theirs = _matched(rows, others)
        model_a = contender(label_a, ours, a.results.items, first.deterministic)
        model_b = contender(label_b, theirs, b.results.items, others[0].deterministic)
        seeds = common_seeds(model_a, model_b)
        within = score in a.results.per_likelihood | b.results.per_likelihood
        unlike = _unlike([*ours, *theirs]) if within else ""
        yield Difference(
            dataset,
            label_a,
            label_b,
            score,
            first.better,
            _mean([model_a.value_at(seed) for seed in seeds]),
            _mean([model_b.value_at(seed) for seed in seeds]),
            _paired(model_a, model_b, first.better) if not unlike and (single or len(seeds) > 1) else None,
            len(seeds),
            kind=first.kind,
            unit=first.unit,
            unequal=first.kind == "cost" and _unequal(rows, others),
            single=single,
            unlike=unlike,
        )


def _matched(
    rows: Sequence[ScoreRow], others: Sequence[ScoreRow]
) -> tuple[Sequence[ScoreRow], Sequence[ScoreRow]]:
    """Return the rows of common seeds; one trial of a deterministic model stands for all seeds of the other."""
    if rows[0].deterministic or others[0].deterministic:
        return rows, others
    common = {row.seed for row in rows} & {row.seed for row in others}
    return [row for row in rows if row.seed in common], [row for row in others if row.seed in common]


def _unlike(rows: Iterable[ScoreRow]) -> str:
    """Say why values have no common likelihood."""
    likelihoods = {row.likelihood or UNDECLARED for row in rows}
    if UNDECLARED in likelihoods:
        return UNDECLARED
    return "different likelihoods" if len(likelihoods) > 1 else ""


def _unequal(rows_a: Iterable[ScoreRow], rows_b: Iterable[ScoreRow]) -> bool:
    return bool(run_conditions({"a": rows_a, "b": rows_b}, ["a", "b"]).mixed)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _with_value(results: Results, label: str, every: bool) -> dict[tuple[str, str], list[ScoreRow]]:
    """Return (dataset, score) -> rows of one model, of what was computed."""
    by_score: dict[tuple[str, str], list[ScoreRow]] = {}
    for row in results.rows:
        if row.label == label and row.has_value and (every or row.headline):
            by_score.setdefault((row.dataset, row.score), []).append(row)
    return by_score


def _paired(a: Contender, b: Contender, better: str) -> PairedDifference | None:
    """Return b - a; of a score that should be near a value, the difference of the distances to it."""
    side = "up" if better == "none" else better
    first, second = entries([b, a], side)
    paired = difference(first, second, side)
    return paired if paired is None or better in ("up", "none") else replace(paired, mean=-paired.mean)


def _facts(results: Results) -> dict[str, str]:
    environment = read_environment(results.path)
    facts = {name: str(environment.get(name, "-")) for name in ("python", "system", "processor", "cuda")}
    versions = environment.get("versions")
    facts |= (
        {f"version of {name}": str(version) for name, version in versions.items()}
        if isinstance(versions, dict)
        else {}
    )
    spent: dict[str, list[str]] = {}
    for trial in results.trials:
        if not trial.traits.reference:  # nobody chose the budget of a reference
            for name, value in trial.budget.model_dump(mode="json").items():
                spent.setdefault(f"budget on {trial.dataset}, {name}", []).append(str(value))
    return facts | {name: ", ".join(dict.fromkeys(values)) for name, values in spent.items()}
