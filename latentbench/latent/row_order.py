"""An order of items that their contents decide, and numbers of classes that their names do not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from latentbench.latent.split_inputs import SplitInputs, parts_of

__all__ = ["class_ranks", "first_seen", "renumbered", "row_order"]

AT_ONCE = 4096  # rows hashed at once
Space = TypeVar("Space")  # a LatentSpace, whose file imports this one


def row_order(*columns: Tensor | SplitInputs | None) -> Tensor:
    """Return row numbers `(n,)`, sorted by a hash of what each row holds in all `columns` `(n, ...)`.

    Equal rows keep the order in which they come. A column that is None is left out; the first is not.
    """
    parts = [parts_of(column, AT_ONCE) for column in columns if column is not None]
    hashes = [digest for part in zip(*parts, strict=True) for digest in _digests(part)]
    return torch.tensor(sorted(range(len(hashes)), key=hashes.__getitem__))


def _digests(columns: Sequence[Tensor]) -> Iterator[bytes]:
    """Yield the hash of each row of columns `(m, ...)`."""
    arrays = [column.detach().cpu().reshape(len(column), -1).numpy() for column in columns]
    for row in range(len(arrays[0])):
        yield hashlib.sha256(b"".join(array[row].tobytes() for array in arrays)).digest()


def class_ranks(labels: Tensor | None) -> Tensor | None:
    """Return each label's rank `(n,)` among the class numbers that occur, from 0.

    >>> class_ranks(torch.tensor([7, 3, 9, 3]))
    tensor([1, 0, 2, 0])
    """
    return None if labels is None else torch.unique(labels, return_inverse=True)[1]


def first_seen(*parts: Tensor, names: tuple[str, ...] = ()) -> tuple[list[Tensor], tuple[str, ...]]:
    """Number classes in the order in which they first occur in the `parts` `(n,)`, `(m,)`, ... one after another.

    Their names, where they have any, come in the same order.

    >>> first_seen(torch.tensor([2, 0, 2]), torch.tensor([1, 0]), names=("cat", "dog", "owl"))
    ([tensor([0, 1, 0]), tensor([2, 1])], ('owl', 'cat', 'dog'))
    """
    everything = torch.cat(parts)
    classes, ranks = torch.unique(everything, return_inverse=True)
    places = torch.arange(len(everything), device=everything.device)
    first = places.new_full((len(classes),), len(everything)).scatter_reduce(0, ranks, places, "amin")
    order = first.argsort()
    numbers = torch.split(order.argsort()[ranks], [len(part) for part in parts])
    return list(numbers), tuple(names[number] for number in classes[order].tolist()) if names else ()


def renumbered(space: Space) -> Space:
    """Return a LatentSpace with classes numbered, in all its splits, in the order in which they first occur.

    Where nothing but the place of an item says which one it is, the numbers of classes decide nothing then.
    """
    given: Any = space
    if "labels" not in given.supplies:
        return space
    splits = {name: getattr(given, name) for name in ("train", "validation") if name in given.supplies}
    splits = {name: split for name, split in splits.items() if "labels" in split.supplies}
    numbers = [given.labels, *(split.labels.to(given.device) for split in splits.values())]
    (labels, *others), names = first_seen(*numbers, names=given.class_names)
    changed = {name: splits[name].replaced(labels=new) for name, new in zip(splits, others, strict=True)}
    again: Space = given.replaced(labels=labels, class_names=names, **changed)
    return again
