"""Rules of a dataset: what it loads, how it is told from others, what it renders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from latentbench.dataset import Dataset, Split
from latentbench.errors import NotApplicableError
from latentbench.files.large_rows import chunks
from latentbench.files.row_view import RowView
from latentbench.machine import seeded
from latentbench.testing.generators import touched
from latentbench.testing.rules import Rule, RuleBrokenError

__all__ = ["DATASET_RULES", "TriedDataset"]

SHARED = 0.01  # of the test items: real data hold some items twice
RENDERED = 32  # items that are drawn again
HEX = 64


@dataclass(eq=False)
class TriedDataset:
    """A dataset class with parameters.

    Attributes:
        cls: the class.
        params: its checked parameters.
    """

    cls: type[Dataset]
    params: Dataset.Params

    def make(self) -> Dataset:
        """Make another dataset of the same parameters."""
        return self.cls(self.params)

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset that has loaded `loaded`."""
        return self.make()

    @cached_property
    def loaded(self) -> tuple[Split, Split]:
        """The train and the test split."""
        return self._first[0]

    @property
    def generators(self) -> list[str]:
        """The generators that all share and that loading drew from or seeded."""
        return self._first[1]

    @cached_property
    def _first(self) -> tuple[tuple[Split, Split], list[str]]:
        with touched() as generators:
            loaded = self.dataset.load()
        if not isinstance(loaded, tuple) or [type(part) for part in loaded] != [Split, Split]:
            raise RuleBrokenError(f"load must return the train and the test Split, got {type(loaded).__name__}")
        return loaded, generators

    @property
    def named(self) -> Iterator[tuple[str, Split]]:
        """Both splits with their names."""
        return zip(("train", "test"), self.loaded, strict=True)


def check_splits(tried: TriedDataset) -> None:
    """Both splits hold inputs of one kind and shape, which are not all the same."""
    train, test = tried.loaded
    for name, split in tried.named:
        if not len(split):
            raise RuleBrokenError(f"the {name} split is empty")
    kinds = [(split.inputs.dtype, split.inputs.shape[1:]) for split in (train, test)]
    if kinds[0] != kinds[1]:
        raise RuleBrokenError(
            f"train inputs are {kinds[0][0]} {kinds[0][1]}, test inputs {kinds[1][0]} {kinds[1][1]}"
        )
    for name, split in tried.named:
        if len(split) > 1 and not (split.inputs != split.inputs[:1]).any():
            raise RuleBrokenError(f"all inputs of the {name} split are the same")
    for what in ("labels", "factors"):
        if (getattr(train, what) is None) != (getattr(test, what) is None):
            raise RuleBrokenError(f"one split has {what} and the other has none")


def check_splits_disjoint(tried: TriedDataset) -> None:
    """Test items are no training items."""
    train, test = ([row.tobytes() for row in split.inputs] for split in tried.loaded)
    known = set(train)
    shared = sum(row in known for row in test)
    if shared > SHARED * len(test):
        raise RuleBrokenError(f"{shared:,} of {len(test):,} test items are training items; split them otherwise")


def check_labels(tried: TriedDataset) -> None:
    """Each class of the test split is in the training split, and class names fit."""
    train, test = tried.loaded
    if train.labels is None or test.labels is None:
        raise NotApplicableError("it has no labels")
    unseen = sorted(set(test.labels.tolist()) - set(train.labels.tolist()))
    if unseen:
        raise RuleBrokenError(
            f"classes {', '.join(map(str, unseen[:5]))} of the test split are not in the training split"
        )
    if train.class_names != test.class_names:
        raise RuleBrokenError(
            f"train has the class names {train.class_names[:3]}, test {test.class_names[:3]}; number both alike"
        )
    highest = max(int(split.labels.max()) for split in (train, test) if split.labels is not None)
    if train.class_names and highest >= len(train.class_names):
        raise RuleBrokenError(f"class {highest} has no name among {len(train.class_names)} class names")


def check_factors(tried: TriedDataset) -> None:
    """A factor of k values takes whole numbers from 0 to k - 1, and no two factors have one name."""
    train, _ = tried.loaded
    if train.factors is None:
        raise NotApplicableError("it has no factors")
    if len(set(train.factor_names)) != len(train.factor_names):
        raise RuleBrokenError(f"two factors have one name: {', '.join(train.factor_names)}")
    for name, split in tried.named:
        values_of = np.empty((0, 0)) if split.factors is None else split.factors
        if (split.factor_names, split.factor_sizes) != (train.factor_names, train.factor_sizes):
            raise RuleBrokenError("both splits must have the same factor names and sizes")
        for factor, size, values in zip(split.factor_names, split.factor_sizes, values_of.T, strict=True):
            whole = np.array_equal(values, np.round(values))
            if size and not (whole and values.min() >= 0 and values.max() < size):
                raise RuleBrokenError(
                    f"factor {factor!r} of {size} values must take whole numbers from 0 to {size - 1}, {name} has "
                    f"{values.min():g} to {values.max():g}; a size of 0 means continuous"
                )


