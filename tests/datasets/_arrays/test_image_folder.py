import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latentbench import DataError
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets import arrays
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


def name(row):
    return f"{row:03}.png"


@pytest.fixture
def photos(tmp_path):
    """A folder of color images of one size."""
    images = pixels(6, 5, 3)
    folder = tmp_path / "photos"
    folder.mkdir()
    for row, image in enumerate(images):
        Image.fromarray(image).save(folder / name(row))
    return folder


def write_labels(folder, labels=None, files=None):
    labels = ["dog" if row % 3 else "cat" for row in range(ROWS)] if labels is None else labels
    frame = pd.DataFrame({"file": files or [name(row) for row in range(ROWS)], "label": labels})
    frame.to_csv(folder / "labels.csv", index=False)


def test_a_folder_of_color_images(photos):
    inputs, labels = together(photos)
    assert inputs.dtype == np.uint8
    assert labels is None
    assert as_set(inputs) == as_set(pixels(6, 5, 3).transpose(0, 3, 1, 2))


def test_labels_csv_belongs_to_the_files_by_name_not_by_order(photos):
    names = [name(row) for row in range(ROWS)]
    write_labels(photos, [f"{'ab'[row % 2]}" for row in range(ROWS)][::-1], names[::-1])
    inputs, labels = together(photos)
    expected = {image.tobytes(): row % 2 for row, image in enumerate(pixels(6, 5, 3).transpose(0, 3, 1, 2))}
    assert labels.tolist() == [expected[image.tobytes()] for image in inputs]


def test_sub_folders_name_the_classes(photos):
    for row in range(ROWS):
        place = photos / ("cat" if row < 20 else "dog")
        place.mkdir(exist_ok=True)
        (photos / name(row)).rename(place / name(row))
    (photos / ".hidden").mkdir()
    (photos / ".hidden" / "x.png").write_bytes(b"")
    _, labels = together(photos)
    assert np.bincount(labels).tolist() == [20, 40]


def test_labels_in_a_file_elsewhere(photos, tmp_path):
    np.save(tmp_path / "y.npy", np.arange(ROWS) % 3)
    _, labels = together(photos, labels=tmp_path / "y.npy")
    assert np.bincount(labels).tolist() == [20, 20, 20]
    frame = pd.DataFrame({"file": [name(row) for row in range(ROWS)], "kind": np.arange(ROWS) % 4})
    frame.to_csv(tmp_path / "y.csv", index=False)
    _, labels = together(photos, labels=tmp_path / "y.csv", label_column="kind")
    assert np.bincount(labels).tolist() == [15] * 4


def test_mixed_sizes_need_a_size(photos):
    Image.new("RGB", (9, 7)).save(photos / name(30))
    assert refusal(photos) == (
        f"images must have one size, {photos}/000.png has 5x6 and {photos}/030.png has 9x7; "
        "give a size to make all alike, as `-p arrays.size=64`"
    )
    inputs, _ = together(photos, size=8)
    assert inputs.shape == (ROWS, 3, 8, 8)


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "webp", "bmp"])
def test_every_format(tmp_path, suffix):
    for row in range(ROWS):
        Image.new("RGB", (8, 8), (row, 200, 100)).save(tmp_path / f"{row}.{suffix}")
    inputs, _ = together(tmp_path)
    assert inputs.shape == (ROWS, 3, 8, 8)
    assert abs(inputs[:, 1].astype(int) - 200).max() < 6


def test_grey_stays_one_channel_and_16_bits_are_scaled(tmp_path):
    Image.fromarray(np.full((4, 4), 51 * 256, np.uint16)).save(tmp_path / "000.png")
    Image.new("1", (4, 4), 1).save(tmp_path / "001.png")
    Image.new("LA", (4, 4), (7, 0)).save(tmp_path / "002.png")
    for row in range(3, ROWS):
        Image.new("L", (4, 4), row).save(tmp_path / name(row))
    inputs, _ = together(tmp_path)
    assert inputs.shape == (ROWS, 1, 4, 4)
    assert sorted(inputs[:, 0, 0, 0].tolist()) == sorted([51, 255, 7, *range(3, ROWS)])


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_one_image_that_is_not_grey_makes_all_three_channels(tmp_path, mode):
    for row in range(ROWS):
        Image.new("L", (4, 4), row).save(tmp_path / name(row))
    odd = Image.new("RGBA", (4, 4), (200, 100, 50, 255)).convert("RGB").convert(mode)
    options = {"transparency": bytes([9] * 8)} if mode == "P" else {}
    odd.save(tmp_path / ("030.jpg" if mode == "CMYK" else "030.png"), **options)
    if mode == "CMYK":
        (tmp_path / "030.png").unlink()
    inputs, _ = together(tmp_path)
    assert inputs.shape == (ROWS, 3, 4, 4)
    grey = [row for row in inputs if (row == row[0]).all()]
    assert len(grey) == ROWS - 1


