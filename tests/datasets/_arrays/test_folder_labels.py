import numpy as np
import pytest
from PIL import Image

from latentbench import DataError
from latentbench_datasets.arrays import Arrays

ROWS = 60


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path):
    return tmp_path / "photos"


def fill(folder, place, form="{:03}.png"):
    """Write images whose pixels are their row into the sub-folders that `place(row)` gives."""
    for row in range(ROWS):
        file = folder / place(row) / form.format(row)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 3), row).save(file)


def load(folder, **params):
    return Arrays(Arrays.Params(path=folder, **params)).load()


def refusal(folder, **params):
    with pytest.raises(DataError) as caught:
        load(folder, **params)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def split_and_class(row):
    return f"{'test' if row % 4 == 0 else 'train'}/{'ab'[row // 4 % 2]}"


def test_train_and_test_are_the_splits_not_classes(photos):
    fill(photos, split_and_class)
    train, test = load(photos)
    rows = test.inputs[:, 0, 0, 0]
    assert sorted(rows.tolist()) == list(range(0, ROWS, 4))
    assert test.labels.tolist() == (rows // 4 % 2).tolist()
    assert len(train) == 45


def test_train_and_test_without_classes(photos):
    fill(photos, lambda row: "test" if row % 4 == 0 else "train")
    train, test = load(photos)
    assert (len(train), len(test), train.labels, test.labels) == (45, 15, None, None)


def test_train_and_test_with_a_table_of_labels(photos):
    fill(photos, lambda row: "test" if row % 4 == 0 else "train")
    lines = ["file,label", *(f"{row:03}.png,{row % 3}" for row in range(ROWS))]
    (photos / "labels.csv").write_text("\n".join(lines))
    train, test = load(photos)
    for part in (train, test):
        assert part.labels.tolist() == (part.inputs[:, 0, 0, 0] % 3).tolist()


@pytest.mark.parametrize(
    ("places", "got"),
    [
        (("train", "val", "test"), "test, train, val"),
        (("train/a", "train/b"), "train"),
        (("train", "test", ""), "images outside, test, train"),
        (("test", "cat"), "cat, test"),
    ],
)
def test_other_splits(photos, places, got):
    fill(photos, lambda row: places[row % len(places)])
    assert refusal(photos) == (
        f"{photos} must hold images in both train and test and nowhere else if a sub-folder is named as a split, "
        f"got {got}; move or rename the others, or give one of them as the path"
    )


def test_classes_in_one_split_only(photos):
    fill(photos, lambda row: "test" if row % 4 == 0 else f"train/{'ab'[row // 2 % 2]}")
    assert refusal(photos).startswith(f"{photos}/test/000.png has no label: the other images are in sub-folders")


def test_a_class_without_images(photos):
    fill(photos, lambda row: "ab"[row % 2])
    (photos / "c").mkdir()
    assert refusal(photos) == (
        f"{photos}/c must hold images, as sub-folders are classes, none is there; add some or take the "
        "sub-folder out"
    )


def test_one_sub_folder_is_no_class(photos):
    fill(photos, lambda row: "images")
    assert refusal(photos) == (
        f"{photos} must hold at least 2 sub-folders of images, as they are classes, got 1 (images); add another, "
        f"or give {photos}/images as the path for images without labels"
    )


@pytest.mark.parametrize("name", ["annotations.csv", "labels.txt", "y.npy", "labels.tsv"])
def test_a_table_beside_the_images_is_not_passed_over(photos, name):
    fill(photos, lambda row: "")
    (photos / "readme.txt").write_text("about")
    (photos / ".hidden.csv").write_text("about")
    assert load(photos)[0].labels is None
    first = Arrays(Arrays.Params(path=photos)).fingerprint()
    assert len(first) == 64
    (photos / name).write_text("labels")
    with pytest.raises(DataError, match="is beside the images"):  # though the fingerprint is known
        Arrays(Arrays.Params(path=photos)).fingerprint()
    assert refusal(photos) == (
        f"{photos}/{name} is beside the images and would not be read; if it holds their labels, make it "
        "labels.csv with the columns file,label, else move it elsewhere"
    )


def test_images_of_another_format_are_not_passed_over(photos):
    fill(photos, lambda row: "ab"[row % 2])
    Image.new("L", (3, 3)).save(photos / "b" / "x.TIFF", "tiff")
    assert refusal(photos) == (
        f"images must be .png .jpg .jpeg .webp .bmp files, 1 of 61 are not, the first is {photos}/b/x.TIFF; save "
        "them as PNG or take them out"
    )


def test_a_folder_that_is_named_like_an_image_is_none(photos):
    fill(photos, lambda row: "")
    (photos / "x.png").mkdir()
    assert load(photos)[0].labels is None


@pytest.mark.parametrize(("form", "place"), [("{}.png", ""), ("{:03}.png", "images")])
def test_labels_by_row_need_files_in_a_certain_order(photos, tmp_path, form, place):
    fill(photos, lambda row: place, form)
    np.save(tmp_path / "y.npy", np.arange(ROWS) % 2)
    assert refusal(photos, labels=tmp_path / "y.npy") == (
        f"{tmp_path}/y.npy does not name files and those of {photos} have no certain order, as of 2.png and "
        "10.png or sub-folders; write labels.csv with the columns file,label"
    )


def test_one_class_in_both_splits(photos):
    fill(photos, lambda row: f"{'test' if row % 4 == 0 else 'train'}/a")
    assert f"labels of {photos} must hold at least 2 classes, got 1 (a); label another class" in refusal(photos)


def test_a_class_that_only_the_test_has(photos):
    fill(photos, lambda row: "test/c" if row == 0 else split_and_class(row))
    assert refusal(photos) == (
        f"every class of {photos} must have rows in train, 'c' has 1 in test only; add more of it, or take it out"
    )
    assert len(load(photos, classes=(0, 1))[1]) == 14


@pytest.mark.parametrize("names", [range(11), (0, 2, 10), (2, 5, 9, 10), (100, 20, 2, 10)])
def test_classes_named_by_numbers_are_kept_by_their_names(photos, names):
    names = [*names]
    fill(photos, lambda row: str(names[row % len(names)]))
    for row in range(ROWS, 4 * ROWS):  # enough images of two classes
        Image.new("L", (3, 3), row).save(photos / str((2, 10)[row % 2]) / f"{row:03}.png")
    train, test = load(photos, classes=("2", "10"))
    assert train.class_names == ("2", "10")
    rows = np.concatenate([train.inputs, test.inputs])[:, 0, 0, 0]
    folders = {row: names[row % len(names)] if row < ROWS else (2, 10)[row % 2] for row in rows.tolist()}
    assert set(folders.values()) == {2, 10}
    labels = np.concatenate([train.labels, test.labels]).tolist()
    assert [(2, 10)[label] for label in labels] == [folders[row] for row in rows.tolist()]
