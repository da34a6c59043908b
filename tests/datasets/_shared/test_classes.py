import gzip
import struct

import numpy as np
import pytest
from sklearn.datasets import load_digits

from latentbench import DataError, Split
from latentbench.errors import RequestError
from latentbench.params import build_params, describe_params
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench_datasets._shared.classes import LabeledParams, keep_classes
from latentbench_datasets.arrays import Arrays
from latentbench_datasets.cifar10 import CIFAR10
from latentbench_datasets.digits import Digits
from latentbench_datasets.fashion_mnist import FashionMNIST
from latentbench_datasets.mnist import MNIST


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


def given(values):
    return build_params(LabeledParams, {"classes": values}, "dataset 'x'").classes


@pytest.mark.parametrize(
    ("values", "classes"), [(None, None), (("5", "9"), (5, 9)), (("9", "5", "9", "0"), (0, 5, 9))]
)
def test_what_the_command_line_gives(values, classes):
    assert given(values) == classes


def test_from_the_command_line_to_the_trial(tiny):
    trials = [make_plan(tiny(datasets=(text,)), Plugins()).trials[0] for text in ("digits", "digits:classes=5,9")]
    assert [trial.dataset_params["classes"] for trial in trials] == [None, [5, 9]]
    assert trials[0].fingerprint != trials[1].fingerprint


def test_a_path_is_read_by_arrays(tiny, tmp_path):
    np.save(tmp_path / "x.npy", np.arange(120, dtype=np.float32).reshape(60, 2))
    (trial,) = make_plan(tiny(datasets=(str(tmp_path / "x.npy"),)), Plugins()).trials
    assert (trial.dataset, trial.loader) == ("x", "arrays")
    assert trial.dataset_params["path"] == str(tmp_path / "x.npy")


def test_what_python_and_toml_give():
    assert LabeledParams(classes=[9, 5]).classes == (5, 9)
    assert LabeledParams.model_validate(LabeledParams(classes=(5, 9)).model_dump(mode="json")).classes == (5, 9)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("5", "dataset 'x': classes must name at least 2 different classes, as classes=5,9, got '5'"),
        (
            ("5", "5"),
            "dataset 'x': classes must name at least 2 different classes, as classes=5,9, got ('5', '5')",
        ),
        (
            ("5", 1.5),
            "dataset 'x': classes must hold numbers or names of classes, as classes=5,9, got ('5', 1.5)",
        ),
    ],
)
def test_classes_that_cannot_be_are_one_sentence(values, expected):
    with pytest.raises(RequestError) as caught:
        given(values)
    assert str(caught.value) == expected


@pytest.mark.parametrize("cls", [Arrays, CIFAR10, Digits, FashionMNIST, MNIST])
def test_every_labeled_dataset_has_the_parameter(cls):
    (info,) = (row for row in describe_params(cls.Params) if row.name == "classes")
    assert info.type == "tuple or nothing"


def split(labels, **more):
    labels = np.array(labels)
    return Split(np.arange(len(labels), dtype=np.float32)[:, None], labels, **more)


def test_only_the_classes_asked_for_are_kept_and_renumbered():
    train, test = keep_classes(split([5, 9, 1, 5, 0]), split([1, 9, 9]), (5, 9))
    assert train.labels.tolist() == [0, 1, 0]
    assert train.inputs[:, 0].tolist() == [0, 1, 3]
    assert test.labels.tolist() == [1, 1]
    assert train.labels.dtype == np.int64


def test_factors_go_along():
    factors = np.arange(3.0)[:, None]
    train = split([0, 1, 2], factors=factors, factor_names=("height",), factor_sizes=(0,))
    kept, _ = keep_classes(train, train, (0, 2))
    assert kept.factors[:, 0].tolist() == [0, 2]


def test_without_a_filter_the_splits_are_the_same_objects():
    train, test = split([0, 1]), split([0])
    assert keep_classes(train, test, None) == (train, test)


def test_a_class_that_is_not_there():
    with pytest.raises(DataError) as caught:
        keep_classes(split([0, 1, 4]), split([0]), (1, 3))
    assert str(caught.value) == "classes: there is no class 3; classes are 0, 1, 4; leave 3 out"
    with pytest.raises(DataError, match="there is no class 32; classes are 0 to 30; leave 32 out"):
        keep_classes(split(range(31)), split([0]), (1, 32))


def test_a_filter_that_leaves_no_test_row():
    with pytest.raises(DataError) as caught:
        keep_classes(split([0, 1, 4]), split([0]), (1, 4))
    assert (
        str(caught.value) == "classes must have rows in test, 1, 4 have none; ask for others, or leave classes out"
    )


