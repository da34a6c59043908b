"""Two runs, or two models, side by side: paired differences, and what else differs between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentbench.api import load_results
from latentbench.errors import RequestError, near_matches
from latentbench.files import read_json
from latentbench.report.table.conditions import circumstances
from latentbench.report.table.number_format import Style, measured, number, row_style
from latentbench.report.table.significance import FEWEST_SEEDS, LEVEL
from latentbench.results import Results
from latentbench.statistics import PairedDifference, holm, paired_difference

__all__ = ["Difference", "Side", "compare", "differences_in_environment", "read_side", "regressions", "render"]


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
        score: name, and which way is better.
        mean_a: mean over common seeds; `mean_b` likewise.
        paired: of b - a over common seeds and test items; None under two common seeds.
        seeds: how many seeds they have in common.
        kind: quality or cost, and its unit.
        unequal: a cost of trials that ran under different conditions: nobody is better.
        p_value: Holm-adjusted over all rows of quality; over the rows of one score for a cost.
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
    p_value: float = math.nan

    @property
    def verdict(self) -> str:
        """Better, worse or "=" for b against a; why there is none otherwise."""
        if self.better == "none":
            return "no better direction"
        if self.unequal:
            return "unequal conditions"
        if self.paired is None or self.seeds < FEWEST_SEEDS:
            return f"under {FEWEST_SEEDS} common seeds"
        if not self.p_value < 1 - LEVEL:
            return "="
        return "better" if gain(self.mean_b, self.better) > gain(self.mean_a, self.better) else "worse"


def read_side(text: str) -> Side:
    """Read "RUN" or "RUN:LABEL".

    Raises:
        RunFolderError: RUN is no run folder.
        RequestError: the run has no such model.
    """
    if Path(text).exists() or ":" not in text:
        return Side(load_results(text))
    folder, _, label = text.rpartition(":")
    results = load_results(folder)
    labels = list(dict.fromkeys(trial.label for trial in results.trials))
    if label not in labels:
        raise RequestError(
            f"run {folder} has no model {label!r}{near_matches(label, labels)} (it has {', '.join(labels)})"
        )
    return Side(results, label)


def compare(a: Side, b: Side, every: bool = False) -> list[Difference]:
    """Compare b with a: the models named, or each model that stands in both runs.

    Raises:
        RequestError: nothing stands in both, or the test data are not the same.
    """
    _refuse_other_data(a.results, b.results)
    rows = [row for pair in _pairs(a, b) for row in _pair_rows(a, b, *pair, every)]
    if not rows:
        raise RequestError(
            "the two have no score of the same model and data set in common; name models as RUN:MODEL"
        )
    return [replace(row, p_value=p) for row, p in zip(rows, _adjusted(rows), strict=True)]


def _adjusted(rows: Sequence[Difference]) -> list[float]:
    """Correct over all rows of quality as one family, and over those of each cost score as one of its own."""
    families: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        families.setdefault(row.score if row.kind == "cost" else "", []).append(place)
    adjusted = [math.nan] * len(rows)
    for places in families.values():
        for place, p in zip(places, holm([_p(rows[place]) for place in places]), strict=True):
            adjusted[place] = float(p)
    return adjusted


def _p(row: Difference) -> float:
    told = row.better != "none" and not row.unequal
    return row.paired.p_value if told and row.paired is not None else math.nan


def gain(value: float, better: str) -> float:
    """Return `value` on a scale where more is better."""
    if better.startswith("near:"):
        return -abs(value - float(better[5:]))
    return -value if better == "down" else value


def regressions(rows: Sequence[Difference], limits: Mapping[str, float]) -> list[str]:
    """Return one sentence for each score that got worse by more than its limit, a share of its old value."""
    found = []
    for row in rows:
        lost = gain(row.mean_a, row.better) - gain(row.mean_b, row.better)
        limit = limits.get(row.score, math.inf)
        if row.better != "none" and lost > limit * abs(row.mean_a):
            found.append(
                f"{row.score} of {row.b} on {row.dataset} is worse by {lost / abs(row.mean_a):.1%}, "
                f"over the limit of {limit:.1%}"
            )
    return found


def differences_in_environment(a: Results, b: Results) -> list[str]:
    """Return one line for each version, machine or budget that differs."""
    one, two = (_facts(results) for results in (a, b))
    return [
        f"{name}: {one.get(name, '-')} | {two.get(name, '-')}"
        for name in {**one, **two}
        if one.get(name) != two.get(name)
    ]


def render(rows: Sequence[Difference], environment: Sequence[str]) -> str:
    """Print the comparison as aligned text."""
    grid = [["dataset", "a", "b", "score", "better", "a mean", "b mean", "b - a", "verdict"]]
    grid += [_texts(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in grid
    ]
    lines.append("paired over common seeds and test items, Holm over all quality rows, each cost by itself, 95 %")
    lines += [f"differs: {line}" for line in environment] or ["same environment and budget"]
    return "\n".join(lines)


def _texts(row: Difference) -> list[str]:
    style = row_style([row.mean_a, row.mean_b], [math.nan, math.nan], row.kind == "cost", row.unit)
    shift, half = math.nan, math.nan
    if row.paired is not None:
        shift = row.paired.mean
        half = row.paired.half(LEVEL)
    difference = "-" if row.paired is None else measured(shift, half, Style(rough=style.rough, size=style.size))
    means = [number(value, style) for value in (row.mean_a, row.mean_b)]
    return [row.dataset, row.a, row.b, row.score, row.better, *means, difference, row.verdict]


def _refuse_other_data(a: Results, b: Results) -> None:
    ours, theirs = ({t.dataset: t.fingerprint for t in results.trials} for results in (a, b))
    for name in ours.keys() & theirs.keys():
        if ours[name] != theirs[name]:
            raise RequestError(
                f"data set {name} is not the same in both: its fingerprints differ, nothing is comparable"
            )


def _pairs(a: Side, b: Side) -> Iterator[tuple[str, str]]:
    ours, theirs = (list(dict.fromkeys(trial.label for trial in side.results.trials)) for side in (a, b))
    if a.label or b.label:
        yield a.label or b.label, b.label or a.label
        return
    yield from ((label, label) for label in ours if label in theirs)


def _pair_rows(a: Side, b: Side, label_a: str, label_b: str, every: bool) -> Iterator[Difference]:
    ours, theirs = _good(a.results, label_a, every), _good(b.results, label_b, every)
    for (dataset, score), rows in ours.groupby(["dataset", "score"], sort=False):
        others = theirs[(theirs["dataset"] == dataset) & (theirs["score"] == score)]
        if others.empty:
            continue
        paired, seeds = _paired(a.results, rows, b.results, others, str(score))
        common = rows["seed"].isin(others["seed"]), others["seed"].isin(rows["seed"])
        yield Difference(
            str(dataset),
            label_a,
            label_b,
            str(score),
            str(rows["better"].iloc[0]),
            float(rows["value"][common[0]].mean()),
            float(others["value"][common[1]].mean()),
            paired,
            seeds,
            kind=str(rows["kind"].iloc[0]),
            unit=str(rows["unit"].iloc[0]),
            unequal=rows["kind"].iloc[0] == "cost" and _unequal(rows, others),
        )


def _unequal(rows: pd.DataFrame, others: pd.DataFrame) -> bool:
    sides = {"a": rows.to_dict("records"), "b": others.to_dict("records")}
    return bool(circumstances(sides, list(sides)).mixed)


def _good(results: Results, label: str, every: bool) -> pd.DataFrame:
    frame = results.scores
    chosen = (frame["label"] == label) & (frame["status"] == "ok")
    return frame[chosen & (True if every else frame["headline"])]


def _paired(
    a: Results, ours: pd.DataFrame, b: Results, theirs: pd.DataFrame, score: str
) -> tuple[PairedDifference | None, int]:
    """Pair by seed, and by test item where both have the same ones."""
    both = ours.merge(theirs, on="seed", suffixes=("_a", "_b"))
    if len(both) < 2:
        return None, len(both)
    items_a = [a.items(key, score) for key in both["trial_a"]]
    items_b = [b.items(key, score) for key in both["trial_b"]]
    shapes = {None if items is None else items.shape for items in [*items_a, *items_b]}
    if len(shapes) == 1 and None not in shapes:
        return paired_difference(np.stack(_known(items_b)), np.stack(_known(items_a))), len(both)
    return paired_difference(both["value_b"], both["value_a"]), len(both)


def _known(items: Sequence[Any]) -> list[Any]:
    return [values for values in items if values is not None]


def _facts(results: Results) -> dict[str, str]:
    environment = read_json(results.path / "environment.json")
    facts = {name: str(environment[name]) for name in ("python", "system", "processor", "cuda")}
    facts |= {f"version of {name}": version for name, version in environment["versions"].items()}
    spent: dict[str, list[str]] = {}
    for trial in results.trials:
        if not trial.traits.reference:  # what takes no steps has a budget that nobody chose
            for name, value in trial.budget.model_dump(mode="json").items():
                spent.setdefault(f"budget on {trial.dataset}, {name}", []).append(str(value))
    return facts | {name: ", ".join(dict.fromkeys(values)) for name, values in spent.items()}
