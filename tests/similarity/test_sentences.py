import math
from dataclasses import replace

import pytest

from latentbench.similarity.matrix import Matrix, PairCell
from latentbench.similarity.sentences import sentences
from tests.similarity.conftest import Apart, Explained, Shared, asked


def matrix(values, cls=Shared, references=(), below=(), unrelated=()):
    """A matrix of means by pair of labels; pairs `below` both ceilings, and `unrelated` ones."""
    request = asked(cls)
    labels = tuple(dict.fromkeys(label for pair in values for label in pair))
    cells = {(row, column): PairCell(row, column) for row in labels for column in labels}
    cells |= {(label, label): PairCell(label, label, 0.9) for label in labels}
    for (row, column), mean in values.items():
        trained = not {row, column} & set(references)
        cell = PairCell(
            row,
            column,
            mean,
            p_null=0.5 if (row, column) in unrelated else 0.001,
            p_ceilings=(0.01 if (row, column) in below else 0.5) if trained else math.nan,
        )
        cells[row, column] = cell
        if (column, row) not in values:
            cells[column, row] = replace(cell, row=column, column=row)
    return Matrix(request, labels, dict.fromkeys(references, "floor"), dict.fromkeys(labels, 3), cells)


THREE = {("ae", "vae"): 0.8, ("ae", "gan"): 0.4, ("vae", "gan"): 0.5}


def test_nothing_is_said_of_nothing():
    assert sentences([matrix({("ae", "vae"): math.nan}, references=("ae", "vae"))]) == []


def test_models_that_find_one_space_are_told():
    assert sentences([matrix(THREE)]) == ["No two models agree clearly less than the seeds of both do, in shared."]
    assert sentences([matrix(THREE), matrix(THREE)])[0].endswith("in any score.")


def test_models_that_all_find_different_spaces_are_told():
    assert sentences([matrix(THREE, below=THREE)]) == [
        "All 3 pairs of models with seeds agree less than the seeds of either in shared: they find different "
        "spaces."
    ]
    two = {("ae", "vae"): 0.1}
    assert sentences([matrix(two, below=two), matrix(two, below=two)]) == [
        "Both models agree less than the seeds of either in every score: they find different spaces."
    ]


def test_pairs_are_named_where_models_differ():
    first, second = matrix(THREE, below=[("ae", "gan"), ("vae", "gan")]), matrix(THREE, below=[("ae", "gan")])
    assert sentences([first, second]) == [
        "Models that agree less than the seeds of either in every score: ae and gan; in some scores only: vae and "
        "gan; in none: ae and vae."
    ]
    assert sentences([matrix(THREE), matrix(THREE, below=[("ae", "gan")])]) == [
        "Models that agree less than the seeds of either in some scores only: ae and gan; in none: ae and vae, "
        "vae and gan."
    ]


def test_long_lists_are_cut():
    many = {("m0", f"m{place}"): 0.5 for place in range(1, 7)}
    unrelated = sentences([matrix(many, unrelated=many)])[-1]
    assert unrelated == (
        "No more alike than unrelated spaces are m0 and m1, m0 and m2, m0 and m3, 3 more pairs in shared."
    )


WITH_FLOOR = {**THREE, ("ae", "random"): 0.3, ("vae", "random"): 0.2, ("gan", "random"): 0.1}


def test_models_that_share_more_than_a_floor_model_are_told():
    assert sentences([matrix(WITH_FLOOR, references=("random",))])[1] == (
        "On average, any two trained models share more than either shares with random, in shared."
    )


def test_what_a_floor_model_shares_as_well_is_counted():
    as_much = {**WITH_FLOOR, ("ae", "random"): 0.45}
    assert sentences([matrix(as_much, references=("random",))])[1] == (
        "What two trained models share, one of them shares with random as well, which learned nothing: 1 of 3 "
        "pairs in shared."
    )
    turned = {pair: 1 - mean for pair, mean in as_much.items()}
    assert sentences([matrix(turned, Apart, references=("random",))])[1].endswith("1 of 3 pairs in apart.")


@pytest.mark.parametrize(("told", "count"), [(0.45, 1), (0.35, 0)])
def test_from_one_model_to_another_a_floor_model_tells_of_the_same_one(told, count):
    values = {("ae", "vae"): 0.4, ("vae", "ae"): 0.9}
    floors = {("random", "vae"): told, ("vae", "random"): 0.95, ("random", "ae"): 0.1, ("ae", "random"): 0.95}
    said = sentences([matrix(values | floors, Explained, references=("random",))])[1]
    assert ("1 of 2 pairs in explained" in said) == bool(count)
