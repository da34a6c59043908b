"""Data files that nobody should read: huge or broken headers, pipes, bombs; and a few odd ones that are sound.

A writer makes the file in an empty folder and returns what `-d` is given, and for a sound file its numbers.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

__all__ = ["FILES", "Sound"]

ROWS = 90


@dataclass(frozen=True)
class Sound:
    """What must be read from a file that is sound.

    Attributes:
        rows: in all splits together.
        total: the sum of all inputs, in float64.
        classes: rows of each class, in the order of the classes; empty without labels.
        or_refused: a word; a refusal that holds it is right, too.
    """

    rows: int
    total: float
    classes: tuple[int, ...] = ()
    or_refused: str = ""


Written = tuple[str, Sound | None]
FILES: dict[str, Callable[[Path], Written]] = {}


def _named(name: str) -> Callable[[Callable[[Path], Written]], Callable[[Path], Written]]:
    def add(writer: Callable[[Path], Written]) -> Callable[[Path], Written]:
        FILES[name] = writer
        return writer

    return add


def _values() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)


def _labels() -> npt.NDArray[np.int64]:
    return np.arange(ROWS) % 3


def _sound(values: npt.NDArray[np.float32], labels: bool = True) -> Sound:
    return Sound(len(values), float(values.astype(np.float64).sum()), (ROWS // 3,) * 3 if labels else ())


def _bytes(name: str, content: bytes) -> None:
    """A file of these bytes, refused."""

    def write(folder: Path) -> Written:
        (folder / name).write_bytes(content)
        return name, None

    FILES[f"{name} {len(FILES)}"] = write


def _npy(shape: str, kind: str = "<f4", fortran: str = "False", version: int = 1) -> bytes:
    """A .npy file whose header says what it likes, with 64 bytes of data."""
    header = f"{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header)) + header + bytes(64)


def _zip(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


for shape in (
    "(1000000000000,)",
    "(-1, 4)",
    "(90, 4)",
    "(2**70,)",
    "()",
    "(90, 0)",
    "(0, 4)",
    "[90, 4]",
    "(1.5, 2)",
):
    _bytes("t.npy", _npy(shape))
for kind in ("|O", "<U4", "<c16", "<M8[s]", "V8", "nonsense", "<f16"):
    _bytes("t.npy", _npy("(4, 4)", kind))
_bytes("t.npy", _npy("(4, 4)", version=9))
_bytes("t.npy", _npy("(4, 4)", fortran="maybe"))
_bytes("t.npy", b"\x93NUMPY\x01\x00\xff\xff{")
_bytes("t.npy", b"")
_bytes("t.npz", b"")
_bytes("t.npz", b"PK\x03\x04" + bytes(60))
_bytes("t.npz", _zip(x=b"no array"))
_bytes("t.npz", _zip(x=_npy("(1000000000000,)")))
_bytes("t.npz", _zip(x=_npy("(4, 4)"), y=b""))
_bytes("t.npz", _zip(x=_npy("(4, 4)")).replace(b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00"))
_bytes("t.npz", _zip(**{"../x": _npy("(4, 4)")}))
_bytes("t.csv", b"")
_bytes("t.csv", b"a" * 3_000_000)
_bytes("t.csv", b"a,b\n" + b'"' + b"1,2\n" * 100)
_bytes("t.csv", b"a,b\n" + b"1,2,3\n" * 100)
_bytes("t.csv", b"a,a\n" + b"1,x\n" * 100)
_bytes("t.csv", b"\xff\xfe\x00" * 100)
_bytes("t.csv", b"a,b\n" + b"1,nan\n" * 100)
_bytes("t.csv", b"a,b\n" + b"1,1e999\n" * 100)
_bytes("t.csv", b"\x00" * 1000)
_bytes("t.parquet", b"PAR1" + b"\xff" * 60 + b"PAR1")
_bytes("t.parquet", b"")
_bytes("t.unknown", b"1,2\n" * 100)


@_named("fifo")
def _fifo(folder: Path) -> Written:
    os.mkfifo(folder / "t.csv")
    return "t.csv", None


@_named("device")
def _device(folder: Path) -> Written:
    (folder / "t.npy").symlink_to("/dev/zero")
    return "t.npy", None


@_named("loop")
def _loop(folder: Path) -> Written:
    (folder / "t.npz").symlink_to("t.npz")
    return "t.npz", None


@_named("folder of loops")
def _loops(folder: Path) -> Written:
    (folder / "images" / "a").mkdir(parents=True)
    (folder / "images" / "a" / "b").symlink_to("..")
    return "images", None


@_named("folder with a pipe")
def _pipe(folder: Path) -> Written:
    (folder / "images").mkdir()
    os.mkfifo(folder / "images" / "a.png")
    return "images", None


@_named("bomb")
def _bomb(folder: Path) -> Written:
    """An array of zeros, a gigabyte in a megabyte."""
    header = _npy("(250000000, 4)")[:-64]
    with (
        zipfile.ZipFile(folder / "t.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as file,
    ):
        file.write(header + bytes(100_000_000))
    return "t.npz", None


@_named("unreadable")
def _unreadable(folder: Path) -> Written:
    np.save(folder / "t.npy", _values())
    (folder / "t.npy").chmod(0)
    return "t.npy", None


@_named("picture that is none")
def _picture(folder: Path) -> Written:
    (folder / "images").mkdir()
    for number in range(60):
        (folder / "images" / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    return "images", None


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
    return "t.csv", _sound(_values())


@_named("classes of 25 digits")
def _long_classes(folder: Path) -> Written:
    names = np.array(["1234567890123456789012345", "1234567890123456789012346", "1234567890123456789012347"])
    frame = pd.DataFrame(_values().astype(np.float64), columns=[*"abcd"]).assign(label=names[_labels()])
    frame.to_csv(folder / "t.csv", index=False)
    return "t.csv", _sound(_values())


@_named("parquet with a named index")
def _index(folder: Path) -> Written:
    frame = pd.DataFrame(_values(), columns=[*"abcd"]).assign(label=_labels())
    frame.set_index(pd.Index(range(100, 100 + ROWS), name="row")).to_parquet(folder / "t.parquet")
    return "t.parquet", _sound(_values())


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
    return "images", Sound(ROWS, float(sum(shades)), (ROWS // 3,) * 3, or_refused="link")


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
