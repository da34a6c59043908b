"""What dSprites and 3D Shapes share: one large file of images and their factors, of which some rows are drawn."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from latentbench import (
    DataError,
    Dataset,
    Split,
    check_memory,
    check_unpacked,
    filled_array,
    is_large,
    open_regular,
    reading,
    take_rows,
)
from latentbench_datasets._arrays.numpy_files import load_numpy, read_header
from latentbench_datasets._shared.fingerprints import remembered_fingerprint

__all__ = ["Factor", "FactorFile"]

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.intp]
ReadBlock = Callable[[int, int], Array]
Gather = Callable[[ReadBlock, tuple[int, ...], np.dtype[Any], Rows | None], Array]
H5 = (".h5", ".hdf5")
BLOCK = 1024  # rows read at once


@dataclass(frozen=True)
class Factor:
    """A column of the file: its name, how many values the published file has, and what 0, 1, ... stand for."""

    name: str
    size: int
    meanings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """An array that a file must hold: its name, the shape of a row, and how many rows if that is known."""

    key: str
    row_shape: tuple[int, ...]
    advice: str
    count: int | None = None

    def missing(self, path: Path, names: list[str]) -> DataError:
        """Return the error of a file without the array."""
        held = ", ".join(names) or "no named arrays"
        return DataError(f"{path} must hold an array {self.key}, got {held}; {self.advice}")

    def check(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Refuse an array of another shape or type: images are bytes, factors any numbers."""
        if dtype.hasobject:
            raise DataError(
                f"{self.key} in {path} must be a plain array, it is pickled, which is never loaded; {self.advice}"
            )
        kinds, named = ("u", "bytes") if len(self.row_shape) > 1 else ("iuf", "numbers")
        fits = dtype.kind in kinds and (kinds != "u" or dtype.itemsize == 1)
        count = shape[0] if self.count is None and shape else self.count
        if not fits or not count or shape != (count, *self.row_shape):
            expected = ", ".join(map(str, ("n" if self.count is None else self.count, *self.row_shape)))
            raise DataError(
                f"{self.key} in {path} must be {named} of shape ({expected}), got {dtype} of shape {shape}; "
                f"{self.advice}"
            )


