"""Files whose arrays stay there: the same data as in memory, from every kind of file and layout."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from latentbench import DataError, stays_in_file
from latentbench_datasets._arrays import images as image_file
from latentbench_datasets._arrays import prepared_images
from latentbench_datasets.arrays import Arrays

ROWS = 80


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, (ROWS, *shape)).astype(np.uint8)


def floats(*shape, dtype=np.float32):
    return np.random.default_rng(0).normal(size=(ROWS, *shape)).astype(dtype)


def loaded(path, **params):
    dataset = Arrays(Arrays.Params(path=path, **params))
    splits = dataset.splits()
    return splits, dataset.fingerprint(), dataset.remarks()


def check_the_same(path, monkeypatch, in_file=True, **params):
    """Load a file in memory and in its file, and compare all there is."""
    monkeypatch.delenv("LATENTBENCH_LARGE_FROM", raising=False)
    expected, *facts = loaded(path, **params)
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    monkeypatch.setenv("LATENTBENCH_CACHE", str(path.parent / "another"))
    splits, *facts_in_file = loaded(path, **params)
    assert facts_in_file == facts
    for name in ("train", "validation", "test"):
        left, right = getattr(expected, name), getattr(splits, name)
        assert stays_in_file(right.inputs) == in_file
        assert left.inputs.dtype == right.inputs.dtype
        assert np.array_equal(np.asarray(left.inputs), np.asarray(right.inputs))
        assert left.labels is None or (left.labels == right.labels).all()
    assert np.array_equal(np.asarray(splits.whole("train").inputs), expected.whole("train").inputs)
    return splits


LAYOUTS = {
    "images": pixels(3, 6, 5),
    "images, channels at the end": pixels(6, 5, 3),
    "grey images": pixels(6, 5),
    "rows": floats(7),
    "float images, channels at the end": floats(6, 5, 3),
    "doubles": floats(7, dtype=np.float64),
    "halves": floats(7, dtype=np.float16),
    "whole numbers": pixels(7).astype(np.int64),
    "big-endian": floats(7).astype(">f4"),
    "columns first": np.asfortranarray(floats(7)),
    "images, columns first": np.asfortranarray(pixels(6, 5)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_npy_file_of_any_layout(tmp_path, monkeypatch, layout):
    np.save(tmp_path / "x.npy", LAYOUTS[layout])
    check_the_same(tmp_path / "x.npy", monkeypatch)


def test_an_npy_file_of_images_is_mapped_where_it_is(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", pixels(3, 6, 5))
    splits = check_the_same(tmp_path / "x.npy", monkeypatch)
    (tmp_path / "x.npy").rename(tmp_path / "y.npy")
    assert not [path for path in (tmp_path / "another").rglob("rows.bin") if path.stat().st_size > ROWS * 32]
    assert np.asarray(splits.test.inputs).any()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("values", [pixels(3, 6, 5), floats(7), floats(7, dtype=np.float64)])
def test_arrays_of_an_archive(tmp_path, monkeypatch, save, values):
    save(
        tmp_path / "x.npz", x_train=values[:60], x_test=values[60:], y_train=np.arange(60) % 3, y_test=[0, 1] * 10
    )
    check_the_same(tmp_path / "x.npz", monkeypatch)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_bit_in_an_archive_is_found(tmp_path, monkeypatch, save):
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    path = tmp_path / "x.npz"
    save(path, x=pixels(3, 20, 20))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"x\.npz must be a NumPy file, it cannot be read"):
        loaded(path)


def test_an_archive_with_a_long_name_is_mapped_at_the_right_place(tmp_path, monkeypatch):
    values = pixels(3, 6, 5)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name, array in {"y": np.arange(ROWS) % 4, "images": values}.items():
            content = io.BytesIO()
            np.save(content, array)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(content.getvalue())
    check_the_same(tmp_path / "x.npz", monkeypatch)


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e300])
def test_numbers_that_cannot_be_used_name_their_row(tmp_path, monkeypatch, number):
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    values = floats(7, dtype=np.float64)
    values[70, 2] = number
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(
        DataError, match=r"rows \d+ to \d+ of inputs of .*x\.npy must (be finite|fit into float32)"
    ):
        loaded(tmp_path / "x.npy")


def test_numbers_whose_differences_float32_loses_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    np.save(tmp_path / "x.npy", floats(7, dtype=np.float64) * 0.01 + 1e8)
    with pytest.raises(DataError, match=r"inputs of .*x\.npy must fit into float32"):
        loaded(tmp_path / "x.npy")


@pytest.mark.parametrize("values", [pixels(3, 6, 5), floats(7, dtype=np.float64)])
def test_it_keeps_every_rule_in_its_file(tmp_path, monkeypatch, broken_rules, values):
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    np.save(tmp_path / "x.npy", values)
    assert broken_rules("arrays", params={"path": tmp_path / "x.npy"}) == []


# folders of images


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of 80 grey and color images of classes, of which many are prepared."""
    monkeypatch.setattr(prepared_images, "MANY", 10)
    folder = tmp_path / "photos"
    values = pixels(6, 5, 3)
    for row in range(ROWS):
        (folder / f"class{row % 2}").mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(values[row])
        image = image if row == 70 else image.convert("L")
        if row == 40:
            image.putalpha(7)
        image.save(folder / f"class{row % 2}" / f"{row:03}.png")
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """Names of the images that are decoded."""
    names, real = [], image_file._opened
    monkeypatch.setattr(image_file, "_opened", lambda path, file: names.append(path.name) or real(path, file))
    return names


