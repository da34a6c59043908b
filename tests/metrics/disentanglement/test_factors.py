from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.disentanglement import factors as factors_module
from latentbench_metrics.disentanglement._information import (
    factor_classes,
)
from latentbench_metrics.disentanglement.dci import Dci, dci
from latentbench_metrics.disentanglement.factors import (
    FactorVae,
    Mig,
    Modularity,
    Sap,
    factor_vae_score,
    mig,
    mig_ceilings,
    mig_equal_width,
    modularity,
    sap,
)
from latentbench_metrics.disentanglement.infomec import InfoE, InfoMC, infomec, infomec_explicitness

QUICK = (mig, mig_equal_width, sap, modularity)
METRICS = (Mig, Sap, Dci, FactorVae, Modularity, InfoE, InfoMC)


def gap(column):
    best = sorted(column, reverse=True)
    return best[0] - (best[1] if len(best) > 1 else 0)


# 20 bins hold equally many items here, so that any way of cutting gives the same bins
def naive_bins(column):
    if len(set(column.tolist())) <= 20:
        return np.searchsorted(np.unique(column), column)
    bins = np.empty(len(column), int)
    for number, rows in enumerate(np.array_split(np.argsort(column), 20)):
        bins[rows] = number
    return bins


def naive_mig(codes, factors):
    gaps = []
    for factor in factors.T.numpy():
        shares = []
        for column in codes.T.numpy():
            bins = naive_bins(column)
            chance = expected_mutual_information(contingency_matrix(bins, factor).astype(np.int64), len(factor))
            whole = mutual_info_score(factor, factor)
            shares.append(max(0, (mutual_info_score(bins, factor) - chance) / (whole - chance)))
        gaps.append(gap(shares))
    return np.mean(gaps)


def naive_mig_equal_width(codes, factors, bins=20):
    gaps = []
    for factor in factors.T.numpy():
        shares = []
        for column in codes.T.numpy():
            cut = np.digitize(column, np.histogram(column, bins)[1][:-1])
            shares.append(mutual_info_score(cut, factor) / mutual_info_score(factor, factor))
        gaps.append(gap(shares))
    return np.mean(gaps)


def naive_modularity(codes, factors):
    modularities = []
    for column in codes.T.numpy():
        bins = naive_bins(column)
        known = [mutual_info_score(bins, factor) for factor in factors.T.numpy()]
        best = max(known)
        others = sum(each**2 for each in known) - best**2
        modularities.append(1 - others / (best**2 * (len(known) - 1)))
    return np.mean(modularities)