class FactorFile(Dataset):
    """Images of 64x64 pixels drawn from a file that holds each combination of some factors once.

    Factors are the numbers 0, 1, ... of their values in ascending order; a factor of one value is left out. The
    label is the number of the shape, if there are several.

    Attributes:
        title: what messages call the dataset.
        image_key: name of the array of images in the file.
        factor_key: name of the array of factor values.
        image_shape: shape of one image in the file.
        brightest: the value of a white pixel in the file.
        columns: the columns of that array, one of which is called shape.
        advice: the end of each error: what the user can do.
    """

    class Params(Dataset.Params):
        """Where the file is, and how much of it."""

        path: Path | None = None
        train: int = Field(default=50_000, ge=0, description="training rows, drawn at random; 0 for all the rest")
        test: int = Field(
            default=10_000, ge=1, description="test rows, drawn at random; they differ from the training rows"
        )

    params: Params
    title: ClassVar[str]
    image_key: ClassVar[str]
    factor_key: ClassVar[str]
    image_shape: ClassVar[tuple[int, ...]]
    brightest: ClassVar[int]
    columns: ClassVar[tuple[Factor, ...]]
    advice: ClassVar[str]

    def load(self) -> tuple[Split, Split]:
        """Return train and test: always the same rows, and those of a smaller number are among those of a larger.

        Raises:
            DataError: the file is missing, damaged, of another dataset or too short.
        """
        path = self._path()
        read = read_h5 if path.suffix.lower() in H5 else read_npz
        table = read(path, Wanted(self.factor_key, (len(self.columns),), self.advice))
        factors, chosen = self._number(path, table)
        train, test = self._draw_rows(path, len(table))
        wanted = Wanted(self.image_key, self.image_shape, self.advice, len(table))
        if is_large((len(train) + len(test)) * math.prod(self.image_shape)):
            whole = read(path, wanted, None, partial(self._prepared, path))
            inputs = take_rows(whole, train), take_rows(whole, test)
        else:
            images = self._as_inputs(path, read(path, wanted, np.concatenate([train, test])))
            inputs = images[: len(train)], images[len(train) :]
        return self._as_split(inputs[0], factors[train], chosen), self._as_split(inputs[1], factors[test], chosen)

    def _prepared(
        self, path: Path, read_block: ReadBlock, shape: tuple[int, ...], dtype: np.dtype[Any], _: Rows | None
    ) -> Array:
        """Return all images of the file as inputs, unpacked once into the cache."""

        def fill(start: int, stop: int) -> Array:
            return self._as_inputs(path, np.array(read_block(start, stop), dtype.newbyteorder("=")))

        row = self._as_inputs(path, np.zeros((1, *shape[1:]), np.uint8)).shape[1:]
        state = path.stat()
        key = [self.title, self.version, os.path.abspath(path), state.st_size, state.st_mtime_ns]  # noqa: PTH100
        return filled_array(f"images of {self.title}", key, (shape[0], *row), np.uint8, fill, unit="images")

    def fingerprint(self) -> str:
        """Return the sha256 of the decoded arrays, without decoding a file that is known already."""
        settings = self.params.model_dump(mode="json", exclude={"path"})
        return remembered_fingerprint([self._path()], self.version, super().fingerprint, settings)

    def _path(self) -> Path:
        if self.params.path is None:
            raise DataError(f"{self.title} needs a file that is not downloaded here; {self.advice}")
        path = self.params.path.expanduser()
        if not path.is_file():
            raise DataError(f"{path} must be the file of {self.title}, no file is there; {self.advice}")
        return path

    def _number(self, path: Path, table: Array) -> tuple[npt.NDArray[np.float64], tuple[Factor, ...]]:
        """Return the numbers of the values, without factors of one value, and the factors that are left."""
        if not np.isfinite(table).all():
            raise DataError(f"{self.factor_key} in {path} must be finite, it holds NaN or infinity; {self.advice}")
        factors, numbers = [], []
        for factor, column in zip(self.columns, table.T, strict=True):
            values, number = np.unique(column, return_inverse=True)
            if len(values) > factor.size:
                raise DataError(
                    f"{self.factor_key} in {path} must have at most {factor.size} values of {factor.name}, got "
                    f"{len(values)}; {self.advice}"
                )
            if len(values) > 1:
                factors.append(Factor(factor.name, len(values), _meanings(factor, values)))
                numbers.append(number)
        if not factors:
            raise DataError(f"{self.factor_key} in {path} must differ between rows, all are equal; {self.advice}")
        return np.stack(numbers, axis=1).astype(np.float64), tuple(factors)

    def _draw_rows(self, path: Path, count: int) -> tuple[Rows, Rows]:
        """Return the rows of train and of test, taken from the two ends of one fixed order, each ascending."""
        test = self.params.test
        train = self.params.train or max(count - test, 1)
        if train + test > count:
            raise DataError(
                f"{path} must hold {train:,} rows for train and {test:,} for test, got {count:,}; ask for fewer"
            )
        order = np.random.default_rng(0).permutation(count)
        return np.sort(order[:train]), np.sort(order[count - test :])

    def _as_inputs(self, path: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return images of the file as `(n, c, 64, 64)` of 0 to 255; `images` are overwritten."""
        if images.max() > self.brightest:
            raise DataError(
                f"{self.image_key} in {path} must hold values from 0 to {self.brightest}, got {images.max()}; "
                f"{self.advice}"
            )
        images *= 255 // self.brightest
        return images[:, None] if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))

    def _as_split(
        self, inputs: npt.NDArray[np.uint8], factors: npt.NDArray[np.float64], chosen: tuple[Factor, ...]
    ) -> Split:
        names = tuple(factor.name for factor in chosen)
        sizes = tuple(factor.size for factor in chosen)
        if "shape" not in names:
            return Split(inputs, None, factors, names, sizes)
        place = names.index("shape")
        return Split(inputs, factors[:, place].astype(np.int64), factors, names, sizes, chosen[place].meanings)


def _meanings(factor: Factor, values: Array) -> tuple[str, ...]:
    """Return what the values of a file stand for; nothing unless all are numbers that the published file has."""
    if not np.isin(values, range(len(factor.meanings))).all():
        return ()
    return tuple(factor.meanings[int(value)] for value in values)


def read_npz(path: Path, wanted: Wanted, rows: Rows | None = None, gather: Gather | None = None) -> Array:
    """Return `rows` of an array in a .npz file, all without; an array saved row by row is never held as a whole.

    Args:
        path: the file.
        wanted: the array.
        rows: row numbers.
        gather: makes the result of blocks of rows that it asks for, in order; None: an array in memory.

    Raises:
        DataError: the file is missing, damaged or pickled, or the array is not there or of another shape.
    """

    def take(content: Any) -> Array:
        names = content.files if isinstance(content, np.lib.npyio.NpzFile) else []
        if wanted.key not in names:
            raise wanted.missing(path, names)
        member_size = content.zip.getinfo(f"{wanted.key}.npy").file_size
        with content.zip.open(f"{wanted.key}.npy") as member:
            header = read_header(member, member_size)
            shape, dtype = header.shape, header.dtype
            wanted.check(path, shape, dtype)
            if not header.in_columns:
                place = member.tell()
                return (gather or _gather)(
                    lambda start, stop: _rows_from(member, place, start, stop, shape, dtype), shape, dtype, rows
                )
        check_memory(path, member_size)
        whole: Array = content[wanted.key]  # rows of it do not lie together
        return (gather or _gather)(lambda start, stop: whole[start:stop], shape, dtype, rows)

    return load_numpy(path, take)


def _rows_from(
    member: IO[bytes], place: int, start: int, stop: int, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Return rows of an array that begins at `place`; too few bytes are a ValueError."""
    row = math.prod(shape[1:]) * dtype.itemsize
    if member.tell() != place + start * row:
        member.seek(place + start * row)
    content = member.read((stop - start) * row)
    if stop == shape[0]:
        member.read(1)  # past the end: then the checksum is compared
    return np.frombuffer(content, dtype).reshape(stop - start, *shape[1:])


def read_h5(path: Path, wanted: Wanted, rows: Rows | None = None, gather: Gather | None = None) -> Array:
    """Return `rows` of an array in an HDF5 file, all without; the array is never held as a whole.

    Raises:
        DataError: h5py is not installed, the file is damaged, or the array is not there or of another shape.
    """
    try:
        h5py = importlib.import_module("h5py")
    except ImportError:
        raise DataError(
            f"{path} is in HDF5, which needs h5py; run pip install 'latentbench[factors]', or save the arrays of "
            "the file under the same names as .npz"
        ) from None
    with reading(path, "an HDF5 file", wanted.advice):
        open_regular(path).close()
        with h5py.File(path, "r") as content:
            array = content.get(wanted.key)
            if array is None or not hasattr(array, "dtype"):
                raise wanted.missing(path, list(content))
            wanted.check(path, array.shape, array.dtype)
            stored = getattr(array, "id", None)
            check_unpacked(path, array.nbytes if stored is None else stored.get_storage_size(), array.nbytes)
            return (gather or _gather)(lambda start, stop: array[start:stop], array.shape, array.dtype, rows)


def _gather(read_block: ReadBlock, shape: tuple[int, ...], dtype: np.dtype[Any], rows: Rows | None) -> Array:
    """Return `rows` of an array that is read block by block, to its end: only then is a zip's checksum checked."""
    rows = np.arange(shape[0]) if rows is None else rows
    order = np.argsort(rows)
    ascending = rows[order]
    gathered = np.empty((len(rows), *shape[1:]), dtype)
    for start in range(0, shape[0], BLOCK):
        stop = min(start + BLOCK, shape[0])
        block = read_block(start, stop)
        low, high = np.searchsorted(ascending, [start, stop])
        gathered[order[low:high]] = block[ascending[low:high] - start]
    return gathered
