"""Which items metrics draw, and in which order they see classes: not a matter of codes, class numbers or files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench import LatentSpace
from latentbench.api import score
from latentbench.latent.row_order import class_ranks, first_seen

METRICS = ["knn", "kmeans", "linear_probe", "class_transport", "separation", "fisher_ratio", "intrinsic_dimension"]
TOLERANCE = 1e-5


def clusters(count=120, dim=5, classes=4, seed=0):
    """Codes on a grid of 2^-8, on which whole numbers more are exact in float32."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    codes = rng.normal(size=(classes, dim))[labels] + rng.normal(size=(count, dim))
    return (np.round(codes * 256) / 256).astype(np.float32), labels


def scores(codes, labels, **more):
    frame = score(LatentSpace.from_arrays(codes=codes, labels=labels, **more), METRICS)
    assert (frame.status == "ok").all(), frame.reason.tolist()
    return dict(zip(frame.score, frame.value, strict=True))


def turned(codes):
    order = np.random.default_rng(3).permutation(codes.shape[1])
    return codes[:, order] * np.float32([1, -1, 1, -1, -1])


MOVES = {
    "one more": lambda codes: codes + 1,
    "a hundred more": lambda codes: codes + 100,
    "four times": lambda codes: 4 * codes,
    "turned": turned,
}
NAMES = {
    "one more": lambda labels: labels + 1,
    "from the last": lambda labels: labels.max() - labels,
    "far apart": lambda labels: np.array([19, 3, 37, 11])[labels],
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_codes_elsewhere_are_scored_on_the_same_items(move):
    codes, labels = clusters()
    assert scores(move(codes), labels) == pytest.approx(scores(codes, labels), rel=TOLERANCE)


@pytest.mark.parametrize("rename", NAMES.values(), ids=NAMES)
def test_class_numbers_decide_nothing(rename):
    codes, labels = clusters()
    assert scores(codes, rename(labels)) == pytest.approx(scores(codes, labels), rel=TOLERANCE)


@pytest.mark.parametrize("rename", NAMES.values(), ids=NAMES)
def test_class_numbers_of_the_training_split_change_with_them(rename):
    codes, labels = clusters()
    train = dict(zip(("codes", "labels"), clusters(seed=1), strict=True))
    renamed = {**train, "labels": rename(train["labels"])}
    first, other = (LatentSpace.from_arrays(**each) for each in (train, renamed))
    expected = scores(codes, labels, train=first)
    assert scores(codes, rename(labels), train=other) == pytest.approx(expected, rel=TOLERANCE)


def test_two_models_without_inputs_are_paired():
    codes, labels = clusters()
    one, other = (LatentSpace.from_arrays(codes=each, labels=labels) for each in (codes, np.sin(codes)))
    assert torch.equal(one.order, other.order)


def test_with_inputs_neither_the_order_in_a_file_nor_codes_nor_other_numbers_of_classes_matter():
    codes, labels = clusters()
    inputs = np.random.default_rng(5).normal(size=(len(codes), 3))
    shuffle = np.random.default_rng(6).permutation(len(codes))
    first = scores(codes, labels, inputs=inputs)
    assert scores(codes[shuffle], labels[shuffle], inputs=inputs[shuffle]) == pytest.approx(first, rel=TOLERANCE)
    assert scores(codes, 3 * labels + 2, inputs=inputs) == pytest.approx(first, rel=TOLERANCE)
    orders = [LatentSpace.from_arrays(codes=each, labels=labels, inputs=inputs).order for each in (codes, -codes)]
    assert torch.equal(*orders)


def test_names_of_classes_go_with_their_numbers():
    space = LatentSpace.from_arrays(codes=torch.eye(4), labels=[2, 0, 2, 1], class_names=("cat", "dog", "owl"))
    seen = space.arranged
    assert [seen.class_names[number] for number in seen.labels] == ["owl", "cat", "owl", "dog"]


def test_ranks_and_first_places():
    assert class_ranks(None) is None
    assert class_ranks(torch.tensor([5, 5, 2])).tolist() == [1, 1, 0]
    (numbers, rest), names = first_seen(torch.tensor([1, 0]), torch.tensor([2, 1]), names=("a", "b", "c"))
    assert (numbers.tolist(), rest.tolist(), names) == ([0, 1], [2, 0], ("b", "a", "c"))