def naive_factor_vae(codes, factors, seed, batches=2000):
    rng = np.random.default_rng(seed)
    codes, factors = codes.numpy(), factors.numpy()
    votes = []
    for _ in range(batches):
        k = rng.integers(factors.shape[1])
        value = rng.choice(np.unique(factors[:, k]))
        rows = rng.choice(np.flatnonzero(factors[:, k] == value), 64)
        votes.append((np.argmin(codes[rows].var(0) / codes.var(0)), k))
    train, test = votes[: batches // 2], votes[batches // 2 :]
    names = {d: max(range(factors.shape[1]), key=[k for e, k in train if e == d].count) for d, _ in votes}
    return np.mean([names[d] == k for d, k in test])


@pytest.mark.parametrize("sizes", [(5, 4, 3, 2), (2, 2), (7, 3, 16), (20, 3)])
def test_a_code_equal_to_the_factors_is_perfect(sizes, grid):
    factors = grid(*sizes)
    for score in QUICK:
        assert score(factors, factors) == pytest.approx(1, abs=1e-9)
        assert score(-3 * factors.flip(1) + 7, factors) == pytest.approx(1, abs=1e-9)
    factors = factors.repeat(1 + 300 // len(factors), 1)
    assert factor_vae_score(factors, factors) == 1


def test_a_copy_costs_the_gap_of_its_factor(grid):
    for sizes, index in [((5, 4, 3, 2), 0), ((4, 6), 1), ((3, 3, 7), 2)]:
        factors = grid(*sizes, copies=4)
        codes = torch.cat([factors, -2 * factors[:, [index]] + 1], 1)
        expected = 1 - 1 / len(sizes)
        for score in (mig, mig_equal_width, sap):
            assert score(codes, factors) == pytest.approx(expected, abs=1e-9)
        assert modularity(codes, factors) == pytest.approx(1, abs=1e-9)
        assert factor_vae_score(codes, factors) == 1
    both = torch.cat([factors, factors], 1)
    assert mig(both, factors) == pytest.approx(0, abs=1e-12) == sap(both, factors)


def test_a_random_code_scores_like_chance(drawn, normal):
    factors = drawn(10_000, (5, 4, 3, 2, 6))
    codes = normal(10_000, 10)
    for score in (mig, mig_equal_width, sap):
        assert 0 <= score(codes, factors) < 0.01
    assert factor_vae_score(codes, factors) == pytest.approx(1 / 5, abs=0.03)
    with pytest.raises(NotApplicableError, match=r"no dimension tells over 0\.05"):
        modularity(codes, factors)
    scores = infomec(codes[:3000], factors[:3000])
    assert scores["explicitness"] < 0.01
    assert math.isnan(scores["modularity"])
    assert math.isnan(scores["compactness"])


def test_a_code_turned_by_45_degrees_scores_nothing(grid, turned):
    for factors in (grid(20, 20, copies=25), torch.rand(10_000, 2, generator=torch.Generator().manual_seed(0))):
        codes = turned(factors)
        assert mig(codes, factors) < 0.01
        assert mig(codes.float(), factors) < 0.01
        assert mig_equal_width(codes, factors) < 0.01
        assert sap(codes, factors) < 0.01
        both = codes.numpy(), factors.numpy()
        assert LinearRegression().fit(*both).score(*both) == pytest.approx(1, abs=1e-6)
    scores = infomec(turned(grid(6, 6, copies=40)), grid(6, 6, copies=40))
    assert scores["explicitness"] > 0.99
    assert scores["modularity"] < 0.05 > scores["compactness"]


def test_constant_and_noise_dimensions_cost_nothing(few_trees, drawn, normal):
    factors = drawn(10_000)
    codes = torch.cat([factors, torch.full((10_000, 6), 0.1), normal(10_000, 6)], 1)
    assert modularity(codes, factors) == pytest.approx(1, abs=0.01)
    assert factor_vae_score(codes, factors) == 1
    assert mig(codes, factors) == pytest.approx(1, abs=0.01)
    assert sap(codes, factors) == pytest.approx(1, abs=0.01)
    scores = infomec(codes[:2000], factors[:2000])
    assert all(value == pytest.approx(1, abs=0.03) for value in scores.values())
    scores = dci(codes[:300], factors[:300])
    assert all(value == pytest.approx(1, abs=0.01) for value in scores.values())


def test_noise_dimensions_of_few_items_are_left_out_too(drawn, normal):
    factors = drawn(500, (16, 8, 3))
    codes = torch.cat([factors, normal(500, 5)], 1)
    assert modularity(codes, factors) == pytest.approx(modularity(factors, factors), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_mig_and_modularity_by_loops(seed, mixed):
    codes, factors = mixed(1000, seed=seed)
    assert mig(codes, factors) == pytest.approx(naive_mig(codes, factors), abs=1e-9)
    assert mig_equal_width(codes, factors) == pytest.approx(naive_mig_equal_width(codes, factors), abs=0.003)
    assert modularity(codes, factors) == pytest.approx(naive_modularity(codes, factors), abs=1e-9)
    few = (2 * codes / codes.std(0)).round()  # as a codebook
    assert mig(few, factors) == pytest.approx(naive_mig(few, factors), abs=1e-9)
    assert mig_equal_width(few, factors) == pytest.approx(naive_mig_equal_width(few, factors), abs=1e-9)
    assert modularity(few, factors) == pytest.approx(naive_modularity(few, factors), abs=1e-9)
    assert mig_equal_width(few, factors, bins=7) == pytest.approx(naive_mig_equal_width(few, factors, 7), abs=1e-9)


def test_one_dimension_about_two_factors(grid):
    factors = grid(5, 3, 2, copies=200)
    codes = torch.stack([factors[:, 0] * 3 + factors[:, 1], factors[:, 2]], 1)
    assert modularity(codes, factors) == pytest.approx(
        (1 - (math.log(3) / math.log(5)) ** 2 / 2 + 1) / 2, abs=1e-9
    )
    assert mig(codes, factors) == pytest.approx(1, abs=1e-9)  # each factor is in one dimension alone
    assert factor_vae_score(codes[:, :1], factors) < 0.6


def test_a_single_outlier_ruins_equal_width_bins_only(drawn, normal):
    factors = drawn(10_000, (6, 10, 4))
    codes = factors + 0.01 * normal(10_000, 3)
    worse = codes.clone()
    worse[17] = 1000
    assert mig_equal_width(codes, factors) > 0.99
    assert mig_equal_width(worse, factors) < 0.01
    assert mig(worse, factors) == pytest.approx(mig(codes, factors), abs=0.002)
    assert mig(codes, factors) > 0.9
    assert modularity(worse, factors) == pytest.approx(modularity(codes, factors), abs=0.002)


def test_ceilings_of_data_sets_with_many_values(grid, drawn, normal):
    sprites = drawn(200_000, (1, 3, 6, 40, 32, 32))
    assert mig_ceilings(sprites)["mig_equal_width"] == pytest.approx(0.9024, abs=5e-4)
    factors = drawn(10_000, (3, 6, 40, 32, 32))
    ceilings = mig_ceilings(factors)
    assert mig(factors, factors) == pytest.approx(ceilings["mig"], abs=0.003)
    assert mig_equal_width(factors, factors) == pytest.approx(ceilings["mig_equal_width"], abs=0.02)
    assert mig_ceilings(grid(20, 3)) == pytest.approx({"mig": 1, "mig_equal_width": 1}, abs=1e-9)
    assert mig_ceilings(normal(500, 2)) == pytest.approx({"mig": 1, "mig_equal_width": 1}, abs=1e-9)


def test_continuous_factors_are_cut_into_bins(few_trees, normal):
    factors = normal(2000, 3)
    assert len(factor_classes(factors.numpy())) == 3
    assert all(np.bincount(each).tolist() == [100] * 20 for each in factor_classes(factors.numpy()))
    for score in QUICK:
        assert score(-2 * factors + 1, factors) == pytest.approx(1, abs=0.05 if score is mig_equal_width else 0.01)
    assert mig(factors**3, factors) == pytest.approx(1, abs=0.02)
    assert factor_vae_score(factors, factors) == 1
    assert mig(normal(2000, 3, seed=5), factors) < 0.02
    scores = infomec(factors[:1000], factors[:1000])
    assert scores["modularity"] > 0.95 < scores["compactness"]
    assert scores["explicitness"] > 0.8
    scores = dci(factors[:500], factors[:500])
    assert scores["disentanglement"] > 0.85 < scores["informativeness"]


def test_factors_with_one_value_are_left_out(few_trees, mixed):
    codes, factors = mixed(400)
    more = torch.cat([torch.full((400, 1), 3.0), factors], 1)
    for score in (*QUICK, factor_vae_score, infomec_explicitness):
        assert score(codes, more) == pytest.approx(score(codes, factors), abs=1e-12)
    assert dci(codes[:60], more[:60]) == dci(codes[:60], factors[:60])


def test_sap_by_regressions(mixed):
    for seed in range(3):
        codes, factors = mixed(300, seed=seed)
        gaps = []
        for factor in factors.T.numpy():
            fits = [
                LinearRegression().fit(column[:, None], factor).score(column[:, None], factor)
                for column in codes.T.numpy()
            ]
            gaps.append(gap(fits))
        assert sap(codes, factors) == pytest.approx(np.mean(gaps), abs=1e-9)
    assert sap(codes[:, :1], factors[:, :1]) == pytest.approx(
        float(torch.corrcoef(torch.stack([codes[:, 0], factors[:, 0]]))[0, 1] ** 2), abs=1e-9
    )
    assert sap(1e-200 * codes, factors) == pytest.approx(sap(1e150 * codes, factors), abs=1e-9)


def test_factor_vae_score_by_loops(mixed):
    codes, factors = mixed(1500)
    codes /= codes.std(0)
    assert factor_vae_score(codes, factors) == pytest.approx(naive_factor_vae(codes, factors, 0), abs=0.05)


def test_factor_vae_score_of_a_code_that_lacks_a_factor(drawn):
    factors = drawn(5000, (4, 4, 5, 6))
    assert factor_vae_score(factors[:, :3], factors) == pytest.approx(3 / 4, abs=0.03)
    assert factor_vae_score(factors[:, :2], factors) == pytest.approx(2 / 4, abs=0.03)


def test_factor_vae_score_ignores_small_dimensions_in_any_unit(drawn):
    factors = drawn(3000, (4, 4))
    for unit in (1e-6, 1, 1e6):
        assert factor_vae_score(unit * factors * torch.tensor([1, 0.06]), factors) == 1
        assert factor_vae_score(unit * factors * torch.tensor([1, 0.04]), factors) == pytest.approx(0.5, abs=0.03)
    assert factor_vae_score(torch.ones(3000, 3), factors) == 0.5


def test_factor_vae_score_needs_items_that_share_a_value(normal):
    with pytest.raises(NotApplicableError, match="no two items share a value"):
        factor_vae_score(normal(10, 2), torch.stack([torch.arange(10.0), torch.arange(10.0).flip(0)], 1))


def test_factor_vae_score_in_blocks(monkeypatch, mixed):
    codes, factors = mixed(300)
    expected = factor_vae_score(codes, factors, seed=3)
    monkeypatch.setattr(factors_module, "ELEMENTS", 5000)
    assert factor_vae_score(codes, factors, seed=3) == expected
    assert factor_vae_score(codes, factors, seed=4) == pytest.approx(expected, abs=0.03)


def test_correlated_factors_give_less(drawn):
    factors = drawn(4000, (4, 4))
    tied = torch.where(
        torch.rand(4000, generator=torch.Generator().manual_seed(0)) < 0.7, factors[:, 0], factors[:, 1]
    )
    related = torch.stack([factors[:, 0], tied], 1)
    for score in QUICK:
        assert score(related, related) < 0.9
        assert score(related, related) > 0.3


@pytest.mark.parametrize("score", [*QUICK, infomec_explicitness, factor_vae_score])
def test_invariances_order_and_precision(score, mixed):
    codes, factors = mixed(400, (5, 3, 2))
    expected = score(codes, factors)
    close = 1e-9 if score in QUICK else 0.05
    order = torch.from_numpy(np.random.default_rng(0).permutation(400))
    assert score(codes[order], factors[order]) == pytest.approx(expected, abs=close)
    assert score(codes[:, [2, 0, 4, 1, 3]], factors[:, [1, 0, 2]]) == pytest.approx(expected, abs=max(close, 0.02))
    assert score(50 * codes - 3, factors) == pytest.approx(expected, abs=max(close, 1e-3))
    assert score(codes.float(), factors.float()) == pytest.approx(expected, abs=max(close, 1e-3))
    assert score(-codes, factors) == pytest.approx(expected, abs=max(close, 0.01))
    if score is not factor_vae_score:
        scales = torch.tensor([0.01, 3, 1, 100, 0.5])
        assert score(codes * scales, factors) == pytest.approx(expected, abs=max(close, 1e-3))


def test_arguments_are_not_written_into(few_trees, mixed):
    codes, factors = mixed(100, (3, 2))
    before = codes.clone(), factors.clone()
    for score in (*QUICK, factor_vae_score, infomec, dci):
        score(codes, factors)
    assert torch.equal(codes, before[0])
    assert torch.equal(factors, before[1])


def test_collapsed_and_few_codes_give_numbers_or_a_reason(few_trees, grid):
    factors = grid(3, 2, copies=4)
    for codes in (torch.full((24, 4), 0.1), torch.cat([factors, torch.zeros(24, 5)], 1), 1e-30 * factors):
        for score in (mig, mig_equal_width, sap, factor_vae_score, infomec_explicitness):
            assert 0 <= score(codes, factors) <= 1 + 1e-9
        assert all(0 <= value <= 1 for value in dci(codes, factors).values())
    with pytest.raises(NotApplicableError, match="no dimension tells"):
        modularity(torch.full((24, 4), 0.1), factors)
    for score in (mig, mig_equal_width, sap, infomec_explicitness):
        assert math.isfinite(score(torch.tensor([[0.0], [1]]), torch.tensor([[0], [1]])))


@pytest.mark.parametrize("score", [*QUICK, infomec_explicitness, factor_vae_score, infomec, dci])
def test_wrong_requests_are_refused(score, grid, normal):
    with pytest.raises(ValueError, match=r"got \(20, 2\) and \(19, 2\)"):
        score(torch.ones(20, 2), grid(5, 4)[1:])
    with pytest.raises(ValueError, match=r"got \(20,\) and \(20, 2\)"):
        score(torch.ones(20), grid(5, 4))
    with pytest.raises(ValueError, match="must be finite"):
        score(torch.full((20, 2), math.nan), grid(5, 4))
    with pytest.raises(NotApplicableError, match=r"needs [12] factors that vary, there are 0"):
        score(normal(20, 2), torch.ones(20, 2))
    if score in (modularity, factor_vae_score, infomec, dci):
        with pytest.raises(NotApplicableError, match="needs 2 factors that vary, there are 1"):
            score(normal(20, 2), grid(20, 1))


def test_fewer_than_two_bins_are_refused(grid):
    with pytest.raises(ValueError, match="bins must be at least 2, got 1"):
        mig_equal_width(grid(3, 2), grid(3, 2), bins=1)


def test_metrics_of_a_space(few_trees, mixed):
    codes, factors = mixed(240, (4, 3))
    space = LatentSpace.from_arrays(codes=codes, factors=factors)
    codes, factors = space.codes, space.factors
    scores = {name: value for cls in METRICS for name, value in cls(cls.Params()).compute(space).items()}
    assert set(scores) == {name for cls in METRICS for name in cls.scores}
    for score in (*QUICK, factor_vae_score, infomec_explicitness):
        assert scores[score.__name__] == score(codes, factors)
    for name, value in dci(codes, factors).items():
        assert scores[f"dci_{name}"] == value
    assert scores["infomec_modularity"] == infomec(codes, factors)["modularity"]
    assert all(0 <= value <= 1 for value in scores.values())


def test_notes_tell_ceilings_and_chance(grid, normal):
    plain = LatentSpace.from_arrays(codes=normal(240, 2), factors=grid(4, 3, copies=20))
    assert Mig(Mig.Params()).note(plain) == ""
    assert FactorVae(FactorVae.Params()).note(plain) == "a guess scores 0.500"
    factors = grid(40, 3, copies=50)
    note = Mig(Mig.Params()).note(LatentSpace.from_arrays(codes=normal(len(factors), 2), factors=factors))
    ceilings = mig_ceilings(factors)
    assert note == (
        f"a code equal to the factors scores {ceilings['mig']:.3f} in mig and "
        f"{ceilings['mig_equal_width']:.3f} in mig_equal_width"
    )
    assert 0.88 < ceilings["mig"] < 0.92


@pytest.mark.parametrize("metric", [FactorVae, InfoE, InfoMC])
def test_slow_scores_refuse_codes_as_wide_as_pixels(metric, grid, normal):
    space = LatentSpace.from_arrays(codes=normal(60, 257), factors=grid(5, 4, 3))
    with pytest.raises(NotApplicableError, match="codes have 257 dimensions: too slow over 256"):
        metric(metric.Params()).compute(space)


def test_rounding_of_a_code_tells_nothing(grid, normal):
    factors = grid(12, 12, copies=3)
    plain = torch.stack([factors[:, 0] - factors[:, 1], factors[:, 0] + factors[:, 1]], 1)
    rounded = ((plain / 2**0.5 + 100).float() - 100) * (1 + 1e-12 * normal(len(factors), 1))
    assert len(torch.unique(rounded)) > 2 * len(torch.unique(plain))
    for score in (*QUICK, infomec_explicitness):
        assert score(rounded, factors) == pytest.approx(score(plain, factors), abs=1e-3)
    scores, expected = infomec(rounded, factors), infomec(plain, factors)
    assert scores == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("metric", METRICS)
def test_a_space_without_factors_has_none_of_them(metric, space):
    assert space.missing(metric.needs) == "no ground-truth factors"
    with pytest.raises(NotApplicableError, match="no ground-truth factors"):
        metric(metric.Params()).compute(space)


@pytest.mark.parametrize("metric", METRICS)
def test_declared_invariances_hold(metric, few_trees, mixed):
    codes, factors = mixed(240, (4, 3))
    expected = metric(metric.Params()).compute(LatentSpace.from_arrays(codes=codes, factors=factors))
    changes = {
        "shift": codes + 5,
        "scale": 4 * codes,
        "axis_scale": codes * torch.tensor([0.01, 3, 100, 1]),
        "permutation": codes[:, [2, 0, 3, 1]] * torch.tensor([-1, 1, -1, 1]),
    }
    for change in metric.invariances:
        scores = metric(metric.Params()).compute(LatentSpace.from_arrays(codes=changes[change], factors=factors))
        assert scores == pytest.approx(expected, rel=metric.tolerance, abs=metric.tolerance), change
