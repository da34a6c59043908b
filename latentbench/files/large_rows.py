"""What is found out about the rows of an array: of one that stays in its file once, kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench.errors import DataError
from latentbench.files.mapped import array_source, expect_order
from latentbench.files.prepared import filled_array
from latentbench.files.row_view import base_and_rows, stays_in_file

__all__ = ["check_finite", "chunks", "row_hashes"]

Array = npt.NDArray[Any]
CHUNK_BYTES = 2**24
DIGEST = 32  # bytes of a sha256


def chunks(array: Array) -> Iterator[tuple[int, Array]]:
    """Yield blocks of some megabytes, rows after rows in C order, each with the number of its first row."""
    expect_order(base_and_rows(array)[0], random=False)
    size = max(1, CHUNK_BYTES // max(1, array.nbytes // max(1, len(array))))
    for first in range(0, len(array), size):
        yield first, np.ascontiguousarray(array[first : first + size])


def row_hashes(array: Array) -> npt.NDArray[np.bytes_]:
    """Return the sha256 `(n,)` of the bytes of each row, as bytes that can be sorted and compared."""
    if not stays_in_file(array):
        return _hashed(array)
    base, rows = base_and_rows(array)
    source = array_source(base)
    hashes = filled_array(
        f"hashes of the rows of {source.path.name}",
        ["sha256 of rows", 1, source.key],
        (len(base), DIGEST),
        np.uint8,
        lambda start, stop: _hashed(base[start:stop]).view(np.uint8).reshape(-1, DIGEST),
    )
    column = hashes.view(f"S{DIGEST}")[:, 0]
    return column if rows is None else column[rows]


def _hashed(array: Array) -> npt.NDArray[np.bytes_]:
    digests = [hashlib.sha256(row.tobytes()).digest() for _, block in chunks(array) for row in block]
    return np.array(digests, dtype=f"S{DIGEST}")


def check_finite(array: Array, what: str) -> None:
    """Refuse floats in a file that hold NaN or infinity.

    Raises:
        DataError: the first such row, by its number in the file.
    """
    base, _ = base_and_rows(array)
    source = array_source(base)
    filled_array(
        f"check of the numbers of {source.path.name}",
        ["finite", 1, source.key],
        (len(base),),
        np.uint8,
        lambda start, stop: _finite(base, what, start, stop),
    )


def _finite(base: Array, what: str, start: int, stop: int) -> Array:
    for first, block in chunks(base[start:stop]):
        good = np.isfinite(block).reshape(len(block), -1).all(axis=1)
        if not good.all():
            row = start + first + int((~good).argmax()) + 1
            raise DataError(
                f"{what} must be finite, row {row} of {len(base)} holds NaN or infinity; fill or remove such rows"
            )
    return np.ones(stop - start, np.uint8)
