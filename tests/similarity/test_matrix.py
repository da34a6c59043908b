import math

import numpy as np
import pytest
import torch

from latentbench.similarity.agreement import p_below_ceilings
from latentbench.similarity.matrix import alike_together
from latentbench.similarity.sentences import sentences
from latentbench.similarity.similarity import MOST_MODELS, compare_models
from latentbench.statistics import holm
from tests.similarity.conftest import Apart, Explained, Shared, Turned, asked, model_of, seeds_of


def matrix_of(models, cls, tmp_path):
    return compare_models("digits", models, [asked(cls)], tmp_path).matrices[0]


def between(first, second):
    """The correlations between the seeds of two models, by numpy."""
    codes = [[space.space.codes[:, 0].double().numpy() for space in model.spaces] for model in (first, second)]
    return np.array([[np.corrcoef(a, b)[0, 1] for b in codes[1]] for a in codes[0]])


def test_cells_are_means_over_pairs_of_seeds(models, tmp_path):
    matrix = matrix_of(models, Shared, tmp_path)
    table = between(models[0], models[2])
    assert matrix.cells["ae", "network"].mean == pytest.approx(table.mean(), abs=1e-6)
    assert matrix.cells["network", "ae"].mean == matrix.cells["ae", "network"].mean
    assert matrix.cells["ae", "network"].pairs == 9
    own = between(models[0], models[0])
    assert matrix.cells["ae", "ae"].mean == pytest.approx(own[np.triu_indices(3, 1)].mean(), abs=1e-6)
    assert matrix.cells["ae", "ae"].pairs == 3
    assert matrix.cells["ae", "ae"].low < matrix.cells["ae", "ae"].mean < matrix.cells["ae", "ae"].high


def test_both_directions_stand_where_they_differ(models, tmp_path):
    matrix = matrix_of(models, Explained, tmp_path)
    assert matrix.cells["ae", "vae"].mean != matrix.cells["vae", "ae"].mean
    assert len(list(matrix.pairs)) == 6
    assert matrix.cells["ae", "ae"].pairs == 6


def test_related_models_are_above_the_null_and_unrelated_ones_are_not(models, tmp_path):
    matrix = matrix_of(models, Shared, tmp_path)
    assert matrix.cells["ae", "vae"].above_null is True
    assert matrix.cells["ae", "network"].above_null is False
    assert matrix.cells["ae", "vae"].calibrated > 0.9
    assert matrix.cells["ae", "network"].calibrated < 0.1
    assert abs(matrix.cells["ae", "vae"].null.mean) < 0.05


def test_models_with_other_signals_are_below_both_ceilings(models, tmp_path):
    matrix = matrix_of(models, Shared, tmp_path)
    assert matrix.cells["ae", "network"].below_ceilings is True
    assert matrix.cells["ae", "vae"].below_ceilings is False
    raw = [
        p_below_ceilings(
            between(models[a], models[b]), between(models[a], models[a]), between(models[b], models[b]), "up"
        )
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    shown = [matrix.cells[pair].p_ceilings for pair in (("ae", "vae"), ("ae", "network"), ("vae", "network"))]
    assert shown == pytest.approx(holm(raw), abs=1e-4)


def test_a_score_that_is_better_the_lower_it_is_gives_the_same_verdicts(models, tmp_path):
    matrix = matrix_of(models, Apart, tmp_path)
    same = matrix_of(models, Shared, tmp_path)
    for labels, cell in matrix.cells.items():
        assert cell.above_null == same.cells[labels].above_null
        assert cell.below_ceilings == same.cells[labels].below_ceilings
        assert cell.mean == pytest.approx(1 - same.cells[labels].mean, abs=1e-6)
    assert matrix.cells["ae", "vae"].calibrated > 0.9


def test_a_score_without_a_direction_is_shown_and_not_judged(models, tmp_path):
    similarity = compare_models("digits", models, [asked(Turned), asked(Shared)], tmp_path)
    undirected, directed = similarity.matrices
    for labels, cell in undirected.cells.items():
        assert cell.mean == directed.cells[labels].mean
        assert cell.above_null is cell.below_ceilings is None
        assert math.isnan(cell.calibrated)
    assert sentences([undirected]) == []
    assert sentences(similarity.matrices) == sentences([directed])


def test_a_model_of_one_seed_has_no_ceiling_and_no_mark_against_one(models, tmp_path):
    alone = model_of("pca", [models[2].spaces[0].space.codes])
    matrix = matrix_of([models[0], alone], Shared, tmp_path)
    assert not matrix.cells["pca", "pca"].has_value
    assert matrix.cells["ae", "pca"].below_ceilings is None
    assert matrix.cells["ae", "pca"].above_null is False
    assert matrix.seeds == {"ae": 3, "pca": 1}


def test_a_pair_without_a_score_says_why(models, tmp_path):
    flat = model_of("flat", [torch.ones(60, 2)])
    matrix = matrix_of([models[0], flat], Shared, tmp_path)
    assert math.isnan(matrix.cells["ae", "flat"].mean)
    assert matrix.notes == ["the first dimension is constant"]


def test_alike_models_stand_together(tmp_path):
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, 60, generator=generator)
    found = [
        model_of(f"{name}{place}", seeds_of(signal, 0.2, 2, generator))
        for place in range(3)
        for name, signal in (("a", first), ("b", second))
    ]
    matrix = matrix_of(found, Shared, tmp_path)
    initials = "".join(label[0] for label in matrix.models)
    assert initials in ("aaabbb", "bbbaaa")
    assert sorted(matrix.models) == sorted(model.label for model in found)
    assert alike_together([matrix]) == matrix.models


def test_models_of_other_items_are_refused(models, tmp_path):
    short = model_of("short", [torch.randn(50, 2)], items="others")
    with pytest.raises(
        Exception, match="ae has 60 items and short 50: give spaces of the same items, one row an item"
    ):
        matrix_of([models[0], short], Shared, tmp_path)


@pytest.mark.parametrize("count", [0, 1, MOST_MODELS + 1])
def test_too_few_and_too_many_models_are_refused(models, tmp_path, count):
    chosen = [model_of(f"m{place}", [torch.randn(60, 2)]) for place in range(count)]
    with pytest.raises(Exception, match=r"two models to compare|at most 20 can be compared"):
        matrix_of(chosen, Shared, tmp_path)