def test_data_without_labels():
    bare = Split(np.zeros((3, 1), np.float32))
    with pytest.raises(
        DataError, match="classes can be chosen only where there are labels, got none; give labels"
    ):
        keep_classes(bare, bare, (0, 1))
    with pytest.raises(DataError, match="the test split has no labels where train has some; give"):
        keep_classes(split([0, 1]), bare, (0, 1))


# classes that have names

CLOTHES = ("T-shirt/top", "trouser", "bag", "ankle boot")
HOSTILE = ("a very long name of forty characters, so", "日本", "7", "a<b&c", " ", "re\u0301sume\u0301")


def named(names, labels=None):
    return split(range(len(names)) if labels is None else labels, class_names=names)


def kept_names(names, *classes):
    train, test = keep_classes(named(names), named(names), classes)
    assert train.class_names == test.class_names
    return [train.class_names[label] for label in train.labels]


@pytest.mark.parametrize(
    ("classes", "kept"),
    [
        ((0, 2), ["T-shirt/top", "bag"]),
        (("bag", "T-shirt/top"), ["T-shirt/top", "bag"]),
        (("ANKLE BOOT", 1), ["trouser", "ankle boot"]),
        ((" bag ", "class 3"), ["bag", "ankle boot"]),
    ],
)
def test_classes_are_asked_for_by_name_or_number(classes, kept):
    assert kept_names(CLOTHES, *classes) == kept


@pytest.mark.parametrize(
    ("names", "classes", "kept"),
    [
        (("0", "1", "10", "2"), (2, 10), ["10", "2"]),  # in the order of text, as folders were
        (tuple(map(str, range(11))), ("2", 10), ["2", "10"]),
        (("-1", "3", "5"), (-1, 5), ["-1", "5"]),
        (HOSTILE, (7, "日本"), ["日本", "7"]),
        (HOSTILE, ("a<b&c", "r\u00e9sum\u00e9"), ["a<b&c", "r\u00e9sum\u00e9"]),  # a split keeps one form
        (HOSTILE, (" ", HOSTILE[0]), [HOSTILE[0], " "]),
    ],
)
def test_a_number_is_a_name_where_classes_are_called_by_numbers(names, classes, kept):
    assert kept_names(names, *given(classes)) == kept


