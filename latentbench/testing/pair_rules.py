"""Rules of pair metrics: what a score of two latent spaces may and may not depend on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from latentbench.errors import NotApplicableError
from latentbench.execution.pair_scores import common_order, compared, given_to_pair, prepared, reordered
from latentbench.latent.arithmetic import exact_arithmetic
from latentbench.latent.seals import broken_seals, seal
from latentbench.latent.space import LatentSpace
from latentbench.metric import PairMetric
from latentbench.testing.changes import moved, rounded
from latentbench.testing.generators import touched
from latentbench.testing.pairs import limited
from latentbench.testing.rules import Rule, RuleBrokenError

__all__ = ["ODD_RULES", "PAIR_RULES", "TriedPair"]

OF_CODES = {"train"}  # a metric that needs no more looks at codes alone


@dataclass(eq=False)
class TriedPair:
    """A pair metric with parameters, and two spaces to try it on.

    Attributes:
        metric: made with its parameters.
        a: the first space.
        b: the second.
    """

    metric: PairMetric
    a: LatentSpace
    b: LatentSpace

    @cached_property
    def given(self) -> tuple[LatentSpace, LatentSpace]:
        """What the metric sees of both."""
        return self.given_of(self.a, self.b)

    def given_of(self, a: LatentSpace, b: LatentSpace) -> tuple[LatentSpace, LatentSpace]:
        """Return what the metric sees of two other spaces."""
        order = common_order((a, b))
        return given_to_pair(self.metric, a, order), given_to_pair(self.metric, b, order, second=True)

    @cached_property
    def ready(self) -> tuple[Any, Any]:
        """What the metric has prepared of both."""
        first, second = self.given
        return prepared(self.metric, first), prepared(self.metric, second)

    @cached_property
    def result(self) -> tuple[float, str]:
        """The score of the two as they are, and its note."""
        return compared(self.metric, *self.ready)

    @property
    def value(self) -> float:
        """The score of the two as they are."""
        return self.result[0]

    def score(self, a: LatentSpace, b: LatentSpace) -> float:
        """Return the score of two other spaces, made as the host makes it."""
        first, second = self.given_of(a, b)
        return compared(self.metric, prepared(self.metric, first), prepared(self.metric, second))[0]

    def differs(self, value: float, from_value: float) -> bool:
        """Whether two values differ by more than the metric's tolerance."""
        return abs(value - from_value) > self.metric.tolerance * max(1.0, abs(from_value))


def check_value(tried: TriedPair) -> None:
    """The score is one finite number in the declared range."""
    compared(tried.metric, *tried.ready)


def check_needs(tried: TriedPair) -> None:
    """Of codes and what it declares to need, it makes a number."""
    try:
        _ = tried.value
    except NotApplicableError as error:
        raise RuleBrokenError(f"it is not applicable ({error}); declare in `needs` what it needs") from error


def check_lacking(tried: TriedPair) -> None:
    """Given codes and nothing else, it makes a number or says that it is not applicable; it does not crash."""
    first, second = (limited(space, ()) for space in tried.given)
    try:
        compared(tried.metric, prepared(tried.metric, first), prepared(tried.metric, second))
    except NotApplicableError:
        return


def check_repeats(tried: TriedPair) -> None:
    """The same two spaces give the same number again, bit for bit, prepared once or anew."""
    for how, again in (
        ("prepared once", compared(tried.metric, *tried.ready)[0]),
        ("prepared anew", tried.score(tried.a, tried.b)),
    ):
        if again != tried.value:
            raise RuleBrokenError(
                f"the same spaces, {how}, give {again:.9g} after {tried.value:.9g}: draw from a generator with a "
                "fixed seed, and write nothing into what `prepare` returned"
            )


def check_random_state_untouched(tried: TriedPair) -> None:
    """It draws nothing from the generators that all share, and does not seed them."""
    first, second = tried.given
    with touched() as generators, exact_arithmetic():
        tried.metric.compute(tried.metric.prepare(first), tried.metric.prepare(second))
    if generators:
        raise RuleBrokenError(
            f"it draws from the generator of {' and '.join(generators)} that all share, or seeds it; draw from "
            "one of its own with a fixed seed"
        )


def check_spaces_untouched(tried: TriedPair) -> None:
    """It writes into neither space."""
    for space in tried.given:
        seal(space)
    tried.score(tried.a, tried.b)
    _ = tried.value
    for which, space in zip(("first", "second"), tried.given, strict=True):
        if changed := broken_seals(space):
            raise RuleBrokenError(f"it wrote into {', '.join(changed)} of the {which} space; work on a copy")


def check_symmetric(tried: TriedPair) -> None:
    """A symmetric metric gives the same for the two spaces the other way round."""
    if not tried.metric.symmetric:
        raise NotApplicableError("symmetric = False")
    back = tried.score(tried.b, tried.a)
    if tried.differs(back, tried.value):
        raise RuleBrokenError(
            f"the other way round it gives {back:.5g} instead of {tried.value:.5g}; declare symmetric = False"
        )


def check_invariances(tried: TriedPair) -> None:
    """Each declared invariance holds for either space."""
    if not tried.metric.invariances:
        raise NotApplicableError("it declares no invariances")
    for change in tried.metric.invariances:
        change_it = partial(moved, change=change)
        for which, a, b in (("first", change_it(tried.a), tried.b), ("second", tried.a, change_it(tried.b))):
            value = tried.score(a, b)
            if tried.differs(value, tried.value):
                raise RuleBrokenError(
                    f"{change} of the {which} space gives {value:.5g} instead of {tried.value:.5g}: leave "
                    f"{change!r} out of its invariances, or raise its tolerance ({tried.metric.tolerance:g})"
                )


