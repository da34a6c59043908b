import itertools

import numpy as np
import pytest
from scipy import stats

from latentbench_datasets._drawn.factor_design import FactorDesign, FactorRange

FACTORS = (
    FactorRange("tilt", -15.0, 15.0),
    FactorRange("smile", -1.0),
    FactorRange("skin"),
    FactorRange("glasses", size=2),
    FactorRange("hat", size=2),
)
KIND = FactorRange("kind", size=3, meanings=("chair", "table", "couch"))
NAMES = [factor.name for factor in FACTORS]
SOURCES = ("normal", "uniform")
MANY = 60_000


def drawn(*correlation, holdout=(), count=MANY, seed=0, source="normal"):
    rows = FactorDesign(FACTORS, correlation, holdout, source).draw(count, np.random.default_rng(seed))
    return dict(zip(NAMES, rows.T, strict=True))


def correlations(columns):
    return np.corrcoef(np.stack([columns[name] for name in NAMES]))


def check_marginals(columns):
    for factor in FACTORS:
        values = columns[factor.name]
        if factor.size:
            assert set(values) == {0, 1}
            assert stats.binomtest(int(values.sum()), len(values)).pvalue > 1e-4
        else:
            uniform = stats.uniform(factor.low, factor.high - factor.low)
            assert stats.kstest(values, uniform.cdf).pvalue > 1e-4


@pytest.mark.parametrize("source", SOURCES)
def test_without_options_factors_are_even_and_independent(source):
    columns = drawn(source=source)
    check_marginals(columns)
    assert abs(correlations(columns) - np.eye(5)).max() < 0.015


@pytest.mark.parametrize(
    ("pair", "number"),
    [
        (pair, number)
        for pair in ("smile+skin", "smile+glasses", "glasses+hat", "hat+tilt")
        for number in (-0.8, 0.3, 0.86)
    ],
)
def test_a_correlation_is_what_was_asked_for_and_changes_no_factor_alone(pair, number):
    columns = drawn(f"{pair}={number}")
    check_marginals(columns)
    expected = np.eye(5)
    first, second = (NAMES.index(name) for name in pair.split("+"))
    expected[first, second] = expected[second, first] = number
    assert abs(correlations(columns) - expected).max() < 0.015


@pytest.mark.parametrize("source", SOURCES)
def test_several_correlations_hold_together(source):
    columns = drawn("smile+skin=0.6", "skin+glasses=-0.4", "glasses+hat=0.5", source=source)
    actual = correlations(columns)
    check_marginals(columns)
    assert actual[1, 2] == pytest.approx(0.6, abs=0.015)
    assert actual[2, 3] == pytest.approx(-0.4, abs=0.015)
    assert actual[3, 4] == pytest.approx(0.5, abs=0.015)
    assert abs(actual[0, 1:]).max() < 0.015


def test_the_copula_is_gaussian():
    columns = drawn("smile+skin=0.7")
    normal = [stats.norm.ppf((columns["smile"] + 1) / 2), stats.norm.ppf(columns["skin"])]
    behind = np.corrcoef(normal)[0, 1]
    assert behind == pytest.approx(2 * np.sin(np.pi * 0.7 / 6), abs=0.01)
    residual = normal[1] - behind * normal[0]
    assert stats.kstest(residual / np.sqrt(1 - behind**2), stats.norm.cdf).pvalue > 1e-4
    assert abs(np.corrcoef(np.square([residual, normal[0]]))[0, 1]) < 0.015


@pytest.mark.parametrize(("pair", "sign"), [("smile+skin", 1), ("smile+skin", -1), ("glasses+hat", -1)])
def test_a_perfect_correlation_leaves_one_factor(pair, sign):
    columns = drawn(f"{pair}={sign}", count=2000)
    first, second = (columns[name] - columns[name].min() for name in pair.split("+"))
    first, second = first / first.max(), second / second.max()
    np.testing.assert_allclose(first if sign == 1 else 1 - first, second, atol=2e-3)


def test_the_most_that_an_even_and_a_binary_factor_share_is_a_threshold():
    columns = drawn("smile+hat=0.8660254", count=4000)
    np.testing.assert_array_equal(
        columns["hat"][abs(columns["smile"]) > 0.01] == 1, columns["smile"][abs(columns["smile"]) > 0.01] > 0
    )


@pytest.mark.parametrize("source", SOURCES)
def test_other_factors_are_the_very_same(source):
    plain, correlated = drawn(source=source), drawn("smile+glasses=0.8", source=source)
    for name in ("tilt", "skin", "hat"):
        np.testing.assert_array_equal(plain[name], correlated[name])