@pytest.mark.parametrize(
    ("names", "classes", "sentence"),
    [
        (CLOTHES, ("bagg", 1), "classes: there is no class 'bagg'; did you mean 'bag'?; classes are "
         "T-shirt/top (0), trouser (1), bag (2), ankle boot (3); leave 'bagg' out"),
        (("5", "9"), (0, 5), "classes: there is no class 0; classes are 5, 9; leave 0 out"),
        (HOSTILE, (3, 7), "classes: there is no class 3; classes are a very long...acters, so, 日本, 7, a<b&c, "
         "' ', résumé; leave 3 out"),
        (("cat", "Cat", "dog"), ("CAT", "dog"), "classes: there is no class 'CAT'; did you mean 'cat' or 'Cat'?"),
        (CLOTHES, ("bag", 2), "classes must name at least 2 different classes, got bag; add one"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_class_is_one_sentence(names, classes, sentence):
    with pytest.raises(DataError) as caught:
        keep_classes(named(names), named(names), classes)
    assert str(caught.value).startswith(sentence)


def test_classes_without_names_are_called_by_the_numbers_they_had():
    train, _ = keep_classes(split([5, 9, 1, 5, 0]), split([1, 9, 9]), (5, 9))
    assert train.class_names == ("5", "9")


def test_classes_to_train_on_have_names_too():
    data = named(CLOTHES)
    train, test = keep_classes(data, data, ("bag", 0, "trouser"), ("Bag", "trouser"))
    assert train.class_names == test.class_names == CLOTHES[:3]
    assert train.labels.tolist() == [1, 2]
    with pytest.raises(DataError, match=r"that classes keeps \(T-shirt/top, bag\), got trouser; leave tr"):
        keep_classes(data, data, (0, 2), ("trouser",))


def test_names_ask_for_the_same_data_as_numbers():
    of_digits = [Digits(Digits.Params(classes=each)).fingerprint() for each in ((5, 9), ("9", "5"))]
    assert of_digits[0] == of_digits[1]
    train, _ = Digits(Digits.Params(classes=(5, 9))).load()
    assert train.class_names == ("5", "9")


# classes to train on


def test_train_keeps_the_classes_it_is_trained_on_and_test_keeps_all():
    train, test = keep_classes(split([5, 9, 1, 5, 0]), split([1, 9, 0]), None, (0, 5))
    assert train.labels.tolist() == [5, 5, 0]
    assert train.inputs[:, 0].tolist() == [0, 3, 4]
    assert test.labels.tolist() == [1, 9, 0]


def test_classes_to_train_on_among_those_kept():
    train, test = keep_classes(split([5, 9, 1, 5, 0]), split([1, 9, 9, 5]), (1, 5, 9), (5, 9))
    assert train.labels.tolist() == [1, 2, 1]  # of 1, 5, 9
    assert test.labels.tolist() == [0, 2, 2, 1]


def test_one_class_to_train_on_is_enough():
    actual = build_params(LabeledParams, {"train_classes": "5"}, "dataset 'x'").train_classes
    assert actual == (5,)
    assert keep_classes(split([5, 9]), split([5, 9]), None, actual)[0].labels.tolist() == [5]


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        ([0, 1, 4], None, "train_classes: there is no class 3; classes are 0, 1, 4; leave 3 out"),
        ([0, 1, 3], (0, 1), "train_classes must be among those that classes keeps (0, 1), got 3; leave 3 out"),
        (
            None,
            None,
            "train_classes can be chosen only where there are labels, got none; give labels or leave it out",
        ),
    ],
)
def test_classes_to_train_on_that_are_not_there(labels, classes, expected):
    data = Split(np.zeros((3, 1), np.float32)) if labels is None else split(labels)
    with pytest.raises(DataError) as caught:
        keep_classes(data, data, classes, (0, 3))
    assert str(caught.value) == expected


def test_no_classes_to_train_on():
    with pytest.raises(RequestError, match="train_classes must name at least 1 class, as train_classes=5"):
        build_params(LabeledParams, {"train_classes": ()}, "dataset 'x'")


def test_digits_without_some_in_training():
    whole, data = Digits(Digits.Params()), Digits(Digits.Params(train_classes=(1, 2, 3)))
    splits = data.splits()
    assert set(splits.train.labels) == set(splits.validation.labels) == {1, 2, 3}
    np.testing.assert_array_equal(splits.test.labels, whole.splits().test.labels)
    assert data.fingerprint() != whole.fingerprint()


# in the datasets


def test_digits():
    data = Digits(Digits.Params(classes=(5, 9)))
    train, test = data.load()
    expected = np.bincount(load_digits().target)[[5, 9]]
    assert (np.bincount(train.labels) + np.bincount(test.labels)).tolist() == expected.tolist()
    assert len({Digits(Digits.Params(classes=each)).fingerprint() for each in (None, (5, 9), (5, 8))}) == 3


@pytest.mark.parametrize("cls", [FashionMNIST, MNIST])
def test_idx_files(tmp_path, cls):
    draw = np.random.default_rng(0)
    for stem, rows in (("train", 20), ("t10k", 10)):
        head = struct.pack(">HBB3I", 0, 8, 3, rows, 28, 28)
        images = head + draw.integers(0, 256, (rows, 28, 28)).astype(np.uint8).tobytes()
        labels = struct.pack(">HBBI", 0, 8, 1, rows) + bytes(row % 10 for row in range(rows))
        (tmp_path / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (tmp_path / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    whole, kept = cls(cls.Params(path=tmp_path)), cls(cls.Params(path=tmp_path, classes=(5, 9)))
    train, test = kept.load()
    assert train.labels.tolist() == [0, 1, 0, 1]
    assert train.class_names == tuple(whole.class_names[number] for number in (5, 9))
    np.testing.assert_array_equal(train.inputs, whole.load()[0].inputs[[5, 9, 15, 19]])
    assert len(test) == 2
    first = whole.fingerprint()
    assert kept.fingerprint() not in (first, cls(cls.Params(path=tmp_path, classes=(5, 8))).fingerprint())
    assert whole.fingerprint() == first


def test_cifar10(tmp_path, monkeypatch):
    monkeypatch.setattr("latentbench_datasets.cifar10.BATCH_ROWS", 10)
    content = b"".join(bytes([row]) + bytes([row]) * 3072 for row in range(10))
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (tmp_path / f"{name}.bin").write_bytes(content)
    whole, kept = (CIFAR10(CIFAR10.Params(path=tmp_path, classes=each)) for each in (None, (5, 9)))
    train, test = kept.load()
    assert train.labels.tolist() == [0, 1] * 5
    assert test.inputs[:, 0, 0, 0].tolist() == [5, 9]
    assert whole.fingerprint() != kept.fingerprint()


def test_arrays(tmp_path):
    values = np.arange(300, dtype=np.float32)[:, None]
    np.savez(tmp_path / "x.npz", x=values, y=np.array(["a", "b", "c"] * 100))
    whole, kept = (Arrays(Arrays.Params(path=tmp_path / "x.npz", classes=each)) for each in (None, ("0", "2")))
    train, test = kept.load()
    assert len(train) + len(test) == 200
    assert (train.labels == train.inputs[:, 0] % 3 / 2).all()
    assert set(test.inputs[:, 0]) <= set(whole.load()[1].inputs[:, 0])  # no row changes sides
    assert whole.fingerprint() != kept.fingerprint()