def test_a_folder_of_images(photos, monkeypatch):
    splits = check_the_same(photos, monkeypatch)
    assert splits.train.inputs.shape[1:] == (3, 6, 5)


@pytest.mark.parametrize("size", [None, 4])
def test_a_folder_is_the_same_prepared_and_decoded_at_each_start(photos, monkeypatch, size):
    prepared, *facts = loaded(photos, size=size)
    assert "transparency is dropped, what is behind it is seen, in 1 images, the first 040.png" in facts[1]
    monkeypatch.setattr(prepared_images, "MANY", 1000)
    expected, *others = loaded(photos, size=size)
    assert (prepared.train.inputs == expected.train.inputs).all()
    assert (prepared.test.inputs == expected.test.inputs).all()
    assert facts == others


def test_grey_images_have_one_channel_prepared_too(photos, monkeypatch):
    (photos / "class0" / "070.png").unlink()
    assert loaded(photos)[0].train.inputs.shape[1:] == (1, 6, 5)


def test_train_and_test_folders(photos, monkeypatch):
    for name in ("train", "test"):
        (photos / name).mkdir()
    for number, file in enumerate(sorted(photos.glob("class*/*.png"))):
        target = photos / ("test" if number % 8 > 5 else "train") / file.parent.name
        target.mkdir(exist_ok=True)
        file.rename(target / file.name)
    for folder in photos.glob("class*"):
        folder.rmdir()
    check_the_same(photos, monkeypatch)


def test_images_are_decoded_once(photos, decoded):
    loaded(photos)
    assert len(decoded) == ROWS + 2  # `splits` and `fingerprint` each look at the first, for its size
    decoded.clear()
    loaded(photos)
    assert set(decoded) == {"000.png"}


@pytest.mark.parametrize("change", ["written", "added", "removed", "size"])
def test_what_changes_is_decoded_again(photos, decoded, change):
    loaded(photos)
    decoded.clear()
    if change == "written":
        Image.new("L", (5, 6), 200).save(photos / "class0" / "002.png")
    elif change == "added":
        Image.new("L", (5, 6), 200).save(photos / "class0" / "900.png")
    elif change == "removed":
        (photos / "class0" / "002.png").unlink()
    loaded(photos, size=3 if change == "size" else None)
    assert len(set(decoded)) == ROWS + {"added": 1, "removed": -1}.get(change, 0)


def test_a_damaged_image_stops_it_and_what_was_decoded_is_kept(photos, decoded, monkeypatch):
    bad = photos / "class1" / "061.png"
    content = bad.read_bytes()
    bad.write_bytes(content[:-30])
    with pytest.raises(DataError, match=r"061\.png must be an image, it is damaged or none"):
        loaded(photos)
    before = len(set(decoded))
    decoded.clear()
    with pytest.raises(DataError, match=r"061\.png must be an image, it is damaged or none"):
        loaded(photos)
    assert before > 60
    assert 1 < len(set(decoded)) < 30


def test_an_image_that_changes_while_it_is_read_is_told(photos, monkeypatch):
    real = image_file._opened

    def slow(path, file):
        image = real(path, file)
        if path.name == "050.png":
            Image.new("L", (5, 6), 1).save(path)
        return image

    monkeypatch.setattr(image_file, "_opened", slow)
    with pytest.raises(DataError, match=r"050\.png changed while images were read; run the same command again"):
        loaded(photos)


def test_an_image_that_vanishes_is_told(photos, monkeypatch):
    real = image_file._opened

    def gone(path, file):
        image = real(path, file)
        if path.name == "050.png":
            path.unlink()
        return image

    monkeypatch.setattr(image_file, "_opened", gone)
    with pytest.raises(DataError, match=r"050\.png must be an image, it cannot be read \(No such file"):
        loaded(photos)
