"""Models against baselines: what counts as beaten, and how often luck is taken for merit."""

import numpy as np
import pytest

from latentbench.table.baselines import FLOOR
from latentbench.table.pairing import Contender
from latentbench.table.significance import Contest, judged

RNG = np.random.default_rng
SEEDS, MODELS, SCORES = 5, 3, 8
MOST = 0.05
STEPS = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])


def contender(label, values, items=None, **more):
    return Contender(
        label, dict(enumerate(map(float, values))), lambda seed: None if items is None else items[seed], **more
    )


def fixed(label, value, items=None):
    return contender(label, [value], None if items is None else [items], deterministic=True)


def standing(model, *baselines, better="up", floors=(), **more):
    model = Contender(
        model.label, model.values, model.items, model.deterministic, baselines, dict(enumerate(floors)), **more
    )
    return judged([Contest([model], better)])[0].standings["m"]


def recommended(contests):
    """How many models clearly beat all their baselines."""
    return sum(not each.unbeaten for verdict in judged(contests) for each in verdict.standings.values())


@pytest.mark.parametrize(
    ("value", "unbeaten", "ahead"), [(0.5, (), ()), (0.99, ("b",), ()), (1.01, ("b",), ()), (1.5, ("b",), ("b",))]
)
@pytest.mark.parametrize("better", ["up", "down"])
def test_seeds_are_tested_against_a_fixed_value(value, unbeaten, ahead, better):
    sign = 1 if better == "up" else -1
    result = standing(contender("m", sign * (1 + STEPS)), fixed("b", sign * value), better=better)
    assert (result.unbeaten, result.ahead) == (unbeaten, ahead)


def test_a_baseline_with_seeds_is_paired_by_seed():
    shared = RNG(0).normal(size=SEEDS)
    result = standing(contender("m", 1 + shared), contender("b", 0.9 + shared + STEPS / 10))
    assert result.unbeaten == ()
    late = Contender("late", dict.fromkeys(range(9, 14), 0.0), lambda seed: None)
    assert standing(contender("m", 1 + STEPS), late).unbeaten == ("late",)  # no common seed: no test


def test_items_count_where_both_have_them():
    wide = RNG(8).normal(size=30)
    items = 1.05 + STEPS[:, None] / 10 + wide - wide.mean()
    model = contender("m", items.mean(axis=1), items)
    assert standing(model, fixed("b", 1.0, np.ones(30))).unbeaten == ("b",)
    assert standing(model, fixed("b", 1.0)).unbeaten == ()
    assert standing(model, floors=[1.0] * SEEDS).unbeaten == (FLOOR,)
    elsewhere = contender("m", items.mean(axis=1) + 1, items)  # items that do not average to the score
    assert standing(elsewhere, floors=[1.0] * SEEDS).unbeaten == ()


def test_two_fixed_ones_are_compared_by_items_or_not_at_all():
    items = RNG(1).normal(size=50)
    alone = fixed("m", 1 + items.mean(), 1 + items)
    assert standing(alone, fixed("b", items.mean(), items)).unbeaten == ()
    assert standing(alone, fixed("b", 0.0), fixed("c", items.mean(), items)).unbeaten == ("b",)
    untested = Contender(alone.label, alone.values, alone.items, True, (fixed("b", 0.0),))
    assert judged([Contest([untested], "up")])[0].standings == {}


def test_a_hundred_weak_baselines_cost_no_power():
    model = contender("m", 1 + STEPS)
    weak = [fixed(f"b{i}", 0.5) for i in range(100)]
    assert standing(model, fixed("strong", 0.97)).unbeaten == ()
    assert standing(model, fixed("strong", 0.97), *weak).unbeaten == ()


def test_a_setting_chosen_from_many_needs_more():
    model, close = contender("m", 1 + STEPS), fixed("b", 0.97)
    assert standing(model, close, tried=1).unbeaten == ()
    assert standing(model, close, tried=20).unbeaten == ("b",)


def most(tables, level=MOST):
    """The count that a true rate of `level` exceeds once in a thousand times."""
    return tables * level + 3.1 * (tables * level * (1 - level)) ** 0.5


def test_luck_against_a_fixed_baseline_recommends_in_few_tables():
    """All models equal pca. Means alone would recommend one in almost every table."""
    tables, wrong, by_means = 200, 0, 0
    for table in range(tables):
        values = RNG(table).normal(size=(SCORES, MODELS, SEEDS))
        contests = [
            Contest([contender(str(m), row[m], baselines=(fixed("pca", 0),)) for m in range(MODELS)], "up")
            for row in values
        ]
        wrong += recommended(contests) > 0
        by_means += bool((values.mean(axis=2) > 0).any())
    assert wrong <= most(tables)
    assert by_means > 0.95 * tables


def test_luck_against_a_baseline_with_seeds_recommends_in_few_tables():
    tables, wrong = 200, 0
    for table in range(tables):
        values = RNG([1, table]).normal(size=(SCORES, MODELS + 2, SEEDS))
        contests = [
            Contest(
                [
                    contender(
                        str(m),
                        row[m],
                        baselines=(contender("untrained", row[-1]), contender("random", row[-2] - 9)),
                        floors=dict.fromkeys(range(SEEDS), -9.0),
                    )
                    for m in range(MODELS)
                ],
                "up",
            )
            for row in values
        ]
        wrong += recommended(contests) > 0
    assert wrong <= most(tables)


def test_luck_with_the_test_items_recommends_in_few_tables():
    """Equal over all test sets; on the items that were drawn, one is ahead."""
    tables, wrong = 60, 0
    for table in range(tables):
        rng = RNG([2, table])
        contests = []
        for _ in range(3):
            items = rng.normal(size=(2, 1, 40)) + 0.1 * rng.normal(size=(2, SEEDS, 40))
            rival = fixed("pca", items[1, 0].mean(), items[1, 0])
            contests.append(Contest([contender("m", items[0].mean(axis=1), items[0], baselines=(rival,))], "up"))
        wrong += recommended(contests) > 0
    assert wrong <= most(tables)


@pytest.mark.parametrize(("corrected", "few"), [(True, True), (False, False)])
def test_luck_of_the_best_of_many_settings_recommends_in_few_tables(corrected, few):
    """The setting with the best mean of 20 that all equal pca: the number tried must be known to the test."""
    tables, wrong = 300, 0
    for table in range(tables):
        settings = RNG([3, table]).normal(size=(20, SEEDS))
        best = settings[settings.mean(axis=1).argmax()]
        model = contender("m", best, baselines=(fixed("pca", 0),), tried=20 if corrected else 1)
        wrong += recommended([Contest([model], "up")]) > 0
    assert (wrong <= most(tables)) == few


def test_a_clear_lead_is_recommended_in_most_tables():
    """Ten standard deviations of a seed over the baseline, in all scores: the test has power."""
    tables, right = 40, 0
    for table in range(tables):
        values = 10 + RNG([4, table]).normal(size=(SCORES, MODELS, SEEDS))
        right += recommended(
            [
                Contest([contender(str(m), row[m], baselines=(fixed("pca", 0),)) for m in range(MODELS)], "up")
                for row in values
            ]
        )
    assert right > 0.9 * tables * SCORES * MODELS
