import math

import numpy as np
import pytest

from latentbench.table.pairing import Contender
from latentbench.table.significance import Contest, Verdict, judged

RNG = np.random.default_rng


def contender(label, mean, *, seeds=5, spread=0.01, items=None, deterministic=False):
    noise = RNG(list(label.encode())).normal(size=seeds) * spread
    values = {seed: float(value) for seed, value in enumerate(mean + noise - noise.mean())}
    return Contender(label, values, lambda seed: None if items is None else items[seed], deterministic)


def verdict(models, better="up", floor=math.nan):
    return judged([Contest(models, better, floor)])[0]


def marks(models, better="up"):
    return verdict(models, better).marks


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


def single(label, items):
    """A model with one trial and a value for each item."""
    return Contender(label, {0: float(np.mean(items))}, lambda seed: np.asarray(items), deterministic=True)


def test_models_with_one_trial_each_are_told_apart_by_their_items():
    shared, own = RNG(0).normal(size=500), RNG(1).normal(size=(3, 500)) * 0.1
    own -= own.mean(axis=1, keepdims=True)
    models = [single(name, shared + own[place] + mean) for place, (name, mean) in enumerate(GAPS.items())]
    outcome = verdict(models)
    assert outcome.marks == {"best": "*", "near": "="}
    assert outcome.ranks == {"best": (1, 2), "near": (1, 2), "far": (3, 3)}
    assert (outcome.items_only, outcome.seeds_only) == (True, False)
    assert verdict(models, "down").marks == {"far": "*"}
    assert verdict(models, "near:0").marks == {}  # the distance of a mean is no mean of distances
    assert verdict(models, "none") == Verdict()


GAPS = {"best": 0.005, "near": 0.0, "far": -0.1}


@pytest.mark.parametrize("others", [None, np.ones(499), np.full(500, np.nan), np.ones(1)])
def test_without_values_of_the_same_items_single_trials_are_not_told_apart(others):
    fixed = single("a", RNG(0).normal(size=500))
    other = Contender("b", {0: -9.0}, lambda seed: others, deterministic=True)
    assert verdict([fixed, other]).marks == {}
    assert verdict([single("a", [1.0]), single("b", [0.0])]).marks == {}


def test_beside_a_model_with_seeds_marks_are_not_of_items_alone():
    items = RNG(0).normal(size=(5, 200))
    outcome = verdict([contender("a", items.mean(), items=items), single("b", items[0] - 1)])
    assert outcome.marks == {"a": "*"}
    assert not outcome.items_only


def test_ranks_are_what_the_pairs_leave_open():
    models = [contender("a", 0.9), contender("b", 0.899), contender("c", 0.5), contender("few", 0.1, seeds=4)]
    assert verdict(models).ranks == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    assert verdict(models, "down").ranks == {"a": (2, 3), "b": (2, 3), "c": (1, 1)}
    assert verdict(models, "none") == Verdict()


def test_items_of_a_score_that_should_be_low_rank_the_other_way():
    items = {name: RNG(3).normal(size=(5, 30)) * 0.01 + mean for name, mean in (("a", 0.9), ("b", 0.5))}
    models = [contender(name, rows.mean(), items=rows) for name, rows in items.items()]
    assert verdict(models, "up").ranks == {"a": (1, 1), "b": (2, 2)}
    assert verdict(models, "down").ranks == {"a": (2, 2), "b": (1, 1)}


def test_equal_values_are_ties():
    same = Contender("a", dict.fromkeys(range(5), 0.5), lambda seed: np.full(30, 0.5))
    twin = Contender("b", same.values, same.items)
    alike = verdict([same, twin])
    assert (alike.marks, alike.ranks) == ({"a": "*", "b": "="}, {"a": (1, 2), "b": (1, 2)})
    assert not alike.seeds_only


def test_nobody_is_starred_who_does_no_better_than_the_floor():
    models = [contender("a", 0.5), contender("b", 0.3)]
    assert verdict(models, floor=0.4).marks == {"a": "*"}
    low = verdict(models, floor=0.6)
    assert (low.marks, low.ranks) == ({}, {"a": (1, 1), "b": (2, 2)})
    assert low.at_floor
    assert low.seeds_only
    assert verdict(models, "down", floor=0.3 - 1e-9).at_floor
    assert verdict(models, "near:0.4", floor=0.41).at_floor
    assert verdict(models, floor=math.inf).marks == {"a": "*"}


def test_all_scores_are_one_family():
    """A p-value of 3 % stands alone and beside four clear scores, not beside four with nothing to find."""
    steps = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    flat = Contender("a", dict(enumerate(1 + steps * 0)), lambda seed: None)
    close, far, same = (
        Contest([flat, Contender("b", dict(enumerate(mean + steps)), lambda seed: None)], "up")
        for mean in (0.978, 0.5, 1.0)
    )
    assert judged([close])[0].marks == {"a": "*"}
    assert [verdict.marks for verdict in judged([close, *[far] * 4])] == [{"a": "*"}] * 5
    assert judged([close, *[same] * 4])[0].marks == {"a": "*", "b": "="}


def test_items_are_read_once():
    read = []

    def items(seed):
        read.append(seed)
        return RNG(seed).normal(size=30)

    models = [Contender(name, dict(enumerate(RNG(0).normal(size=5))), items) for name in "abcd"]
    judged([Contest(models, "up")])
    assert sorted(read) == sorted([*range(5)] * 4)


def test_only_common_seeds_are_compared():
    rows = RNG(5).normal(size=(8, 30)) * 0.01
    a, b = (
        Contender(name, {seed: float(rows[seed].mean()) for seed in seeds}, lambda seed: rows[seed])
        for name, seeds in (("a", range(6)), ("b", range(5, -1, -1)))
    )
    late = Contender("late", dict.fromkeys(range(5, 10), 0.5), lambda seed: None)
    assert verdict([a, b]).ranks == {"a": (1, 2), "b": (1, 2)}
    assert verdict([a, late]).ranks == {"a": (1, 2), "late": (1, 2)}
