"""Data files that are damaged, endless, larger than they say, or easily misread: `HOSTILE`, by name.

Each writes into an empty folder and returns what `-d` gets. What is refused must be so in one sentence, within
seconds and without memory by its size; what is read must be read right.
"""

from __future__ import annotations

import gzip
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.robust import hostile_writers as make
from benchmarks.robust.hostile_writers import ROWS, Write

__all__ = ["HOSTILE", "ROWS", "Hostile"]


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


NUMPY = "must be a NumPy file, it cannot be read"
TOO_FINE = "must fit into float32: values in column"
FINE = make.npz(x=make.drawn())

HOSTILE = {
    # .npy
    "npy: huge shape": Hostile(make.file("x.npy", make.described("(1000000000000, 1000)")), "its header promises"),
    "npy: shape beyond 64 bits": Hostile(
        make.file("x.npy", make.described(f"({2**62}, {2**62})")), "its header promises"
    ),
    "npy: negative shape": Hostile(make.file("x.npy", make.described("(-60, -3)") + bytes(720)), NUMPY),
    "npy: shape of truths": Hostile(make.file("x.npy", make.described("(True, True)") + bytes(4)), NUMPY),
    "npy: endless text of no letters": Hostile(
        make.file("x.npy", make.described("(1000000000000,)", "'<U0'")), NUMPY
    ),
    "npy: endless void": Hostile(make.file("x.npy", make.described("(1000000000000, 9)", "'|V0'")), NUMPY),
    "npy: long header": Hostile(
        make.file("x.npy", make.header("", b"\2\0", 2**31)), "its header is 2,147,483,648 bytes long"
    ),
    "npy: nested header": Hostile(make.file("x.npy", make.header("(" * 9000 + ")" * 900)), NUMPY),
    "npy: header that is code": Hostile(make.file("x.npy", make.header("__import__('os').abort()\n")), NUMPY),
    "npy: header of other keys": Hostile(make.file("x.npy", make.header("{'a': 1}\n")), NUMPY),
    "npy: header that is no UTF-8": Hostile(make.file("x.npy", b"\x93NUMPY\3\0\4\0\0\0\xff\xfe\xff\xfe"), NUMPY),
    "npy: unknown version": Hostile(make.file("x.npy", b"\x93NUMPY\x09\0" + bytes(99)), NUMPY),
    "npy: unknown type": Hostile(make.file("x.npy", make.described("(60, 3)", "'<q17'") + bytes(720)), NUMPY),
    "npy: cut short": Hostile(make.file("x.npy", make.npy(make.drawn())[:-9]), "its header promises 1,440 bytes"),
    "npy: nothing": Hostile(make.file("x.npy", b""), "it is none or holds pickled objects"),
    "npy: pickle": Hostile(make.file("x.npy", b"\x80\4cos\nsystem\n(S'true'\ntR."), "it is none or holds pickled"),
    "npy: objects": Hostile(
        make.file("x.npy", make.described("(60, 3)", "'|O'") + bytes(99)), "holds pickled objects"
    ),
    "npy: records": Hostile(make.file("x.npy", make.npy(np.zeros(ROWS, "i4,f4"))), "must be numbers (n, ...)"),
    "npy: dates": Hostile(make.file("x.npy", make.npy(np.zeros((ROWS, 2), "M8[s]"))), "must be numbers (n, ...)"),
    "npy: complex numbers": Hostile(make.file("x.npy", make.npy(make.drawn() * 1j)), "must be numbers (n, ...)"),
    "npy: no rows": Hostile(make.file("x.npy", make.npy(np.zeros((0, 3)))), "must hold at least 50 rows, got 0"),
    "npy: one number": Hostile(make.file("x.npy", make.npy(np.float32(3))), "must be numbers (n, ...)"),
    "npy: a terabyte of nothing": Hostile(make.by(make.sparse_file, "x.npy"), "it is none or holds pickled"),
    # what float32 loses
    "values far from 0": Hostile(make.arrays(x=make.drawn() + 1e8), TOO_FINE),
    "values near 0": Hostile(make.arrays(x=make.drawn() * 1e-60), TOO_FINE),
    "values of two far clusters": Hostile(make.arrays(x=np.sign(make.drawn()) * 1e9 + make.drawn()), TOO_FINE),
    "whole numbers beyond 24 bits": Hostile(make.arrays(x=2**40 + np.arange(3 * ROWS).reshape(-1, 3)), TOO_FINE),
    "whole numbers of 64 bits": Hostile(
        make.arrays(x=2**63 + np.arange(2 * ROWS, dtype="u8").reshape(-1, 2)), TOO_FINE
    ),
    "finite values beyond float32": Hostile(
        make.arrays(x=np.full((ROWS, 2), 1e39)), "row 1 of 60 holds 1e+39, the most is"
    ),
    "long doubles": Hostile(make.arrays(x=(make.drawn() + 1e8).astype(np.longdouble)), TOO_FINE),
    "half floats": Hostile(make.arrays(x=make.drawn().astype("f2")), None, width=3),
    "big-endian floats": Hostile(make.arrays(x=make.drawn().astype(">f4")), None, width=3),
    "columns first": Hostile(make.arrays(x=np.asfortranarray(make.drawn())), None, width=3),
    "whole numbers of 16 bits": Hostile(
        make.arrays(x=np.arange(2 * ROWS, dtype="u2").reshape(-1, 2)), None, width=2
    ),
    # .npz
    "npz: nothing": Hostile(make.file("x.npz", b""), "it is none or holds pickled"),
    "npz: no members": Hostile(make.file("x.npz", b"PK\5\6" + bytes(18)), "got nothing; rename"),
    "npz: encrypted": Hostile(
        make.file("x.npz", make.changed(make.changed(FINE, b"PK\1\2", 8, b"\1"), b"PK\3\4", 6, b"\1")),
        "is encrypted",
    ),
    "npz: a member that is no array": Hostile(
        make.file("x.npz", make.npz(x=make.drawn(), y=b"hello")), "must hold arrays alone"
    ),
    "npz: a pickled member": Hostile(
        make.file("x.npz", make.npz(x=make.drawn(), y=make.described("(60,)", "'|O'") + bytes(9))),
        "holds pickled objects",
    ),
    "npz: packed a thousand times": Hostile(make.bomb, "as no data are"),
    "npz: more than a member holds": Hostile(
        make.file("x.npz", make.npz(x=make.described("(900000000, 9)"))), "its header promises"
    ),
    "npz: wrong size in the list": Hostile(
        make.file("x.npz", make.changed(FINE, b"PK\1\2", 24, b"\xff\xff\xff\x7f")), NUMPY
    ),
    "npz: wrong checksum": Hostile(make.file("x.npz", make.changed(FINE, b"PK\1\2", 16, b"\1\2\3\4")), NUMPY),
    "npz: unknown packing": Hostile(make.file("x.npz", make.changed(FINE, b"PK\1\2", 10, b"\x63")), NUMPY),
    "npz: broken stream": Hostile(
        make.file(
            "x.npz", make.changed(make.npz(zipfile.ZIP_DEFLATED, x=make.drawn()), b"x.npy", 30, b"\xff" * 20)
        ),
        NUMPY,
    ),
    "npz: cut short": Hostile(make.file("x.npz", FINE[:-30]), NUMPY),
    "npz: a name twice": Hostile(make.file("x.npz", make.bad_zip_name()), None, width=3),
    # labels
    "labels: missing": Hostile(
        make.arrays(x=make.drawn(), y=np.r_[np.nan, np.arange(59) % 2]), "row 1 of 60 has none"
    ),
    "labels: fractions": Hostile(make.arrays(x=make.drawn(), y=np.arange(ROWS) / 4), "row 2 of 60 holds 0.25"),
    "labels: floats beyond 2**53": Hostile(
        make.arrays(x=make.drawn(), y=2.0**63 + 2048 * np.arange(ROWS)), "a float beyond"
    ),
    "labels: objects of text and gaps": Hostile(
        make.parquet(lambda frame: frame.assign(label=pd.Series(["a", None] * (ROWS // 2)))),
        "column 'label' has none (NaN) for row 2",
    ),
    "labels: one-hot": Hostile(make.arrays(x=make.drawn(), y=np.eye(ROWS)[:, :3]), "got float64 of shape (60, 3)"),
    "labels: a large number": Hostile(
        make.arrays(x=make.drawn(), y=np.arange(ROWS) % 2 * 2_000_000_000), None, ("0", "2000000000")
    ),
    "labels: noise of HDBSCAN": Hostile(
        make.arrays(x=make.drawn(), y=np.arange(ROWS) % 3 - 1), None, ("-1", "0", "1")
    ),
    "labels: bytes": Hostile(make.arrays(x=make.drawn(), y=np.array([b"x", b"y"] * 30)), None, ("x", "y")),
    "labels: leading zeros": Hostile(make.file("t.csv", make.labelled("01", "1", "2")), None, ("01", "1", "2")),
    "labels: signs": Hostile(make.file("t.csv", make.labelled("+1", "1", "-1")), None, ("+1", "-1", "1")),
    "labels: 25 digits": Hostile(
        make.file("t.csv", make.labelled("1" * 24 + "1", "1" * 24 + "2")), None, ("1" * 24 + "1", "1" * 24 + "2")
    ),
    "labels: numbers in order": Hostile(
        make.file("t.csv", make.labelled("10", "9", "100")), None, ("9", "10", "100")
    ),
    "labels: whole floats": Hostile(make.file("t.csv", make.labelled("10.0", "9.0")), None, ("9", "10")),
    "labels: NA, None and null": Hostile(
        make.file("t.csv", make.labelled("NA", "None", "null")),
        None,
        ("NA", "None", "null"),
        remark="'NA' is a class",
    ),
    "labels: spaces around": Hostile(
        make.file("t.csv", make.labelled("dog", "dog ", " cat")), None, ("cat", "dog")
    ),
    "labels: two Unicode forms": Hostile(
        make.file("t.csv", make.labelled("caf\u00e9", "cafe\u0301", "tea")), None, ("caf\u00e9", "tea")
    ),
    "labels: two cases": Hostile(
        make.file("t.csv", make.labelled("Dog", "dog")), None, ("Dog", "dog"), remark="are different classes"
    ),
    "labels: an empty cell": Hostile(
        make.file("t.csv", make.labelled("dog", "", "cat")), "has none (NaN) for row 2"
    ),
    "labels: a cell of spaces": Hostile(
        make.file("t.csv", make.labelled("dog", "  ", "cat")), "row 2 of 60 has none (empty)"
    ),
    # tables
    "csv: a line without end": Hostile(make.file("t.csv", b"a," * 10**7), "its first line has no end"),
    "csv: very many columns": Hostile(make.file("t.csv", b"a," * 200_000 + b"\n"), "at most 100,000 columns"),
    "csv: an open quote": Hostile(make.file("t.csv", make.table() + '"1,2\n' * 60), "t.csv must "),
    "csv: zeros": Hostile(make.file("t.csv", bytes(9999)), "t.csv must "),
    "csv: an image": Hostile(make.file("t.csv", make.png(3, 3)), "t.csv must "),
    "csv: gzipped": Hostile(make.file("t.csv", gzip.compress(make.table().encode())), "it is in another encoding"),
    "csv: whole numbers beyond 64 bits": Hostile(
        make.file("t.csv", make.table(c=[str(10**25 + row) for row in range(ROWS)])),
        "numbers of 64 bits, column 'c'",
    ),
    "csv: NA among numbers": Hostile(
        make.file("t.csv", make.table(c=["NA", *range(ROWS - 1)])), "column 'c' has none (NaN) for row 1"
    ),
    "csv: a number beyond float64": Hostile(make.file("t.csv", make.table(c="1e999")), "infinity"),
    "csv: row numbers": Hostile(
        make.file("t.csv", make.table(id=range(ROWS))),
        None,
        width=2,
        remark="column 'id' names rows and is no input",
    ),
    "csv: names of rows": Hostile(
        make.file("t.csv", make.table(Index=[f"row {row}" for row in range(ROWS)])),
        None,
        width=2,
        remark="'Index' names rows",
    ),
    "csv: row numbers without a name": Hostile(
        make.file("t.csv", pd.DataFrame(make.drawn()).to_csv()), "save it without row numbers"
    ),
    "parquet: a named index": Hostile(
        make.parquet(make.named_index), None, width=3, remark="column 'patient' names rows"
    ),
    "parquet: columns of two levels": Hostile(make.parquet(make.two_levels), "must have one name for each column"),
    "parquet: lists": Hostile(
        make.parquet(lambda frame: frame.assign(c=pd.Series([[1, 2]] * ROWS, dtype=object))),
        "column 'c' holds others",
    ),
    "parquet: dates": Hostile(
        make.parquet(lambda frame: frame.assign(c=pd.Timestamp(0))), "column 'c' holds others"
    ),
    "parquet: damaged": Hostile(make.flipped_parquet, "must be a parquet file, it cannot be read"),
    "parquet: equal rows": Hostile(make.constant_parquet, "must hold different rows"),
    "parquet: nothing": Hostile(make.file("x.parquet", b"PAR1PAR1"), "must be a parquet file, it cannot be read"),
    # what is no file
    "a pipe": Hostile(make.by(os.mkfifo, "x.npy"), "a pipe is there"),
    "a pipe called CSV": Hostile(make.by(os.mkfifo, "x.csv"), "a pipe is there"),
    "a socket": Hostile(make.by(make.socket_file, "x.npz"), "must be a file"),
    "a link to a device": Hostile(
        make.by(lambda path: path.symlink_to("/dev/zero"), "x.csv"), "a device is there"
    ),
    "a link to itself": Hostile(make.by(make.link_to_itself, "x.parquet"), "must be a file"),
    "a folder called NumPy": Hostile(make.by(Path.mkdir, "x.npy"), "must hold images"),
    "a long name": Hostile(lambda folder: folder / ("x" * 5000 + ".npy"), "must be a file"),
    # folders
    "folder: numbers as names": Hostile(
        make.photos(lambda row: str(row % 11)), None, tuple(map(str, range(11))), width=9
    ),
    "folder: numbers with gaps": Hostile(
        make.photos(lambda row: str((10, 9, 2)[row % 3])), None, ("2", "9", "10")
    ),
    "folder: numbers with zeros": Hostile(make.photos(lambda row: ("01", "1")[row % 2]), None, ("01", "1")),
    "folder: a link to a class": Hostile(
        make.photos(make.two_classes, make.with_a_link), None, ("a", "b"), width=9
    ),
    "folder: loops of links": Hostile(
        make.photos(make.two_classes, make.with_many_links), None, ("a", "b"), remark="a link to a folder above"
    ),
    "folder: a class linked twice": Hostile(
        make.photos(make.two_classes, make.with_a_class_linked_twice), "they are one by a link"
    ),
    "folder: of a Mac's archive": Hostile(
        make.photos(make.two_classes, make.with_junk("__MACOSX")), None, ("a", "b"), remark="__MACOSX"
    ),
    "folder: of a network disk": Hostile(
        make.photos(make.two_classes, make.with_junk("@eaDir")), None, ("a", "b"), remark="@eaDir"
    ),
    "folder: of a trash can": Hostile(
        make.photos(make.two_classes, make.with_junk("$RECYCLE.BIN")), None, ("a", "b"), remark="$RECYCLE.BIN"
    ),
    "folder: an image with holes": Hostile(
        make.photos(make.two_classes, make.with_holes), None, ("a", "b"), remark="transparency is dropped"
    ),
    "folder: an animation": Hostile(
        make.photos(make.two_classes, make.with_frames), None, ("a", "b"), remark="all frames but the first"
    ),
    "folder: a pipe called PNG": Hostile(
        make.photos(make.two_classes, lambda photos: os.mkfifo(photos / "a" / "x.png")), "a pipe is there"
    ),
    "folder: a pipe as labels": Hostile(
        make.photos(make.two_classes, lambda photos: os.mkfifo(photos / "labels.csv")), "a pipe is there"
    ),
    "image: many pixels": Hostile(make.image(make.png(60_000, 60_000)), "must be an image"),
    "image: pixels that are not there": Hostile(make.image(make.png(9_000, 9_000)), "as no data are"),
    "image: packed a thousand times": Hostile(make.huge_image, "as no data are"),
    "image: cut short": Hostile(make.image(make.png(3, 3)[:50]), "must be an image"),
    "image: a program": Hostile(
        make.image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "must be an image"
    ),
    "image: a web page": Hostile(make.image(b"<!DOCTYPE html>"), "must be an image"),
}
