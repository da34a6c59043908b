"""Data files that are damaged, endless, larger than they say, or easily misread: `HOSTILE`, by name.

Each writes into an empty folder and returns what `-d` gets. What is refused must be so in one sentence, within
seconds and without memory by its size; what is read must be read right.
"""

from __future__ import annotations

import gzip
import io
import os
import socket
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

ROWS = 60
Array = np.ndarray[Any, Any]
Write = Callable[[Path], Path]


@dataclass(frozen=True)
class Hostile:
    """A file or folder to read.

    Attributes:
        write: makes it in an empty folder and returns its path.
        says: a part of the sentence that refuses it; None: it is read.
        classes: the names of its classes in order, where it is read.
        width: numbers in a row of its inputs, where it is read.
        remark: a part of what the dry run says of it, where it is read.
    """

    write: Write
    says: str | None
    classes: tuple[str, ...] | None = None
    width: int | None = None
    remark: str = ""


def _values(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=(ROWS, *(shape or (3,))))


def _file(name: str, content: bytes | str) -> Write:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _header(text: str, version: bytes = b"\1\0", length: int | None = None) -> bytes:
    size = len(text) if length is None else length
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", size) + text.encode()


def _described(shape: str, kind: str = "'<f4'", order: str = "False") -> bytes:
    return _header(f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}}}\n")


def _npz(packing: int = zipfile.ZIP_STORED, **members: bytes | Array) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content if isinstance(content, bytes) else _npy(content))
    return file.getvalue()


def _changed(content: bytes, mark: bytes, offset: int, new: bytes) -> bytes:
    """Overwrite bytes at `offset` from each occurrence of `mark`."""
    changed, place = bytearray(content), content.find(mark)
    while place >= 0:
        changed[place + offset : place + offset + len(new)] = new
        place = content.find(mark, place + 1)
    return bytes(changed)


def _table(**columns: Any) -> str:
    return pd.DataFrame({"a": _values()[:, 0], "b": _values()[:, 1], **columns}).to_csv(index=False)


def _labelled(*names: str) -> str:
    """Return a table whose label column is written as given, each name in turn."""
    values = _values()
    lines = [f"{row[0]},{row[1]},{names[number % len(names)]}" for number, row in enumerate(values)]
    return "\n".join(["a,b,label", *lines, ""])


def _arrays(**arrays: Any) -> Write:
    return _file(
        "data.npz", _npz(zipfile.ZIP_STORED, **{name: np.asarray(values) for name, values in arrays.items()})
    )


def _parquet(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Write:
    def write(folder: Path) -> Path:
        change(pd.DataFrame(_values(), columns=list("abc"))).to_parquet(folder / "data.parquet")
        return folder / "data.parquet"

    return write


def _flipped_parquet(folder: Path) -> Path:
    path = _parquet(lambda frame: frame)(folder)
    content = bytearray(path.read_bytes())
    content[-200:-150] = bytes(50)
    path.write_bytes(content)
    return path


def _constant_parquet(folder: Path) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1_000], pa.int32()), pa.array([1.0]))
    table = pa.table({name: runs.values.take(pa.array([0] * 1_000)) for name in "ab"})
    with parquet.ParquetWriter(folder / "data.parquet", table.schema, compression="zstd") as writer:
        for _ in range(2):
            writer.write_table(table)
    return folder / "data.parquet"


def _made(make: Callable[[Path], None], name: str) -> Write:
    """Return what makes something that is no file, as a pipe, at a name."""

    def write(folder: Path) -> Path:
        make(folder / name)
        return folder / name

    return write


def _socket(path: Path) -> None:
    place = Path.cwd()
    os.chdir(path.parent)  # names of sockets must be short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(place)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10**12)


def _loop(path: Path) -> None:
    other = path.with_name(f"other-{path.name}")
    path.symlink_to(other)
    other.symlink_to(path)


def _photos(place: Callable[[int], str], change: Callable[[Path], object] | None = None, mode: str = "L") -> Write:
    """Return what writes 60 images into the sub-folders that `place` names, then changes the folder."""

    def write(folder: Path) -> Path:
        photos = folder / "photos"
        for row in range(ROWS):
            file = photos / place(row) / f"{row:03}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((3, 3), row, np.uint8)).convert(mode).save(file)
        if change is not None:
            change(photos)
        return photos

    return write


