"""What datasets share that are drawn here from a table of known factors."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, field_validator, model_validator

from latentbench import DataError, Dataset, Split
from latentbench_datasets._drawn.factor_design import FactorDesign, FactorRange, Source
from latentbench_datasets._shared.fingerprints import drawn_fingerprint

__all__ = ["FactorDataset"]

Table = npt.NDArray[np.float64]


class FactorDataset(Dataset):
    """Inputs drawn from factors that are known, so that the input after any change of them is known, too.

    The train split, of which the host takes a part for validation, follows `correlation` and `holdout`. In the
    test split factors are independent and every combination occurs: what a model learned from a correlation, or
    could not learn without a combination, shows there.

    Attributes:
        title: the dataset's name.
        class_names: what the classes 0, 1, ... are called.
        source: the random numbers that factors are made of; see `FactorDesign`.
    """

    class Params(Dataset.Params):
        """How many items of which factors; a subclass says what the factors are."""

        factors: ClassVar[tuple[FactorRange, ...]] = ()
        train: int = Field(
            default=11_111,
            ge=50,
            le=1_000_000,
            description="training items; a tenth of them becomes validation, so 11,111 leave 10,000",
        )
        test: int = Field(default=2_000, ge=10, le=1_000_000, description="test items")
        seed: int = Field(default=0, ge=0, lt=2**32, description="of the factors; another seed gives other items")
        correlation: tuple[str, ...] = Field(
            default=(),
            description="correlated pairs in train and validation, as NAME+NAME=0.8; commas between",
        )
        holdout: tuple[str, ...] = Field(
            default=(),
            description="combinations not in train and validation, as NAME=1+NAME=0.5..1; commas between",
        )

        @property
        def varied(self) -> tuple[FactorRange, ...]:
            """The factors that there are with these parameters."""
            return self.factors

        @field_validator("correlation", "holdout", mode="before")
        @classmethod
        def _as_tuple(cls, value: Any) -> Any:
            return (value,) if isinstance(value, str) else value

        @model_validator(mode="after")
        def _can_be_had(self) -> FactorDataset.Params:
            """Try the options one after the other, so that the wrong one can be named."""
            for name, holdout in (("correlation", ()), ("holdout", self.holdout)):
                try:
                    FactorDesign(self.varied, self.correlation, holdout)
                except ValueError as error:
                    options = ",".join(getattr(self, name))
                    raise ValidationError.from_exception_data(
                        name,
                        [{"type": "value_error", "loc": (name,), "input": options, "ctx": {"error": error}}],
                    ) from None
            return self

    params: Params
    title: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]
    source: ClassVar[Source] = "normal"

    def load(self) -> tuple[Split, Split]:
        """Return train and test; fewer items are the first ones of more, and test has a stream of its own."""
        params = self.params
        design = FactorDesign(params.varied, params.correlation, params.holdout, self.source)
        free = FactorDesign(params.varied, source=self.source)
        return self._draw_split(design, params.train, 0), self._draw_split(free, params.test, 1)

    def fingerprint(self) -> str:
        """Return the sha256 of name, version and parameters, which decide the data."""
        return drawn_fingerprint(self.title, self.version, self.params)

    @property
    def factor_names(self) -> tuple[str, ...]:
        """The names of the factors, in the order of their columns."""
        return tuple(factor.name for factor in self.params.varied)

    def render(self, factors: npt.ArrayLike) -> npt.NDArray[Any]:
        """Draw the inputs `(n, *shape)` of `factors` `(n, k)`, in any order.

        The factors of a split give its very inputs; with some factor changed, the exact counterfactuals.

        Raises:
            DataError: the factors have another shape, or values out of their range.
        """
        return self._render(self._check(factors))

    @abstractmethod
    def _render(self, values: Table) -> npt.NDArray[Any]:
        """Draw the inputs of factors `(n, k)` that have been checked."""

    @abstractmethod
    def _label(self, columns: dict[str, Table]) -> npt.NDArray[np.int64]:
        """Return the class of each row; a column is `(n,)`."""

    def _draw_split(self, design: FactorDesign, count: int, stream: int) -> Split:
        rows = design.draw(count, np.random.default_rng([self.params.seed, stream]))
        labels = self._label(dict(zip(self.factor_names, rows.T, strict=True)))
        sizes = tuple(factor.size for factor in design.factors)
        return Split(self._render(rows), labels, rows, self.factor_names, sizes, self.class_names)

    def _check(self, factors: npt.ArrayLike) -> Table:
        values = np.asarray(factors, dtype=np.float64)
        known = self.params.varied
        if values.ndim != 2 or values.shape[1] != len(known):
            raise DataError(
                f"factors of {self.title} must be numbers (n, {len(known)}), got shape {values.shape}; give the "
                f"columns {', '.join(self.factor_names)}"
            )
        for factor, column in zip(known, values.T, strict=True):
            wrong = ~factor.has(column)
            if wrong.any():
                raise DataError(
                    f"{factor.name} must be {factor.words}, got {column[wrong][0]:g}; keep to its range"
                )
        return values
