import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latentbench import DataError
from latentbench_datasets.arrays import Arrays

ROWS = 60
LABELS = ["dog" if row % 3 else "cat" for row in range(ROWS)]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path):
    """A folder of grey images in two sub-folders, whose pixels are their row."""
    for row in range(ROWS):
        place = tmp_path / "photos" / "ab"[row % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 3), row).save(place / f"{row:03}.png")
    return tmp_path / "photos"


def names(form):
    return [form.format(row, "ab"[row % 2]) for row in range(ROWS)]


def write(folder, files, labels=None, header=("file", "label"), name="labels.csv", **options):
    frame = pd.DataFrame(dict(zip("xy", (files, labels or LABELS), strict=True)))
    frame.to_csv(folder / name, **{"index": False, "header": list(header) if header else False, **options})


def read_labels(folder):
    """The label of each image, by row."""
    train, test = Arrays(Arrays.Params(path=folder)).load()
    rows = np.concatenate([train.inputs, test.inputs])[:, 0, 0, 0]
    return np.concatenate([train.labels, test.labels])[np.argsort(rows)].tolist()


def refusal(folder):
    with pytest.raises(DataError) as caught:
        Arrays(Arrays.Params(path=folder)).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


EXPECTED = [int(label == "dog") for label in LABELS]
FORMS = ["{1}/{0:03}.png", "./{1}/{0:03}.png", "{1}\\{0:03}.png", " {0:03}.png ", "{1}/{0:03}", "{0:03}"]


@pytest.mark.parametrize("form", FORMS)
def test_how_an_image_may_be_named(photos, form):
    write(photos, names(form))
    assert read_labels(photos) == EXPECTED


def test_full_paths(photos):
    write(photos, [f"{photos}/{name}" for name in names("{1}/{0:03}.png")])
    assert read_labels(photos) == EXPECTED


HEADERS = [("filename", "label"), ("Filename", " Label"), ("image", "class"), ("path", "target")]


@pytest.mark.parametrize("header", HEADERS)
def test_how_the_columns_may_be_named(photos, header):
    write(photos, names("{0:03}.png"), header=header)
    assert read_labels(photos) == EXPECTED


OPTIONS = [
    {"sep": ";"},
    {"sep": "\t"},
    {"encoding": "utf-8-sig"},
    {"lineterminator": "\r\n"},
    {"name": "Labels.CSV"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_how_the_table_may_be_saved(photos, options):
    write(photos, names("{0:03}.png"), **options)
    assert read_labels(photos) == EXPECTED


@pytest.mark.parametrize(
    ("cat", "dog"), [(0, 1), (9, 10), (0.0, 1.0), ("NA", "None"), ("no", 1), (" cat", "dog ")]
)
def test_how_labels_may_be_written(photos, cat, dog):
    write(photos, names("{0:03}.png"), [cat if label == "cat" else dog for label in LABELS])
    expected = EXPECTED if str(cat).strip() < str(dog).strip() or cat == 9 else [1 - each for each in EXPECTED]
    assert read_labels(photos) == expected


def test_spaces_around_a_label_make_no_other_class(photos):
    write(photos, names("{0:03}.png"), [f"{label} " if row % 2 else label for row, label in enumerate(LABELS)])
    assert read_labels(photos) == EXPECTED


def test_fractions_are_no_classes(photos):
    write(photos, names("{0:03}.png"), [row / 7 for row in range(ROWS)])
    assert "must be classes (n,), whole numbers or text, got numbers as 0.14" in refusal(photos)


def test_no_header(photos):
    write(photos, names("{0:03}.png"), header=None)
    assert refusal(photos) == (
        f"{photos}/labels.csv must start with a row of column names, it starts with 000.png, cat; add the row "
        "file,label"
    )


def test_two_columns_of_names(photos):
    write(photos, names("{0:03}.png"), header=("file", "image"))
    assert "labels.csv must have one column named file, filename, file_name, image" in refusal(photos)
    assert "got file and image; rename or take out all but the right one" in refusal(photos)


def test_an_image_that_is_named_in_two_ways(photos):
    write(photos, [*names("{0:03}.png"), "b/007"], [*LABELS, "cat"])
    assert refusal(photos) == (
        f"{photos}/labels.csv must name each image once, rows 8 (dog) and 61 (cat) are both for b/007.png; take "
        "one row out"
    )


def test_a_name_that_two_images_have(photos):
    Image.new("L", (3, 3), 200).save(photos / "b" / "000.png")
    write(photos, names("{0:03}.png"))
    assert refusal(photos) == (
        f"{photos}/labels.csv must name one image in each row, '000.png' in row 1 fits a/000.png and b/000.png; "
        "write the path from the folder, with its ending"
    )
    write(photos, [*names("{1}/{0:03}.png"), "b/000.png"], [*LABELS, "cat"])
    assert len(read_labels(photos)) == ROWS + 1


def test_a_name_in_another_case(photos):
    write(photos, names("{1}/{0:03}.PNG"))
    assert refusal(photos) == (
        f"{photos}/labels.csv must name images in {photos}, 60 of 60 rows do not, the first is row 1 with "
        "'a/000.PNG', where a/000.png is there; correct the name, add the image or take the row out"
    )


def test_a_row_without_a_name(photos):
    write(photos, [None, *names("{0:03}.png")[1:]])
    assert "column 'file' has none (NaN) for row 1; fill it or take the row out" in refusal(photos)


def test_another_encoding(photos):
    write(photos, names("{0:03}.png"), ["chät", "dög"] * 30, encoding="latin-1")
    assert f"{photos}/labels.csv must be text in UTF-8, it is in another encoding; save" in refusal(photos)
