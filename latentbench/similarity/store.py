"""Pair scores that were computed before: one file a score, by what identifies both spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentbench.errors import RunFolderError
from latentbench.files.failures import refusal
from latentbench.files.json_files import damaged, read_sealed, write_sealed
from latentbench.files.regular import is_regular
from latentbench.files.shapes import checked

__all__ = ["PairScore", "PairStore"]


@dataclass(frozen=True)
class PairScore:
    """The score of one space with another.

    Attributes:
        value: the score; None where there is none.
        text: why there is none, or what a reader must know of how it was made.
    """

    value: float | None
    text: str = ""


@dataclass(frozen=True)
class _Stored:
    pairs: Mapping[str, Sequence[Any]]
    nulls: Mapping[str, Sequence[Any]]


@dataclass
class PairStore:
    """The values of one pair score; `keep` writes what was added.

    Attributes:
        path: of the file.
        pairs: keys of two spaces -> their score.
        nulls: keys of two models -> the score of each permutation; none where there is no null.
    """

    path: Path
    pairs: dict[tuple[str, str], PairScore] = field(default_factory=dict)
    nulls: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    _added: bool = False

    @classmethod
    def read(cls, path: Path) -> PairStore:
        """Read what a file holds; nothing where there is none.

        Raises:
            RunFolderError: it is damaged.
        """
        if not is_regular(path):
            return cls(path)
        try:
            stored = checked(_Stored, read_sealed(path))
            pairs = {
                _names(name): PairScore(_number(value), str(text)) for name, (value, text) in stored.pairs.items()
            }
            nulls = {_names(name): tuple(map(float, values)) for name, values in stored.nulls.items()}
        except RunFolderError:
            raise
        except (TypeError, ValueError) as error:
            raise damaged(path, error) from error
        return cls(path, pairs, nulls)

    def pair(self, first: str, second: str, symmetric: bool) -> PairScore | None:
        """Return the score of two spaces, if it is known; of a symmetric one, whichever comes first."""
        return self.pairs.get((first, second)) or (self.pairs.get((second, first)) if symmetric else None)

    def null(self, first: str, second: str, symmetric: bool) -> tuple[float, ...] | None:
        """Return the scores of two models after permutations, likewise."""
        known = self.nulls.get((first, second))
        return self.nulls.get((second, first)) if known is None and symmetric else known

    def add_pair(self, first: str, second: str, score: PairScore) -> None:
        """Keep the score of two spaces."""
        self.pairs[first, second] = score
        self._added = True

    def add_null(self, first: str, second: str, values: Sequence[float]) -> None:
        """Keep the scores of two models after permutations."""
        self.nulls[first, second] = tuple(values)
        self._added = True

    def keep(self) -> None:
        """Write what was added, whole or not at all.

        Raises:
            RunFolderError: it cannot be written there.
            LatentbenchError: the disk is full or fails.
        """
        if not self._added:
            return
        pairs = {" ".join(names): [score.value, score.text] for names, score in self.pairs.items()}
        nulls = {" ".join(names): list(values) for names, values in self.nulls.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(self.path, {"pairs": pairs, "nulls": nulls}, durable=False)
        except OSError as error:
            raise refusal(error, f"{self.path} cannot be written", RunFolderError) from error
        self._added = False


def _names(text: str) -> tuple[str, str]:
    first, second = text.split(" ")
    return first, second


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
