"""Every pair metric found: a space made ready, two compared, and a permutation of the null."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from latentbench.execution.pair_scores import compared, given_to_pair, prepared, reordered
from latentbench.latent.space import LatentSpace
from latentbench.metric import PairMetric
from latentbench.params import build_params
from latentbench.plugins import Plugins

if TYPE_CHECKING:
    from benchmarks.conftest import Stopwatch

ITEMS, TRAIN, DIM, PIXELS = 10_000, 60_000, 16, 784
NOISE = 0.5


@cache
def spaces() -> tuple[LatentSpace, LatentSpace]:
    """Return two spaces of the same items, alike but for noise, with training splits and a linear decoder."""
    generator = np.random.default_rng(0)
    shared = [generator.standard_normal((count, DIM)) for count in (TRAIN, ITEMS)]
    images = generator.standard_normal((DIM, PIXELS))
    weights = torch.from_numpy(images).float()

    def seen() -> LatentSpace:
        train, codes = (each + NOISE * generator.standard_normal(each.shape) for each in shared)
        return LatentSpace.from_arrays(
            codes=codes,
            inputs=shared[1] @ images,
            decode=lambda codes: codes @ weights,
            train=LatentSpace.from_arrays(codes=train),
        )

    return seen(), seen()


@pytest.mark.benchmark(group=f"pair metrics, {ITEMS:,} items, d = {DIM}, {TRAIN:,} to train on")
@pytest.mark.parametrize("part", ["prepare", "first compute", "permutation"])
def test_pair_metric(stopwatch: Stopwatch, plugins: Plugins, pair_metric: str, part: str) -> None:
    cls = plugins.load("pair_metric", pair_metric)
    metric: PairMetric = cls(build_params(cls.Params, {}, f"pair metric {pair_metric!r}"))
    name, order = f"{pair_metric}, {part}", spaces()[0].order
    given = [given_to_pair(metric, space, order, second=True) for space in spaces()]
    if part == "prepare":
        stopwatch(name, lambda: prepared(metric, given[0]), pair_metric=pair_metric)
        return
    if part == "permutation" and not metric.has_null:
        stopwatch.skip(name, "no null")
    compare, again = (permuted, False) if part == "permutation" else (compared, True)
    ready = [prepared(metric, space) for space in given]

    def setup() -> tuple[list[Any], dict[str, Any]]:
        return [metric, *([prepared(metric, space) for space in given] if again else ready)], {}

    value, _ = stopwatch(
        name, compare, warm_up=lambda: compare(metric, *ready), setup=setup, pair_metric=pair_metric
    )
    low, high = metric.score.range
    assert low <= value <= high


def permuted(metric: PairMetric, first: Any, second: Any) -> tuple[float, str]:
    """Compare a space with another whose items are permuted."""
    orders = (torch.from_numpy(np.random.default_rng(1).permutation(count)) for count in (items(metric), TRAIN))
    return compared(metric, first, reordered(metric, second, *orders))


def items(metric: PairMetric) -> int:
    """Return how many items the metric looks at."""
    return min(ITEMS, metric.max_items or ITEMS)
