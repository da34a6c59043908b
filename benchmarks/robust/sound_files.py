"""Data files that are odd but sound, with the numbers that must be read from them.

A writer makes the file in an empty folder and returns what `-d` gets, and its numbers as they were written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

__all__ = ["SOUND", "Sound"]

ROWS = 90


@dataclass(frozen=True)
class Sound:
    """What must be read from a file that is sound.

    Attributes:
        rows: in all splits together.
        total: the sum of all inputs, in float64.
        classes: rows of each class, in the order of the classes; empty without labels.
    """

    rows: int
    total: float
    classes: tuple[int, ...] = ()


Written = tuple[str, Sound]
SOUND: dict[str, Callable[[Path], Written]] = {}


def _named(name: str) -> Callable[[Callable[[Path], Written]], Callable[[Path], Written]]:
    def add(writer: Callable[[Path], Written]) -> Callable[[Path], Written]:
        SOUND[name] = writer
        return writer

    return add


def _values() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)


def _labels() -> npt.NDArray[np.int64]:
    return np.arange(ROWS) % 3


def _sound(values: npt.NDArray[np.float32], labels: bool = True) -> Sound:
    return Sound(len(values), float(values.astype(np.float64).sum()), (ROWS // 3,) * 3 if labels else ())


@_named("sound npz")
def _sound_npz(folder: Path) -> Written:
    np.savez(folder / "t.npz", x=_values(), y=_labels())
    return "t.npz", _sound(_values())


@_named("big-endian, Fortran order")
def _big_endian(folder: Path) -> Written:
    np.savez(folder / "t.npz", x=np.asfortranarray(_values().astype(">f4")), y=_labels().astype(">i2"))
    return "t.npz", _sound(_values())


@_named("text labels")
def _text_labels(folder: Path) -> Written:
    np.savez(folder / "t.npz", x=_values(), y=np.array(["01", "1", "2"])[_labels()])
    return "t.npz", _sound(_values())


@_named("csv with classes 01 and 1")
def _classes(folder: Path) -> Written:
    frame = pd.DataFrame(_values().astype(np.float64), columns=[*"abcd"]).assign(
        label=np.array(["01", "1", "2"])[_labels()]
    )
    frame.to_csv(folder / "t.csv", index=False)
    return "t.csv:standardize=no", _sound(_values())


@_named("classes of 25 digits")
def _long_classes(folder: Path) -> Written:
    names = np.array(["1234567890123456789012345", "1234567890123456789012346", "1234567890123456789012347"])
    frame = pd.DataFrame(_values().astype(np.float64), columns=[*"abcd"]).assign(label=names[_labels()])
    frame.to_csv(folder / "t.csv", index=False)
    return "t.csv:standardize=no", _sound(_values())


@_named("parquet with a named index")
def _index(folder: Path) -> Written:
    frame = pd.DataFrame(_values(), columns=[*"abcd"]).assign(label=_labels())
    frame.set_index(pd.Index(range(100, 100 + ROWS), name="row")).to_parquet(folder / "t.parquet")
    return "t.parquet:standardize=no", _sound(_values())


@_named("linked folders of images")
def _linked(folder: Path) -> Written:
    for label in range(3):
        where = folder / ("images" if label == 0 else "elsewhere") / str(label)
        where.mkdir(parents=True)
        for number in range(ROWS // 3):
            shade = (10 * number + label) % 256
            Image.fromarray(np.full((4, 4), shade, np.uint8)).save(where / f"{number}.png")
        if label:
            (folder / "images" / str(label)).symlink_to(where, target_is_directory=True)
    shades = [(10 * number + label) % 256 * 16 for label in range(3) for number in range(ROWS // 3)]
    return "images", Sound(ROWS, float(sum(shades)), (ROWS // 3,) * 3)


@_named("folders 0 to 10, two chosen")
def _chosen(folder: Path) -> Written:
    for label in range(11):
        (folder / "images" / str(label)).mkdir(parents=True)
        for number in range(30):
            shade = (20 * label + number % 5) % 256
            Image.fromarray(np.full((4, 4), shade, np.uint8)).save(
                folder / "images" / str(label) / f"{number}.png"
            )
    total = sum(16 * ((20 * label + number % 5) % 256) for label in (2, 10) for number in range(30))
    return "images:classes=2,10", Sound(60, float(total), (30, 30))
