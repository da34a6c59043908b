"""Some rows of a mapped array, by their numbers, without a copy of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from latentbench.files.mapped import array_source, is_large, is_mapped
from latentbench.files.reading import check_memory

__all__ = ["RowView", "base_and_rows", "joined", "stays_in_file", "take_rows"]

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]


class RowView(NDArrayOperatorsMixin):
    """Some rows of a mapped array: `view[i]`, `view[rows]`, `len(view)` and `view.shape` are those of an array.

    Indexing reads from the file; many rows are a view again. It is read-only. Whatever else is asked of it, as
    `np.asarray(view)`, `view.mean()` or `view + 1`, is asked of a copy in memory, which is made for that.

    Attributes:
        base: the mapped array `(m, ...)`.
        rows: row numbers `(n,)` in it.
        shape: `(n, ...)`.
        dtype: of the array.
    """

    def __init__(self, base: Array, rows: Numbers) -> None:
        self.base, self.rows = base, rows
        self.shape, self.dtype = (len(rows), *base.shape[1:]), base.dtype

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.base.ndim

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the rows."""
        return self.size * self.dtype.itemsize

    @property
    def flags(self) -> Any:
        """Flags of the array in the file: not writable."""
        return self.base.flags

    def __getitem__(self, index: Any) -> Any:
        """Return what an array would; many rows as a view."""
        if isinstance(index, int | np.integer):
            return self.base[self.rows[index]]
        if isinstance(index, tuple) and index and isinstance(index[0], slice):
            if all(isinstance(part, slice | int) for part in index[1:]):
                return self.base[(slice(None), *index[1:])][self.rows[index[0]]]
        elif isinstance(index, slice | list | np.ndarray) and np.ndim(self.rows[index]) == 1:
            view = RowView(self.base, self.rows[index])
            return view if is_large(view.nbytes) else view.base[view.rows]
        return np.asarray(self)[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        """Refuse it, as an array that is read-only does.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "assignment destination is read-only: rows of a file; work on a copy, as numpy.array(view)"
        )

    def __iter__(self) -> Iterator[Any]:
        return (self.base[row] for row in self.rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return a copy in memory.

        Raises:
            DataError: it does not fit there.
        """
        check_memory(array_source(self.base).path, self.nbytes)
        values = self.base[self.rows]
        return values if dtype is None else values.astype(dtype, copy=False)

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute with a copy in memory.

        Raises:
            ValueError: the result is to be written into the view.
        """
        if any(isinstance(value, RowView) for value in options.get("out", ())):
            self[:] = None
        arrays = [np.asarray(value) if isinstance(value, RowView) else value for value in inputs]
        return getattr(function, method)(*arrays, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("base", "rows"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)


def stays_in_file(array: Any) -> bool:
    """Return whether an array is mapped and large: no whole copy of it is made."""
    return isinstance(array, RowView) or (is_mapped(array) and is_large(array.nbytes))


def base_and_rows(array: Any) -> tuple[Array, Numbers | None]:
    """Return the mapped array in which rows lie, and which rows they are; None for all."""
    return (array.base, array.rows) if isinstance(array, RowView) else (array, None)


def take_rows(array: Array, rows: npt.ArrayLike) -> Array:
    """Return rows, by number or boolean mask: of what stays in its file a view, of others a copy."""
    if not stays_in_file(array):
        chosen: Array = array[rows]  # type: ignore[index]
        return chosen
    base, before = base_and_rows(array)
    index = np.asarray(rows)
    numbers = np.flatnonzero(index) if index.dtype == bool else np.arange(len(array))[index]
    return _viewed(base, numbers if before is None else before[numbers])


def joined(first: Array, second: Array) -> Array:
    """Return the rows of one array, then those of another: a view where both lie in one mapped array."""
    if stays_in_file(first) and stays_in_file(second):
        bases, rows = zip(*(base_and_rows(array) for array in (first, second)), strict=True)
        if bases[0] is bases[1]:
            both = [np.arange(len(bases[0])) if each is None else each for each in rows]
            return _viewed(bases[0], np.concatenate(both))
    return np.concatenate([np.asarray(first), np.asarray(second)])


def _viewed(base: Array, rows: npt.NDArray[Any]) -> Array:
    """Return a view of rows, or the array itself where they are all, in their order."""
    if len(rows) == len(base) and (rows == np.arange(len(base))).all():
        return base
    return cast(Array, RowView(base, rows.astype(np.int64)))