def test_held_out_combinations_never_occur_and_the_rest_stays_as_it_was():
    columns = drawn(holdout=("glasses=1+hat=1", "smile=0.5..1+glasses=0+tilt=-15..0"))
    glasses, hat, smile, tilt = (columns[name] for name in ("glasses", "hat", "smile", "tilt"))
    assert not ((glasses == 1) & (hat == 1)).any()
    assert not ((smile >= 0.5) & (glasses == 0) & (tilt <= 0)).any()
    for alone in itertools.chain(itertools.product((0, 1), (0, 1))):
        share = ((glasses == alone[0]) & (hat == alone[1])).mean()
        mass = {(0, 0): 0.25 * 0.875, (0, 1): 0.25 * 0.875, (1, 0): 0.25, (1, 1): 0}
        assert share == pytest.approx(mass[alone] / sum(mass.values()), abs=0.01)
    kept = drawn()
    allowed = ~((kept["glasses"] == 1) & (kept["hat"] == 1)) & ~(
        (kept["smile"] >= 0.5) & (kept["glasses"] == 0) & (kept["tilt"] <= 0)
    )
    np.testing.assert_array_equal(columns["skin"][: allowed.sum()], kept["skin"][allowed])


def test_a_holdout_goes_with_a_correlation():
    columns = drawn("glasses+hat=0.5", holdout=("glasses=1+hat=1",))
    shares = [
        ((columns["glasses"] == g) & (columns["hat"] == h)).mean() for g, h in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    assert shares == pytest.approx([0.6, 0.2, 0.2, 0], abs=0.01)


@pytest.mark.parametrize("source", SOURCES)
def test_fewer_rows_are_the_first_ones_of_more(source):
    for holdout in ((), ("glasses=1+hat=1",)):
        few, many = (drawn("smile+skin=0.3", holdout=holdout, count=count, source=source) for count in (10, 9000))
        for name in NAMES:
            np.testing.assert_array_equal(few[name], many[name][:10])


def test_rows_of_uniform_numbers_are_those_numbers():
    """The first of them for every row, over several blocks."""
    factors = FactorRange("tilt", -15.0, 15.0), KIND, FactorRange("hat", size=2)
    rows = FactorDesign(factors, source="uniform").draw(9000, np.random.default_rng(4))
    expected = np.random.default_rng(4).uniform(size=(9000, 3))
    np.testing.assert_array_equal(rows[:, 0], 30 * expected[:, 0] - 15)
    np.testing.assert_array_equal(rows[:, 1], (expected[:, 1] >= 1 / 3) * 1 + (expected[:, 1] >= 2 / 3))
    np.testing.assert_array_equal(rows[:, 2], expected[:, 2] >= 0.5)


def test_a_uniform_number_of_0_is_no_infinite_one():
    class Zeros(np.random.Generator):
        def uniform(self, low=0.0, high=1.0, size=None):
            return np.zeros(size)

    design = FactorDesign(FACTORS, ("smile+skin=0.5", "skin+hat=-0.5"), source="uniform")
    rows = design.draw(5, Zeros(np.random.PCG64(0)))
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("source", SOURCES)
def test_each_of_three_kinds_is_as_frequent_as_the_others_and_goes_with_no_factor(source):
    rows = FactorDesign((*FACTORS, KIND), ("smile+hat=0.8",), source=source).draw(MANY, np.random.default_rng(1))
    counts = np.bincount(rows[:, 5].astype(int))
    assert stats.chisquare(counts).pvalue > 1e-4
    assert len(counts) == 3
    assert set(rows[:, 5]) == {0, 1, 2}
    assert abs(np.corrcoef(rows.T)[5, :5]).max() < 0.015


@pytest.mark.parametrize("source", SOURCES)
def test_kinds_can_be_held_out_alone_in_a_range_and_in_combinations(source):
    def rows(*holdout):
        return FactorDesign((*FACTORS, KIND), (), holdout, source).draw(6000, np.random.default_rng(1))

    for alone in (rows("kind=1"), rows("kind=1..1")):
        assert set(alone[:, 5]) == {0, 2}
    assert set(rows("kind=0..1")[:, 5]) == {2}
    both = rows("kind=2+skin=0..0.5")
    assert both[both[:, 5] == 2, 2].min() > 0.5
    assert both[both[:, 5] < 2, 2].min() < 0.01
    assert np.bincount(both[:, 5].astype(int)) / 6000 == pytest.approx([0.4, 0.4, 0.2], abs=0.02)


@pytest.mark.parametrize("text", ["kind+smile=0.5", "hat+kind=-0.1", "kind+hat=0"])
def test_kinds_have_no_order_and_so_no_correlation(text):
    with pytest.raises(ValueError, match=r"^must ") as caught:
        FactorDesign((*FACTORS, KIND), (text,))
    assert str(caught.value) == (
        "must not use kind, whose 3 values have no order; hold out combinations with it instead"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind=3", "must keep kind 0 (chair), 1 (table) or 2 (couch), not 'kind=3'"),
        ("kind=0.5+hat=1", "must keep kind 0 (chair), 1 (table) or 2 (couch), not 'kind=0.5'"),
        ("kind=chair", "must be NAME=VALUE or NAME=LOW..HIGH joined by +, as a=1+b=0.5..1, not 'kind=chair'"),
        ("kind=2..1", "must give kind a range, as kind=0..2, not 'kind=2..1'"),
        ("kind=0..2", "must leave at least 1% of the rows, it leaves 0.0%"),
    ],
)
def test_holdouts_of_kinds_that_cannot_be(text, sentence):
    with pytest.raises(ValueError, match=r"^must ") as caught:
        FactorDesign((*FACTORS, KIND), (), (text,))
    assert str(caught.value) == sentence


