"""Attributes that an edit can change, factors or classes, and how far an item has to move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentbench.errors import NotApplicableError, UnknownNameError, near_matches
from latentbench.latent.class_names import class_pair, class_words, is_number
from latentbench.latent.space import LatentSpace

__all__ = ["Attribute", "attribute_names", "find_attribute"]

CLASSES = "label:"  # begins the name of a pair of classes
FORM = "'label:5->9' (in quotes: > is the shell's) or label:5-9, by number or by name"


@dataclass(frozen=True)
class Attribute:
    """A ground-truth factor, or a pair of classes, with its values in the training split.

    Attributes:
        name: its name, "smile", "label:sandal->bag", or "label:5->9" where classes are called by numbers.
        column: column of the factors; None for a pair of classes.
        rows: training rows for which it is known `(m,)`: all, or those of the two classes.
        values: its values in these rows `(m,)`, float64; for classes 0 in the first and 1 in the second.
        levels: its possible values, ascending; empty for a continuous factor.
        classes: numbers of the two classes; None for a factor.
        class_words: what the two classes are called; empty for a factor.
    """

    name: str
    column: int | None
    rows: Tensor
    values: Tensor
    levels: Tensor
    classes: tuple[int, int] | None = None
    class_words: tuple[str, ...] = ()

    @property
    def binary(self) -> bool:
        """Whether it has only two values."""
        return len(self.levels) == 2

    @property
    def unit(self) -> str:
        """The meaning of a strength of 1."""
        return "the gap between the classes' means" if self.column is None else f"{self.name} + 1"

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Low and high: the two values, else the outer quartiles (the extremes where the quartiles are equal)."""
        low, high = (torch.quantile(self.values, share, interpolation="nearest") for share in (0.25, 0.75))
        extremes = self.binary or bool(low == high)
        return (self.values.min(), self.values.max()) if extremes else (low, high)

    def is_high(self, values: Tensor) -> Tensor:
        """Return which values are nearer to the high end than to the low end."""
        low, high = self.ends
        return values >= (low + high) / 2

    def opposite(self, values: Tensor) -> Tensor:
        """Return for each value the end on the other side; of two values, the other one."""
        low, high = self.ends
        return torch.where(self.is_high(values), low, high).to(values)

    def moved(self, values: Tensor, steps: float) -> Tensor:
        """Return the value that `steps` lead to from each value.

        Of two values, positive steps lead to the higher and negative ones to the lower. Otherwise a step is one
        standard deviation over the training split; results stay in its range, and on the nearest level if there
        are levels.
        """
        if steps == 0:
            return values
        if self.binary:
            return torch.full_like(values, float(self.levels[1 if steps > 0 else 0]))
        aim = (values + steps * self.values.std()).clamp(self.values.min(), self.values.max())
        if not len(self.levels):
            return aim
        return self.levels.to(aim)[(aim[:, None] - self.levels.to(aim)).abs().argmin(1)]


def attribute_names(space: LatentSpace) -> tuple[str, ...]:
    """Return the names of the factors that can be edited; pairs of classes can be edited too."""
    return space.factor_names if "train" in space.supplies and "factors" in space.train.supplies else ()


def find_attribute(space: LatentSpace, name: str) -> Attribute:
    """Return the attribute of a name: a factor, or a pair of classes as "label:5->9" (or "label:5-9").

    Classes are asked for by name or by number, see `latentbench.latent.class_names.find_class`.

    Raises:
        UnknownNameError: the space has no such factor or class.
        RequestError: the name starts with "label:" but is not a pair of different classes.
        NotApplicableError: there is no training split, or the factor has a single value there.
    """
    train = space.train
    if name.startswith(CLASSES):
        return _class_pair(train, name)
    known = attribute_names(space)
    if name not in known:
        raise UnknownNameError(
            f"there is no attribute {name!r}{near_matches(name, known)}; attributes here: "
            f"{', '.join((*known, 'pairs of classes as label:0->1'))}"
        )
    column = known.index(name)
    values = train.factors[:, column].double()
    levels = torch.unique(values)
    if len(levels) < 2:
        raise NotApplicableError(f"{name} has a single value in the training split")
    discrete = space.factor_sizes[column] > 0 or len(levels) == 2
    rows = torch.arange(len(values), device=values.device)
    return Attribute(name, column, rows, values, levels if discrete else levels[:0])


def _class_pair(train: LatentSpace, name: str) -> Attribute:
    labels, names = train.labels, train.class_names
    request = name.removeprefix(CLASSES)
    first, second = class_pair(request, ("->", "-"), FORM, names, torch.unique(labels).tolist())
    rows = ((labels == first) | (labels == second)).nonzero()[:, 0]
    values = (labels[rows] == second).double()
    words = class_words(first, names), class_words(second, names)
    title = f"{CLASSES}{_bare(words[0])}->{_bare(words[1])}"
    return Attribute(title, None, rows, values, torch.unique(values), (first, second), words)


def _bare(words: str) -> str:
    """Return a number for "class 7": the label that stands before it says what it counts."""
    number = words.removeprefix("class ")
    return number if is_number(number) else words
