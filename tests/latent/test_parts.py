import re

import numpy as np
import pandas as pd
import pytest
import torch

from latentbench import ContractError, DataSpec, LatentSpace, Model, Posterior, Split
from latentbench.latent.parts import SpaceData, SpaceMaps, check_codes

SPLIT = Split(np.full((6, 1, 4, 4), 51, np.uint8), np.arange(6), np.ones((6, 2)), ("a", "b"), (2, 0))


class Mean(Model):
    """The mean of an image as its code; neither posterior nor decoder."""

    decoder = "none"

    def encode(self, inputs):
        return inputs.flatten(1).mean(1, keepdim=True)


class Probabilistic(Mean):
    def posterior(self, inputs):
        mean = self.encode(inputs)
        return Posterior(mean, torch.ones_like(mean))


class Declines(Mean):
    def posterior(self, inputs):
        return None


def built(kind):
    return kind(kind.Params(), DataSpec.of(SPLIT))


def test_data_of_a_split_are_loaded_when_used():
    data = SpaceData.of_split(SPLIT, built(Mean))
    assert callable(data.inputs)
    torch.testing.assert_close(data.inputs(), torch.full((6, 1, 4, 4), 0.2))
    assert data.codes is None
    assert (data.labels.tolist(), data.factors.shape) == (list(range(6)), (6, 2))
    assert (data.factor_names, data.factor_sizes) == (("a", "b"), (2, 0))


def test_arrays_become_tensors_of_the_types_of_a_space():
    data = SpaceData.of_arrays(
        codes=[[0, 1]],
        labels=[3.0],
        inputs=np.full((1, 2), 255, np.uint8),
        factors=[[1, 2, 3]],
        reconstructions=None,
    )
    assert (data.codes.dtype, data.labels.dtype, data.factors.dtype) == (torch.float32, torch.int64, torch.float64)
    assert data.inputs.tolist() == [[1, 1]]
    assert data.reconstructions is None
    assert (data.factor_names, data.factor_sizes) == (("factor 0", "factor 1", "factor 2"), (0, 0, 0))


def test_arrays_must_have_equally_many_rows():
    with pytest.raises(ContractError, match=r"equally many rows, got \{'codes': 2, 'labels': 3\}$"):
        SpaceData.of_arrays(codes=np.ones((2, 1)), labels=[0, 1, 2])


@pytest.mark.parametrize(("kind", "has_posterior"), [(Mean, False), (Declines, False), (Probabilistic, True)])
def test_maps_hold_what_a_model_implements(kind, has_posterior):
    maps = SpaceMaps.of_model(built(kind), SPLIT)
    assert (maps.posterior is not None) == has_posterior
    assert maps.encode(torch.ones(2, 1, 4, 4)).tolist() == [[1], [1]]
    assert (maps.decode, maps.differentiable, maps.likelihood, maps.render) == (None, False, None, None)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.ones(3), r"codes must be \(n, d\) and floats, got torch.float32 of \(3,\)"),
        (torch.ones(3, 1).long(), "got torch.int64"),
        (torch.tensor([[1.0], [torch.nan], [torch.inf]]), "2 of 3 codes hold NaN or infinity"),
    ],
)
def test_codes_are_checked(codes, message):
    with pytest.raises(ContractError, match=f"^mine: .*{message}"):
        check_codes(codes, "mine")
    check_codes(torch.ones(3, 2), "mine")


