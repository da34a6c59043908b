import numpy as np
import pytest
from PIL import Image

from latentbench import DataError
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets import celeba
from latentbench_datasets.celeba import ADVICE, ATTRIBUTES, IMAGES, PARTITION, CelebA

ROWS = 12
PARTS = [0] * 6 + [1] * 2 + [2] * 4
NAMES = [f"{row + 1:06}.jpg" for row in range(ROWS)]
SMILING = np.arange(ROWS) % 2
YOUNG = np.arange(ROWS) % 3 == 0


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Faces whose middle square is of one grey, their margins white."""
    folder = tmp_path / "celeba"
    (folder / IMAGES).mkdir(parents=True)
    for row, name in enumerate(NAMES):
        face = Image.new("RGB", (178, 218), "white")
        face.paste((10 * row,) * 3, (0, 20, 178, 198))
        face.save(folder / IMAGES / name, quality=95)
    signs = [f"{name}  {2 * a - 1:2} {2 * b - 1:2}" for name, a, b in zip(NAMES, SMILING, YOUNG, strict=True)]
    (folder / ATTRIBUTES).write_text("\n".join([str(ROWS), "Smiling Young ", *signs, ""]))
    rows = [f"{name} {part}" for name, part in zip(NAMES, PARTS, strict=True)]
    (folder / PARTITION).write_text("\n".join([*rows, ""]))
    return folder


def dataset(path=None, **params):
    return CelebA(CelebA.Params(path=path, **params))


def refusal(path=None):
    with pytest.raises(DataError) as caught:
        dataset(path).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_attributes_and_parts(folder):
    train, test = dataset(folder).load()
    assert train.inputs.shape == (6, 3, 64, 64)
    assert test.inputs.shape == (4, 3, 64, 64)
    assert np.abs(train.inputs[:, 0, 32, 32].astype(int) - 10 * np.arange(6)).max() <= 2
    assert np.abs(test.inputs[:, 0, 32, 32].astype(int) - 10 * np.arange(8, 12)).max() <= 2
    assert train.factors[:, 0].tolist() == SMILING[:6].tolist()
    assert test.factors[:, 1].tolist() == YOUNG[8:].tolist()
    assert (train.factor_names, train.factor_sizes) == (("Smiling", "Young"), (2, 2))
    assert train.labels is None


def test_it_keeps_every_rule(folder, broken_rules):
    assert broken_rules("celeba", params={"path": folder}) == []


def test_only_the_middle_square_is_kept(folder):
    train, _ = dataset(folder, size=178).load()
    assert train.inputs[0, :, 8:-8].max() < 20


def test_the_limit_holds_for_each_part(folder, monkeypatch):
    params = CelebA.Params.model_construct(path=folder, size=16, limit=3)  # fewer than a user may ask for
    train, test = CelebA(params).load()
    assert (train.inputs.shape, len(test)) == ((3, 3, 16, 16), 3)
    assert train.factors[:, 0].tolist() == SMILING[:3].tolist()


def test_the_fingerprint_is_that_of_the_arrays_and_is_remembered(folder, monkeypatch):
    data = dataset(folder)
    first = data.fingerprint()
    assert first == fingerprint_arrays(*data.load())
    assert dataset(folder, size=32).fingerprint() != first
    monkeypatch.setattr(celeba, "_read_face", None)
    assert dataset(folder).fingerprint() == first


def test_without_a_folder_one_sentence_says_why_there_is_no_download():
    assert refusal() == (
        "celeba needs a folder of files that can be downloaded only from Google Drive with gdown, which is not "
        f"done here; {ADVICE}"
    )


def test_a_missing_image_is_named(folder):
    (folder / IMAGES / NAMES[9]).unlink()
    assert f"must hold the images that {ATTRIBUTES} names, 000010.jpg is not there (1 are missing);" in refusal(
        folder
    )


def test_a_damaged_image_is_named(folder):
    (folder / IMAGES / NAMES[0]).write_bytes(b"x")
    assert refusal(folder).startswith(f"{folder / IMAGES / NAMES[0]} must be an image, it is damaged or none")


def test_missing_lists_and_folders(folder):
    (folder / PARTITION).rename(folder / "other")
    assert refusal(folder) == f"{folder / PARTITION} must be a file, nothing is there; check the path"
    (folder / "other").rename(folder / PARTITION)
    (folder / IMAGES).rename(folder / "images")
    assert f"{folder / IMAGES} must be a folder of images (No such file or directory); {ADVICE}" in refusal(folder)


def test_lists_in_another_order_are_refused(folder):
    lines = (folder / PARTITION).read_text().splitlines()
    for changed in (lines[::-1], lines[:-1]):
        (folder / PARTITION).write_text("\n".join(changed))
        sentence = refusal(folder)
        assert "must name the same images in the same order, they have 12 and " in sentence


def test_attributes_and_parts_of_another_kind_are_refused(folder):
    old = (folder / ATTRIBUTES).read_text()
    (folder / ATTRIBUTES).write_text(old.replace("-1", "0"))
    assert "must hold -1 or 1 for each attribute, it holds others" in refusal(folder)
    (folder / ATTRIBUTES).write_text(old)
    (folder / PARTITION).write_text((folder / PARTITION).read_text().replace(" 2", " 1"))
    assert f"{folder / PARTITION} must put images in part 2, it puts none there; {ADVICE}" in refusal(folder)