def check_rounding(tried: TriedPair) -> None:
    """Codes as another device or precision could have given them make the same score."""
    value = tried.score(rounded(tried.a), rounded(tried.b, seed=1))
    if tried.differs(value, tried.value):
        raise RuleBrokenError(
            f"codes changed in their last bits give {value:.7g} instead of {tried.value:.7g}: compute in float64, "
            f"or raise its tolerance ({tried.metric.tolerance:g})"
        )


def check_items_in_another_order(tried: TriedPair) -> None:
    """Items of both spaces, and of both training splits, in another order make the same score.

    Without a training split, a metric that notes so fits on a half that places decide.
    """
    if "train" not in tried.a.supplies and (note := tried.result[1]):
        raise NotApplicableError(note)
    whole = "inputs" in tried.a.supplies  # which put them into an order again
    spaces = (tried.a, tried.b) if whole else tried.given
    orders = _orders(spaces[0])
    value = tried.score(*(_taken(space, *orders) for space in spaces))
    if tried.differs(value, tried.value):
        raise RuleBrokenError(
            f"items of both in another order give {value:.5g} instead of {tried.value:.5g}: what it draws or cuts "
            f"must not depend on their places, or raise its tolerance ({tried.metric.tolerance:g})"
        )


def check_itself(tried: TriedPair) -> None:
    """A space compared with itself scores the best value that there is, and no worse than with another."""
    _needs_codes_alone(tried)
    declared, itself = tried.metric.score, tried.score(tried.a, tried.a)
    gained, other = declared.gain(itself), declared.gain(tried.value)
    if math.isnan(gained):
        raise NotApplicableError("no value of it is better than another")
    best = declared.range[1]
    if declared.better == "up" and math.isfinite(best) and tried.differs(itself, best):
        raise RuleBrokenError(
            f"a space compared with itself gives {itself:.5g}, the best of the range is {best:g}"
        )
    if gained < other and tried.differs(itself, tried.value):
        raise RuleBrokenError(
            f"a space compared with itself gives {itself:.5g}, which is worse than {tried.value:.5g} of another; "
            "turn the direction of the score round"
        )


def check_unrelated(tried: TriedPair) -> None:
    """A space compared with its own items permuted scores worse than with itself."""
    _needs_codes_alone(tried)
    _needs_null(tried)
    given = tried.given_of(tried.a, tried.a)
    first, second = (prepared(tried.metric, space) for space in given)
    itself = compared(tried.metric, first, second)[0]
    permuted = compared(tried.metric, first, reordered(tried.metric, second, *_orders(given[1])))[0]
    if tried.metric.score.gain(itself) <= tried.metric.score.gain(permuted) or not tried.differs(permuted, itself):
        raise RuleBrokenError(
            f"a space compared with its own items permuted gives {permuted:.5g}, with itself {itself:.5g}: the "
            "score must tell which item is which and have the right direction, or declare has_null = False"
        )


def check_reordered(tried: TriedPair) -> None:
    """What `reordered` returns scores as what `prepare` returns of the reordered space, and spoils nothing.

    Without a training split, a metric that notes so may keep the halves that it fits on.
    """
    _needs_null(tried)
    if "train" not in tried.a.supplies and (note := tried.result[1]):
        raise NotApplicableError(note)
    (first, second), (_, given) = tried.ready, tried.given
    for order, train_order in _several_orders(given):
        at_once = compared(tried.metric, first, reordered(tried.metric, second, order, train_order))[0]
        anew = compared(tried.metric, first, prepared(tried.metric, _taken(given, order, train_order)))[0]
        if tried.differs(at_once, anew):
            which = "items and training items" if train_order is not None else "items"
            raise RuleBrokenError(
                f"with {which} permuted, `reordered` gives {at_once:.5g} and `prepare` of the permuted space "
                f"{anew:.5g}; permute all that `prepare` returned"
            )
    again = compared(tried.metric, first, second)[0]
    if again != tried.value:
        raise RuleBrokenError(f"`reordered` spoils what it is given: {again:.5g} after {tried.value:.5g}; copy it")


def check_odd_codes(tried: TriedPair) -> None:
    """Of odd codes (one dimension, constant, copied, huge, few) it makes a number or is not applicable."""
    compared(tried.metric, *tried.ready)


def _needs_codes_alone(tried: TriedPair) -> None:
    if more := set(tried.metric.needs + tried.metric.needs_second) - OF_CODES:
        raise NotApplicableError(f"it looks at more than codes ({', '.join(sorted(more))})")


def _needs_null(tried: TriedPair) -> None:
    if not tried.metric.has_null:
        raise NotApplicableError("has_null = False")


def _orders(space: LatentSpace) -> tuple[Tensor, Tensor | None]:
    return next(_several_orders(space))


def _several_orders(space: LatentSpace) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield orders of its items, with orders of its training items where there are any."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(space), generator=generator)
    if "train" in space.supplies:
        yield order, torch.randperm(len(space.train), generator=generator)
    yield order, None


def _taken(space: LatentSpace, order: Tensor, train_order: Tensor | None) -> LatentSpace:
    there = space.take(order)
    return there if train_order is None else there.replaced(train=space.train.take(train_order))


PAIR_RULES: tuple[Rule, ...] = (
    check_value,
    check_needs,
    check_lacking,
    check_repeats,
    check_random_state_untouched,
    check_spaces_untouched,
    check_symmetric,
    check_invariances,
    check_rounding,
    check_items_in_another_order,
    check_itself,
    check_unrelated,
    check_reordered,
)
ODD_RULES: tuple[Rule, ...] = (check_odd_codes,)
