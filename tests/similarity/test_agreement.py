import math

import numpy as np
import pytest

from latentbench.similarity.agreement import between, p_below_ceiling, p_below_ceilings, within
from latentbench.statistics import t_interval, tail


def drawn(rng, seeds, effect=1.0, noise=0.3):
    """Scores between `2 * seeds` seeds of one model: an effect of each seed, and noise of each pair."""
    effects = rng.normal(0, effect, 2 * seeds)
    pairs = rng.normal(0, noise, (2 * seeds, 2 * seeds))
    return effects[:, None] + effects + (pairs + pairs.T) / math.sqrt(2)


def split(scores, seeds):
    return scores[:seeds, seeds:], scores[:seeds, :seeds], scores[seeds:, seeds:]


def test_the_interval_of_means_of_rows_is_that_of_student():
    """With one seed on the other side, the jackknife is the t-interval of the scores themselves."""
    scores = np.array([0.3, 0.5, 0.4, 0.9])
    found = between(scores[:, None])
    assert (found.mean, found.low, found.high) == pytest.approx(t_interval(scores))
    assert found.pairs == 4
    assert between(scores[None]).low == pytest.approx(found.low)


def test_a_single_pair_has_no_interval():
    found = between([[0.5]])
    assert found.mean == 0.5
    assert math.isnan(found.low)
    assert math.isnan(within([[1, 0.5], [0.5, 1]]).low)


def test_seed_agreement_does_not_look_at_the_diagonal():
    scores = np.array([[np.nan, 0.2, 0.4], [0.2, np.nan, 0.6], [0.4, 0.6, np.nan]])
    found = within(scores)
    assert found.mean == pytest.approx(0.4)
    assert found.low < 0.4 < found.high


def test_the_interval_of_seed_agreement_covers_its_truth():
    rng = np.random.default_rng(0)
    covers = []
    for _ in range(400):
        found = within(split(drawn(rng, 5), 5)[1])
        covers.append(found.low <= 0 <= found.high)
    assert np.mean(covers) >= 0.93


def test_the_interval_between_models_covers_its_truth():
    rng = np.random.default_rng(1)
    covers = []
    for _ in range(400):
        found = between(split(drawn(rng, 5), 5)[0])
        covers.append(found.low <= 0 <= found.high)
    assert np.mean(covers) >= 0.93


def test_one_side_alone_is_the_test_of_two_samples_of_effects():
    """Scores that are sums of effects of both seeds: seeds of A against seeds of B, each with its own freedom."""
    first, second = np.random.default_rng(2).normal(size=(2, 6))
    ceiling, scores = first[:, None] + first, first[:, None] + second
    variances = [(effects.var(ddof=1) / 6, 5) for effects in (first, second)]
    expected = tail(abs(first.mean() - second.mean()), variances) / 2
    found = p_below_ceiling(scores, ceiling, "up")
    assert min(found, 1 - found) == pytest.approx(expected)
    assert (found < 0.5) == (first.mean() > second.mean())


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0])
def test_seeds_of_one_model_split_in_two_are_seldom_told_apart(seeds, noise):
    rng = np.random.default_rng(3)
    told = [p_below_ceilings(*split(drawn(rng, seeds, noise=noise), seeds), "up") < 0.05 for _ in range(300)]
    assert np.mean(told) <= 0.08


def test_models_that_agree_far_less_than_their_seeds_are_told_apart():
    rng = np.random.default_rng(4)
    told = []
    for _ in range(100):
        table, first, second = split(drawn(rng, 5), 5)
        told.append(p_below_ceilings(table - 6, first, second, "up") < 0.05)
    assert np.mean(told) > 0.9


def test_less_than_one_ceiling_alone_is_not_below_both():
    rng = np.random.default_rng(5)
    table, first, second = split(drawn(rng, 5), 5)
    assert p_below_ceiling(table - 6, first, "up") < 0.05
    assert p_below_ceilings(table - 6, first, second - 12, "up") > 0.5


def test_the_direction_of_the_score_counts():
    rng = np.random.default_rng(6)
    parts = split(drawn(rng, 4), 4)
    lower = parts[0] - 3, parts[1], parts[2]
    assert p_below_ceilings(*(-part for part in lower), "down") == pytest.approx(p_below_ceilings(*lower, "up"))


@pytest.mark.parametrize(
    ("shape", "own"), [((2, 3), (2, 2)), ((3, 2), (3, 3)), ((3, 3), (4, 4)), ((3, 3), (3, 2))]
)
def test_too_few_seeds_and_wrong_shapes_are_refused(shape, own):
    with pytest.raises(ValueError, match="seeds"):
        p_below_ceiling(np.zeros(shape), np.zeros(own), "up")


def test_scores_that_are_missing_are_refused():
    with pytest.raises(ValueError, match="finite"):
        between([[0.5, np.nan]])
    with pytest.raises(ValueError, match="finite"):
        within([[1, np.nan, 0.1], [np.nan, 1, 0.1], [0.1, 0.1, 1]])
