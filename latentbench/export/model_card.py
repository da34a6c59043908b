"""What an exported folder says of its model, so that it can be made again without the run and its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench.dataset import DataSpec
from latentbench.files.json_files import damaged, read_sealed, write_sealed
from latentbench.files.shapes import Count, Whole, as_tuples, checked, checked_params
from latentbench.training.budget import Budget

__all__ = ["FILE", "DataCard", "ModelCard"]

FILE = "model.json"


@dataclass(frozen=True)
class DataCard:
    """`DataSpec` as JSON; `mean` is flat."""

    shape: tuple[Count, ...]
    dtype: str
    n_train: Count
    classes: int | None
    factor_names: tuple[str, ...]
    factor_sizes: tuple[int, ...]
    mean: tuple[float, ...] | None
    spread: float

    @classmethod
    def of(cls, data: DataSpec) -> DataCard:
        """Write a `DataSpec` down."""
        mean = None if data.mean is None else tuple(np.asarray(data.mean, dtype=np.float64).ravel().tolist())
        return cls(**{**vars(data), "mean": mean})

    def spec(self) -> DataSpec:
        """Return the `DataSpec`."""
        mean: npt.NDArray[Any] | None = None if self.mean is None else np.array(self.mean).reshape(self.shape)
        return DataSpec(**{**vars(self), "mean": mean})


@dataclass(frozen=True)
class ModelCard:
    """The content of model.json.

    Attributes:
        model: registered name; `model_version` and `source` (sha256) as the trial recorded them.
        label: heading in tables.
        params: all parameters.
        budget: what it was trained with, by `seed`.
        dataset: what it was trained on; `data` is what the model knew of it.
        latent_dim: length of a code.
        trial: key of the trial in its run.
        weights: sha256 of model.safetensors.
        latentbench: version that exported it; `torch` likewise.
    """

    model: str
    model_version: Whole
    source: str
    label: str
    params: Mapping[str, Any]
    budget: Budget
    seed: Count
    dataset: str
    data: DataCard
    latent_dim: Count
    trial: str
    weights: str
    latentbench: str
    torch: str

    def write(self, folder: Path) -> None:
        """Write model.json."""
        values = {**vars(self), "budget": self.budget.model_dump(mode="json"), "data": asdict(self.data)}
        write_sealed(folder / FILE, values)

    @classmethod
    def read(cls, folder: Path) -> ModelCard:
        """Read model.json.

        Raises:
            RunFolderError: it is missing or damaged.
        """
        path = folder / FILE
        values = read_sealed(path)
        try:
            data = checked(DataCard, as_tuples(values["data"], "shape", "factor_names", "factor_sizes", "mean"))
            budget = checked_params(Budget, values["budget"])
            return checked(cls, {**values, "data": data, "budget": budget})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise damaged(path, error) from error
