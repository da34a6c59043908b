import numpy as np
import pytest

from latentbench.metric import Score
from latentbench.report.stars import Contender, _gains, marks

RNG = np.random.default_rng


def contender(label, mean, *, seeds=5, spread=0.01, items=None, deterministic=False):
    noise = RNG(list(label.encode())).normal(size=seeds) * spread
    values = {seed: float(value) for seed, value in enumerate(mean + noise - noise.mean())}
    return Contender(label, values, lambda seed: None if items is None else items[seed], deterministic)


@pytest.mark.parametrize("better", ["up", "down", "near:0.5"])
def test_better_means_what_a_score_says(better):
    values = [0.2, 0.45, 0.9]
    expected = [Score(better, "made up").gain(value) for value in values]
    np.testing.assert_allclose(_gains(values, better), expected)


def test_the_best_is_starred_and_its_equals_are_told():
    models = [contender("a", 0.9), contender("b", 0.899), contender("c", 0.5)]
    assert marks(models, "up") == {"a": "*", "b": "="}
    assert marks(models, "down") == {"c": "*"}
    assert marks(models, "near:0.52") == {"c": "*"}
    assert marks(models, "none") == {}


def test_there_is_nothing_to_star_with_few_seeds_or_one_model():
    assert marks([contender("a", 0.9, seeds=4), contender("b", 0.5, seeds=4)], "up") == {}
    assert marks([contender("a", 0.9), contender("b", 0.5, seeds=4)], "up") == {}
    assert marks([contender("a", 0.9)], "up") == {}
    assert marks([], "up") == {}


def test_a_small_test_set_makes_models_inseparable():
    """Seeds agree, but each item says something else: only the items' spread tells."""
    rows = {name: RNG(7).normal(size=(5, 30)) * 0.001 for name in "ab"}
    wide = RNG(8).normal(size=30)
    items = {"a": rows["a"] + 0.05 + wide - wide.mean(), "b": rows["b"]}
    with_items = [contender(name, items[name].mean(), spread=0.001, items=items[name]) for name in "ab"]
    without = [contender(name, items[name].mean(), spread=0.001) for name in "ab"]
    assert marks(with_items, "up") == {"a": "*", "b": "="}
    assert marks(without, "up") == {"a": "*"}


@pytest.mark.parametrize("broken", [np.full(30, np.nan), np.ones((30, 2)), np.ones(29)])
def test_items_that_do_not_pair_are_passed_over(broken):
    good = RNG(0).normal(size=(5, 30))
    a = contender("a", 0.9, items=good)
    b = contender("b", 0.5, items=[broken, *good[1:]])
    assert marks([a, b], "up") == {"a": "*"}


def test_many_models_need_a_clearer_gap():
    """Holm: a p-value of 3 % separates one rival, not one of twelve alike."""
    noise = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    best = Contender("best", dict(enumerate(1 + noise * 0)), lambda seed: None)
    rivals = [Contender(f"r{i}", dict(enumerate(0.978 + noise)), lambda seed: None) for i in range(12)]
    assert marks([best, rivals[0]], "up") == {"best": "*"}
    assert marks([best, *rivals], "up") == {"best": "*"} | {f"r{i}": "=" for i in range(12)}


def test_a_deterministic_contender_stands_for_all_seeds():
    fixed = contender("fixed", 0.7, seeds=1, deterministic=True)
    assert marks([fixed, contender("b", 0.5)], "up") == {"fixed": "*"}
    assert marks([fixed, contender("b", 0.703)], "up") == {"b": "*", "fixed": "="}
    assert marks([fixed, contender("other", 0.5, seeds=1, deterministic=True)], "up") == {}
