"""Own codes as they are asked for: arrays or files, what they are of, and the trials that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench.arrays.classes import number_classes
from latentbench.arrays.numbers import as_array, as_numbers
from latentbench.codes.items import Items, Source, agreed, written
from latentbench.codes.trials import OwnCodes, Shown, digest_of, own_codes
from latentbench.dataset import Dataset, Splits
from latentbench.errors import DataError
from latentbench.text import normalized, printable, same_names

__all__ = ["AskedCodes", "DataPlace", "of_arrays", "planned", "read_codes"]

Array = npt.NDArray[Any]
NAMES = ("codes", "z", "embeddings", "embedding", "latents", "latent")
FACTORS = ("factors",)
NAME = "items"  # in tables, where no file names them
MOST_VALUES = 1000  # of a factor that counts as discrete
SEVERAL = 2  # a file that holds the rows of train and those of test


@dataclass(frozen=True)
class AskedCodes:
    """Arrays that others computed, with what is known of their items.

    Attributes:
        codes: name -> arrays `(n, d)`; several are seeds of one model.
        train: name -> arrays `(m, d)` of the training items; none for a name without them.
        labels: of the items, or None; `train_labels` likewise.
        factors: `(n, k)`, or None; `factor_names` are k names.
        split: the split of the data set that the codes are of.
        name: heading in tables where no data set is named.
    """

    codes: Mapping[str, Sequence[Source]]
    train: Mapping[str, Sequence[Source]] = field(default_factory=dict)
    labels: Source | None = None
    train_labels: Source | None = None
    factors: Source | None = None
    factor_names: tuple[str, ...] = ()
    split: str = "test"
    name: str = NAME


@dataclass(frozen=True)
class DataPlace:
    """A data set as a trial names it, and its splits.

    Attributes:
        name: heading in tables; `loader`, `params` and `fingerprint` are those of a trial.
    """

    name: str
    loader: str
    params: Mapping[str, Any]
    fingerprint: str
    splits: Splits


def read_codes(
    codes: Mapping[str, Sequence[str]],
    train_codes: Mapping[str, Sequence[str]],
    labels: str,
    train_labels: str,
    factors: str,
    split: str,
    reader: type[Dataset],
) -> AskedCodes:
    """Read the files of own codes by the class of data sets that reads users' files.

    Raises:
        DataError: a file is missing, damaged, or holds something else.
    """
    read = {name: [_read(file, reader) for file in files] for name, files in codes.items()}
    of_train = {name: [_read(file, reader)[-1] for file in files] for name, files in train_codes.items()}
    for name, sources in read.items():  # a file may bring its training codes along
        both = [parts[0] for parts in sources if len(parts) == SEVERAL]
        if both and name not in of_train:
            of_train[name] = both
    tested = {name: [parts[-1] for parts in sources] for name, sources in read.items()}
    columns = _read_factors(factors, reader) if factors else None
    return AskedCodes(
        tested,
        of_train,
        _read_labels(labels, len(next(iter(tested.values()))[0]), reader) if labels else None,
        _read_labels(train_labels, _rows_of(of_train), reader) if train_labels else None,
        None if columns is None else columns[0],
        () if columns is None else columns[1],
        split,
        _name([labels] if labels else [file for files in codes.values() for file in files]),
    )


def _name(files: Sequence[str]) -> str:
    """Return what the items are called in tables: as their one file, the labels' or the codes', if it is one."""
    return printable(normalized(Path(files[0]).stem)) if len(files) == 1 else NAME


def of_arrays(
    codes: Mapping[str, Any],
    train_codes: Mapping[str, Any],
    labels: Any,
    train_labels: Any,
    factors: Any,
    factor_names: Sequence[str],
    split: str,
) -> AskedCodes:
    """Take arrays of any kind; see `latentbench.compare_codes`.

    Raises:
        DataError: there are none, one cannot be used, or two have the same name.
    """
    if not codes:
        raise DataError('codes must be arrays by name, as {"mine": array}, got none')
    if twice := same_names(codes) or same_names(train_codes):
        raise DataError(twice)
    if unknown := [name for name in train_codes if name not in codes]:
        raise DataError(f"train_codes must have the names of codes, got {unknown[0]!r}")
    table = None if factors is None else as_array(factors, "factors")
    return AskedCodes(
        {normalized(name): _arrays_of(name, arrays) for name, arrays in codes.items()},
        {
            normalized(name): _arrays_of(f"training codes of {name}", arrays)
            for name, arrays in train_codes.items()
        },
        None if labels is None else Source("labels", None, as_array(labels, "labels")),
        None if train_labels is None else Source("train_labels", None, as_array(train_labels, "train_labels")),
        None if table is None else Source("factors", table if table.ndim > 1 else table[:, None]),
        tuple(factor_names),
        split,
    )


def _arrays_of(name: str, arrays: Any) -> list[Source]:
    """Return the array of a name, or those of several seeds."""
    several = isinstance(arrays, list | tuple) and len(arrays) > 0 and np.ndim(arrays[0]) == SEVERAL
    if not several:
        return [Source(name, as_array(arrays, name))]
    return [Source(f"{name} (seed {seed})", as_array(array, name)) for seed, array in enumerate(arrays)]


def _read(file: str, reader: type[Dataset]) -> list[Source]:
    path = Path(file).expanduser()
    parts = reader.read_rows(path, NAMES)
    suffixes = (" (train)", " (test)") if len(parts) == SEVERAL else ("",)
    return [Source(f"{file}{end}", part.values, part.labels) for part, end in zip(parts, suffixes, strict=True)]


def _read_labels(file: str, rows: int, reader: type[Dataset]) -> Source:
    return Source(file, None, reader.read_labels(Path(file).expanduser(), rows))


def _rows_of(train: Mapping[str, Sequence[Source]]) -> int:
    if not train:
        raise DataError("train_labels must stand beside codes of training items, there are none; give train_codes")
    return len(next(iter(train.values()))[0])


def _read_factors(file: str, reader: type[Dataset]) -> tuple[Source, tuple[str, ...]]:
    (rows, *more) = reader.read_rows(Path(file).expanduser(), FACTORS)
    if more or rows.values.ndim != 2:
        raise DataError(f"{file} must hold factors (n, k), one row for each item, got shape {rows.values.shape}")
    return Source(file, rows.values), rows.columns


def planned(asked: AskedCodes, place: DataPlace | None) -> list[OwnCodes]:
    """Return the trials of own codes.

    Args:
        asked: the arrays.
        place: the data set whose items they are of; None where no inputs are known.

    Raises:
        DataError: arrays are not of the same items, or not codes.
    """
    sources = [source for arrays in asked.codes.values() for source in arrays]
    beside = [source for source in (asked.labels, asked.factors) if source is not None]
    split = None if place is None else place.splits.whole(asked.split)
    known = Items() if split is None or place is None else Items.of_split(split, _heading(place.name, asked.split))
    items = agreed(known, [*beside, *sources])
    if asked.factors is not None:
        items = replace(items, **_factors(asked.factors, asked.factor_names))
    items, train_labels = _train_labels(asked, place, items)
    shown = _shown(items, known, place, asked)
    return own_codes(shown, asked.codes, asked.train, train_labels)


def _heading(name: str, split: str) -> str:
    return name if split == "test" else f"{name}, {split}"


def _factors(source: Source, names: Sequence[str]) -> dict[str, Any]:
    values = as_numbers(source.values, f"factors of {source.name}").astype(np.float64)
    return {
        "factors": values,
        "factor_names": tuple(names) or tuple(f"factor_{number}" for number in range(values.shape[1])),
        "factor_sizes": tuple(map(_size, values.T)),
    }


def _size(factor: Array) -> int:
    """Return how many values a factor of whole numbers from 0 has; 0 for a continuous one."""
    whole = bool((factor % 1 == 0).all()) and factor.min(initial=0) >= 0 and factor.max(initial=0) < MOST_VALUES
    return int(factor.max(initial=0)) + 1 if whole else 0


def _train_labels(asked: AskedCodes, place: DataPlace | None, items: Items) -> tuple[Items, Array | None]:
    """Return the items, and the classes of the training items numbered as theirs are."""
    trained = [source for arrays in asked.train.values() for source in arrays]
    if not trained:
        return items, None
    split = None if place is None else place.splits.whole("train")
    known = Items() if split is None or place is None else Items.of_split(split, f"{place.name}, train")
    beside = [asked.train_labels] if asked.train_labels is not None else []
    train = agreed(known, [*beside, *trained])
    if train.labels is None or items.labels is None:
        return items, None
    pair = [written(items.labels, items.class_names), written(train.labels, train.class_names)]
    (numbers, of_train), names = number_classes(pair, "labels of codes and training codes")
    if place is not None and known.labels is not None:
        return items, known.labels
    return replace(items, labels=numbers, class_names=names), of_train


def _shown(items: Items, known: Items, place: DataPlace | None, asked: AskedCodes) -> Shown:
    """Say where the items come from: what no data set has is kept with the codes, and is part of the data."""
    about = {"labels": items.labels, "factors": items.factors, "names": np.array(items.class_names, str)}
    new = {name: array for name, array in about.items() if array is not None}
    added = known.labels is not items.labels or known.factors is not items.factors
    if place is None:
        digest = digest_of({"count": np.array(items.count), **new})
        return Shown(items, asked.name, digest)
    split, fingerprint = asked.split, place.fingerprint
    if split != "test" or added:
        own = {"split": np.array(split), "of": np.array(fingerprint), **(new if added else {})}
        fingerprint = digest_of(own)
    return Shown(
        items, _heading(place.name, split), fingerprint, place.loader, dict(place.params), split, keeps=added
    )
