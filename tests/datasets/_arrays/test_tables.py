import json

import numpy as np
import pandas as pd
import pytest

from latentbench import DataError
from latentbench.opening import load_splits
from latentbench.params import TypedText, build_params
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.trial import Trial
from latentbench_datasets.arrays import Arrays

ROWS = 120


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


def dataset(path, **params):
    return Arrays(Arrays.Params(path=path, **params))


def frame(**columns):
    rng = np.random.default_rng(0)
    plain = {"a": rng.normal(3, 2, ROWS), "b": rng.normal(0, 1000, ROWS), "label": ["x", "y", "z"] * (ROWS // 3)}
    return pd.DataFrame({**plain, **columns})


def save(path, **columns):
    table = frame(**columns)
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    return path


def loaded(path, **params):
    """Inputs of train and test."""
    train, test = dataset(path, **params).load()
    return train.inputs, test.inputs


def refusal(path, **params):
    with pytest.raises(DataError) as caught:
        dataset(path, **params).load()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert str(path) in sentence
    assert ";" in sentence
    return sentence


# on one scale


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_standardized_on_the_training_rows(tmp_path, suffix):
    path = save(tmp_path / f"t.{suffix}")
    raw_train, raw_test = (part.astype(np.float64) for part in loaded(path, standardize=False))
    train, test = loaded(path)
    mean, deviation = raw_train.mean(0), raw_train.std(0)
    assert train.dtype == np.float32
    np.testing.assert_allclose(train, (raw_train - mean) / deviation, atol=1e-6)
    np.testing.assert_allclose(test, (raw_test - mean) / deviation, atol=1e-6)


def test_what_is_standardized_stands_in_parameters_and_fingerprint(tmp_path):
    table, plain = dataset(save(tmp_path / "t.csv")), dataset(tmp_path / "t.csv", standardize=False)
    assert (table.params.standardize, plain.params.standardize) == (True, False)
    assert (table.preparation(), plain.preparation()) == ("standardized", "")
    assert table.fingerprint() != plain.fingerprint()
    np.save(tmp_path / "x.npy", frame()[["a", "b"]].to_numpy())
    array = dataset(tmp_path / "x.npy")
    assert (array.params.standardize, array.preparation()) == (False, "")
    assert array.fingerprint() == dataset(tmp_path / "t.csv", drop="label", standardize=False).fingerprint()


def test_a_folder_named_like_a_table_is_none(tmp_path):
    (tmp_path / "photos.csv").mkdir()
    assert dataset(tmp_path / "photos.csv").params.standardize is False


def test_the_words_of_the_command_line():
    for word, meant in (("no", False), ("yes", True)):
        typed = {"path": "t.csv", "standardize": TypedText(word), "drop": TypedText("id")}
        params = build_params(Arrays.Params, typed, "dataset 't'")
        assert (params.standardize, params.drop) == (meant, ("id",))


def test_training_classes_alone_decide_the_scale(tmp_path):
    far = np.where(np.arange(ROWS) % 3 == 2, 500.0, 0) + np.random.default_rng(1).normal(size=ROWS)
    path = save(tmp_path / "t.csv", b=far)
    for choice in ({"train_classes": ("x", "y")}, {"classes": ("x", "y")}):
        train, _ = loaded(path, **choice)
        np.testing.assert_allclose(train.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(train.std(0), 1, atol=1e-6)
    assert np.abs(loaded(path, train_classes=("x", "y"))[1]).max() > 100  # z is far from what was seen


@pytest.mark.parametrize(
    "values",
    [
        1.7e9 + np.random.default_rng(2).uniform(0, 100, ROWS),  # seconds: float32 keeps no digit of them
        10**17 + np.random.default_rng(2).integers(0, 1000, ROWS),  # float64 neither
        1e300 * np.random.default_rng(2).normal(size=ROWS),
        1e-60 * np.random.default_rng(2).normal(size=ROWS),
    ],
    ids=["offset", "whole", "large", "small"],
)
def test_columns_that_float32_does_not_hold(tmp_path, values):
    path = save(tmp_path / "t.csv", a=values)
    assert "must fit into float32" in refusal(path, standardize=False)
    exact = np.sort((values - values.min()).astype(float))  # whole numbers in 64 bits, before any float
    ordered = np.sort(np.concatenate(loaded(path))[:, 0].astype(float))
    expected = (exact - exact[0]) / (exact[-1] - exact[0])
    np.testing.assert_allclose((ordered - ordered[0]) / (ordered[-1] - ordered[0]), expected, atol=1e-6)
    assert len(np.unique(ordered)) == len(np.unique(exact))


@pytest.mark.parametrize("value", [[5.0], [0.1 + 0.2, 0.3], [0.0], [2**60]])
def test_a_column_with_one_value_is_centered_alone(tmp_path, value):
    data = dataset(save(tmp_path / "t.csv", a=np.resize(value, ROWS)))
    train, test = data.load()
    assert np.abs(train.inputs[:, 0]).max() < 1e-6
    assert np.abs(test.inputs[:, 0]).max() < 1e-6
    assert data.remarks() == (
        "columns are standardized (mean 0, standard deviation 1 in the train split); standardize=no keeps them",
        "column 'a' has one value in train and is only centered",
    )


def test_a_value_that_train_lacks_stays_in_its_unit(tmp_path):
    path = save(tmp_path / "t.csv")
    seen = {row.tobytes() for row in loaded(path, standardize=False)[0]}
    values = frame()[["a", "b"]].to_numpy(np.float32)
    rare = np.array([0.0 if row.tobytes() in seen else 1.0 for row in values])
    pd.DataFrame({**frame(), "c": 7.0}).to_csv(path, index=False)
    data = dataset(path)
    train, _ = data.load()
    assert (train.inputs[:, 2] == 0).all()
    assert "column 'c' has one value in train and is only centered" in data.remarks()
    assert rare.sum() == 24  # of another column, with which other rows would be in test


def test_a_value_too_far_from_the_rest(tmp_path):
    values = np.random.default_rng(3).normal(size=ROWS)
    values[::40] = 1e30
    assert refusal(save(tmp_path / "t.csv", a=values)) == (
        f"column 'a' of {tmp_path}/t.csv cannot be standardized: it holds values so far from the rest that "
        "float32 cannot tell the rest apart; drop it, take those rows out, or give standardize=no"
    )
    assert loaded(tmp_path / "t.csv", standardize=False)


def test_a_heavy_tail_is_no_fault(tmp_path):
    train, _ = loaded(save(tmp_path / "t.csv", a=np.random.default_rng(4).lognormal(0, 3, ROWS)))
    assert train[:, 0].std() == pytest.approx(1, abs=1e-5)


def test_many_columns_are_taken_in_blocks(tmp_path):
    values = np.random.default_rng(5).normal(size=(ROWS, 600)) * np.arange(1, 601)
    pd.DataFrame(values).to_csv(tmp_path / "t.csv", index=False)
    train, _ = loaded(tmp_path / "t.csv")
    np.testing.assert_allclose(train.std(0), 1, atol=1e-5)


# which columns


def test_columns_are_chosen_or_left_out(tmp_path):
    path = save(tmp_path / "t.csv", id=range(ROWS), city="Bern")
    assert [part.shape[1] for part in loaded(path, drop="city")] == [2, 2]
    chosen = dataset(path, columns=("b", "a"))
    assert chosen.fingerprint() == dataset(path, drop="city").fingerprint()  # in the order of the file
    assert dataset(path, columns=("a", "b")).fingerprint() == chosen.fingerprint()
    assert loaded(path, columns=("a", "id"))[0].shape == (96, 2)  # asked for, a name of rows is an input
    assert chosen.load()[0].class_names == ("x", "y", "z")
    assert dataset(path, drop=("label", "city")).load()[0].labels is None


def test_names_of_columns_have_one_form(tmp_path):
    path = tmp_path / "t.csv"
    frame(résumé=1.5).to_csv(path, index=False)
    assert loaded(path, columns=(" r\u00e9sum\u00e9 ", "a", "b"))[0].shape[1] == 3
    assert dataset(path, columns=3).params.columns == ("3",)


MISTAKES = {
    "unknown": (
        {"columns": ("aa",)},
        "columns must name columns of {}, there is no 'aa'; did you mean 'a'? (it has ",
    ),
    "not there": (
        {"drop": ("idd",)},
        "drop must name columns of {}, there is no 'idd'; did you mean 'id'? (it has ",
    ),
    "label": (
        {"columns": ("a", "label")},
        "columns of {} must name inputs, 'label' holds the labels; leave it out",
    ),
    "both": ({"columns": ("a", "b"), "drop": ("b",)}, "got 'b', which columns names; take it out of one"),
    "label dropped": (
        {"label_column": "city", "drop": ("city",)},
        "got 'city', which label_column names; take it out of one",
    ),
    "nothing left": ({"drop": ("a", "b", "city")}, "must have columns of numbers, none are left; add inputs, or"),
    "text": (
        {},
        "column 'city' holds others (as 'Bern'); leave it out by `-d {}:drop=city`, or if it holds the",
    ),
    "text asked for": ({"columns": ("a", "city")}, "column 'city' holds others (as 'Bern'); leave it out by"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_columns_that_cannot_be(tmp_path, case):
    params, expected = MISTAKES[case]
    path = save(tmp_path / "t.csv", id=range(ROWS), city="Bern")
    assert expected.format(path) in refusal(path, **params)


def test_all_columns_of_text_are_named_at_once(tmp_path):
    path = save(tmp_path / "t.csv", city="Bern", street="Lane")
    sentence = refusal(path)
    assert "holds others (as 'Bern'), as do 'street'; leave them out by" in sentence
    assert f"`-d {path}:drop=city,street`" in sentence
    odd = save(tmp_path / "odd.csv", **{"city, street": "Bern"})
    assert '`arrays.drop = ["city, street"]` in a benchmark file' in refusal(odd)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"columns": ("a",)}, "columns is for tables (.csv, .parquet), {} is an array file; leave columns out"),
        ({"drop": ("a",)}, "drop is for tables (.csv, .parquet), {} is an array file; leave drop out"),
        (
            {"standardize": True},
            "standardize is for tables (.csv, .parquet), {} is an array file, which is used",
        ),
    ],
)
def test_arrays_have_no_columns_and_stay_as_they_are(tmp_path, params, expected):
    np.savez(tmp_path / "x.npz", x=np.ones((ROWS, 3)))
    assert expected.format(tmp_path / "x.npz") in refusal(tmp_path / "x.npz", **params)
    (tmp_path / "photos").mkdir()
    assert f"{tmp_path / 'photos'} is a folder" in refusal(tmp_path / "photos", **params)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"columns": ("a", "b", "a")}, "columns must name each column once (here 'a' is there twice)"),
        ({"columns": ()}, "columns must name at least 1 column, as age,height"),
        ({"drop": ("a", "")}, "drop must hold names of columns, as age,height"),
        ({"standardize": "perhaps"}, "standardize should be a valid boolean"),
    ],
)
def test_parameters_that_cannot_be(params, expected):
    with pytest.raises(Exception, match="dataset 't': ") as caught:
        build_params(Arrays.Params, {"path": "t.csv", **params}, "dataset 't'")
    assert expected in str(caught.value)