LABELS = {
    "NaN": ([0, np.nan, 1, 0], "row 2 of 4 has none (NaN or infinity)"),
    "None": ([0, None, 1, 0], "row 2 of 4 has none (missing)"),
    "pandas NA": (pd.Series([0, 1, None, 1], dtype="Int64"), "row 3 of 4 has none"),
    "fractions": ([0, 1, 0.5, 1], "row 3 of 4 holds 0.5"),
    "noise": ([0, 1, -1, 1], "row 3 of 4 holds -1; take such rows out where it marks noise"),
    "a large number": ([0, 1, 2_000_000_000, 1], "row 3 of 4 holds 2000000000; number the classes anew"),
    "one-hot": (np.eye(4), "got float64 of shape (4, 4); give one class a row"),
    "complex": (np.ones(4) * 1j, "whole numbers or text, got complex128"),
    "masked": (np.ma.masked_equal([0, 1, 0, 1], 1), "row 2 of 4 is masked"),
    "a word": ("abcd", "must be an array with a row for each item, got str"),
    "beyond the names": ([0, 1, 2, 1], "must be below 2, as many class_names are given, row 3 of 4 holds 2"),
    "no name": (["a", "c", "b", "b"], "must be among the class names ('a', 'b'), row 2 of 4 holds 'c'"),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_that_are_no_classes_are_one_sentence(case):
    labels, expected = LABELS[case]
    names = ("a", "b") if case in ("beyond the names", "no name") else ()
    with pytest.raises(ContractError, match=re.escape(expected)) as caught:
        LatentSpace.from_arrays(codes=np.ones((4, 2)), labels=labels, class_names=names)
    assert "\n" not in str(caught.value)


READ_ONLY = np.array([1, 0, 2, 1])
READ_ONLY.flags.writeable = False
KINDS = {
    "backwards": np.array([1, 2, 0, 1])[::-1],
    "big-endian": np.array([1, 0, 2, 1], ">i4"),
    "gradients": torch.tensor([1.0, 0.0, 2.0, 1.0], requires_grad=True),
    "a column": np.array([[1], [0], [2], [1]]),
    "bfloat16": torch.tensor([1, 0, 2, 1], dtype=torch.bfloat16),
    "categories": pd.Categorical([1, 0, 2, 1]),
    "text of numbers": ["1", "0", "2", "1"],
    "read only": READ_ONLY,
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_and_codes_of_any_kind(kind):
    labels = KINDS[kind]
    space = LatentSpace.from_arrays(codes=[[1.0], [0.0], [2.0], [1.0]], labels=labels)
    assert (space.labels.tolist(), space.class_names, space.labels.dtype) == ([1, 0, 2, 1], (), torch.int64)
    if kind not in ("categories", "text of numbers"):
        codes = labels if kind == "a column" else labels.reshape(-1, 1)
        assert LatentSpace.from_arrays(codes=codes).codes.tolist() == [[1.0], [0.0], [2.0], [1.0]]


def test_text_labels_are_numbered_alike_in_all_splits():
    train = LatentSpace.from_arrays(codes=np.ones((3, 2)), labels=["dog", "cat", "emu"])
    assert (train.labels.tolist(), train.class_names) == ([1, 0, 2], ("cat", "dog", "emu"))
    test = LatentSpace.from_arrays(codes=np.ones((2, 2)), labels=["emu", "dog "], train=train)
    assert (test.labels.tolist(), test.class_names) == ([2, 1], ("cat", "dog", "emu"))
    numbers = LatentSpace.from_arrays(codes=np.ones((3, 2)), labels=[0, 1, 2])
    with pytest.raises(ContractError, match="must be numbers, as those of the other splits, got text; give class"):
        LatentSpace.from_arrays(codes=np.ones((2, 2)), labels=["emu", "dog"], train=numbers)


ARRAYS = {
    "gap": ({"codes": [[1.0], [np.nan]]}, "codes must be finite, row 2 of 2 holds NaN or infinity"),
    "text": ({"codes": [["a"], ["b"]]}, "codes must be real numbers, got <U1"),
    "flat": ({"codes": [1.0, 2.0]}, "codes must be (n, d) with at least one row and column, got shape (2,)"),
    "no rows": ({"codes": np.ones((0, 3))}, "got shape (0, 3)"),
    "too large": ({"codes": [[1.0], [1e39]]}, "row 2 of 2 holds 1e+39, the most is 3.4e38"),
    "inputs": ({"inputs": [[1.0], [np.inf]]}, "inputs must be finite, row 2 of 2"),
    "complex inputs": ({"inputs": [[1.0], [1j]]}, "inputs must be real numbers, got complex128"),
    "factors": ({"factors": [[1.0], [None]]}, "factors must be finite, row 2 of 2"),
    "factor names": ({"factors": [[1], [2]], "factor_names": ("a", "b")}, "one item for each of 1 factors, got 2"),
    "reconstructions": (
        {"inputs": np.ones((2, 3)), "reconstructions": np.ones((2, 4))},
        "reconstructions must have the shape of inputs, (2, 3), got (2, 4)",
    ),
    "posterior": (
        {"posterior": Posterior(torch.ones(3, 1), torch.ones(3, 1))},
        "tensor of shape (2, 1), got (3, 1)",
    ),
    "variance": (
        {"prior": Posterior(torch.ones(1), -torch.ones(1))},
        "variance of the prior must not be negative",
    ),
    "prior": (
        {"prior": Posterior(torch.tensor([np.nan]), torch.ones(1))},
        "mean of the prior must be finite, row 1",
    ),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_cannot_be_used_are_one_sentence(case):
    arrays, expected = ARRAYS[case]
    with pytest.raises(ContractError, match=re.escape(expected)):
        LatentSpace.from_arrays(**{"codes": [[1.0], [2.0]], **arrays})


def clusters():
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 300)
    return draw.normal(size=(3, 8))[labels] * 3 + draw.normal(size=(300, 8)), labels


@pytest.mark.parametrize("offset", [1e6, 1e8, -1e10, 2.0**40])
def test_codes_far_from_0_are_scored_as_others_and_say_so(offset):
    codes, labels = clusters()
    near = LatentSpace.from_arrays(codes=codes, labels=labels)
    far = LatentSpace.from_arrays(codes=codes + offset, labels=labels)
    torch.testing.assert_close(
        far.codes, near.codes - near.codes.mean(0), rtol=0, atol=max(1e-5, abs(offset) * 1e-15)
    )
    assert near.note == ""
    assert far.note == "codes less their mean, with which float32 cannot hold them"
    test = LatentSpace.from_arrays(codes=codes[:50] + offset, labels=labels[:50], train=far)
    torch.testing.assert_close(test.codes, far.codes[:50])


def test_whole_codes_of_64_bits_keep_their_differences():
    codes = 2**60 + np.arange(40)[:, None]
    assert LatentSpace.from_arrays(codes=codes).codes.diff(dim=0).unique().tolist() == [1.0]


@pytest.mark.parametrize("maps", [{"decode": torch.sin}, {"encode": torch.sin}, {"train": "near"}])
def test_codes_that_must_stay_where_they_are_keep_their_digits_or_are_refused(maps):
    codes, _ = clusters()
    maps = {"train": LatentSpace.from_arrays(codes=codes)} if "train" in maps else maps
    with pytest.raises(ContractError, match=r"differ by about .* of which it keeps no digits; subtract the mean"):
        LatentSpace.from_arrays(codes=codes + 1e8, **maps)
    assert LatentSpace.from_arrays(codes=codes + 100, **maps).note == ""


@pytest.mark.parametrize("codes", [clusters()[0] * 1e-60, np.sign(clusters()[0]) * 1e9 + clusters()[0]])
def test_codes_that_no_shift_makes_fit_are_refused(codes):
    with pytest.raises(ContractError, match="codes must fit into float32: values in column"):
        LatentSpace.from_arrays(codes=codes)


@pytest.mark.parametrize("scale", [1.0, 1e-20, 1e20])
def test_plain_float64_codes_pass_unchanged(scale):
    codes = clusters()[0] * scale
    np.testing.assert_array_equal(LatentSpace.from_arrays(codes=codes).codes.numpy(), codes.astype(np.float32))
