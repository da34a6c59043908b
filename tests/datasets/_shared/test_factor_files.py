import itertools
import sys
import zipfile

import h5py
import numpy as np
import pytest

from latentbench import DataError
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets._shared import factor_files
from latentbench_datasets.dsprites import DSprites
from latentbench_datasets.shapes3d import Shapes3D

KINDS = ("dsprites", "shapes3d")
CLASSES = {"dsprites": DSprites, "shapes3d": Shapes3D}
KEYS = {"dsprites": ("imgs", "latents_classes"), "shapes3d": ("images", "labels")}
GRID = {"dsprites": (1, 3, 2, 4, 2, 2), "shapes3d": (2, 3, 1, 2, 4, 2)}
SIZES = {"dsprites": (3, 2, 4, 2, 2), "shapes3d": (2, 3, 2, 4, 2)}
NAMES = {
    "dsprites": ("shape", "scale", "orientation", "x", "y"),
    "shapes3d": ("floor_hue", "wall_hue", "scale", "shape", "orientation"),
}
ROWS = 96


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


def arrays(kind):
    """A grid as the published files hold it; each image tells its row in its first pixels."""
    draw = np.random.default_rng(0)
    table = np.array(list(itertools.product(*map(range, GRID[kind]))))
    assert len(table) == ROWS
    if kind == "dsprites":
        images = draw.integers(0, 2, (ROWS, 64, 64), dtype=np.uint8)
        images[:, 0, :7] = np.arange(ROWS)[:, None] >> np.arange(7) & 1
        return {"imgs": images, "latents_classes": table, "latents_values": table / 2.0}
    images = draw.integers(0, 256, (ROWS, 64, 64, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(ROWS)
    return {"images": images, "labels": table * [0.1, 0.1, 0.1, 0.25, 1.0, 60 / 14] - [0, 0, 0, -0.75, 0, 30]}


def row_numbers(kind, inputs):
    if kind == "dsprites":
        return (inputs[:, 0, 0, :7] // 255 * 2 ** np.arange(7)).sum(1)
    return inputs[:, 0, 0, 0].astype(int)


def save(folder, content, name="x.npz"):
    np.savez_compressed(folder / name, **content)
    return folder / name


def dataset(kind, path=None, train=60, test=20):
    return CLASSES[kind](CLASSES[kind].Params(path=path, train=train, test=test))


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_every_rule(kind, tmp_path, broken_rules):
    path = save(tmp_path, arrays(kind))
    assert broken_rules(kind, params={"path": path, "train": 60, "test": 20}) == []


def refusal(kind, path=None, **params):
    with pytest.raises(DataError) as caught:
        dataset(kind, path, **params).load()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert ";" in sentence  # what to do
    return sentence


def check_rows(kind, splits):
    """Each image must stand beside the factors and the label of its own row."""
    content = arrays(kind)
    table = np.array(list(itertools.product(*map(range, GRID[kind]))))[:, np.array(GRID[kind]) > 1]
    for split in splits:
        rows = row_numbers(kind, split.inputs)
        images = content[KEYS[kind][0]][rows]
        expected = images[:, None] * 255 if kind == "dsprites" else images.transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(split.inputs, expected)
        np.testing.assert_array_equal(split.factors, table[rows])
        np.testing.assert_array_equal(split.labels, table[rows, NAMES[kind].index("shape")])
        assert (split.factor_names, split.factor_sizes) == (NAMES[kind], SIZES[kind])
        assert split.inputs.dtype == np.uint8


@pytest.mark.parametrize("kind", KINDS)
def test_images_factors_and_labels_stay_together(tmp_path, kind):
    train, test = dataset(kind, save(tmp_path, arrays(kind))).load()
    check_rows(kind, (train, test))
    assert (len(train), len(test)) == (60, 20)
    assert len({*row_numbers(kind, train.inputs), *row_numbers(kind, test.inputs)}) == 80


@pytest.mark.parametrize("kind", KINDS)
def test_no_number_for_train_is_all_the_rest(tmp_path, kind):
    train, test = dataset(kind, save(tmp_path, arrays(kind)), train=0).load()
    check_rows(kind, (train, test))
    assert {*row_numbers(kind, train.inputs), *row_numbers(kind, test.inputs)} == set(range(ROWS))
    assert len(train) == 76


def test_fewer_rows_are_among_those_of_more(tmp_path):
    path = save(tmp_path, arrays("shapes3d"))

    def rows(**params):
        return [set(row_numbers("shapes3d", split.inputs)) for split in dataset("shapes3d", path, **params).load()]

    many, few_train, few_test = rows(), rows(train=20), rows(test=5)
    assert few_train[0] < many[0]
    assert few_test[1] < many[1]
    assert few_train[1] == many[1]
    assert few_test[0] == many[0]


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_make_no_difference(tmp_path, kind, monkeypatch):
    path = save(tmp_path, arrays(kind))
    expected = fingerprint_arrays(*dataset(kind, path).load())
    monkeypatch.setattr(factor_files, "BLOCK", 7)
    assert fingerprint_arrays(*dataset(kind, path).load()) == expected


def test_the_pickle_in_the_published_file_is_never_opened(tmp_path):
    content = arrays("dsprites") | {"metadata": np.array({"title": "dSprites"}, dtype=object)}
    check_rows("dsprites", dataset("dsprites", save(tmp_path, content)).load())


def test_values_of_any_type_are_numbered_in_ascending_order(tmp_path):
    content = arrays("shapes3d")
    for dtype in (np.float32, np.float64, np.float16):
        content["labels"] = arrays("shapes3d")["labels"].astype(dtype)
        check_rows("shapes3d", dataset("shapes3d", save(tmp_path, content)).load())


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_in_fortran_order(tmp_path, kind):
    content = {name: np.asfortranarray(values) for name, values in arrays(kind).items()}
    check_rows(kind, dataset(kind, save(tmp_path, content)).load())


def test_one_shape_gives_no_labels(tmp_path):
    content = arrays("dsprites")
    content["latents_classes"][:, 1] = 2
    train, _ = dataset("dsprites", save(tmp_path, content)).load()
    assert train.labels is None
    assert train.factor_names == ("scale", "orientation", "x", "y")


@pytest.mark.parametrize("kind", KINDS)
def test_the_fingerprint_is_that_of_the_arrays_and_is_remembered(tmp_path, kind, monkeypatch):
    path = save(tmp_path, arrays(kind))
    first = dataset(kind, path).fingerprint()
    assert first == fingerprint_arrays(*dataset(kind, path).load())
    others = [dataset(kind, path, **params).fingerprint() for params in ({"train": 50}, {"test": 10})]
    assert len({first, *others}) == 3
    monkeypatch.setattr(factor_files, "read_npz", None)
    assert dataset(kind, path).fingerprint() == first


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_file_one_sentence_says_where_to_fetch_it(tmp_path, kind):
    advice = CLASSES[kind].advice
    title = CLASSES[kind].title
    assert refusal(kind) == f"{title} needs a file that is not downloaded here; {advice}"
    assert f"-p {kind}.path=FILE" in advice
    for path in (tmp_path / "none.npz", tmp_path):
        expected = f"{path} must be the file of {title}, no file is there; {advice}"
        assert refusal(kind, path) == expected
        with pytest.raises(DataError) as caught:
            dataset(kind, path).fingerprint()
        assert str(caught.value) == expected


def without(kind, key):
    return {name: values for name, values in arrays(kind).items() if name != key}


WRONG = {
    "no images": (
        "dsprites",
        without("dsprites", "imgs"),
        "an array imgs, got latents_classes, latents_values; f",
    ),
    "no factors": ("shapes3d", without("shapes3d", "labels"), "must hold an array labels, got images; fetch"),
    "other images": (
        "dsprites",
        {"imgs": np.zeros((ROWS, 32, 32), np.uint8)},
        "must be bytes of shape (96, 64, 64), got uint8 of shape (96, 32, 32); fetch",
    ),
    "wide pixels": (
        "dsprites",
        {"imgs": np.zeros((ROWS, 64, 64), np.uint16)},
        "must be bytes of shape (96, 64, 64), got uint16",
    ),
    "float pixels": (
        "shapes3d",
        {"images": np.zeros((ROWS, 64, 64, 3))},
        "must be bytes of shape (96, 64, 64, 3), g",
    ),
    "grey pixels": (
        "dsprites",
        {"imgs": arrays("dsprites")["imgs"] * 255},
        "must hold values from 0 to 1, got 255; fetch",
    ),
    "rows of factors": (
        "shapes3d",
        {"labels": arrays("shapes3d")["labels"][:-1]},
        "must be bytes of shape (95, 64, 64, 3), got uint8 of shape (96, 64, 64, 3); fetch",
    ),
    "columns": (
        "dsprites",
        {"latents_classes": arrays("dsprites")["latents_classes"][:, 1:]},
        "must be numbers of shape (n, 6), got int64 of shape (96, 5); fetch",
    ),
    "text": ("shapes3d", {"labels": np.full((ROWS, 6), "a")}, "must be numbers of shape (n, 6), got <U1 of shape"),
    "scalar": (
        "shapes3d",
        {"labels": np.array(3)},
        "must be numbers of shape (n, 6), got int64 of shape (); fetch",
    ),
    "no rows": (
        "shapes3d",
        {"labels": np.zeros((0, 6))},
        "must be numbers of shape (n, 6), got float64 of shape (0, ",
    ),
    "many values": (
        "dsprites",
        {"latents_classes": arrays("dsprites")["latents_classes"][:, ::-1]},
        "must have at most 1 values of color, got 2; fetch",
    ),
    "NaN": (
        "shapes3d",
        {"labels": np.full((ROWS, 6), np.nan)},
        "labels in {path} must be finite, it holds NaN or inf",
    ),
    "one value": ("shapes3d", {"labels": np.ones((ROWS, 6))}, "must differ between rows, all are equal; fetch"),
    "pickled": (
        "dsprites",
        {"latents_classes": np.array([{"a": 1}] * ROWS, dtype=object)},
        "latents_classes in {path} must be a plain array, it is pickled, which is never loaded; fetch",
    ),
    "pickled images": (
        "shapes3d",
        {"images": np.array([{"a": 1}] * ROWS, dtype=object)},
        "images in {path} must be a plain array, it is pickled, which is never loaded; fetch",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_cannot_be_used(tmp_path, case):
    kind, change, expected = WRONG[case]
    content = change if case in ("no images", "no factors") else arrays(kind) | change
    path = save(tmp_path, content)
    sentence = refusal(kind, path)
    assert expected.format(path=path) in sentence
    assert str(path) in sentence


def test_too_few_rows(tmp_path):
    path = save(tmp_path, arrays("dsprites"))
    for train, test, shown in ((77, 20, 77), (0, 96, 1), (0, 500, 1)):
        assert refusal("dsprites", path, train=train, test=test) == (
            f"{path} must hold {shown} rows for train and {test} for test, got 96; ask for fewer"
        )


def test_the_defaults_ask_for_60000_rows(tmp_path):
    path = save(tmp_path, arrays("dsprites"))
    with pytest.raises(DataError, match=r"must hold 50,000 rows for train and 10,000 for test, got 96; ask"):
        DSprites(DSprites.Params(path=path)).load()


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(tmp_path, kind):
    path = save(tmp_path, arrays(kind))
    whole = path.read_bytes()
    half = len(whole) // 3
    flipped = whole[:half] + bytes(byte ^ 255 for byte in whole[half : half + 50]) + whole[half + 50 :]
    for content in (whole[:-20], whole[:500], whole[:3], b"hello, this is text", b"", flipped):
        path.write_bytes(content)
        sentence = refusal(kind, path)
        assert sentence.startswith(f"{path} must be a NumPy file")


def test_an_array_that_is_cut_short_within_a_whole_zip(tmp_path):
    path = save(tmp_path, arrays("dsprites"))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:-5000] if name == "imgs.npy" else content)
    assert refusal("dsprites", path).startswith(f"{path} must be a NumPy file, it cannot be read (")


@pytest.mark.parametrize(("mark", "byte", "change"), [(b"PK\1\2", 8, 1), (b"PK\1\2", 10, 4)])
def test_a_flipped_bit_in_the_list_of_a_zip(tmp_path, mark, byte, change):
    path = save(tmp_path, arrays("shapes3d"))
    content = bytearray(path.read_bytes())
    for member in (content.find(mark), content.rfind(mark)):
        content[member + byte] ^= change
    path.write_bytes(content)
    assert refusal("shapes3d", path).startswith(f"{path} must be a NumPy file, it cannot be read (")


def test_a_single_array_is_no_such_file(tmp_path):
    np.save(tmp_path / "x.npy", arrays("dsprites")["imgs"])
    assert "x.npy must hold an array latents_classes, got no named arrays; fetch" in refusal(
        "dsprites", tmp_path / "x.npy"
    )


def test_hdf5_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    path = tmp_path / "3dshapes.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert refusal("shapes3d", path) == (
        f"{path} is in HDF5, which needs h5py; run pip install 'latentbench[factors]', or save the arrays of "
        "the file under the same names as .npz"
    )


class FakeFile(dict):
    """As much of h5py.File as is used, over a .npz file of another name."""

    def __init__(self, path, mode):
        assert mode == "r"
        try:
            super().__init__(np.load(path))
        except ValueError as error:
            raise OSError("Unable to synchronously open file\n(file signature not found)") from error

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.clear()


@pytest.fixture
def fake_h5py(monkeypatch):
    module = type(sys)("h5py")
    module.File = FakeFile
    monkeypatch.setitem(sys.modules, "h5py", module)


def test_hdf5_is_read_like_npz(tmp_path, fake_h5py):
    path = save(tmp_path, arrays("shapes3d")).rename(tmp_path / "3dshapes.h5")
    check_rows("shapes3d", dataset("shapes3d", path).load())


def test_hdf5_that_cannot_be_used(tmp_path, fake_h5py):
    path = save(tmp_path, without("shapes3d", "labels")).rename(tmp_path / "3dshapes.h5")
    assert f"{path} must hold an array labels, got images; fetch" in refusal("shapes3d", path)
    path.write_bytes(b"hello")
    assert refusal("shapes3d", path) == (
        f"{path} must be an HDF5 file, it cannot be read (Unable to synchronously open file (file signature not "
        f"found)); {Shapes3D.advice}"
    )


def test_a_true_hdf5_file(tmp_path):
    path = tmp_path / "3dshapes.h5"
    content = arrays("shapes3d")
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file.create_dataset(name, data=values, compression="gzip")
        file.create_group("folder")
    check_rows("shapes3d", dataset("shapes3d", path).load())
    whole = path.read_bytes()
    for damaged in (whole[:-2000], whole[:100], b"hello", b""):
        path.write_bytes(damaged)
        assert refusal("shapes3d", path).startswith(f"{path} must be an HDF5 file, it cannot be read (")
    with h5py.File(path, "w") as file:
        file["images"] = content["images"]
        file.create_group("labels")
    assert "must hold an array labels, got images, labels; fetch" in refusal("shapes3d", path)
