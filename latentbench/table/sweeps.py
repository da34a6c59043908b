"""Settings that varied: curves, and the choice between settings, both made on the validation split.

Nothing is chosen on the test split: of it, only the value of the chosen setting is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentbench.score_rows import ScoreRow, grouped, purpose_place
from latentbench.scores import gain
from latentbench.table.baselines import FLOOR, Rivalry, Standing, rivalries, standings
from latentbench.table.contests import ItemsOf, agrees, contender, with_baselines
from latentbench.table.curves import (
    Curve,
    Estimate,
    Line,
    Point,
    Settled,
    curve_over,
    estimated,
    is_number,
    legible_curves,
    setting_text,
)
from latentbench.table.lines import ScoreLine, lines_of
from latentbench.table.pairing import Contender, entries
from latentbench.trial import UPPER_BOUND

if TYPE_CHECKING:
    from latentbench.table.scored_run import ScoredRun

__all__ = [
    "Choice",
    "Curve",
    "Estimate",
    "Line",
    "Point",
    "Sweep",
    "estimated",
    "is_number",
    "setting_text",
    "sweeps",
]


UNKNOWN = Estimate(math.nan)


@dataclass(frozen=True)
class Choice:
    """Which of a model's settings does best by one score on the validation split.

    Attributes:
        score: what decides.
        purpose: of the score.
        model: whose settings; of a model with several layers that are compared, one of them.
        tried: how many settings.
        chosen: the setting, as "latent_dim=8"; `label` is its column.
        label: heading of the chosen setting in tables.
        validation: its score there.
        test: its score on the test split, the only value that is read from there.
        close: settings whose interval over seeds contains the mean of the chosen one.
        standing: where it stands among the baselines of its setting on the validation split; None with too few
            seeds for a test.
        as_good: baselines whose mean there is as good or better.
        likelihood: that of the settings, where models have several and the score is compared within one.

    A setting that is flagged as worthless, or some of whose trials failed, is not chosen.
    """

    score: str
    purpose: str
    model: str
    tried: int
    chosen: str
    label: str
    validation: Estimate
    test: Estimate = UNKNOWN
    close: tuple[str, ...] = ()
    standing: Standing | None = None
    as_good: tuple[str, ...] = ()
    likelihood: str = ""

    @property
    def line(self) -> ScoreLine:
        """What decides: the score, of one likelihood where models have several."""
        return ScoreLine(self.score, self.likelihood)


@dataclass(frozen=True)
class Sweep:
    """All curves and choices of one data set.

    Attributes:
        dataset: its name.
        items: size of its validation split.
        curves: one for each axis and score.
        choices: one for each model with several settings and each score.
        hidden: settings that no score chose, and settings of yardsticks and upper bounds that agree with no
            chosen one.
        flags: flag -> settings with a trial that carries it.
    """

    dataset: str
    items: int
    curves: tuple[Curve, ...]
    choices: tuple[Choice, ...]
    hidden: frozenset[str] = frozenset()
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def legible(self, axis: str) -> tuple[list[Curve], int]:
        """Return the curves over an axis, and the number of lines that are left out as there are too many."""
        along = [curve for curve in self.curves if curve.axis == axis]
        return legible_curves(along, {choice.label for choice in self.choices})


def sweeps(results: ScoredRun, purposes: Sequence[str] = ()) -> list[Sweep]:
    """Return a sweep for each data set on which something was varied; `purposes` narrows its scores down.

    What is compared and not tuned, as the layers of a network, is not chosen between: each is a model of its own.
    Table, figures and page ask for the same ones, which are computed once.
    """
    known: dict[tuple[str, ...], list[Sweep]] = vars(results).setdefault("_sweeps", {})
    if tuple(purposes) not in known:
        known[tuple(purposes)] = _sweeps(results, purposes)
    return list(known[tuple(purposes)])


def _sweeps(results: ScoredRun, purposes: Sequence[str]) -> list[Sweep]:
    by_dataset = grouped(results.validation_rows, attrgetter("dataset"))
    deciding = {
        dataset: _deciding_rows(rows, results.request["scores"], purposes) for dataset, rows in by_dataset.items()
    }

    def items(trial: str, score: str) -> NDArray[np.float64] | None:
        return results.items(trial, score, "validation")

    found = [_sweep(dataset, rows, items, results.per_likelihood) for dataset, rows in deciding.items() if rows]
    return [replace(sweep, choices=_tested(sweep, results)) for sweep in found]


def _tested(sweep: Sweep, results: ScoredRun) -> tuple[Choice, ...]:
    """Return the choices with their values on the test split: of a large sweep few rows are read there."""
    rows = results.rows_of(sweep.dataset, {choice.label for choice in sweep.choices}) if sweep.choices else ()
    by_label = grouped(rows, attrgetter("label"))
    return tuple(
        replace(
            choice, test=estimated([row for row in by_label.get(choice.label, ()) if row.score == choice.score])
        )
        for choice in sweep.choices
    )


def _deciding_rows(rows: Sequence[ScoreRow], named: Sequence[str], purposes: Sequence[str]) -> list[ScoreRow]:
    """Rows of scores that say which setting is better: headline ones, or those that were asked for by name."""
    directed = [row for row in rows if row.kind == "quality" and row.better != "none"]
    if purposes:
        return [row for row in directed if row.purpose in purposes]
    headline = [row for row in directed if row.headline]
    return headline if headline or not named else directed


def _sweep(
    dataset: str,
    rows: Sequence[ScoreRow],
    items: ItemsOf,
    per_likelihood: Set[str] = frozenset(),
) -> Sweep:
    settings = {row.label: row for row in rows}
    tried: dict[str, list[Any]] = {}
    for name, value in (pair for row in settings.values() for pair in row.varied.items()):
        tried.setdefault(name, []).append(value)
    axes = [name for name, values in tried.items() if _is_axis(values)]
    by_line = lines_of(sorted(rows, key=lambda row: purpose_place(row.purpose)), per_likelihood)
    by_line = {line: block for line, block in by_line.items() if line.comparable}
    settled = {line: _settings(block) for line, block in by_line.items()}
    curves = [
        replace(curve_over(axis, settled[line]), likelihood=line.likelihood) for axis in axes for line in by_line
    ]
    choices = [
        replace(choice, likelihood=line.likelihood)
        for line, block in by_line.items()
        for choice in _choices(line.own(block))
    ]
    choices = _judged([choice for choice in choices if choice.tried > 1 or not choice.likelihood], by_line, items)
    shown = tuple(filter(_has_course, curves))
    return Sweep(
        dataset,
        max(row.n_eval for row in rows),
        shown,
        tuple(choices),
        _not_chosen(settings, choices),
        _flags(rows),
    )


def _settings(rows: Sequence[ScoreRow]) -> list[Settled]:
    return [Settled.of(block) for block in grouped(rows, attrgetter("label")).values()]


def _has_course(curve: Curve) -> bool:
    """Whether something varies along the axis; of one likelihood alone it must have two places there."""
    places = {point.x for line in curve.lines if not line.level for point in line.points}
    return len(places) > bool(curve.likelihood)


def _not_chosen(settings: Mapping[str, ScoreRow], choices: Sequence[Choice]) -> frozenset[str]:
    chosen, models = {choice.label for choice in choices}, {choice.model for choice in choices}
    chosen_settings = [settings[label].varied for label in chosen]

    def hides(label: str) -> bool:
        row = settings[label]
        if not row.varied or label in chosen:
            return False
        if row.reference in ("yardstick", UPPER_BOUND):
            return bool(chosen_settings) and not any(agrees(row.varied, setting) for setting in chosen_settings)
        return not row.reference and row.contender in models

    return frozenset(filter(hides, settings))


def _flags(rows: Sequence[ScoreRow]) -> dict[str, tuple[str, ...]]:
    labels: dict[str, dict[str, None]] = {}
    for row in rows:
        for flag in row.flags:
            labels.setdefault(flag, {})[row.label] = None
    return {flag: tuple(flagged) for flag, flagged in labels.items()}


def _choices(rows: Sequence[ScoreRow]) -> Iterator[Choice]:
    contenders = [row for row in rows if not row.reference and row.varied]
    for model, block in grouped(contenders, attrgetter("contender")).items():
        settings = grouped(block, attrgetter("label"))
        eligible = _eligible(settings)
        if not eligible:
            continue
        first = block[0]
        gains = {label: gain(estimate.mean, first.better) for label, estimate in eligible.items()}
        best = max(gains, key=gains.__getitem__)
        close = [
            label
            for label, estimate in eligible.items()
            if label != best and estimate.low <= eligible[best].mean <= estimate.high
        ]
        yield Choice(
            first.score,
            first.purpose,
            model,
            len(settings),
            setting_text(settings[best][0].varied),
            best,
            eligible[best],
            close=tuple(setting_text(settings[label][0].varied) for label in close),
        )


def _judged(
    choices: Sequence[Choice], by_line: Mapping[ScoreLine, Sequence[ScoreRow]], items: ItemsOf
) -> list[Choice]:
    """Test each chosen setting against the baselines of its setting, all choices as one family."""
    models = [_with_its_baselines(choice, by_line[choice.line], items) for choice in choices]
    pairs = zip(choices, models, strict=True)
    compared = [_rivalries(model, by_line[choice.line][0].better) for choice, model in pairs]
    judged = zip(choices, models, standings(compared), strict=True)
    return [
        replace(
            choice,
            standing=standing.get(choice.label),
            as_good=_as_good(model, by_line[choice.line][0].better),
        )
        for choice, model, standing in judged
    ]


def _with_its_baselines(choice: Choice, rows: Sequence[ScoreRow], items: ItemsOf) -> Contender:
    own = [row for row in rows if row.label == choice.label]
    model = replace(contender(choice.label, own, items, own[0].deterministic), tried=choice.tried)
    return with_baselines({choice.label: model}, rows, items)[0]


def _rivalries(model: Contender, better: str) -> list[Rivalry]:
    return rivalries(entries([model], better), better)


def _as_good(model: Contender, better: str) -> tuple[str, ...]:
    def mean(values: Mapping[int, float]) -> float:
        return gain(float(np.mean(list(values.values()))), better)

    rivals = {rival.label: rival.values for rival in model.baselines} | (
        {FLOOR: model.floors} if model.floors else {}
    )
    return tuple(name for name, values in rivals.items() if mean(values) >= mean(model.values))


def _eligible(settings: Mapping[str, Sequence[ScoreRow]]) -> dict[str, Estimate]:
    """Return what may be chosen: settings not flagged as worthless that have a value for as many seeds as any."""
    estimates = {label: estimated(rows) for label, rows in settings.items() if not _is_flagged(rows)}
    most = max((estimate.seeds for estimate in estimates.values()), default=0)
    return {label: estimate for label, estimate in estimates.items() if 0 < estimate.seeds == most}


def _is_flagged(rows: Sequence[ScoreRow]) -> bool:
    """Whether any trial is flagged as worthless; one that has not converged may still be the best one tried."""
    return any(flag != "not converged" for row in rows for flag in row.flags)


def _is_axis(values: Sequence[Any]) -> bool:
    """Whether a curve can be drawn over these: numbers, and words too where there are several numbers."""
    numbers = [value for value in values if is_number(value)]
    return len(numbers) == len(values) or len(set(numbers)) > 1