# what was recorded


def trial_of(path, **params):
    recorded = json.loads(dataset(path, **params).params.model_dump_json())
    return Trial("t", "", "ae", "ae", {}, {}, 0, loader="arrays", dataset_params=recorded)


def test_a_record_of_before_means_numbers_as_they_are(tmp_path):
    path = save(tmp_path / "t.csv")
    trial, plugins = trial_of(path), Plugins()
    now = load_splits(plugins, trial)
    assert abs(now.train.inputs).max() < 10
    del trial.dataset_params["standardize"], trial.dataset_params["columns"], trial.dataset_params["drop"]
    before = load_splits(plugins, trial)
    np.testing.assert_array_equal(before.test.inputs, dataset(path, standardize=False).load()[1].inputs)


def test_a_plan_records_what_was_done(tmp_path, monkeypatch):
    from latentbench import Benchmark

    monkeypatch.chdir(tmp_path)
    save(tmp_path / "t.csv", id=range(ROWS), city="Bern")
    asked = {"datasets": ("t.csv:drop=city,id:standardize=no", "./t.csv:columns=a"), "models": ("pca",)}
    with pytest.raises(Exception, match="given twice"):
        make_plan(Benchmark(**asked), Plugins())
    for spec, params, said in (
        ("t.csv:drop=city,id:standardize=no", (None, ["city", "id"], False), ""),
        ("t.csv:columns=a", (["a"], [], True), "standardized"),
    ):
        trial = make_plan(Benchmark(datasets=(spec,), models=("pca",)), Plugins()).trials[0]
        recorded = trial.dataset_params
        assert (recorded["columns"], recorded["drop"], recorded["standardize"]) == params
        assert trial.preparation == said
