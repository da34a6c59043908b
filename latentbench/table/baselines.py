"""Which baselines a model clearly beats: the test that every recommendation must pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentbench.statistics import PairedDifference, beaten
from latentbench.table.pairing import Entry, difference, difference_to_constant, entries

__all__ = ["FLOOR", "Rivalry", "Standing", "rivalries", "standings"]

FLOOR = "the floor"
LEVEL = 0.95


@dataclass(frozen=True)
class Standing:
    """Where one model stands among the baselines in one score.

    Attributes:
        baselines: all that it was tested against.
        unbeaten: those that it does not clearly beat; empty if it clearly beats all.
        ahead: of these, those that clearly beat it.
    """

    baselines: tuple[str, ...] = ()
    unbeaten: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rivalry:
    """One model in one score: its differences to all its baselines, more is better; None where nothing varies."""

    label: str
    baselines: tuple[str, ...]
    differences: tuple[PairedDifference | None, ...]
    tried: int = 1

    def p_values(self, sign: int) -> list[float]:
        """Return p for "better than this baseline" (sign 1) or "worse" (-1); 1 where the mean says otherwise.

        Of a setting that was chosen from several, each p is multiplied by their number (Bonferroni).
        """
        return [
            min(1.0, each.p_value * self.tried) if each is not None and each.mean * sign > 0 else 1.0
            for each in self.differences
        ]


def rivalries(models: Sequence[Entry], better: str) -> list[Rivalry]:
    """Compare each comparable model with each of its baselines; nothing without a better direction.

    Nothing either where no pair can be tested, as single trials without values of the items: a model that could
    not be tested is not said to beat a baseline, nor not to.
    """
    judged = [entry for entry in models if entry.contender.comparable] if better != "none" else []
    rivals = {id(rival): rival for entry in judged for rival in entry.contender.baselines}
    read = dict(zip(rivals, entries(list(rivals.values()), better), strict=True))
    compared = [
        _rivalry(entry, [read[id(rival)] for rival in entry.contender.baselines], better) for entry in judged
    ]
    differences = [each for rivalry in compared for each in rivalry.differences]
    single = all(entry.contender.deterministic for entry in judged)
    untested = single and bool(differences) and all(each is None for each in differences)
    return [] if untested else compared


def _rivalry(model: Entry, rivals: Sequence[Entry], better: str) -> Rivalry:
    pairs = [(rival.contender.label, difference(model, rival, better)) for rival in rivals]
    floors = {seed: floor for seed, floor in model.contender.floors.items() if math.isfinite(floor)}
    if floors:
        pairs.append((FLOOR, difference_to_constant(model, floors, better)))
    names, differences = [name for name, _ in pairs], [each for _, each in pairs]
    return Rivalry(model.contender.label, tuple(names), tuple(differences), model.contender.tried)


def standings(scores: Sequence[Sequence[Rivalry]]) -> list[dict[str, Standing]]:
    """Judge all models in all scores as one family (95 %).

    The chance that any model in the table is said to beat all its baselines and does not, or to be beaten by one
    and is not, is at most 5 %. Of a model that does not beat all, those baselines are named that it would not beat
    in a table of this score alone, if there are any: one that is left out is not said to be beaten.
    """
    wins = iter(beaten([each.p_values(1) for of_score in scores for each in of_score], LEVEL))
    losses = iter(beaten([each.p_values(-1) for of_score in scores for each in of_score], LEVEL))
    alone = iter([won for of_score in scores for won in beaten([each.p_values(1) for each in of_score], LEVEL)])
    return [
        {each.label: _standing(each.baselines, next(wins), next(alone), next(losses)) for each in of_score}
        for of_score in scores
    ]


def _standing(
    names: Sequence[str], wins: NDArray[np.bool_], alone: NDArray[np.bool_], losses: NDArray[np.bool_]
) -> Standing:
    named = wins if wins.all() or alone.all() else alone
    return Standing(tuple(names), _chosen(names, ~named), _chosen(names, losses))


def _chosen(names: Sequence[str], mask: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(name for name, chosen in zip(names, mask, strict=True) if chosen)
