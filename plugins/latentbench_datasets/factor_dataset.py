"""What datasets share that are drawn here from a table of known factors."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationInfo, field_validator

from latentbench import DataError, Dataset, Split
from latentbench_datasets.factor_design import FactorDesign, FactorRange
from latentbench_datasets.fingerprints import drawn_fingerprint

__all__ = ["Columns", "FactorDataset"]

Columns = dict[str, npt.NDArray[np.float32]]
CHUNK = 32  # pictures drawn at once: their layers stay in the processor's cache


class FactorDataset(Dataset):
    """Pictures drawn from factors that are known, so that the picture after any change of them is known, too.

    The train split, of which the host takes a part for validation, follows `correlation` and `holdout`. In the
    test split factors are independent and every combination occurs: what a model learned from a correlation, or
    could not learn without a combination, shows there.

    Attributes:
        title: the dataset's name.
        channels: 1 for grey, 3 for color.
    """

    class Params(Dataset.Params):
        """How many pictures of which factors; a subclass says what the factors are."""

        factors: ClassVar[tuple[FactorRange, ...]] = ()
        train: int = Field(
            default=11_111,
            ge=50,
            le=1_000_000,
            description="pictures to learn from; a tenth of them becomes validation, so 11,111 leave 10,000",
        )
        test: int = Field(default=2_000, ge=10, le=1_000_000, description="pictures to test with")
        seed: int = Field(default=0, ge=0, lt=2**32, description="of the factors; another seed, other pictures")
        correlation: tuple[str, ...] = Field(
            default=(),
            description="correlated pairs in train and validation, as smile+glasses=0.8; commas between",
        )
        holdout: tuple[str, ...] = Field(
            default=(),
            description="combinations not in train and validation, as glasses=1+hat=1 or smile=0.5..1+hat=1",
        )

        @field_validator("correlation", "holdout", mode="before")
        @classmethod
        def _as_tuple(cls, value: Any) -> Any:
            return (value,) if isinstance(value, str) else value

        @field_validator("correlation")
        @classmethod
        def _correlates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
            FactorDesign(cls.factors, value)
            return value

        @field_validator("holdout")
        @classmethod
        def _leaves_some(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
            FactorDesign(cls.factors, info.data.get("correlation", ()), value)
            return value

    params: Params
    title: ClassVar[str]
    channels: ClassVar[int]

    def load(self) -> tuple[Split, Split]:
        """Return train and test; fewer pictures are the first ones of more, and test has a stream of its own."""
        given = self.params
        design = FactorDesign(given.factors, given.correlation, given.holdout)
        return self._draw_split(design, given.train, 0), self._draw_split(
            FactorDesign(given.factors), given.test, 1
        )

    def fingerprint(self) -> str:
        """Return the sha256 of name, version and parameters, which decide the data."""
        return drawn_fingerprint(self.title, self.version, self.params)

    def render(self, factors: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Draw the pictures `(n, c, size, size)` of `factors` `(n, k)`, in any order.

        The factors of a split give its very pictures; with some factor changed, the exact counterfactuals.

        Raises:
            DataError: the factors have another shape, or values out of their range.
        """
        values = self._check(factors)
        side = self._side()
        pictures = np.empty((len(values), self.channels, side, side), np.uint8)
        for start in range(0, len(values), CHUNK):
            rows = values[start : start + CHUNK].astype(np.float32)
            columns = {
                factor.name: column[:, None, None]
                for factor, column in zip(self.params.factors, rows.T, strict=True)
            }
            pixels = np.zeros((len(rows), *pictures.shape[1:]), np.float32)
            self._paint(pixels, columns)
            pictures[start : start + CHUNK] = np.rint(pixels)
        return pictures

    @abstractmethod
    def _side(self) -> int:
        """Return height and width of the pictures."""

    @abstractmethod
    def _paint(self, pixels: npt.NDArray[np.float32], columns: Columns) -> None:
        """Paint over `pixels` `(n, c, side, side)`, black, with values from 0 to 255; a column is `(n, 1, 1)`."""

    @abstractmethod
    def _label(self, columns: dict[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.int64]:
        """Return the class of each row; a column is `(n,)`."""

    def _draw_split(self, design: FactorDesign, count: int, stream: int) -> Split:
        rows = design.draw(count, np.random.default_rng([self.params.seed, stream]))
        names = tuple(factor.name for factor in design.factors)
        labels = self._label(dict(zip(names, rows.T, strict=True)))
        return Split(self.render(rows), labels, rows, names, tuple(factor.size for factor in design.factors))

    def _check(self, factors: npt.ArrayLike) -> npt.NDArray[np.float64]:
        values = np.asarray(factors, dtype=np.float64)
        known = self.params.factors
        if values.ndim != 2 or values.shape[1] != len(known):
            raise DataError(
                f"factors of {self.title} must be numbers (n, {len(known)}), got shape {values.shape}; give the "
                f"columns {', '.join(factor.name for factor in known)}"
            )
        for factor, column in zip(known, values.T, strict=True):
            wrong = ~factor.has(column)
            if wrong.any():
                raise DataError(
                    f"{factor.name} must be {factor.words}, got {column[wrong][0]:g}; keep to its range"
                )
        return values
