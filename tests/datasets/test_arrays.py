import re

import numpy as np
import pandas as pd
import pytest

from latentbench import DataError
from latentbench_datasets.arrays import Arrays

ROWS = 60


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


def dataset(path, **params):
    return Arrays(Arrays.Params(path=path, **params))


def refusal(path, **params):
    with pytest.raises(DataError) as caught:
        dataset(path, **params).load()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert ";" in sentence  # what to do
    return sentence


def together(path, **params):
    """Inputs and labels of both splits."""
    train, test = dataset(path, **params).load()
    labels = None if train.labels is None else np.concatenate([train.labels, test.labels])
    return np.concatenate([train.inputs, test.inputs]), labels


def as_set(inputs):
    return sorted(row.tobytes() for row in inputs)


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, (ROWS, *shape)).astype(np.uint8)


def floats(*shape):
    return np.random.default_rng(0).normal(size=(ROWS, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.csv"])
def test_it_keeps_every_rule(tmp_path, name, broken_rules):
    path = tmp_path / name
    if path.suffix == ".csv":
        pd.DataFrame(floats(5)).add_prefix("c").assign(label=np.arange(ROWS) % 3).to_csv(path, index=False)
    else:
        save(path, pixels(1, 8, 8), x=pixels(1, 8, 8), y=np.arange(ROWS) % 3)
    assert broken_rules("arrays", params={"path": path}) == []


# arrays in files


def save(path, values=None, **named):
    if path.suffix == ".npz":
        np.savez(path, **named)
    else:
        np.save(path, values)
    return path


@pytest.mark.parametrize(
    ("shape", "found"),
    [((6, 5), (1, 6, 5)), ((3, 6, 5), (3, 6, 5)), ((6, 5, 4), (4, 6, 5)), ((6, 5, 1), (1, 6, 5))],
)
def test_images_in_an_array(tmp_path, shape, found):
    values = pixels(*shape)
    inputs, _ = together(save(tmp_path / "x.npy", values))
    assert inputs.dtype == np.uint8
    assert inputs.shape == (ROWS, *found)
    expected = values.reshape(ROWS, *found) if shape[-1] not in (1, 4) else values.transpose(0, 3, 1, 2)
    assert as_set(inputs) == as_set(expected)


@pytest.mark.parametrize(("shape", "fits"), [((3, 6, 3), "both"), ((6, 5, 7), "neither"), ((2, 6, 5), "neither")])
def test_channels_that_cannot_be_told_are_refused(tmp_path, shape, fits):
    sentence = refusal(save(tmp_path / "x.npy", pixels(*shape)))
    assert f"got shape {(ROWS, *shape)} which fits {fits}; save grey ones" in sentence


@pytest.mark.parametrize("values", [floats(4), floats(2, 3, 4), floats(4).astype(float), pixels(4), pixels(4) > 9])
def test_other_numbers_become_float32(tmp_path, values):
    inputs, _ = together(save(tmp_path / "x.npy", values))
    assert inputs.dtype == np.float32
    assert as_set(inputs) == as_set(values.astype(np.float32))


@pytest.mark.parametrize("x", ["inputs", "x", "X", "images", "data", "features"])
@pytest.mark.parametrize("y", ["labels", "label", "y", "Y", "targets", "target", "classes"])
def test_names_in_an_npz(tmp_path, x, y):
    labels = np.array(["b", "a", "c"] * 20)
    _, actual = together(save(tmp_path / "x.npz", **{x: floats(4), y: labels}))
    assert np.bincount(actual).tolist() == [20, 20, 20]


def test_factors_in_an_npz(tmp_path):
    factors = {"factors": np.stack([np.arange(ROWS) % 3, np.arange(ROWS) % 7], 1)}
    train, test = dataset(save(tmp_path / "x.npz", x=floats(4), **factors)).load()
    assert train.factors.shape == (48, 2)
    assert train.factor_names == test.factor_names == ("factor_0", "factor_1")
    assert train.factor_sizes == test.factor_sizes == (3, 7)
    named = {"factors": floats(1), "factor_names": np.array(["height"])}
    train, _ = dataset(save(tmp_path / "x.npz", x=floats(4), **named)).load()
    assert (train.factor_names, train.factor_sizes) == (("height",), (0,))


@pytest.mark.parametrize("form", ["{}_{}", "{1}_{0}"])
def test_an_npz_that_is_split_already(tmp_path, form):
    x, y = pixels(6, 5), (np.arange(ROWS) % 2)[:, None]
    content = {}
    for split, rows in (("train", slice(0, 40)), ("test", slice(40, None))):
        content |= {form.format("x", split): x[rows], form.format("y", split): y[rows]}
    train, test = dataset(save(tmp_path / "x.npz", **content)).load()
    np.testing.assert_array_equal(train.inputs, x[:40, None])
    np.testing.assert_array_equal(test.inputs, x[40:, None])
    assert train.labels.tolist() == y[:40, 0].tolist()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables(tmp_path, suffix):
    frame = pd.DataFrame(floats(3), columns=["a", "b", "c"]).assign(whole=range(ROWS), kind=["x", "y"] * 30)
    path = tmp_path / f"t.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    inputs, labels = together(path, label_column="kind", standardize=False)
    assert inputs.shape == (ROWS, 4)
    assert inputs.dtype == np.float32
    assert labels.tolist() == (inputs[:, 3].astype(int) % 2).tolist()
    assert f"column 'kind' holds others (as 'x'); leave it out by `-d {path}:drop=kind`, or if" in refusal(path)
    assert f"{path} must have the column 'no', got a, b, c, whole, kind; check" in refusal(path, label_column="no")


def test_labels_that_are_numbers_are_numbered_in_their_order(tmp_path):
    pd.DataFrame({"a": range(ROWS), "label": [10, 9, 100] * 20}).to_csv(tmp_path / "t.csv", index=False)
    inputs, labels = together(tmp_path / "t.csv", standardize=False)
    assert labels.tolist() == [[1, 0, 2][int(row) % 3] for row in inputs[:, 0]]


def test_a_label_file_replaces_the_column_and_keeps_it_out_of_the_inputs(tmp_path):
    pd.DataFrame({"a": range(ROWS), "label": [0, 1] * 30}).to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame({"label": [0, 1, 2] * 20}).to_csv(tmp_path / "y.csv", index=False)
    inputs, labels = together(tmp_path / "t.csv", labels=tmp_path / "y.csv", standardize=False)
    assert inputs.shape == (ROWS, 1)
    assert labels.tolist() == (inputs[:, 0].astype(int) % 3).tolist()


CSV = {
    "NaN": ("a,b\n" + "1,2\n" * 3 + "1,\n" + "1,2\n" * 56, "column 'b' has none (NaN) for row 4; fill"),
    "infinity": ("a,b\n" + "1,2\n" * 3 + "inf,2\n" + "1,2\n" * 56, "row 4 of 60 holds NaN or infinity; fill"),
    "text": (
        "a,b\n" + "1,2\n" * 3 + "1,two\n" + "1,2\n" * 56,
        "column 'b' holds others (as 'two'); leave it out",
    ),
    "row numbers": (
        ",b\n" + "1,2\n" * 60,
        "a name for each column, column 1 has none; save it without row numbers",
    ),
    "no header": ("1.5,2.5\n" * 60, "must start with a row of column names, got the number 1.5; add that row"),
    "no header, whole numbers": (
        "5,3\n" * 60,
        "must start with a row of column names, got the number 5; add that",
    ),
    "equal names": ("a,a\n" + "1,2\n" * 60, "a row of different column names, 'a' is there twice; rename one"),
    "two labels": (
        "a,Class,label\n" + "1,2,3\n" * 60,
        "must have one column named label, labels, class, target, got Class and label; rename or take out all but",
    ),
    "decimal commas": ("a;b\n" + "1,5;2\n" * 60, "column 'a' holds others (as '1,5'); leave it out by `-d"),
    "few names": ("a,b\n" + "1,2,3\n" * 60, "rows hold more values than names; add the names"),
    "few values": ("a,b\n" + "1,2\n" * 3 + "1,2,3,4\n", "must be a CSV file, it cannot be read (Error tokenizing"),
    "nothing": ("", "must be a CSV file, it cannot be read (No columns to parse from file); check"),
    "no rows": ("a,b\n", "must hold rows, got none; check"),
    "only labels": ("label\n" + "1\n2\n" * 30, "must have columns of numbers, none are left; add inputs"),
    "label gap": ("a,label\n" + "1,x\n" * 7 + "1,\n" * 53, "column 'label' has none (NaN) for row 8; fill"),
    "fractions": (
        "a,label\n" + "1,0.5\n2,0.7\n" * 30,
        "whole numbers or text, got numbers as 0.5; give one class",
    ),
}


@pytest.mark.parametrize("case", CSV)
def test_a_table_that_cannot_be_used(tmp_path, case):
    content, expected = CSV[case]
    (tmp_path / "t.csv").write_text(content)
    sentence = refusal(tmp_path / "t.csv")
    assert expected in sentence
    assert str(tmp_path / "t.csv") in sentence


OBJECTS = np.array([{"a": 1}] * ROWS, dtype=object)
NPZ = {
    "pickled inputs": ({"x": OBJECTS}, "holds pickled objects, which are never loaded; save numbers"),
    "no inputs": (
        {"a": floats(3), "b": floats(3)},
        "an array named inputs, x, images, data, features, or both x_train",
    ),
    "no test": ({"x_train": floats(3)}, "or both x_train and x_test, got x_train; rename"),
    "one split's labels": (
        {"x_train": floats(3), "x_test": floats(3), "y_test": np.arange(ROWS)},
        "labels for train and for test or for neither, got one; add",
    ),
    "too few labels": (
        {"x": floats(3), "y": np.arange(59) % 2},
        "one label for each row, got 60 rows and labels of shape (59,); check",
    ),
    "one-hot labels": ({"x": floats(3), "y": np.eye(ROWS)}, "must be classes (n,), whole numbers or text"),
    "NaN": ({"x": np.full((ROWS, 2), np.nan)}, "must be finite, row 1 of 60 holds NaN or infinity; fill"),
    "too large": (
        {"x": np.full((ROWS, 2), 1e300)},
        "must fit into float32, row 1 of 60 holds 1e+300, the most is 3.4e38; scale it",
    ),
    "text": ({"x": np.array([["a"]] * ROWS)}, "must be numbers (n, ...) with at least 2 dimensions, got <U1"),
    "one dimension": ({"x": floats()}, "with at least 2 dimensions, got float32 of shape (60,); save"),
    "wide pixels": ({"x": pixels(6, 5).astype(int)}, "convert pixels of 0..255 with astype('uint8')"),
    "factors": (
        {"x": floats(3), "factors": floats()},
        "must be finite numbers (n, k), got float32 of shape (60,)",
    ),
    "a single label": (
        {"x": floats(3), "y": 3},
        "one label for each row, got 60 rows and labels of shape (); check",
    ),
    "label gaps": (
        {"x": floats(3), "y": np.r_[np.nan, np.arange(59) % 2]},
        "row 1 of 60 has none (NaN or infinity)",
    ),
    "two inputs": ({"x": floats(3), "data": floats(3)}, "one array of inputs, got x and data; take out or rename"),
    "two of labels": (
        {"x": floats(3), "y": np.arange(60), "Y": np.arange(60)},
        "one array of labels, got y and Y;",
    ),
    "whole and split": (
        {"x": floats(3), "x_train": floats(3), "x_test": floats(3)},
        "or those of train and test in two, got both (x, x_train, x_test); take one out",
    ),
    "labels by another name": (
        {"x": floats(3), "kind": np.arange(60)},
        "holds no labels but the array kind of as many rows, which would not be read; name it labels if",
    ),
    "no values": ({"x": pixels(0, 5)}, "must hold values, got shape (60, 0, 5); save them again"),
    "other shapes": (
        {"x_train": floats(3), "x_test": floats(4)},
        "must hold rows alike, got float32 of shape (3,) and float32 of shape (4,); save both the same way",
    ),
    "a class of test only": (
        {"x_train": floats(3), "y_train": np.arange(60) % 2, "x_test": floats(3), "y_test": np.arange(60) % 3},
        "must have rows in train, '2' has 20 in test only; add more of it, or take it out",
    ),
    "equal rows": ({"x": np.zeros((ROWS, 2))}, "must hold different rows, too many of 60 are equal; take"),
    "few rows": ({"x": floats(2)[:1]}, "must hold at least 50 rows, got 1; add more"),
}


@pytest.mark.parametrize("case", NPZ)
def test_an_npz_that_cannot_be_used(tmp_path, case):
    content, expected = NPZ[case]
    with pytest.raises(DataError, match=re.escape(expected)):
        dataset(save(tmp_path / "x.npz", **content)).load()


@pytest.mark.parametrize("suffix", ["npy", "npz", "parquet"])
def test_damaged_files(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    if suffix == "parquet":
        pd.DataFrame(floats(3), columns=list("abc")).to_parquet(path)
    else:
        save(path, floats(3), x=floats(3))
    whole = path.read_bytes()
    for content in (whole[:-20], whole[:50], whole[:3], b"hello, this is text", b""):
        path.write_bytes(content)
        sentence = refusal(path)
        assert sentence.startswith(f"{path} must be a ")
        assert "file" in sentence


def test_a_path_that_is_nothing(tmp_path):
    for path in (tmp_path / "none", tmp_path / "none.npy", tmp_path / "none.csv"):
        with pytest.raises(DataError, match=re.escape(f"{path} must be a file or a folder of images, nothing is")):
            dataset(path).fingerprint()
    assert "nothing is there" in refusal(tmp_path / "none.npz")
    assert "nothing is there" in refusal(tmp_path / "none.csv")
    (tmp_path / "x.pkl").write_bytes(b"")
    assert "a file ending in .npy .npz .csv .parquet, got .pkl; check" in refusal(tmp_path / "x.pkl")


def test_labels_and_size_that_do_not_fit_the_file(tmp_path):
    path = save(tmp_path / "x.npy", floats(3))
    assert f"size resizes images of a folder, {path} is a file; leave" in refusal(path, size=8)
    labels = save(tmp_path / "y.npy", np.arange(59))
    sentence = refusal(path, labels=labels)
    assert f"{labels} must hold one label for each of 60 rows in the same order, got 59; check" in sentence
    both = save(tmp_path / "x.npz", x_train=floats(3), x_test=floats(3))
    assert "holds train and test, so labels must be in it; add" in refusal(both, labels=labels)


def test_labels_by_row_must_say_nothing_of_another_order(tmp_path):
    path = save(tmp_path / "x.npy", floats(3))
    frame, order = pd.DataFrame({"label": np.arange(ROWS) % 2}), np.arange(ROWS)
    for index in (order, order + 1):
        frame.set_index(index).to_csv(tmp_path / "y.csv")
        assert np.bincount(together(path, labels=tmp_path / "y.csv")[1]).tolist() == [30, 30]
    frame.set_index(order[::-1]).to_csv(tmp_path / "y.csv")
    sentence = "y.csv is matched to the data row by row, so it may hold row numbers in order beside 'label', "
    assert f"{sentence}'Unnamed: 0' holds something else; sort" in refusal(path, labels=tmp_path / "y.csv")
    frame.assign(file="x").to_csv(tmp_path / "y.csv", index=False)
    assert f"{sentence}'file' holds something else; sort" in refusal(path, labels=tmp_path / "y.csv")
    frame.set_index(order[::-1]).to_parquet(tmp_path / "y.parquet")
    assert "'index' holds something else; sort" in refusal(path, labels=tmp_path / "y.parquet")
    np.savez(tmp_path / "y.npy.npz", a=order)
    (tmp_path / "y.npy.npz").rename(tmp_path / "y.npy")
    assert "y.npy must be a NumPy file, it cannot be read (it holds several" in refusal(
        path, labels=tmp_path / "y.npy"
    )


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["label", "Labels", "CLASS", "target"])
def test_separators_and_names_of_the_label_column(tmp_path, sign, name):
    frame = pd.DataFrame({" a": range(ROWS), name: [0, 1] * 30})
    frame.to_csv(tmp_path / "t.csv", sep=sign, index=False, encoding="utf-8-sig", lineterminator="\r\n")
    inputs, labels = together(tmp_path / "t.csv", standardize=False)
    assert inputs.shape == (ROWS, 1)
    assert labels.tolist() == (inputs[:, 0].astype(int) % 2).tolist()


def test_columns_named_by_numbers_that_count(tmp_path):
    for start in (0, 1):
        frame = pd.DataFrame(floats(3), columns=range(start, start + 3)).assign(label=[0, 1] * 30)
        frame.to_csv(tmp_path / "t.csv", index=False)
        assert together(tmp_path / "t.csv")[0].shape == (ROWS, 3)


def test_another_encoding(tmp_path):
    pd.DataFrame({"a": range(ROWS)}).to_csv(tmp_path / "t.csv", encoding="utf-16")
    assert refusal(tmp_path / "t.csv") == (
        f"{tmp_path}/t.csv must be text in UTF-8, it is in another encoding; save it as UTF-8"
    )


def test_a_named_index_of_a_parquet_file_is_a_column(tmp_path):
    frame = pd.DataFrame(floats(3), columns=list("abc")).assign(label=[0, 1] * 30)
    frame.set_index("label").to_parquet(tmp_path / "t.parquet")
    inputs, labels = together(tmp_path / "t.parquet")
    assert inputs.shape == (ROWS, 3)
    assert np.bincount(labels).tolist() == [30, 30]


def test_colors_at_the_end_of_float_images_go_to_the_front(tmp_path):
    values = floats(6, 5, 3)
    inputs, _ = together(save(tmp_path / "x.npy", values))
    assert as_set(inputs) == as_set(values.transpose(0, 3, 1, 2))
    for shape in ((3, 6, 3), (6, 5, 7), (3, 6, 5)):
        assert together(save(tmp_path / "x.npy", floats(*shape)))[0].shape == (ROWS, *shape)


def test_too_few_rows_of_the_classes_asked_for(tmp_path):
    path = save(tmp_path / "x.npz", x=floats(3), y=np.arange(ROWS) % 3)
    assert refusal(path, classes=(0, 1)) == f"{path} must hold at least 50 rows of these classes, got 40; add more"


# the split and the fingerprint


def test_the_split_does_not_depend_on_the_order_of_rows(tmp_path):
    values, order = floats(3), np.random.default_rng(1).permutation(ROWS)
    train, test = dataset(save(tmp_path / "a.npy", values)).load()
    shuffled, shuffled_test = dataset(save(tmp_path / "b.npy", values[order])).load()
    assert (len(train), len(test)) == (48, 12)
    assert as_set(test.inputs) == as_set(shuffled_test.inputs)
    assert as_set(train.inputs) == as_set(shuffled.inputs)


def test_equal_rows_end_on_the_same_side(tmp_path):
    values = np.repeat(floats(3)[:20], 3, axis=0)
    train, test = dataset(save(tmp_path / "a.npy", values), test_share=0.5).load()
    assert len(train) + len(test) == ROWS
    assert not set(as_set(train.inputs)) & set(as_set(test.inputs))


@pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
def test_the_share_of_the_test(tmp_path, share):
    train, test = dataset(save(tmp_path / "a.npy", floats(3)), test_share=share).load()
    assert len(test) == {0.001: 1, 0.3: 18, 0.999: 59}[share]
    assert len(train) == ROWS - len(test)


def test_texts_of_the_command_line_are_understood(tmp_path):
    values = {"path": str(tmp_path), "size": "8", "test_share": "0.5", "classes": ("0", "1")}
    params = Arrays.Params.model_validate(values)
    assert (params.size, params.test_share, params.classes) == (8, 0.5, (0, 1))


def test_an_archive_of_a_version_nobody_knows(tmp_path):
    path = save(tmp_path / "x.npz", x=floats(3))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 163  # the version needed to read it, times ten
    path.write_bytes(bytes(content))
    assert refusal(path).startswith(f"{path} must be a NumPy file, it cannot be read (zip file version 16.3)")
