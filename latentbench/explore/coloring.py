"""What the colors of the dots of a map mean: classes with their names, or the values of a factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.scatter import MOST_CLASSES
from latentbench.errors import UnknownNameError, near_matches
from latentbench.latent.class_names import class_words, is_number
from latentbench.latent.space import LatentSpace

__all__ = ["Coloring", "choose_coloring", "class_marks"]

MARK = 16  # characters of a name on a map


@dataclass(frozen=True)
class Coloring:
    """What the color of a dot means.

    Attributes:
        name: "label", the name of a factor, or empty.
        classes: class numbers `(m,)`; each class has its color and marker.
        values: `(m,)`, from dark to bright (viridis).
        class_names: of class 0, 1, ...; empty where classes have numbers alone.
    """

    name: str = ""
    classes: NDArray[np.int64] | None = None
    values: NDArray[np.float64] | None = None
    class_names: tuple[str, ...] = ()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the classes that are there, ascending."""
        return [] if self.classes is None else np.unique(self.classes).tolist()

    @property
    def marks(self) -> dict[int, str]:
        """What is written on the dots of each class."""
        return class_marks(self.numbers, self.class_names)

    @property
    def legend(self) -> dict[int, str]:
        """What each class is called; empty where there are no classes, or too many for colors."""
        if len(self.numbers) > MOST_CLASSES:
            return {}
        return {number: class_words(number, self.class_names) for number in self.numbers}

    @property
    def words(self) -> str:
        """What there is to say of the colors, where no legend says it."""
        many = len(self.numbers)
        return f"{many} classes, too many for colors" if many > MOST_CLASSES else ""


def choose_coloring(space: LatentSpace, rows: NDArray[np.int64], by: str | None = None) -> Coloring:
    """Return the coloring of the items `rows` by "label" or a factor; default: by label, if the space has labels.

    Raises:
        UnknownNameError: the space has neither a label nor a factor of that name.
    """
    known = [*(["label"] if "labels" in space.supplies else []), *space.factor_names]
    if by is None:
        by = "label" if "label" in known else None
    if by is None:
        return Coloring()
    if by not in known:
        has = f"it has {', '.join(known)}" if known else "it has neither labels nor factors"
        raise UnknownNameError(f"--by: these items have no {by!r}{near_matches(by, known)}; {has}")
    if by == "label":
        return Coloring(by, classes=space.labels.cpu().numpy()[rows], class_names=space.class_names)
    return Coloring(by, values=space.factors.cpu().numpy()[rows, space.factor_names.index(by)])


def class_marks(numbers: Sequence[int], names: Sequence[str]) -> dict[int, str]:
    """Return the mark of each class on a map: its name, or a bare number where all classes are called by numbers.

    There are none where there are too many classes for colors.
    """
    if len(numbers) > MOST_CLASSES:
        return {}
    words = {number: class_words(number, names, MARK) for number in numbers}
    bare = {number: name.removeprefix("class ") for number, name in words.items()}
    return bare if _are_numbers(bare) else words


def _are_numbers(marks: Mapping[int, str]) -> bool:
    return all(map(is_number, marks.values()))