def test_what_a_factor_can_be():
    smile, hat = FACTORS[1], FACTORS[4]
    assert (smile.size, hat.size, KIND.size) == (0, 2, 3)
    assert (hat.low, hat.high, KIND.high) == (0, 1, 2)
    assert (smile.words, hat.words) == ("from -1 to 1", "0 or 1")
    assert FactorRange("kind", size=4).words == "0, 1, 2 or 3"
    assert KIND.has([0, 2, 3, 1.5, np.nan]).tolist() == [True, True, False, False, False]
    assert KIND.spread(np.array([0, 0.33, 0.34, 0.999, 1.0])).tolist() == [0, 0, 1, 2, 2]
    assert smile.has([-1, 0.3, 1, 1.01, np.nan]).tolist() == [True, True, True, False, False]
    assert hat.has([0, 1, 0.5, 2, -1, np.nan]).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("smile", "must be NAME+NAME=NUMBER, as a+b=0.5, not 'smile'"),
        ("smile=0.5", "must be NAME+NAME=NUMBER, as a+b=0.5, not 'smile=0.5'"),
        ("smile+skin=high", "must be NAME+NAME=NUMBER, as a+b=0.5, not 'smile+skin=high'"),
        ("smile+skin=nan", "must be NAME+NAME=NUMBER, as a+b=0.5, not 'smile+skin=nan'"),
        ("smile+skim=0.5", "must use the factors tilt, smile, skin, glasses, hat, not 'skim'"),
        ("smile+skin+hat=0.5", "must use the factors tilt, smile, skin, glasses, hat, not 'skin+hat'"),
        ("smile+smile=0.5", "must name two factors, not 'smile' twice"),
        ("smile+skin=1.5", "must be from -1 to 1 and not 0 for smile+skin; it is 1.5"),
        ("smile+hat=0.9", "must be from -0.866 to 0.866 and not 0 for smile+hat; it is 0.9"),
        ("smile+hat=0", "must be from -0.866 to 0.866 and not 0 for smile+hat; it is 0"),
    ],
)
def test_correlations_that_cannot_be(text, sentence):
    with pytest.raises(ValueError, match=r"^must ") as caught:
        FactorDesign(FACTORS, (text,))
    assert str(caught.value) == sentence


def test_correlations_that_exclude_one_another():
    with pytest.raises(
        ValueError, match=r"^must be correlations that numbers can have together; bring some nearer"
    ):
        FactorDesign(FACTORS, ("smile+skin=0.9", "skin+tilt=0.9", "smile+tilt=-0.9"))
    with pytest.raises(ValueError, match=r"^must name a pair once, it names skin and smile twice$"):
        FactorDesign(FACTORS, ("smile+skin=0.9", "skin+smile=0.1"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hat", "must be NAME=VALUE or NAME=LOW..HIGH joined by +, as a=1+b=0.5..1, not 'hat'"),
        ("hat=yes", "must be NAME=VALUE or NAME=LOW..HIGH joined by +, as a=1+b=0.5..1, not 'hat=yes'"),
        (
            "skin=0..0.5..1",
            "must be NAME=VALUE or NAME=LOW..HIGH joined by +, as a=1+b=0.5..1, not 'skin=0..0.5..1'",
        ),
        ("hat=1+", "must be NAME=VALUE or NAME=LOW..HIGH joined by +, as a=1+b=0.5..1, not 'hat=1+'"),
        ("hut=1", "must use the factors tilt, smile, skin, glasses, hat, not 'hut'"),
        ("hat=2", "must keep hat 0 or 1, not 'hat=2'"),
        ("hat=1+smile=0..2", "must keep smile from -1 to 1, not 'smile=0..2'"),
        ("smile=0.5", "must give smile a range, as smile=-1..1, not 'smile=0.5'"),
        ("smile=0.5..0.2", "must give smile a range, as smile=-1..1, not 'smile=0.5..0.2'"),
        ("hat=1+hat=0", "must name a factor once in a combination, not 'hat=1+hat=0'"),
        ("smile=-1..1", "must leave at least 1% of the rows, it leaves 0.0%"),
    ],
)
def test_holdouts_that_cannot_be(text, sentence):
    with pytest.raises(ValueError, match=r"^must ") as caught:
        FactorDesign(FACTORS, (), (text,))
    assert str(caught.value) == sentence


def test_holdouts_that_leave_nothing_together():
    with pytest.raises(ValueError, match=r"^must leave at least 1% of the rows, it leaves 0.0%$"):
        FactorDesign(FACTORS, (), ("hat=1", "hat=0"))
