"""Every metric found, on the codes of 2,000 and of 10,000 test images, and every pair metric."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from latentbench.dataset import DataSpec, Split, Splits
from latentbench.errors import NotApplicableError
from latentbench.execution.pair_scores import compared, given_to_pair, prepared, reordered
from latentbench.execution.scoring import compute
from latentbench.latent.space import LatentSpace
from latentbench.metric import Metric, PairMetric
from latentbench.model import GradientModel
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench_metrics._shared.features import in_domain_features

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.conftest import Stopwatch

TRAINED = 8_000  # of them for the VAE, trained for a moment: what a metric costs does not depend on quality
TRAIN = 20_000  # images to train probes on
FEW = 20, 500  # test and training images of a warm-up
ROUNDS = {"quick": 3, "full": 1}
PAIR_ITEMS, PAIR_TRAIN, PAIR_DIM, PIXELS = 10_000, 60_000, 16, 784  # of two spaces that are alike but for noise
NOISE = 0.5
COST = {"train_seconds": 1.0, "images_per_second": 1.0, "parameters": 1.0, "peak_memory_bytes": 1.0}


@pytest.mark.benchmark(group="metrics, of a VAE on 28 x 28 images with labels and factors, 20,000 to train on")
@pytest.mark.parametrize("count", [2_000, 10_000])
def test_metric(
    stopwatch: Stopwatch, plugins: Plugins, space_of: Callable[[int], LatentSpace], metric: str, count: int
) -> None:
    name = f"{metric}, n = {count:,}"
    cls = plugins.load("metric", metric)
    made: Metric = cls(build_params(cls.Params, {}, f"metric {metric!r}"))
    space = space_of(count)
    try:
        values = stopwatch(
            name,
            lambda: compute(made, space),
            warm_up=lambda: prepare(made, space),
            rounds=ROUNDS[made.tier],
            amount=(min(count, made.max_items or count), "items"),
            metric=metric,
            n=count,
        )
    except NotApplicableError as error:
        stopwatch.skip(name, str(error))
    assert set(values) >= set(made.scores)


@pytest.fixture(scope="session")
def space_of(plugins: Plugins, splits: Splits) -> Callable[[int], LatentSpace]:
    """A function that returns the latent space of so many test images, always the same one."""
    train = splits.train.take(np.random.default_rng(0).permutation(len(splits.train))[:TRAIN])
    model = trained_vae(plugins, train)
    whole = LatentSpace.of_model(model, splits.test, train, fingerprint="benchmarks", cost=COST)
    in_domain_features(whole)

    @cache
    def some(count: int) -> LatentSpace:
        space = whole.take(whole.order[:count])
        assert len(space.train.codes) == TRAIN
        assert len(space.arranged.reconstructions) == len(space.arranged.code_samples) == count
        return space

    return some


def trained_vae(plugins: Plugins, train: Split) -> GradientModel:
    """Train the built-in VAE, d = 16."""
    kind = plugins.load("model", "vae")
    model: GradientModel = kind(build_params(kind.Params, {"latent_dim": 16}, "vae"), DataSpec.of(train))
    train_model(model, train.take(np.arange(TRAINED)), Budget(epochs=2), 0)
    return model


def prepare(metric: Metric, space: LatentSpace) -> None:
    """Let a metric look at a small part of a space, so that all is imported that it uses."""
    items, rows = FEW
    train = space.train.take(torch.arange(rows))
    few = space.take(space.order[: max(items, metric.min_items)]).replaced(train=train)
    with suppress(NotApplicableError):  # to so few; to all of them is what counts
        compute(metric, few)


@cache
def spaces() -> tuple[LatentSpace, LatentSpace]:
    """Return two spaces of the same items, alike but for noise, with training splits and a linear decoder."""
    generator = np.random.default_rng(0)
    shared = [generator.standard_normal((count, PAIR_DIM)) for count in (PAIR_TRAIN, PAIR_ITEMS)]
    images = generator.standard_normal((PAIR_DIM, PIXELS))
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


@pytest.mark.benchmark(group=f"pair metrics, {PAIR_ITEMS:,} items, d = {PAIR_DIM}, {PAIR_TRAIN:,} to train on")
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
    orders = (
        torch.from_numpy(np.random.default_rng(1).permutation(count)) for count in (seen_items(metric), PAIR_TRAIN)
    )
    return compared(metric, first, reordered(metric, second, *orders))


def seen_items(metric: PairMetric) -> int:
    """Return how many items the metric looks at."""
    return min(PAIR_ITEMS, metric.max_items or PAIR_ITEMS)