def check_loads_the_same(tried: TriedDataset) -> None:
    """Loaded again, under other random numbers, the arrays are the same, bit for bit."""
    with seeded(1):
        again = tried.make().load()
    for (name, first), second in zip(tried.named, again, strict=True):
        for each in fields(Split):
            if not _equal(getattr(first, each.name), getattr(second, each.name)):
                raise RuleBrokenError(
                    f"{each.name} of the {name} split differ when they are loaded again; draw them from "
                    "np.random.default_rng(seed) with a fixed seed"
                )


def check_fingerprint(tried: TriedDataset) -> None:
    """The fingerprint is 64 hex digits and the same again."""
    first, second = tried.make().fingerprint(), tried.make().fingerprint()
    if not (isinstance(first, str) and len(first) == HEX and set(first) <= set("0123456789abcdef")):
        raise RuleBrokenError(f"fingerprint must return the sha256 as {HEX} hex digits, got {str(first)[:80]!r}")
    if first != second:
        raise RuleBrokenError(
            "two fingerprints of the same data differ, so every run would train again; leave out times and paths"
        )


def check_arrays_are_its_own(tried: TriedDataset) -> None:
    """What others write into the arrays does not come back when they are loaded again."""
    dataset = tried.make()
    for split in dataset.load():
        for array in (split.inputs, split.labels, split.factors):
            if array is not None and array.flags.writeable:
                array[...] = 0
    again = dataset.load()
    if any(not _equal(first.inputs, second.inputs) for first, second in zip(tried.loaded, again, strict=True)):
        raise RuleBrokenError(
            "load returns arrays that it keeps, so what others write into them stays; return copies"
        )


def check_render(tried: TriedDataset) -> None:
    """`render` draws the very inputs from their factors."""
    if tried.cls.render is Dataset.render:
        raise NotApplicableError("its data are not rendered")
    for name, split in tried.named:
        if split.factors is None:
            raise RuleBrokenError("it has `render` and no factors to draw from")
        rows = np.linspace(0, len(split) - 1, min(len(split), RENDERED)).astype(int)
        drawn = tried.dataset.render(split.factors[rows])
        expected = split.inputs[rows]
        if not _equal(np.asarray(drawn), expected):
            raise RuleBrokenError(
                f"what render draws ({_kind(drawn)}) is not the inputs of the {name} split "
                f"({_kind(expected)}); let load render its inputs from the factors that it returns, and draw "
                "nothing at random in render"
            )


def check_sentences(tried: TriedDataset) -> None:
    """`remarks` are sentences, `preparation` is a word or two."""
    _ = tried.loaded
    remarks, word = tried.dataset.remarks(), tried.dataset.preparation()
    if not (isinstance(remarks, tuple | list) and all(isinstance(remark, str) for remark in remarks)):
        raise RuleBrokenError(f"remarks must return a tuple of sentences, got {remarks!r:.80}")
    if not isinstance(word, str):
        raise RuleBrokenError(f"preparation must return text, got {type(word).__name__}")


def check_random_state_untouched(tried: TriedDataset) -> None:
    """Loading does not seed the generators that all share, nor draw from them."""
    _ = tried.loaded
    if tried.generators:
        raise RuleBrokenError(
            f"load draws from the generator of {' and '.join(tried.generators)} that all share, or seeds it; use "
            "np.random.default_rng(seed)"
        )


def _kind(array: Any) -> str:
    return f"{getattr(array, 'dtype', type(array).__name__)} of shape {np.shape(array)}"


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        first: npt.NDArray[Any] = one
        return first.dtype == other.dtype and np.array_equal(first, other)
    if isinstance(one, RowView) and isinstance(other, RowView):
        alike = (one.dtype, one.shape) == (other.dtype, other.shape)
        parts = chunks(cast(Any, one)) if alike else iter([])
        return alike and all(np.array_equal(part, other[at : at + len(part)]) for at, part in parts)
    return type(one) is type(other) and bool(one == other)


DATASET_RULES: tuple[Rule, ...] = (
    check_splits,
    check_splits_disjoint,
    check_labels,
    check_factors,
    check_loads_the_same,
    check_fingerprint,
    check_arrays_are_its_own,
    check_render,
    check_sentences,
    check_random_state_untouched,
)
