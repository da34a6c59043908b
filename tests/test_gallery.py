"""Every command of docs/gallery.md is typed here at small size, and writes the pictures that stand below it."""

import gzip
import importlib.util
import shlex
import struct
from pathlib import Path

import numpy as np
import pytest

from latentbench import cli

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
SPEC = importlib.util.spec_from_file_location("make_gallery", ROOT / "docs" / "make_gallery.py")
GALLERY = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(GALLERY)
COMMANDS = list(GALLERY.shown(PAGE.read_text(encoding="utf-8")))
RUNS = [words for words, pictures in COMMANDS if not pictures]
DRAWN = [command for command in COMMANDS if command.pictures]
SMALL = ["--epochs", "1", "--seeds", "1", "--train-limit", "200", "--workers", "0", "-s", "r2"]
FEW_BODIES = ["furniture.train=120", "furniture.test=30", "deepsdf.fit_steps=4"]
SMALL_DATA = {  # of the run in the folder of that name
    "fashion": ["fashion_mnist.path=idx"],
    "faces": ["faces.train=300", "faces.test=60"],
    "furniture": [*FEW_BODIES, "furniture.size=32"],  # pca of 64 x 64 takes 20 s
    "bodies": FEW_BODIES,
}
SMALLER = {
    "map": ["--count", "80"],
    "tour": ["--count", "80", "--clusters", "4"],
    "sample": ["--count", "4"],
    "transport": ["--points", "3"],
}


def write_idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def blobs(rows, rng):
    """Images of one soft square each, lit in every class at another place."""
    images = rng.integers(0, 40, (rows, 28, 28))
    for row in range(rows):
        top, left = divmod(row % 10, 4)
        images[row, 4 + 6 * top : 10 + 6 * top, 2 + 6 * left : 8 + 6 * left] = 200
    return images


def status(words):
    with pytest.raises(SystemExit) as ended:
        cli.main(list(words))
    return ended.value.code


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with the page's runs, made small."""
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "idx").mkdir()
    rng = np.random.default_rng(0)
    for name, rows in (("train", 400), ("t10k", 250)):
        write_idx(folder / "idx" / f"{name}-images-idx3-ubyte.gz", blobs(rows, rng))
        write_idx(folder / "idx" / f"{name}-labels-idx1-ubyte.gz", np.arange(rows) % 10)
    (folder / "docs").mkdir()
    (folder / "docs" / "gallery").symlink_to(ROOT / "docs" / "gallery")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in RUNS:
            name = Path(words[words.index("-o") + 1]).name
            small = [part for setting in SMALL_DATA[name] for part in ("-p", setting)]
            assert status([*words[1:], *SMALL, *small]) == 0, words
    return folder


def shrunk(words):
    extra = [*SMALLER.get(words[1], [])]
    if "--signals" in words:
        extra = []
    if "inverse" in words:
        extra += ["--points", "60"]
    return [*words[1:], *extra]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            command,
            id=shlex.join(command.words[1:]),
            marks=pytest.mark.slow if {"map", "tour", "inverse"} & set(command.words) else (),  # UMAP compiles
        )
        for command in DRAWN
    ],
)
def test_a_command_writes_its_pictures(command, workplace, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    assert status([*shrunk(command.words), "-o", str(tmp_path)]) == 0, capsys.readouterr().err
    found = GALLERY.written(tmp_path, command.pictures)
    assert all(file.stat().st_size > 500 for file in found.values())
    assert list(tmp_path.rglob("*.csv")), "numbers are saved beside the picture"


def test_every_picture_of_the_page_is_there_and_no_other():
    linked = {Path(picture).name for command in DRAWN for picture in command.pictures}
    there = {path.name for path in (ROOT / "docs" / "gallery").iterdir() if path.suffix != ".csv"}
    assert len(linked) >= 12
    assert linked == there
    assert sum(path.stat().st_size for path in (ROOT / "docs" / "gallery").iterdir()) < 6e6


def test_a_command_that_writes_two_pictures_of_an_ending_would_be_noticed(tmp_path):
    for name in ("one.png", "two.png"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="should be one file"):
        GALLERY.written(tmp_path, ["gallery/some.png"])
