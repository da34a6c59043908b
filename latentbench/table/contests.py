"""From rows of scores to what is judged: models, the baselines that belong to each, and floors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentbench.score_rows import ScoreRow, grouped
from latentbench.table.baselines import FLOOR
from latentbench.table.pairing import Contender
from latentbench.trial import UPPER_BOUND

__all__ = ["ItemsOf", "agrees", "contender", "is_baseline", "is_truth", "with_baselines"]

OF_INPUTS = ("keep", "near")  # measured against the inputs: codes that are the inputs are the truth, no baseline
PLACES = ("yardstick", "ceiling", "floor")  # in this order sentences name them

ItemsOf = Callable[[str, str], NDArray[np.float64] | None]  # of a trial's key and a score


def agrees(varied: Mapping[str, Any], setting: Mapping[str, Any]) -> bool:
    """Whether two settings, of different models, are equal in all that both have varied.

    >>> agrees({"latent_dim": 8}, {"latent_dim": 8, "beta": 4}), agrees({"latent_dim": 2}, {"latent_dim": 8})
    (True, False)
    """
    return all(setting.get(name, value) == value for name, value in varied.items())


def contender(label: str, rows: Sequence[ScoreRow], items: ItemsOf, deterministic: bool = False) -> Contender:
    """Return one model in one score."""
    by_seed = {row.seed: row for row in rows if math.isfinite(row.value)}

    def items_of(seed: int) -> NDArray[np.float64] | None:
        return items(by_seed[seed].trial, by_seed[seed].score)

    return Contender(label, {seed: row.value for seed, row in by_seed.items()}, items_of, deterministic)


def with_baselines(models: Mapping[str, Contender], rows: Sequence[ScoreRow], items: ItemsOf) -> list[Contender]:
    """Give each model the baselines of the same setting, and the floors of its own trials.

    Args:
        models: label -> model.
        rows: of all models and references in one score.
        items: values of the single items of that split.
    """
    by_label = grouped(rows, lambda row: row.label)
    rivals = [
        (block[0], contender(label, block, items, block[0].deterministic))
        for label, block in by_label.items()
        if is_baseline(block[0].reference, block[0].purpose)
    ]
    rivals = sorted(((row, rival) for row, rival in rivals if rival.values), key=lambda pair: _place(pair[0]))
    named: dict[tuple[str, str], Contender] = {}  # the same object for all models, so that its items are read once
    return [_with_rivals(model, by_label.get(label, []), rivals, named) for label, model in models.items()]


def is_baseline(reference: str, purpose: str) -> bool:
    """Whether models are said to beat a reference, or not, in a score of this purpose."""
    return reference not in ("", UPPER_BOUND) and not is_truth(reference, purpose)


def is_truth(reference: str, purpose: str) -> bool:
    """Whether a reference is what a score of this purpose measures against: the inputs, and no baseline there."""
    return reference == "ceiling" and purpose in OF_INPUTS


def _place(row: ScoreRow) -> int:
    return PLACES.index(row.reference) if row.reference in PLACES else len(PLACES)


def _with_rivals(
    model: Contender,
    rows: Sequence[ScoreRow],
    rivals: Sequence[tuple[ScoreRow, Contender]],
    named: dict[tuple[str, str], Contender],
) -> Contender:
    floors = {row.seed: row.floor for row in rows if math.isfinite(row.floor)}
    same_setting = [(row, rival) for row, rival in rivals if rows and agrees(row.varied, rows[0].varied)]
    baselines, floor_stands = [], False
    for name, (_, rival) in zip(_names([row for row, _ in same_setting]), same_setting, strict=True):
        is_floor = _is_floor(rival, floors)
        floor_stands |= is_floor
        name = f"{FLOOR} ({name})" if is_floor else name
        baselines.append(named.setdefault((rival.label, name), replace(rival, label=name)))
    return replace(model, baselines=tuple(baselines), floors={} if floor_stands else floors)


def _names(rows: Sequence[ScoreRow]) -> list[str]:
    """Name baselines by their column, or by their model where its settings vary and one of them is meant."""
    models = [row.model for row in rows]
    return [row.model if row.varied and models.count(row.model) == 1 else row.label for row in rows]


def _is_floor(rival: Contender, floors: Mapping[int, float]) -> bool:
    """Whether the floor is the mean of this baseline."""
    mean = float(np.mean(list(rival.values.values())))
    return bool(floors) and all(math.isclose(floor, mean, rel_tol=1e-9) for floor in floors.values())
