"""What makes hostile files: bytes of damaged archives, tables and images, and functions that write them."""

from __future__ import annotations

import io
import os
import socket
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

ROWS = 60
Array = np.ndarray[Any, Any]
Write = Callable[[Path], Path]


def drawn(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=(ROWS, *(shape or (3,))))


def file(name: str, content: bytes | str) -> Write:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text: str, version: bytes = b"\1\0", length: int | None = None) -> bytes:
    size = len(text) if length is None else length
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", size) + text.encode()


def described(shape: str, kind: str = "'<f4'", order: str = "False") -> bytes:
    return header(f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}}}\n")


def npz(packing: int = zipfile.ZIP_STORED, **members: bytes | Array) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content if isinstance(content, bytes) else npy(content))
    return file.getvalue()


def bomb(folder: Path) -> Path:
    return file("x.npz", npz(zipfile.ZIP_DEFLATED, x=np.zeros((5 * 10**7, 3), np.uint8)))(folder)


def changed(content: bytes, mark: bytes, offset: int, new: bytes) -> bytes:
    """Overwrite bytes at `offset` from each occurrence of `mark`."""
    changed, place = bytearray(content), content.find(mark)
    while place >= 0:
        changed[place + offset : place + offset + len(new)] = new
        place = content.find(mark, place + 1)
    return bytes(changed)


def table(**columns: Any) -> str:
    return pd.DataFrame({"a": drawn()[:, 0], "b": drawn()[:, 1], **columns}).to_csv(index=False)


def labelled(*names: str) -> str:
    """Return a table whose label column is written as given, each name in turn."""
    values = drawn()
    lines = [f"{row[0]},{row[1]},{names[number % len(names)]}" for number, row in enumerate(values)]
    return "\n".join(["a,b,label", *lines, ""])


def arrays(**members: Any) -> Write:
    return file(
        "data.npz", npz(zipfile.ZIP_STORED, **{name: np.asarray(values) for name, values in members.items()})
    )


def parquet(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Write:
    def write(folder: Path) -> Path:
        change(pd.DataFrame(drawn(), columns=list("abc"))).to_parquet(folder / "data.parquet")
        return folder / "data.parquet"

    return write


def flipped_parquet(folder: Path) -> Path:
    path = parquet(lambda frame: frame)(folder)
    content = bytearray(path.read_bytes())
    content[-200:-150] = bytes(50)
    path.write_bytes(content)
    return path


def constant_parquet(folder: Path) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1_000], pa.int32()), pa.array([1.0]))
    table = pa.table({name: runs.values.take(pa.array([0] * 1_000)) for name in "ab"})
    with parquet.ParquetWriter(folder / "data.parquet", table.schema, compression="zstd") as writer:
        for _ in range(2):
            writer.write_table(table)
    return folder / "data.parquet"


def by(make: Callable[[Path], None], name: str) -> Write:
    """Return what makes something that is no file, as a pipe, at a name."""

    def write(folder: Path) -> Path:
        make(folder / name)
        return folder / name

    return write


def socket_file(path: Path) -> None:
    place = Path.cwd()
    os.chdir(path.parent)  # names of sockets must be short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(place)


def sparse_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10**12)


def link_to_itself(path: Path) -> None:
    other = path.with_name(f"other-{path.name}")
    path.symlink_to(other)
    other.symlink_to(path)


def photos(place: Callable[[int], str], change: Callable[[Path], object] | None = None, mode: str = "L") -> Write:
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


def two_classes(row: int) -> str:
    return "ab"[row % 2]


def png(width: int, height: int, rest: bytes = b"") -> bytes:
    """Return a PNG image that promises a size and holds something else."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rest)) + chunk(b"IEND", b"")


def image(content: bytes, name: str = "a/000.png") -> Write:
    return photos(two_classes, lambda photos: (photos / name).write_bytes(content))


def huge_image(folder: Path) -> Path:
    return image(png(8_000, 8_000, bytes(8_000 * 24_001)))(folder)


def with_a_link(photos: Path) -> None:
    (photos / "a").rename(photos.parent / "elsewhere")
    (photos / "a").symlink_to(photos.parent / "elsewhere", target_is_directory=True)


def with_many_links(photos: Path) -> None:
    for number in range(12):
        (photos / f"link{number}").symlink_to(photos, target_is_directory=True)


def with_a_class_linked_twice(photos: Path) -> None:
    (photos / "c").symlink_to(photos / "a", target_is_directory=True)


def with_junk(name: str) -> Callable[[Path], None]:
    def change(photos: Path) -> None:
        (photos / name / "a").mkdir(parents=True)
        Image.new("L", (3, 3)).save(photos / name / "a" / "x.png")

    return change


def with_holes(photos: Path) -> None:
    Image.new("LA", (3, 3), (200, 0)).save(photos / "a" / "000.png")


def with_frames(photos: Path) -> None:
    frames = [Image.new("L", (3, 3), grey) for grey in (1, 2)]
    frames[0].save(photos / "a" / "000.png", save_all=True, append_images=frames[1:])


def named_index(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index(pd.Index(range(1000, 1000 + ROWS), name="patient"))


def two_levels(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(pd.MultiIndex.from_tuples([("x", "a"), ("x", "b"), ("y", "c")]), axis=1)


def bad_zip_name() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for _ in range(2):
                archive.writestr("x.npy", npy(drawn()))
        return file.getvalue()