def test_an_image_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for row in range(ROWS):
        Image.new("L", (8, 16), 4 * row).save(tmp_path / f"{row}.jpg", exif=exif)
    assert together(tmp_path)[0].shape == (ROWS, 1, 8, 16)


def test_two_hundred_color_photos_of_mixed_sizes(tmp_path):
    draw = np.random.default_rng(0)
    for row in range(200):
        shape = (*draw.integers(20, 60, 2), 3)
        Image.fromarray(draw.integers(0, 256, shape).astype(np.uint8)).save(tmp_path / name(row))
    frame = pd.DataFrame({"file": [name(row) for row in range(200)], "label": ["a", "b"] * 100})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    splits = dataset(tmp_path, size=32).splits()
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [144, 16, 40]
    assert splits.train.inputs.shape[1:] == (3, 32, 32)


def damage(photos, row, change):
    path = photos / name(row)
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    "change", [lambda old: old[:60], lambda old: old[:20] + bytes(20), lambda old: b"hello", lambda old: b""]
)
def test_a_corrupt_image_is_named(photos, change):
    path = damage(photos, 17, change)
    sentence = refusal(photos)
    assert sentence.startswith(f"{path} must be an image, it is damaged or none (")
    assert sentence.endswith("); fetch it again or take it out")
    assert sentence.count(str(path)) == 1


def test_every_truncation_of_an_image_is_found(photos):
    whole = (photos / name(0)).read_bytes()
    for end in range(0, len(whole) - 20, 7):  # the last 20 bytes are checksums and the end mark
        damage(photos, 0, lambda _, end=end: whole[:end])
        assert str(photos / name(0)) in refusal(photos)


def test_missing_labels_name_the_first_file(photos):
    write_labels(photos, ["a"] * 30 + ["b"] * 29, [name(row) for row in range(ROWS) if row != 41])
    assert refusal(photos) == (
        f"{photos}/labels.csv must hold a label for each image, 1 of 60 have none, the first is 041.png; add its "
        "row or take the image out"
    )
    write_labels(photos, ["a"] * 30 + [None] + ["b"] * 29)
    assert "column 'label' has none (NaN) for file 030.png; fill it" in refusal(photos)


def test_an_image_beside_the_sub_folders_has_no_label(photos):
    (photos / "cat").mkdir()
    (photos / name(0)).rename(photos / "cat" / name(0))
    assert refusal(photos).startswith(f"{photos}/001.png has no label: the other images are in sub-folders")


def test_labels_for_other_files(photos):
    write_labels(photos)
    (photos / name(5)).unlink()
    assert refusal(photos) == (
        f"{photos}/labels.csv must name images in {photos}, 1 of 60 rows do not, the first is row 6 with "
        "'005.png'; correct the name, add the image or take the row out"
    )


def test_a_file_that_is_labeled_twice(photos):
    write_labels(photos, ["a", "b"] * 30 + ["a"], [*(name(row) for row in range(ROWS)), name(7)])
    assert refusal(photos) == (
        f"{photos}/labels.csv must name each image once, rows 8 (b) and 61 (a) are both for 007.png; take one row "
        "out"
    )


def test_labels_csv_without_the_column(photos):
    pd.DataFrame({"what": ["x"], "label": [1]}).to_csv(photos / "labels.csv", index=False)
    sentence = "labels.csv must have a column 'file' with the names of the images, got what, label; rename"
    assert sentence in refusal(photos)
    pd.DataFrame({"file": ["x"], "kind": [1]}).to_csv(photos / "labels.csv", index=False)
    sentence = "labels.csv must have a column named label, labels, class, target, its first row is kind; rename"
    assert sentence in refusal(photos)


def test_one_class_only(photos):
    write_labels(photos, ["cat"] * ROWS)
    assert f"labels of {photos}/labels.csv must hold at least 2 classes, got 1 (cat); label" in refusal(photos)


def test_fewer_than_50_images(photos):
    for row in range(49, ROWS):
        (photos / name(row)).unlink()
    assert refusal(photos) == f"{photos} must hold at least 50 images, got 49; add more"


def test_no_images_at_all(tmp_path):
    assert f"{tmp_path} must hold images (.png .jpg .jpeg .webp .bmp), none is there; check" in refusal(tmp_path)


def test_the_fingerprint_is_that_of_the_arrays_and_is_remembered(photos, monkeypatch):
    write_labels(photos)
    data = dataset(photos)
    first = data.fingerprint()
    assert first == fingerprint_arrays(*data.load())
    monkeypatch.setattr(arrays, "read_images", None)
    assert dataset(photos).fingerprint() == first


def test_what_changes_the_data_changes_the_fingerprint(photos):
    write_labels(photos)
    fingerprints = [dataset(photos, **params).fingerprint() for params in ({}, {"size": 4}, {"test_share": 0.5})]
    write_labels(photos, ["a", "bb"] * 30)
    fingerprints.append(dataset(photos).fingerprint())
    Image.new("RGB", (5, 6)).save(photos / name(9))
    fingerprints.append(dataset(photos).fingerprint())
    assert len(set(fingerprints)) == 5
