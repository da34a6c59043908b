import numpy as np
import pytest
from sklearn.datasets import load_digits

from latentbench_datasets.digits import Digits


@pytest.fixture(scope="module")
def digits():
    return Digits(Digits.Params())


def test_it_has_1797_rows_of_which_360_are_for_the_test(digits):
    train, test = digits.load()
    assert train.inputs.shape == (1437, 1, 8, 8)
    assert test.inputs.shape == (360, 1, 8, 8)
    assert train.inputs.dtype == np.uint8
    assert train.labels.dtype == np.int64


def test_the_17_grey_levels_are_spread_over_the_byte(digits):
    train, _ = digits.load()
    assert set(np.unique(train.inputs)) == {round(level * 255 / 16) for level in range(17)}


def test_every_image_and_label_of_the_source_comes_through_once(digits):
    train, test = digits.load()
    inputs = np.concatenate([train.inputs, test.inputs]).reshape(1797, 64).astype(float)
    labels = np.concatenate([train.labels, test.labels])
    source = load_digits()
    actual = sorted(zip(np.rint(inputs * 16 / 255).astype(int).tolist(), labels.tolist(), strict=True))
    assert actual == sorted(zip(source.data.astype(int).tolist(), source.target.tolist(), strict=True))


def test_the_test_split_is_stratified(digits):
    train, test = digits.load()
    share = np.bincount(test.labels) / (np.bincount(test.labels) + np.bincount(train.labels))
    assert share.min() > 0.19
    assert share.max() < 0.21


def test_the_split_is_always_the_same(digits):
    assert digits.fingerprint() == Digits(Digits.Params()).fingerprint()
    splits = digits.splits()
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [1294, 143, 360]


def test_who_changes_a_split_changes_no_other(digits):
    before = digits.fingerprint()
    for split in digits.load():
        split.inputs[:] = 0
        split.labels[:] = 0
    assert digits.fingerprint() == before