def _two(row: int) -> str:
    return "ab"[row % 2]


def _png(width: int, height: int, rest: bytes = b"") -> bytes:
    """Return a PNG image that promises a size and holds something else."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rest)) + chunk(b"IEND", b"")


def _image(content: bytes, name: str = "a/000.png") -> Write:
    return _photos(_two, lambda photos: (photos / name).write_bytes(content))


def _linked(photos: Path) -> None:
    (photos / "a").rename(photos.parent / "elsewhere")
    (photos / "a").symlink_to(photos.parent / "elsewhere", target_is_directory=True)


def _many_links(photos: Path) -> None:
    for number in range(12):
        (photos / f"link{number}").symlink_to(photos, target_is_directory=True)


def _linked_twice(photos: Path) -> None:
    (photos / "c").symlink_to(photos / "a", target_is_directory=True)


def _junk(name: str) -> Callable[[Path], None]:
    def change(photos: Path) -> None:
        (photos / name / "a").mkdir(parents=True)
        Image.new("L", (3, 3)).save(photos / name / "a" / "x.png")

    return change


def _holes(photos: Path) -> None:
    Image.new("LA", (3, 3), (200, 0)).save(photos / "a" / "000.png")


def _frames(photos: Path) -> None:
    frames = [Image.new("L", (3, 3), grey) for grey in (1, 2)]
    frames[0].save(photos / "a" / "000.png", save_all=True, append_images=frames[1:])


def _named_index(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index(pd.Index(range(1000, 1000 + ROWS), name="patient"))


def _two_levels(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(pd.MultiIndex.from_tuples([("x", "a"), ("x", "b"), ("y", "c")]), axis=1)


def _bad_zip_name() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for _ in range(2):
                archive.writestr("x.npy", _npy(_values()))
        return file.getvalue()


NUMPY = "must be a NumPy file, it cannot be read"
TOO_FINE = "must fit into float32: values in column"
FINE = _npz(x=_values())
PACKED = _npz(zipfile.ZIP_DEFLATED, x=np.zeros((5 * 10**7, 3), np.uint8))

HOSTILE = {
    # .npy
    "npy: huge shape": Hostile(_file("x.npy", _described("(1000000000000, 1000)")), "its header promises"),
    "npy: shape beyond 64 bits": Hostile(_file("x.npy", _described(f"({2**62}, {2**62})")), "its header promises"),
    "npy: negative shape": Hostile(_file("x.npy", _described("(-60, -3)") + bytes(720)), NUMPY),
    "npy: shape of truths": Hostile(_file("x.npy", _described("(True, True)") + bytes(4)), NUMPY),
    "npy: endless text of no letters": Hostile(_file("x.npy", _described("(1000000000000,)", "'<U0'")), NUMPY),
    "npy: endless void": Hostile(_file("x.npy", _described("(1000000000000, 9)", "'|V0'")), NUMPY),
    "npy: long header": Hostile(
        _file("x.npy", _header("", b"\2\0", 2**31)), "its header is 2,147,483,648 bytes long"
    ),
    "npy: nested header": Hostile(_file("x.npy", _header("(" * 9000 + ")" * 900)), NUMPY),
    "npy: header that is code": Hostile(_file("x.npy", _header("__import__('os').abort()\n")), NUMPY),
    "npy: header of other keys": Hostile(_file("x.npy", _header("{'a': 1}\n")), NUMPY),
    "npy: header that is no UTF-8": Hostile(_file("x.npy", b"\x93NUMPY\3\0\4\0\0\0\xff\xfe\xff\xfe"), NUMPY),
    "npy: unknown version": Hostile(_file("x.npy", b"\x93NUMPY\x09\0" + bytes(99)), NUMPY),
    "npy: unknown type": Hostile(_file("x.npy", _described("(60, 3)", "'<q17'") + bytes(720)), NUMPY),
    "npy: cut short": Hostile(_file("x.npy", _npy(_values())[:-9]), "its header promises 1,440 bytes"),
    "npy: nothing": Hostile(_file("x.npy", b""), "it is none or holds pickled objects"),
    "npy: pickle": Hostile(_file("x.npy", b"\x80\4cos\nsystem\n(S'true'\ntR."), "it is none or holds pickled"),
    "npy: objects": Hostile(_file("x.npy", _described("(60, 3)", "'|O'") + bytes(99)), "holds pickled objects"),
    "npy: records": Hostile(_file("x.npy", _npy(np.zeros(ROWS, "i4,f4"))), "must be numbers (n, ...)"),
    "npy: dates": Hostile(_file("x.npy", _npy(np.zeros((ROWS, 2), "M8[s]"))), "must be numbers (n, ...)"),
    "npy: complex numbers": Hostile(_file("x.npy", _npy(_values() * 1j)), "must be numbers (n, ...)"),
    "npy: no rows": Hostile(_file("x.npy", _npy(np.zeros((0, 3)))), "must hold at least 50 rows, got 0"),
    "npy: one number": Hostile(_file("x.npy", _npy(np.float32(3))), "must be numbers (n, ...)"),
    "npy: a terabyte of nothing": Hostile(_made(_sparse, "x.npy"), "it is none or holds pickled"),
    # what float32 loses
    "values far from 0": Hostile(_arrays(x=_values() + 1e8), TOO_FINE),
    "values near 0": Hostile(_arrays(x=_values() * 1e-60), TOO_FINE),
    "values of two far clusters": Hostile(_arrays(x=np.sign(_values()) * 1e9 + _values()), TOO_FINE),
    "whole numbers beyond 24 bits": Hostile(_arrays(x=2**40 + np.arange(3 * ROWS).reshape(-1, 3)), TOO_FINE),
    "whole numbers of 64 bits": Hostile(
        _arrays(x=2**63 + np.arange(2 * ROWS, dtype="u8").reshape(-1, 2)), TOO_FINE
    ),
    "finite values beyond float32": Hostile(
        _arrays(x=np.full((ROWS, 2), 1e39)), "row 1 of 60 holds 1e+39, the most is"
    ),
    "long doubles": Hostile(_arrays(x=(_values() + 1e8).astype(np.longdouble)), TOO_FINE),
    "half floats": Hostile(_arrays(x=_values().astype("f2")), None, width=3),
    "big-endian floats": Hostile(_arrays(x=_values().astype(">f4")), None, width=3),
    "columns first": Hostile(_arrays(x=np.asfortranarray(_values())), None, width=3),
    "whole numbers of 16 bits": Hostile(_arrays(x=np.arange(2 * ROWS, dtype="u2").reshape(-1, 2)), None, width=2),
    # .npz
    "npz: nothing": Hostile(_file("x.npz", b""), "it is none or holds pickled"),
    "npz: no members": Hostile(_file("x.npz", b"PK\5\6" + bytes(18)), "got nothing; rename"),
    "npz: encrypted": Hostile(
        _file("x.npz", _changed(_changed(FINE, b"PK\1\2", 8, b"\1"), b"PK\3\4", 6, b"\1")), "is encrypted"
    ),
    "npz: a member that is no array": Hostile(
        _file("x.npz", _npz(x=_values(), y=b"hello")), "must hold arrays alone"
    ),
    "npz: a pickled member": Hostile(
        _file("x.npz", _npz(x=_values(), y=_described("(60,)", "'|O'") + bytes(9))), "holds pickled objects"
    ),
    "npz: packed a thousand times": Hostile(_file("x.npz", PACKED), "as no data are"),
    "npz: more than a member holds": Hostile(
        _file("x.npz", _npz(x=_described("(900000000, 9)"))), "its header promises"
    ),
    "npz: wrong size in the list": Hostile(
        _file("x.npz", _changed(FINE, b"PK\1\2", 24, b"\xff\xff\xff\x7f")), NUMPY
    ),
    "npz: wrong checksum": Hostile(_file("x.npz", _changed(FINE, b"PK\1\2", 16, b"\1\2\3\4")), NUMPY),
    "npz: unknown packing": Hostile(_file("x.npz", _changed(FINE, b"PK\1\2", 10, b"\x63")), NUMPY),
    "npz: broken stream": Hostile(
        _file("x.npz", _changed(_npz(zipfile.ZIP_DEFLATED, x=_values()), b"x.npy", 30, b"\xff" * 20)), NUMPY
    ),
    "npz: cut short": Hostile(_file("x.npz", FINE[:-30]), NUMPY),
    "npz: a name twice": Hostile(_file("x.npz", _bad_zip_name()), None, width=3),
    # labels
    "labels: missing": Hostile(_arrays(x=_values(), y=np.r_[np.nan, np.arange(59) % 2]), "row 1 of 60 has none"),
    "labels: fractions": Hostile(_arrays(x=_values(), y=np.arange(ROWS) / 4), "row 2 of 60 holds 0.25"),
    "labels: floats beyond 2**53": Hostile(
        _arrays(x=_values(), y=2.0**63 + 2048 * np.arange(ROWS)), "a float beyond"
    ),
    "labels: objects of text and gaps": Hostile(
        _parquet(lambda frame: frame.assign(label=pd.Series(["a", None] * (ROWS // 2)))),
        "column 'label' has none (NaN) for row 2",
    ),
    "labels: one-hot": Hostile(_arrays(x=_values(), y=np.eye(ROWS)[:, :3]), "got float64 of shape (60, 3)"),
    "labels: a large number": Hostile(
        _arrays(x=_values(), y=np.arange(ROWS) % 2 * 2_000_000_000), None, ("0", "2000000000")
    ),
    "labels: noise of HDBSCAN": Hostile(_arrays(x=_values(), y=np.arange(ROWS) % 3 - 1), None, ("-1", "0", "1")),
    "labels: bytes": Hostile(_arrays(x=_values(), y=np.array([b"x", b"y"] * 30)), None, ("x", "y")),
    "labels: leading zeros": Hostile(_file("t.csv", _labelled("01", "1", "2")), None, ("01", "1", "2")),
    "labels: signs": Hostile(_file("t.csv", _labelled("+1", "1", "-1")), None, ("+1", "-1", "1")),
    "labels: 25 digits": Hostile(
        _file("t.csv", _labelled("1" * 24 + "1", "1" * 24 + "2")), None, ("1" * 24 + "1", "1" * 24 + "2")
    ),
    "labels: numbers in order": Hostile(_file("t.csv", _labelled("10", "9", "100")), None, ("9", "10", "100")),
    "labels: whole floats": Hostile(_file("t.csv", _labelled("10.0", "9.0")), None, ("9", "10")),
    "labels: NA, None and null": Hostile(
        _file("t.csv", _labelled("NA", "None", "null")), None, ("NA", "None", "null"), remark="'NA' is a class"
    ),
    "labels: spaces around": Hostile(_file("t.csv", _labelled("dog", "dog ", " cat")), None, ("cat", "dog")),
    "labels: two Unicode forms": Hostile(
        _file("t.csv", _labelled("caf\u00e9", "cafe\u0301", "tea")), None, ("caf\u00e9", "tea")
    ),
    "labels: two cases": Hostile(
        _file("t.csv", _labelled("Dog", "dog")), None, ("Dog", "dog"), remark="are different classes"
    ),
    "labels: an empty cell": Hostile(_file("t.csv", _labelled("dog", "", "cat")), "has none (NaN) for row 2"),
    "labels: a cell of spaces": Hostile(
        _file("t.csv", _labelled("dog", "  ", "cat")), "row 2 of 60 has none (empty)"
    ),
    # tables
    "csv: a line without end": Hostile(_file("t.csv", b"a," * 10**7), "its first line has no end"),
    "csv: very many columns": Hostile(_file("t.csv", b"a," * 200_000 + b"\n"), "at most 100,000 columns"),
    "csv: an open quote": Hostile(_file("t.csv", _table() + '"1,2\n' * 60), "t.csv must "),
    "csv: zeros": Hostile(_file("t.csv", bytes(9999)), "t.csv must "),
    "csv: an image": Hostile(_file("t.csv", _png(3, 3)), "t.csv must "),
    "csv: gzipped": Hostile(_file("t.csv", gzip.compress(_table().encode())), "it is in another encoding"),
    "csv: whole numbers beyond 64 bits": Hostile(
        _file("t.csv", _table(c=[str(10**25 + row) for row in range(ROWS)])), "numbers of 64 bits, column 'c'"
    ),
    "csv: NA among numbers": Hostile(
        _file("t.csv", _table(c=["NA", *range(ROWS - 1)])), "column 'c' has none (NaN) for row 1"
    ),
    "csv: a number beyond float64": Hostile(_file("t.csv", _table(c="1e999")), "infinity"),
    "csv: row numbers": Hostile(
        _file("t.csv", _table(id=range(ROWS))), None, width=2, remark="column 'id' names rows and is no input"
    ),
    "csv: names of rows": Hostile(
        _file("t.csv", _table(Index=[f"row {row}" for row in range(ROWS)])),
        None,
        width=2,
        remark="'Index' names rows",
    ),
    "csv: row numbers without a name": Hostile(
        _file("t.csv", pd.DataFrame(_values()).to_csv()), "save it without row numbers"
    ),
    "parquet: a named index": Hostile(_parquet(_named_index), None, width=3, remark="column 'patient' names rows"),
    "parquet: columns of two levels": Hostile(_parquet(_two_levels), "must have one name for each column"),
    "parquet: lists": Hostile(
        _parquet(lambda frame: frame.assign(c=pd.Series([[1, 2]] * ROWS, dtype=object))), "column 'c' holds others"
    ),
    "parquet: dates": Hostile(_parquet(lambda frame: frame.assign(c=pd.Timestamp(0))), "column 'c' holds others"),
    "parquet: damaged": Hostile(_flipped_parquet, "must be a parquet file, it cannot be read"),
    "parquet: equal rows": Hostile(_constant_parquet, "must hold different rows"),
    "parquet: nothing": Hostile(_file("x.parquet", b"PAR1PAR1"), "must be a parquet file, it cannot be read"),
    # what is no file
    "a pipe": Hostile(_made(os.mkfifo, "x.npy"), "a pipe is there"),
    "a pipe called CSV": Hostile(_made(os.mkfifo, "x.csv"), "a pipe is there"),
    "a socket": Hostile(_made(_socket, "x.npz"), "must be a file"),
    "a link to a device": Hostile(_made(lambda path: path.symlink_to("/dev/zero"), "x.csv"), "a device is there"),
    "a link to itself": Hostile(_made(_loop, "x.parquet"), "must be a file"),
    "a folder called NumPy": Hostile(_made(Path.mkdir, "x.npy"), "must hold images"),
    "a long name": Hostile(lambda folder: folder / ("x" * 5000 + ".npy"), "must be a file"),
    # folders
    "folder: numbers as names": Hostile(
        _photos(lambda row: str(row % 11)), None, tuple(map(str, range(11))), width=9
    ),
    "folder: numbers with gaps": Hostile(_photos(lambda row: str((10, 9, 2)[row % 3])), None, ("2", "9", "10")),
    "folder: numbers with zeros": Hostile(_photos(lambda row: ("01", "1")[row % 2]), None, ("01", "1")),
    "folder: a link to a class": Hostile(_photos(_two, _linked), None, ("a", "b"), width=9),
    "folder: loops of links": Hostile(
        _photos(_two, _many_links), None, ("a", "b"), remark="a link to a folder above"
    ),
    "folder: a class linked twice": Hostile(_photos(_two, _linked_twice), "they are one by a link"),
    "folder: of a Mac's archive": Hostile(_photos(_two, _junk("__MACOSX")), None, ("a", "b"), remark="__MACOSX"),
    "folder: of a network disk": Hostile(_photos(_two, _junk("@eaDir")), None, ("a", "b"), remark="@eaDir"),
    "folder: of a trash can": Hostile(
        _photos(_two, _junk("$RECYCLE.BIN")), None, ("a", "b"), remark="$RECYCLE.BIN"
    ),
    "folder: an image with holes": Hostile(
        _photos(_two, _holes), None, ("a", "b"), remark="transparency is dropped"
    ),
    "folder: an animation": Hostile(_photos(_two, _frames), None, ("a", "b"), remark="all frames but the first"),
    "folder: a pipe called PNG": Hostile(
        _photos(_two, lambda photos: os.mkfifo(photos / "a" / "x.png")), "a pipe is there"
    ),
    "folder: a pipe as labels": Hostile(
        _photos(_two, lambda photos: os.mkfifo(photos / "labels.csv")), "a pipe is there"
    ),
    "image: many pixels": Hostile(_image(_png(60_000, 60_000)), "must be an image"),
    "image: pixels that are not there": Hostile(_image(_png(9_000, 9_000)), "as no data are"),
    "image: packed a thousand times": Hostile(_image(_png(8_000, 8_000, bytes(8_000 * 24_001))), "as no data are"),
    "image: cut short": Hostile(_image(_png(3, 3)[:50]), "must be an image"),
    "image: a program": Hostile(_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "must be an image"),
    "image: a web page": Hostile(_image(b"<!DOCTYPE html>"), "must be an image"),
}
