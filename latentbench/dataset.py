"""What a dataset plugin implements, and the splits that the host makes of it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

import latentbench.params
from latentbench.arrays.classes import class_numbers
from latentbench.arrays.numbers import as_array, as_numbers
from latentbench.errors import ContractError, DataError
from latentbench.files.large_rows import check_finite, chunks, row_hashes
from latentbench.files.row_view import joined, stays_in_file, take_rows
from latentbench.params import check_members, check_whole, check_words
from latentbench.text import normalized, printable

__all__ = ["DataSpec", "Dataset", "Rows", "Split", "Splits", "fingerprint_arrays", "split_validation"]

CHUNK = 1024  # inputs whose moments are taken at once
Array = npt.NDArray[Any]
MOST_CLASSES = 100_000  # metrics take memory for every class number up to the largest


@dataclass(frozen=True)
class Split:
    """Data of one split, on the CPU: in memory, or inputs in a file where they are large.

    Arrays, tensors and lists are taken and kept as NumPy arrays. A large mapped array, as
    `latentbench.filled_array` returns, stays in its file: rows of it, as `take` gives them, are a view that is
    read when it is indexed.

    Attributes:
        inputs: images as uint8 `(n, c, h, w)`, or any float32 array `(n, ...)`, finite.
        labels: class numbers `(n,)` from 0 (kept as int64), or text, which is numbered by `class_names`; or None.
        factors: finite ground-truth factors `(n, k)`, or None.
        factor_names: k names.
        factor_sizes: k counts of values; 0 means continuous.
        class_names: what class 0, 1, ... is called, for people to read; empty where classes have numbers alone.

    Raises:
        DataError: when the arrays do not fit together.
    """

    inputs: Array
    labels: Array | None = None
    factors: Array | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for attribute in ("factor_names", "class_names"):
            names = tuple(printable(normalized(str(name))) for name in getattr(self, attribute))
            object.__setattr__(self, attribute, names)
        inputs = _checked_inputs(self.inputs)
        object.__setattr__(self, "inputs", inputs)
        if self.labels is not None:
            labels, names = class_numbers(self.labels, "labels", names=self.class_names, rows=MOST_CLASSES)
            _check_length("labels", labels, inputs)
            object.__setattr__(self, "labels", labels)
            object.__setattr__(self, "class_names", names)
        if self.factors is not None:
            factors = as_numbers(self.factors, "factors")
            _check_length("factors", factors, inputs)
            object.__setattr__(self, "factors", factors)
        self._check_names()

    def _check_names(self) -> None:
        if self.factors is not None and self.factors.shape[1:] != (len(self.factor_names),):
            raise DataError(
                f"factors of shape {self.factors.shape} need as many names, got {len(self.factor_names)}"
            )
        if len(self.factor_names) != len(self.factor_sizes):
            raise DataError("factor_names and factor_sizes must be equally long")

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Array) -> Split:
        """Return the split that holds just `rows` (row numbers or a boolean mask), in that order."""
        labels = None if self.labels is None else self.labels[rows]
        factors = None if self.factors is None else self.factors[rows]
        return replace(self, inputs=take_rows(self.inputs, rows), labels=labels, factors=factors)

    def joined(self, other: Split) -> Split:
        """Return the rows of this split, then those of another of the same data."""

        def both(name: str) -> Any:
            pair = getattr(self, name), getattr(other, name)
            return None if pair[0] is None else joined(*pair)

        return replace(self, inputs=both("inputs"), labels=both("labels"), factors=both("factors"))


def _checked_inputs(values: Any) -> Array:
    inputs = values if stays_in_file(values) else as_array(values, "inputs")
    if inputs.dtype not in (np.uint8, np.float32) or inputs.ndim < 2:
        raise DataError(
            "inputs must be uint8 images (n, c, h, w) or a float32 array (n, ...), "
            f"got {inputs.dtype} of shape {inputs.shape}"
        )
    if inputs.dtype == np.uint8 and inputs.ndim != 4:
        raise DataError(f"uint8 inputs must be images (n, c, h, w), got shape {inputs.shape}")
    if stays_in_file(inputs):
        if inputs.dtype != np.uint8:
            check_finite(inputs, "inputs")
        return inputs
    return as_numbers(inputs, "inputs")


def _check_length(name: str, values: Array, inputs: Array) -> None:
    if len(values) != len(inputs):
        raise DataError(f"{name} have {len(values)} rows where inputs have {len(inputs)}")


@dataclass(frozen=True)
class Rows:
    """The rows of a file, in its order and as they are written there.

    Attributes:
        values: numbers `(n, ...)`, of the type that the file has.
        labels: `(n,)`, numbers or text, or None.
        factors: ground-truth factors `(n, k)`, or None.
        factor_names: k names.
        factor_sizes: k counts of values; 0 means continuous.
        columns: names of the columns of `values`, where the file is a table.
        remarks: sentences on what of the file was left out.
    """

    values: Array
    labels: Array | None = None
    factors: Array | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


Render = Callable[[Array], Array]


@dataclass(frozen=True)
class Splits:
    """The three splits of a dataset; `validation` is carved from train and the same for all seeds.

    `render` draws the inputs of any factors where the data are generated: the ground truth of an edit. `remarks`
    are sentences on what of the files is not in the splits. `carved` says of each row that was loaded for training
    whether it went to validation.
    """

    train: Split
    validation: Split
    test: Split
    render: Render | None = None
    remarks: tuple[str, ...] = ()
    carved: npt.NDArray[np.bool_] | None = None

    def whole(self, which: str) -> Split:
        """Return a split as the data have it: "train" is train and validation together, in their order."""
        if which != "train" or self.carved is None:
            split: Split = getattr(self, which)
            return split
        rows = np.concatenate([np.flatnonzero(~self.carved), np.flatnonzero(self.carved)])
        return self.train.joined(self.validation).take(np.argsort(rows))


@dataclass(frozen=True)
class DataSpec:
    """What a model knows about its data before it sees any.

    Attributes:
        shape: shape of one input, as (1, 28, 28).
        dtype: "uint8" (images, given to models as float32 in [0, 1]) or "float32" (given as they are).
        n_train: rows of the training split.
        classes: how many classes, or None without labels.
        factor_names: names of the ground-truth factors.
        factor_sizes: how many values each factor has; 0 means continuous.
        mean: of each number of the training inputs `(*shape)`, float64; None for images, which lie in [0, 1].
        spread: root of the mean variance of these numbers; 1 for images, and where nothing varies.
    """

    shape: tuple[int, ...]
    dtype: str
    n_train: int
    classes: int | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
    mean: Array | None = field(default=None, compare=False, repr=False)
    spread: float = field(default=1.0, compare=False)

    @classmethod
    def of(cls, train: Split) -> DataSpec:
        """Describe a training split."""
        classes = None if train.labels is None else int(train.labels.max()) + 1
        mean, spread = (None, 1.0) if train.inputs.dtype == np.uint8 else _moments(train.inputs)
        return cls(
            tuple(train.inputs.shape[1:]),
            str(train.inputs.dtype),
            len(train),
            classes,
            train.factor_names,
            train.factor_sizes,
            mean,
            spread,
        )


def _moments(inputs: Array) -> tuple[Array, float]:
    """Return the mean `(*shape)` of inputs `(n, *shape)` and the root of the mean variance; 1 where that is 0."""

    def parts() -> Iterator[Array]:  # again each time: all together may not fit into memory
        return (inputs[first : first + CHUNK] for first in range(0, len(inputs), CHUNK))

    mean = sum(part.sum(0, dtype=np.float64) for part in parts()) / len(inputs)
    squares = sum(float(np.square(part - mean).sum()) for part in parts()) / inputs.size
    largest = max(np.abs(part).max() for part in parts())
    known = float(np.spacing(largest, dtype=np.float32)) / 2  # less than that is rounding
    return np.asarray(mean), squares**0.5 if squares**0.5 > known else 1.0


class Dataset(ABC):
    """A named source of data. A plugin subclasses it and registers the class.

    Attributes:
        version: increase it when the same files would give other arrays.
        reads_paths: `-d PATH` means this dataset with its parameter `path`; for loaders of users' own files.
        unrecorded: parameter -> what a record without it means. For a parameter that was added later, with a
            default that gives other data than before: trials of that time are opened on the data they had.
        params: the checked parameters, an instance of the class's own `Params`.
    """

    class Params(latentbench.params.Params):
        """Parameters of the dataset; none unless a subclass declares some."""

    version: ClassVar[int] = 1
    reads_paths: ClassVar[bool] = False
    unrecorded: ClassVar[Mapping[str, Any]] = {}
    params: Params

    def __init_subclass__(cls, **options: Any) -> None:
        """Check what the class declares.

        Raises:
            ContractError: a version that cannot be, `reads_paths` without the parameter `path`, or an unrecorded
                parameter that is none.
        """
        super().__init_subclass__(**options)
        check_members(cls, Dataset)
        check_whole(f"{cls.__name__}.version", cls.version, 1)
        if cls.reads_paths and "path" not in cls.Params.model_fields:
            raise ContractError(
                f"correct {cls.__name__}.Params: reads_paths needs a parameter `path`, "
                f"got {', '.join(cls.Params.model_fields) or 'no parameters'}"
            )
        check_words(f"{cls.__name__}.unrecorded", tuple(cls.unrecorded), [*cls.Params.model_fields])

    def __init__(self, params: Params) -> None:
        self.params = params

    @abstractmethod
    def load(self) -> tuple[Split, Split]:
        """Return the train and the test split.

        Raises:
            DataError: one sentence on what is missing or damaged and what to do.
        """

    @classmethod
    def read_rows(cls, path: Path, names: Sequence[str] = ()) -> list[Rows]:  # noqa: ARG003 - overridden
        """Return the rows of a file that others made, as of codes; override it where `reads_paths`.

        Args:
            path: the file.
            names: what the array may be called in a file that holds several; all that inputs may be called, too.

        Returns:
            All rows, or those of train and those of test where the file holds both.

        Raises:
            DataError: the file is missing, damaged, of an unknown kind, or holds no such numbers.
        """
        raise DataError(f"{path} cannot be read: {cls.__name__} reads no rows of files")

    @classmethod
    def read_labels(cls, path: Path, rows: int) -> Array:  # noqa: ARG003 - overridden
        """Return the labels `(rows,)` in a file that holds one for each row, as they are written.

        Raises:
            DataError: the file cannot be read, or holds another count of labels.
        """
        raise DataError(f"{path} cannot be read: {cls.__name__} reads no labels of files")

    def fingerprint(self) -> str:
        """Return the sha256 of the decoded arrays, 64 hex digits.

        Override it where it can be known without loading: from (name, version, params) of generated data, or
        from a cache keyed by the files' path, size and time.
        """
        return fingerprint_arrays(*self.load())

    def remarks(self) -> tuple[str, ...]:
        """Return what `load` left out or changed, each as a short sentence; the dry run of a run shows them.

        Override it where files may hold what no split has, as other files in a folder, or transparency.
        It is called after `load`, on the same object.
        """
        return ()

    def preparation(self) -> str:
        """Return how inputs differ from what the files hold, in a word or two, as "standardized"; "" for nothing.

        It follows from the parameters, and stands in the head of tables.
        """
        return ""

    def render(self, factors: npt.ArrayLike) -> Array:  # noqa: ARG002 - overridden by generated data
        """Draw the inputs `(n, *shape)` of `factors` `(n, k)`; override it where the data are generated.

        The factors of a split must give exactly its inputs.

        Raises:
            DataError: these data are not generated, or the factors lie outside what they can be.
        """
        raise DataError(f"{type(self).__name__} has no renderer: its data are not drawn from factors")

    def splits(self) -> Splits:
        """Load the data and carve the validation split from train."""
        train, test = self.load()
        for name, split in (("train", train), ("test", test)):
            if not len(split):
                raise DataError(f"the {name} split needs at least one row, got none; check the dataset's files")
        if train.inputs.shape[1:] != test.inputs.shape[1:]:
            raise DataError(
                f"train inputs have shape {train.inputs.shape[1:]} but test inputs {test.inputs.shape[1:]}"
            )
        if train.class_names != test.class_names:
            raise DataError(
                f"train and test must have the same class_names, got {', '.join(train.class_names) or 'none'} and "
                f"{', '.join(test.class_names) or 'none'}; number the labels of both together"
            )
        carved = _validation_rows(train)
        renders = type(self).render is not Dataset.render
        return Splits(
            train.take(~carved),
            train.take(carved),
            test,
            self.render if renders else None,
            tuple(self.remarks()),
            carved,
        )


def split_validation(train: Split) -> tuple[Split, Split]:
    """Carve 5,000 rows or 10 % of `train`, whichever is less, as a validation split.

    The rows with the smallest sha256 of their contents are taken: the choice depends only on the data, and equal
    rows end on the same side (except for the last one taken).
    """
    chosen = _validation_rows(train)
    return train.take(~chosen), train.take(chosen)


def _validation_rows(train: Split) -> npt.NDArray[np.bool_]:
    count = min(5000, len(train) // 10)
    chosen = np.zeros(len(train), dtype=bool)
    chosen[np.argsort(row_hashes(train.inputs), kind="stable")[:count]] = True
    return chosen


def fingerprint_arrays(*splits: Split) -> str:
    """Return the sha256 of the arrays of `splits`: types, shapes and contents."""
    digest = hashlib.sha256()
    for split in splits:
        for array in (split.inputs, split.labels, split.factors):
            if array is None:
                digest.update(b"none")
                continue
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            for _, block in chunks(array):
                digest.update(block.data)
    return digest.hexdigest()
