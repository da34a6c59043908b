"""Codes that others computed become trials, whose spaces have what was given, and nothing else."""

import re

import numpy as np
import pytest

import latentbench
from latentbench.codes.asked import DataPlace, of_arrays, planned
from latentbench.codes.items import Items, Source, agreed
from latentbench.codes.space import own_space
from latentbench.dataset import Split, Splits
from latentbench.errors import DataError
from latentbench.plugins import Plugins

RNG = np.random.default_rng
CODES = RNG(0).normal(size=(60, 3))
LABELS = np.arange(60) % 3


def asked(codes=None, train=None, labels=None, train_labels=None, factors=None, names=(), split="test"):
    return of_arrays(
        {"a": CODES} if codes is None else codes, train or {}, labels, train_labels, factors, names, split
    )


def space(own, splits=None):
    return own_space(own.trial, own.arrays, splits)


def place(count=60, train=90, labels=True, **more):
    def split(rows, seed):
        inputs = RNG(seed).normal(size=(rows, 4)).astype(np.float32)
        return Split(inputs, np.arange(rows) % 3 if labels else None, **more)

    carved = np.zeros(train, bool)
    carved[::10] = True
    whole = split(train, 1)
    splits = Splits(whole.take(~carved), whole.take(carved), split(count, 2), carved=carved)
    return DataPlace("things", "arrays", {"path": "x"}, "f" * 64, splits)


def test_an_array_alone_is_a_trial_without_labels():
    (own,) = planned(asked(), None)
    assert (own.trial.model, own.trial.label, own.trial.seed) == ("codes", "a", 0)
    assert own.trial.traits.deterministic
    seen = space(own)
    assert np.allclose(seen.codes.numpy(), CODES, atol=1e-6)
    assert seen.supplies == set()
    assert seen.missing(("labels",)) == "no labels"
    assert seen.missing(("train",)) == "no codes of training items"


def test_arrays_of_one_name_are_seeds_and_each_name_is_a_trial_of_its_own():
    own = planned(asked({"a": [CODES, CODES + 1], "b": CODES}), None)
    assert [(each.trial.label, each.trial.seed, each.trial.traits.deterministic) for each in own] == [
        ("a", 0, False),
        ("a", 1, False),
        ("b", 0, True),
    ]
    assert len({each.trial.key for each in own}) == 3
    assert len({each.trial.fingerprint for each in own}) == 1


def test_what_is_given_decides_the_key():
    keys = {
        planned(asked({"a": codes}, labels=labels), None)[0].trial.key
        for codes, labels in ((CODES, None), (CODES + 1, None), (CODES, LABELS), (CODES, LABELS[::-1]))
    }
    assert len(keys) == 4
    assert planned(asked(), None)[0].trial.key == planned(asked(), None)[0].trial.key


def test_text_labels_are_classes():
    (own,) = planned(asked(labels=np.array(["dog", "cat", "dog"] * 20)), None)
    seen = space(own)
    assert seen.class_names == ("cat", "dog")
    assert seen.labels[:3].tolist() == [1, 0, 1]


def test_codes_that_float32_cannot_hold_are_centered_with_their_training_codes():
    (own,) = planned(asked({"a": CODES + 1e9}, {"a": CODES[:30] + 1e9}), None)
    seen = space(own)
    assert "less their mean" in seen.note
    moved = seen.codes.numpy() - seen.codes.numpy().mean(0)
    assert np.allclose(moved, CODES - CODES.mean(0), atol=1e-5)
    assert np.allclose(seen.train.codes.numpy() - seen.codes.numpy()[:30], 0, atol=1e-5)  # both by the same center


def test_training_codes_bring_a_training_split_with_classes_numbered_alike():
    labels, of_train = np.array(["b", "c", "a"] * 20), np.array(["c", "a"] * 15)
    (own,) = planned(asked(None, {"a": CODES[:30]}, labels, of_train), None)
    seen = space(own)
    assert seen.class_names == seen.train.class_names == ("a", "b", "c")
    assert seen.train.labels[:2].tolist() == [2, 0]


def test_factors_are_named_and_counted():
    factors = np.stack([np.arange(60) % 4, np.linspace(0, 1, 60)], axis=1)
    (own,) = planned(asked(factors=factors, names=("shape", "size")), None)
    seen = space(own)
    assert (seen.factor_names, seen.factor_sizes) == (("shape", "size"), (4, 0))
    assert np.allclose(seen.factors.numpy(), factors)


def test_a_data_set_gives_inputs_and_labels():
    data = place()
    (own,) = planned(asked(), data)
    assert (own.trial.dataset, own.trial.fingerprint, own.trial.loader) == ("things", "f" * 64, "arrays")
    assert "labels" not in own.arrays
    seen = space(own, data.splits)
    assert np.array_equal(seen.inputs.numpy(), data.splits.test.inputs)
    assert seen.labels.tolist() == LABELS.tolist()


