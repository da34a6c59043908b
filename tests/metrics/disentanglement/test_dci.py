from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from latentbench import LatentSpace
from latentbench_metrics.disentanglement import dci as dci_module
from latentbench_metrics.disentanglement.dci import Dci, dci, dci_scores


def test_known_shares_of_importance():
    eye = dci_scores(torch.eye(4))
    assert eye == pytest.approx({"disentanglement": 1, "completeness": 1}, abs=1e-6)
    assert dci_scores(torch.ones(4, 3)) == pytest.approx({"disentanglement": 0, "completeness": 0}, abs=1e-6)
    split = dci_scores(torch.tensor([[1.0, 0], [1, 0], [0, 1]]))
    assert split == pytest.approx({"disentanglement": 1, "completeness": 0.579380}, abs=1e-6)


def test_shares_of_importance_by_loops(normal):
    for seed in range(5):
        importance = normal(6, 3, seed).clamp_min(0) ** 2
        importance[2] = 0
        values, total = importance.numpy(), float(importance.sum())
        rows = [(1 - scipy_entropy(row, base=3)) * row.sum() / total for row in values if row.sum()]
        columns = [
            (1 - scipy_entropy(column, base=6)) * column.sum() / total for column in values.T if column.sum()
        ]
        expected = {"disentanglement": sum(rows), "completeness": sum(columns)}
        for scale in (1, 1e-20, 1e20):
            assert dci_scores(scale * importance) == pytest.approx(expected, abs=1e-9)
        assert dci_scores(importance.float()) == pytest.approx(expected, abs=1e-5)
        exchanged = dci_scores(importance.T)
        assert exchanged["completeness"] == pytest.approx(expected["disentanglement"], abs=1e-9)


def test_shares_of_importance_at_the_edges():
    assert dci_scores(torch.zeros(3, 2)) == {"disentanglement": 0, "completeness": 0}
    assert dci_scores(torch.ones(1, 2)) == pytest.approx({"disentanglement": 0, "completeness": 1})
    assert dci_scores(torch.ones(2, 1)) == pytest.approx({"disentanglement": 1, "completeness": 0})
    for wrong in (torch.ones(3), -torch.eye(2), torch.full((2, 2), math.nan), torch.ones(0, 2)):
        with pytest.raises(ValueError, match="importance must be"):
            dci_scores(wrong)


def test_dci_of_codes_that_are_perfect_turned_or_noise(few_trees, drawn, normal, turned):
    factors = drawn(900, (4, 3, 5))
    perfect = dci(1e-5 * factors + 0.01 * 1e-5 * normal(900, 3), factors)
    assert all(value > 0.98 for value in perfect.values())
    half = dci(turned(factors), factors)
    assert half["disentanglement"] < 0.7
    assert half["informativeness"] > 0.95
    noise = dci(normal(900, 3), factors)
    assert noise["disentanglement"] < 0.1 > noise["completeness"]
    assert noise["informativeness"] == pytest.approx((1 / 4 + 1 / 3 + 1 / 5) / 3, abs=0.06)
    copies = dci(torch.cat([factors, factors[:, :1]], 1), factors)
    assert copies["disentanglement"] > 0.98
    assert dci(factors, factors, seed=0) == dci(factors, factors, seed=0)


def test_dci_is_judged_on_held_out_codes(few_trees, drawn):
    factors, others = drawn(300, (3, 4)), drawn(400, (3, 4), seed=1)
    assert dci(factors, factors, others, others)["informativeness"] == 1
    wrong = dci(factors, factors, -others, others)
    assert wrong["informativeness"] < 0.6
    assert wrong["disentanglement"] == pytest.approx(1, abs=1e-6)
    unseen = dci(factors, factors, others + 50, others + 50)  # values that training lacks
    assert unseen["informativeness"] == 0
    for given in ((factors, None), (None, factors)):
        with pytest.raises(ValueError, match="go together"):
            dci(factors, factors, *given)
    with pytest.raises(ValueError, match=r"as wide as the others, got .*\(400, 1\)"):
        dci(factors, factors, others[:, :1], others)


def test_dci_of_many_values_rows_and_dimensions(few_trees, monkeypatch, drawn, normal):
    factors = drawn(500, (16, 3))
    assert all(value > 0.9 for value in dci(factors, factors).values())
    monkeypatch.setattr(dci_module, "WIDE", 2)
    wide = dci(torch.cat([factors, normal(500, 6)], 1), factors)
    assert wide["informativeness"] > 0.8
    assert 0 < wide["disentanglement"] < 1
    monkeypatch.setattr(dci_module, "ROWS", 10)
    assert dci(factors, factors)["informativeness"] < 0.9


def test_dci_where_training_sees_one_value_or_nothing(few_trees):
    factors = torch.zeros(200, 2)
    factors[:2, 0] = 1  # so rare that the chosen rows may lack it
    factors[:, 1] = torch.arange(200) % 2
    rare = torch.cat([torch.zeros(100, 1), factors[100:, 1:]], 1)
    scores = dci(factors[100:], rare, factors[:100], factors[:100])
    assert scores["informativeness"] == pytest.approx((0.98 + 1) / 2)
    nothing = dci(torch.ones(200, 3), factors)
    assert nothing["disentanglement"] == nothing["completeness"] == 0


def test_dci_is_fitted_to_the_training_split_where_that_has_factors(few_trees, normal, mixed):
    codes, factors = mixed(240, (4, 3))
    metric = Dci(Dci.Params())
    bare = LatentSpace.from_arrays(codes=codes[100:], factors=factors[100:])
    train = LatentSpace.from_arrays(codes=codes[:100], factors=factors[:100])
    space = LatentSpace.from_arrays(codes=codes[100:], factors=factors[100:], train=train)
    assert metric.note(space) == ""
    assert metric.note(bare) == ("no training split with factors: fitted to 70 of the items, judged on the others")
    expected = dci(train.codes, train.factors, space.codes, space.factors)
    assert metric.compute(space) == {f"dci_{name}": value for name, value in expected.items()}
    unlabelled = LatentSpace.from_arrays(codes=codes[:100])
    again = LatentSpace.from_arrays(codes=codes[100:], factors=factors[100:], train=unlabelled)
    assert metric.compute(again) == metric.compute(bare)
    wide = LatentSpace.from_arrays(codes=normal(60, 65), factors=factors[:60], train=train)
    assert metric.note(wide) == "each split looks at 64 of the 65 dimensions"
