from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import mutual_info_score

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.disentanglement.infomec import InfoE, InfoMC, infomec, infomec_explicitness


def test_infomec_of_a_jittered_perfect_code(drawn, normal):
    factors = drawn(2000)
    scores = infomec(factors + 0.01 * normal(2000, 4), factors)
    assert scores == pytest.approx({"modularity": 0.991, "compactness": 0.991, "explicitness": 1.0}, abs=0.01)
    moved = infomec((factors + 0.01 * normal(2000, 4)) * torch.tensor([1e-4, 1, 1e4, 1]) + 3, factors)
    assert moved == pytest.approx(scores, abs=1e-3)  # published, dimensions of small range are dropped
    copied = infomec(torch.cat([factors, factors[:, :1]], 1), factors)
    assert copied["compactness"] == pytest.approx(((1 + 1 + 1 + 0.5) / 4 - 1 / 5) / (1 - 1 / 5), abs=0.02)
    assert copied["modularity"] == pytest.approx(1, abs=0.02)


def test_infomec_by_loops(mixed):
    codes, factors = mixed(800, (4, 3, 5), noise=0.1)
    shares = np.array([
        [
            mutual_info_classif(column[:, None], factor, n_neighbors=10, random_state=0)[0]
            / mutual_info_score(factor, factor)
            for factor in factors.T.numpy()
        ]
        for column in codes.T.numpy()
    ])  # fmt: skip
    shares = shares[shares.max(1) > 0.05]
    kinds, dims = shares.shape[1], shares.shape[0]
    m = (np.mean([row.max() / row.sum() for row in shares]) - 1 / kinds) / (1 - 1 / kinds)
    c = (np.mean([column.max() / column.sum() for column in shares.T]) - 1 / dims) / (1 - 1 / dims)
    scores = infomec(codes, factors)
    assert scores["modularity"] == pytest.approx(m, abs=0.01)
    assert scores["compactness"] == pytest.approx(c, abs=0.01)


def test_infomec_where_one_dimension_is_left(drawn, normal):
    factors = drawn(1000, (4, 3))
    one = infomec(torch.cat([factors[:, :1], normal(1000, 3)], 1), factors)
    assert one["compactness"] == 1
    assert one["modularity"] > 0.95
    assert one["explicitness"] == pytest.approx(0.5, abs=0.02)
    collapsed = infomec(torch.full((1000, 3), 0.1), factors)
    assert math.isnan(collapsed["modularity"])
    assert collapsed["explicitness"] == pytest.approx(0, abs=1e-3)


def test_explicitness_against_the_exact_information(normal):
    factors = (torch.arange(8000) % 2).double()[:, None]
    codes = 2 * factors + normal(8000, 1)  # the logistic regression is the true posterior
    z = np.linspace(-8, 10, 20_001)
    dense = [np.exp(-((z - mean) ** 2) / 2) / math.sqrt(2 * math.pi) for mean in (0, 2)]
    mixture = (dense[0] + dense[1]) / 2
    information = sum(np.sum(p * np.log(p / mixture)) * (z[1] - z[0]) / 2 for p in dense)
    assert infomec_explicitness(codes, factors) == pytest.approx(information / math.log(2), abs=0.025)


def test_explicitness_keeps_through_turns_and_falls_with_factors_lost(drawn, normal, turned):
    factors = drawn(1500, (4, 3, 2))
    whole = infomec_explicitness(factors, factors)
    assert whole == pytest.approx(1, abs=0.01)
    assert infomec_explicitness(turned(factors), factors) == pytest.approx(whole, abs=0.01)
    assert infomec_explicitness(factors[:, :2], factors) == pytest.approx(2 / 3, abs=0.01)
    assert infomec_explicitness(normal(1500, 300), factors) < 0.02  # over half as wide as there are rows


def test_noise_has_explicitness_but_no_shares(drawn, normal):
    space = LatentSpace.from_arrays(codes=normal(1000, 3), factors=drawn(1000, (4, 3)))
    assert InfoE(InfoE.Params()).compute(space)["infomec_explicitness"] < 0.01
    with pytest.raises(NotApplicableError, match=r"codes tell nothing of the factors \(explicitness 0\.00"):
        InfoMC(InfoMC.Params()).compute(space)
