"""Checks of a metric on a latent space with known answers, and on corrupted ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from latentbench.api import score
from latentbench.benchmark import named
from latentbench.latent.space import LatentSpace
from latentbench.metric import Metric
from latentbench.plugins import Plugins
from latentbench.scores import Score
from latentbench.testing.changes import (
    CHANGES,
    blurred,
    moved,
    permuted_labels,
    random_codes,
    renamed_classes,
    reordered,
    rounded,
    without_inputs,
)
from latentbench.testing.gallery import gallery

__all__ = ["Check", "check_metric"]

BETTER_BY = 0.05  # a spoiled space may score this much better by chance, as a share of the value


@dataclass(frozen=True)
class Check:
    """One score of one space.

    Attributes:
        space: what was done to the space, as "random codes".
        score: name of the score.
        value: what came out; NaN where the score is not applicable or failed.
        expected: what had to come out, in words; empty where nothing had to.
        passed: whether it did.
        reason: why there is no value.
    """

    space: str
    score: str
    value: float
    expected: str
    passed: bool
    reason: str = ""


def check_metric(
    metric: str | type[Metric], plugins: Plugins | None = None, space: LatentSpace | None = None
) -> Iterator[Check]:
    """Compute a metric on a known space, on equivalent ones and on corrupted ones; yield every score.

    It must repeat its values exactly; within its `tolerance` it must give the same for items in another order, for
    codes changed in their last bits, for other class numbers in the same order, and under every invariance it
    declares. A space with the codes or labels of other items, or with blurred images, must not score better. Cost
    scores only have to be in their range.

    A metric of codes, labels or factors alone is tried without inputs as well, with a training split and without:
    there class numbers must not matter in any order.

    Args:
        metric: a registered name, or the class.
        plugins: the plugins to use; all installed ones when left out.
        space: the space to start from; `gallery()` when left out.

    Raises:
        UnknownNameError: no such metric.
    """
    plugins = plugins or Plugins()
    name = named(metric)
    declared = plugins.load("metric", name)
    start = gallery() if space is None else space
    first = _values(name, plugins, start)
    for score_name, (value, status, reason) in first.items():
        yield _in_range(score_name, declared.scores[score_name], value, status, reason)
    yield from _compared(name, plugins, start, first, _spaces(declared))
    if set(declared.needs) <= {"labels", "factors"}:
        for title, train in ((" without inputs", True), (" without inputs and training split", False)):
            alone = without_inputs(start, train=train)
            spaces = ((what + title, make, expected) for what, make, expected in _spaces_without_inputs(declared))
            yield from _compared(name, plugins, alone, _values(name, plugins, alone), spaces)


def _compared(
    name: str,
    plugins: Plugins,
    start: LatentSpace,
    first: Mapping[str, tuple[float, str, str]],
    spaces: Iterable[tuple[str, Callable[[LatentSpace], LatentSpace], str]],
) -> Iterator[Check]:
    """Score spaces made from `start` and compare them with its own scores, `first`."""
    metric = plugins.load("metric", name)
    for title, make, expected in spaces:
        for score_name, (value, status, reason) in _values(name, plugins, make(start)).items():
            declared = metric.scores[score_name]
            if declared.kind == "cost":
                continue
            holds = _holds(expected, declared, metric.tolerance, first[score_name][0], value)
            passed = holds and status != "failed"
            yield Check(title, score_name, value, expected if _judged(expected, declared) else "", passed, reason)


def _spaces(metric: type[Metric]) -> Iterator[tuple[str, Callable[[LatentSpace], LatentSpace], str]]:
    """Yield title, how to make it, and what is expected of it: "same bits", "same", "not better" or nothing."""
    yield "once more", lambda space: space, "same bits"
    yield "items in another order", reordered, "same"
    yield "codes rounded otherwise", rounded, "same"
    if "labels" in metric.needs:
        yield "other class numbers", renamed_classes, "same"
    for change in CHANGES:
        declared = change in metric.invariances or (change == "permutation" and "rotation" in metric.invariances)
        if declared or change == "rotation":
            yield f"{WORDS[change]} codes", partial(moved, change=change), "same" if declared else ""
    yield "random codes", random_codes, "not better"
    if {"labels", "factors"} & set(metric.needs):
        yield "permuted labels", permuted_labels, "not better" if "decoder" not in metric.needs else ""
    if "decoder" in metric.needs:
        yield "blurred images", blurred, "not better"


def _spaces_without_inputs(
    metric: type[Metric],
) -> Iterator[tuple[str, Callable[[LatentSpace], LatentSpace], str]]:
    """Yield the same for spaces without inputs, where classes may come in any order."""
    for change in metric.invariances:
        yield f"{WORDS[change]} codes", partial(moved, change=change), "same"
    if "labels" in metric.needs:
        yield "classes in another order", partial(renamed_classes, factor=-1), "same"


WORDS = {
    "shift": "shifted",
    "scale": "scaled",
    "rotation": "rotated",
    "permutation": "permuted",
    "axis_scale": "axis-scaled",
}


def _values(name: str, plugins: Plugins, space: LatentSpace) -> Mapping[str, tuple[float, str, str]]:
    """Return value, status and reason of each score."""
    frame = score(space, [name], plugins)
    columns = (frame[column].tolist() for column in ("score", "value", "status", "reason"))
    return {
        str(score_name): (float(value), str(status), str(reason))
        for score_name, value, status, reason in zip(*columns, strict=True)
    }


def _in_range(name: str, declared: Score, value: float, status: str, reason: str) -> Check:
    if status != "ok":
        return Check("as it is", name, value, "in its range", status == "not applicable", reason)
    low, high = declared.range
    slack = 1e-6 * max(1.0, abs(value))
    return Check("as it is", name, value, "in its range", low - slack <= value <= high + slack)


def _judged(expected: str, declared: Score) -> bool:
    return expected != "not better" or not math.isnan(declared.gain(0.0))


def _holds(expected: str, declared: Score, tolerance: float, first: float, value: float) -> bool:
    if not expected or not _judged(expected, declared):
        return True
    if math.isnan(first) or math.isnan(value):
        return expected == "not better" or math.isnan(first) == math.isnan(value)
    if expected == "same bits":
        return first == value
    if expected == "same":
        return abs(value - first) <= tolerance * max(1.0, abs(first))
    return declared.gain(value) <= declared.gain(first) + BETTER_BY * abs(first) + tolerance
