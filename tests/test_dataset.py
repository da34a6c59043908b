import re

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import ContractError, DataError, Dataset, DataSpec, Split
from latentbench.dataset import fingerprint_arrays, split_validation


def images(rows=20, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, 1, 4, 4), dtype=np.uint8)


def split(rows=20, seed=0):
    draw = np.random.default_rng(seed + 1)
    return Split(images(rows, seed), draw.integers(0, 5, rows), draw.normal(size=(rows, 2)), ("x", "y"), (0, 3))


# Split

WRONG = {
    "dtype": ({"inputs": np.zeros((3, 2))}, "inputs must be uint8 images .* got float64 of shape (3, 2)"),
    "complex": (
        {"inputs": np.zeros((3, 2), "c8")},
        "inputs must be uint8 images .* got complex64 of shape (3, 2)",
    ),
    "ragged": ({"inputs": [[1], [1, 2]]}, "inputs must be an array, NumPy cannot make one of it"),
    "flat": ({"inputs": np.zeros(3, np.float32)}, "inputs must be uint8 .* got float32 of shape (3,)"),
    "no channel": (
        {"inputs": np.zeros((3, 4, 4), np.uint8)},
        "uint8 inputs must be images (n, c, h, w), got shape (3, 4, 4)",
    ),
    "nan": (
        {"inputs": np.full((3, 2), np.nan, np.float32)},
        "inputs must be finite, row 1 of 3 holds NaN or infinity; fill or remove such rows",
    ),
    "infinity": ({"inputs": np.full((3, 2), np.inf, np.float32)}, "inputs must be finite, row 1 of 3 holds"),
    "label rows": ({"labels": np.zeros(4, np.int64)}, "labels have 4 rows where inputs have 3"),
    "label type": (
        {"labels": np.array([0, 0.5, 1])},
        "labels must be classes (n,), whole numbers or text, row 2 of 3 holds 0.5; correct",
    ),
    "missing label": (
        {"labels": [0, None, 1]},
        "labels must be classes .* row 2 of 3 has none (missing); correct",
    ),
    "label shape": (
        {"labels": np.zeros((3, 2), np.int64)},
        "labels must be classes (n,), whole numbers or text, got int64 of shape (3, 2)",
    ),
    "large label": (
        {"labels": np.array([0, 2_000_000_000, 1])},
        "labels must be class numbers from 0 without large",
    ),
    "unnamed label": (
        {"labels": np.arange(3), "class_names": ("a", "b")},
        "labels must be below 2, as many class_",
    ),
    "factor gap": (
        {"factors": [[1.0], [np.nan], [2.0]], "factor_names": ("x",), "factor_sizes": (0,)},
        "factors must be finite, row 2 of 3 holds NaN or infinity",
    ),
    "negative label": (
        {"labels": np.array([0, -1, 1])},
        "labels must be class numbers from 0, row 2 of 3 holds -1; take such rows out where it marks noise, or",
    ),
    "factor rows": ({"factors": np.zeros((2, 1))}, "factors have 2 rows where inputs have 3"),
    "factor names": ({"factors": np.zeros((3, 1))}, "factors of shape (3, 1) need as many names, got 0"),
    "flat factors": ({"factors": np.zeros(3)}, "factors of shape (3,) need as many names, got 0"),
    "factor sizes": (
        {"factors": np.zeros((3, 1)), "factor_names": ("x",)},
        "factor_names and factor_sizes must be equally long",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_split_refuses_arrays_that_do_not_fit(case):
    arrays, expected = WRONG[case]
    pattern = re.escape(expected).replace(r"\.\*", ".*")
    with pytest.raises(DataError, match=f"^{pattern}"):
        Split(**{"inputs": np.zeros((3, 2), np.float32), **arrays})


GOOD = {
    "lists": [1.0, 2.0, 0.0],
    "big-endian": np.array([1, 2, 0], ">i8"),
    "backwards": np.array([0, 2, 1])[::-1],
    "a column": np.array([[1], [2], [0]]),
    "torch": torch.tensor([1, 2, 0]),
    "gradients": torch.tensor([1.0, 2.0, 0.0], requires_grad=True),
    "pandas": pd.Series([1, 2, 0], dtype="Int64"),
    "text": np.array(["1", "2", "0"]),
}


@pytest.mark.parametrize("labels", GOOD.values(), ids=GOOD)
def test_labels_of_any_kind(labels):
    made = Split(torch.zeros(3, 2), labels)
    assert (made.labels.dtype, made.labels.tolist(), made.inputs.dtype) == (np.int64, [1, 2, 0], np.float32)


def test_text_labels_are_numbered():
    made = Split(np.zeros((3, 2), np.float32), ["dog", "cat ", "dog"])
    assert (made.labels.tolist(), made.class_names) == ([1, 0, 1], ("cat", "dog"))
    made = Split(np.zeros((3, 2), np.float32), ["dog", "cat", "dog"], class_names=("emu", "dog", "cat"))
    assert (made.labels.tolist(), made.class_names) == ([1, 2, 1], ("emu", "dog", "cat"))
    assert made.take(np.array([1])).labels.tolist() == [2]


def test_class_names_of_train_and_test_must_be_alike():
    train, test = (Split(np.zeros((20, 2), np.float32), ["a", other] * 10) for other in ("b", "c"))
    with pytest.raises(
        DataError, match=r"^train and test must have the same class_names, got a, b and a, c; number"
    ):
        Given(train, test).splits()


@pytest.mark.parametrize("rows", [np.array([4, 1]), np.arange(20) % 7 == 3], ids=["numbers", "mask"])
def test_take_keeps_rows_together(rows):
    whole = split()
    part = whole.take(rows)
    np.testing.assert_array_equal(part.inputs, whole.inputs[rows])
    np.testing.assert_array_equal(part.labels, whole.labels[rows])
    np.testing.assert_array_equal(part.factors, whole.factors[rows])
    assert part.factor_names == ("x", "y")
    assert len(part) == len(whole.inputs[rows])


def test_take_without_labels_and_factors():
    part = Split(images()).take(np.array([0]))
    assert part.labels is None
    assert part.factors is None


def test_a_spec_describes_the_train_split():
    assert DataSpec.of(split()) == DataSpec((1, 4, 4), "uint8", 20, 5, ("x", "y"), (0, 3))
    assert DataSpec.of(Split(np.zeros((2, 3), np.float32))) == DataSpec((3,), "float32", 2)


# split_validation


@pytest.mark.parametrize(
    ("rows", "count"), [(9, 0), (10, 1), (99, 9), (1000, 100), (49_999, 4999), (60_000, 5000)]
)
def test_validation_is_a_tenth_but_at_most_5000(rows, count):
    inputs = np.arange(rows, dtype=np.float32)[:, None]
    train, validation = split_validation(Split(inputs))
    assert len(validation) == count
    assert len(train) == rows - count


def test_train_and_validation_share_no_row_and_lose_none():
    whole = Split(np.arange(500, dtype=np.float32)[:, None], np.arange(500))
    train, validation = split_validation(whole)
    assert sorted([*train.labels, *validation.labels]) == list(range(500))
    np.testing.assert_array_equal(validation.inputs[:, 0], validation.labels)
    np.testing.assert_array_equal(train.labels, np.sort(train.labels))


def test_equal_rows_are_chosen_together():
    inputs = np.repeat(np.arange(100, dtype=np.float32), 3)[:, None]
    train, validation = split_validation(Split(inputs))
    assert len(set(validation.inputs.ravel()) & set(train.inputs.ravel())) <= 1


def test_the_choice_depends_on_no_random_state():
    np.random.seed(1)
    _, first = split_validation(split(300))
    np.random.seed(2)
    _, second = split_validation(split(300))
    np.testing.assert_array_equal(first.inputs, second.inputs)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_choice_depends_on_no_row_order_and_no_label(seed):
    whole = split(200)
    order = np.random.default_rng(seed).permutation(200)
    _, first = split_validation(whole)
    _, second = split_validation(Split(whole.inputs[order]))
    chosen = {row.tobytes() for row in first.inputs}
    assert chosen == {row.tobytes() for row in second.inputs}


def test_the_choice_depends_on_no_memory_layout():
    rows = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    _, first = split_validation(Split(rows))
    _, second = split_validation(Split(np.asfortranarray(rows)))
    np.testing.assert_array_equal(first.inputs, second.inputs)


# fingerprint_arrays


def test_a_fingerprint_is_64_hex_digits_and_repeats():
    assert fingerprint_arrays(split()) == fingerprint_arrays(split())
    assert re.fullmatch("[0-9a-f]{64}", fingerprint_arrays(split(), split(3)))


@given(row=st.integers(0, 19), column=st.integers(0, 15), bit=st.integers(0, 7))
@settings(max_examples=30, deadline=None)
def test_a_fingerprint_changes_with_any_bit(row, column, bit):
    changed = split()
    changed.inputs.reshape(20, 16)[row, column] ^= 1 << bit
    assert fingerprint_arrays(changed) != fingerprint_arrays(split())


def test_a_fingerprint_changes_with_labels_factors_type_and_shape():
    inputs, labels, factors = images(), np.zeros(20, np.int64), np.zeros((20, 1))
    names = {"factor_names": ("x",), "factor_sizes": (0,)}
    flat = np.zeros((20, 16), np.float32)
    fingerprints = {
        fingerprint_arrays(Split(inputs)),
        fingerprint_arrays(Split(inputs.reshape(20, 1, 2, 8))),
        fingerprint_arrays(Split(inputs.reshape(20, 4, 2, 2))),
        fingerprint_arrays(Split(inputs, labels)),
        fingerprint_arrays(Split(inputs, labels + 1)),
        fingerprint_arrays(Split(inputs, labels, factors, **names)),
        fingerprint_arrays(Split(inputs, None, factors, **names)),
        fingerprint_arrays(Split(inputs, None, factors.astype(np.float32), **names)),
        fingerprint_arrays(Split(flat)),
        fingerprint_arrays(Split(flat.astype(np.uint8).reshape(20, 1, 4, 4))),
        fingerprint_arrays(Split(flat[:10])),
        fingerprint_arrays(Split(flat[:10]), Split(flat[10:])),
        fingerprint_arrays(Split(flat[:9]), Split(flat[9:])),
    }
    assert len(fingerprints) == 13


def test_a_fingerprint_does_not_depend_on_memory_layout():
    rows = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    assert fingerprint_arrays(Split(rows)) == fingerprint_arrays(Split(np.asfortranarray(rows)))


# Dataset


class Given(Dataset):
    """A dataset of the arrays it is given."""

    def __init__(self, train, test):
        super().__init__(self.Params())
        self.arrays = train, test

    def load(self):
        return self.arrays


def test_splits_are_train_validation_and_test():
    splits = Given(split(100), split(7)).splits()
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [90, 10, 7]


class Drawn(Given):
    """A dataset whose inputs are drawn from their factors."""

    def __init__(self, rows=40):
        factors = np.random.default_rng(0).normal(size=(rows, 2))
        self.arrays = [self.split(part) for part in (factors[:-5], factors[-5:])]

    def split(self, factors):
        return Split(self.render(factors), None, factors, ("x", "y"), (0, 0))

    def render(self, factors):
        x, y = np.asarray(factors, np.float32).T
        return np.stack([x + y, x - y, x * y], 1)


def test_the_factors_of_a_split_render_its_inputs():
    splits = Drawn().splits()
    for split in (splits.train, splits.validation, splits.test):
        np.testing.assert_array_equal(splits.render(split.factors), split.inputs)


def test_data_that_are_not_drawn_have_no_renderer():
    dataset = Given(split(100), split(7))
    assert dataset.splits().render is None
    with pytest.raises(DataError, match=r"^Given has no renderer: its data are not drawn from factors$"):
        dataset.render(np.zeros((1, 2)))


def test_the_fingerprint_is_that_of_train_and_test():
    train, test = split(100), split(7)
    assert Given(train, test).fingerprint() == fingerprint_arrays(train, test)
    assert Given(train, test).fingerprint() != Given(test, train).fingerprint()


def test_train_and_test_of_different_shapes_are_refused():
    with pytest.raises(DataError, match=r"^train inputs have shape \(1, 4, 4\) but test inputs \(3,\)$"):
        Given(split(), Split(np.zeros((2, 3), np.float32))).splits()


@pytest.mark.parametrize("empty", ["train", "test"])
def test_an_empty_split_is_refused(empty):
    arrays = {"train": split(), "test": split(), empty: Split(images(0))}
    with pytest.raises(DataError, match=f"^the {empty} split needs at least one row, got none"):
        Given(**arrays).splits()


@pytest.mark.parametrize(
    ("traits", "sentence"),
    [
        ({"version": 0}, r"correct Waves\.version: expected a whole number of at least 1, got 0"),
        ({"reads_paths": True}, r"correct Waves\.Params: reads_paths needs a parameter `path`, got no parameters"),
    ],
)
def test_a_mistake_in_what_a_dataset_declares_is_one_sentence(traits, sentence):
    with pytest.raises(ContractError, match=f"^{sentence}$"):
        type("Waves", (Dataset,), traits)