def test_the_training_codes_of_a_data_set_are_in_the_order_of_its_file():
    data = place()
    (own,) = planned(asked(None, {"a": RNG(3).normal(size=(90, 3))}), data)
    seen = space(own, data.splits)
    whole = data.splits.whole("train")
    assert np.array_equal(seen.train.inputs.numpy(), whole.inputs)
    assert whole.labels.tolist() == (np.arange(90) % 3).tolist()  # as it was before validation was carved


@pytest.mark.parametrize(("split", "rows"), [("train", 90), ("validation", 9)])
def test_codes_of_another_split_are_a_data_set_of_their_own(split, rows):
    data = place()
    (own,) = planned(asked({"a": RNG(3).normal(size=(rows, 2))}, split=split), data)
    assert own.trial.dataset == f"things, {split}"
    assert own.trial.fingerprint != data.fingerprint
    assert np.array_equal(space(own, data.splits).inputs.numpy(), data.splits.whole(split).inputs)


def test_labels_that_a_data_set_lacks_are_kept_with_the_codes():
    data = place(labels=False)
    (own,) = planned(asked(labels=LABELS), data)
    assert own.trial.fingerprint != data.fingerprint
    seen = space(own, data.splits)
    assert seen.labels.tolist() == LABELS.tolist()
    assert "inputs" in seen.supplies


REFUSED = {
    "counts": ({"a": CODES, "b": CODES[1:]}, {}, "b holds 59 rows, a has 60; give arrays of the same items"),
    "one dimension": ({"a": CODES[:, 0]}, {}, "a: codes must be (n, d) with at least one row and column"),
    "text": ({"a": np.array([["x"] * 2] * 60)}, {}, "a: codes must be real numbers"),
    "NaN": ({"a": np.where(CODES > 2, np.nan, CODES)}, {}, "a: codes must be finite"),
    "labels": ({"a": CODES}, {"labels": LABELS[1:]}, "a holds 60 rows, labels has 59"),
    "training codes of nothing": (
        {"a": CODES},
        {"train": {"b": CODES}},
        "train_codes must have the names of codes",
    ),
    "training codes of another width": (
        {"a": CODES},
        {"train": {"a": CODES[:, :2]}},
        "a: codes must have as many columns as the training codes, got [3, 2]",
    ),
    "seeds without training codes": (
        {"a": [CODES, CODES]},
        {"train": {"a": CODES}},
        "a has 2 arrays of codes and 1 of training codes",
    ),
    "one name in two forms": (
        {"caf\u00e9": CODES, "cafe\u0301": CODES},
        {},
        r"'caf\xe9' and 'cafe\u0301' are one name in two Unicode forms; give it once",
    ),
    "nothing": ({}, {}, 'codes must be arrays by name, as {"mine": array}, got none'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_sentence(case):
    codes, more, sentence = REFUSED[case]
    with pytest.raises(DataError, match=re.escape(sentence)):
        planned(asked(codes, **more), None)


@pytest.mark.parametrize(
    ("labels", "fine"),
    [
        (LABELS, True),
        (LABELS.astype(str), True),
        (np.array(["red", "green", "blue"])[LABELS], True),
        (LABELS[::-1], False),
        (np.array(["red", "blue", "green"])[LABELS], False),
    ],
)
def test_labels_beside_codes_must_be_those_of_the_data_by_name_or_number(labels, fine):
    items = Items("things", 60, LABELS, ("red", "green", "blue"))
    source = Source("mine.csv", CODES, labels)
    if fine:
        assert agreed(items, [source]) is items
    else:
        with pytest.raises(
            DataError, match=r"labels of mine\.csv must be those of things, line by line; they agree"
        ):
            agreed(items, [source])


def test_the_first_line_that_differs_is_told_in_the_form_that_it_has():
    items = Items("things", 60, LABELS, ("red", "green", "blue"))
    with pytest.raises(DataError, match=re.escape("in 66.7 % of the lines (line 2: '2' for '1')")):
        agreed(items, [Source("mine.csv", CODES, np.where(LABELS == 1, 2, LABELS))])


def test_codes_are_compared_from_python(tmp_path):
    good = CODES + 4 * np.eye(3)[LABELS]
    results = latentbench.compare_codes(
        {"good": good, "bad": CODES},
        labels=LABELS,
        scores=("knn5", "silhouette"),
        folder=tmp_path / "run",
        plugins=Plugins(),
        workers=0,
    )
    assert results.complete
    means = results.table(every=True).set_index(["score", "model"])["mean"]
    assert means["silhouette", "good"] > means["silhouette", "bad"]
    again = latentbench.load_results(tmp_path / "run")
    assert again.latent_space(again.trials[0]).labels.tolist() == LABELS.tolist()
