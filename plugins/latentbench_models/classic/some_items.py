"""What classic maps share: their cost grows with the square of the items, so they are fitted to some of them."""

from __future__ import annotations

import warnings
from math import prod
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from scipy.sparse import SparseEfficiencyWarning
from torch import Tensor

from latentbench import Model, NotApplicableError, Params, SklearnModel, Split, as_inputs
from latentbench_models.centering import Center

__all__ = ["FittedToSome", "NeighborParams", "SomeParams"]


class SomeParams(Params):
    """Parameters of every method that is fitted to some of the items."""

    latent_dim: int = Field(default=16, ge=1, le=4096, description="length of a code")
    items: int = Field(
        default=2000,
        ge=2,
        le=20_000,
        description="training items fitted to, at equal steps through the split; all others are placed by them",
    )


class NeighborParams(SomeParams):
    """Parameters of every method that links an item to its neighbors."""

    n_neighbors: int = Field(default=10, ge=1, description="number of neighbors an item is linked to")


class FittedToSome(SklearnModel):
    """A transformer of `items` training items; it sees all inputs less the training mean, and draws nothing.

    It cannot be reloaded without pickle, so its scores are made with the trial.
    """

    deterministic: ClassVar[bool] = True

    class Params(SomeParams, Model.Params):
        """Parameters of the method."""

    params: Params
    center: Center

    def check(self, items: int) -> None:
        """Refuse data of which the method cannot give such codes.

        Raises:
            NotApplicableError: codes longer than inputs or items allow, or fewer items than neighbors.
        """
        name, most = type(self).__name__, min(items - 1, prod(self.data.shape))
        if self.params.latent_dim > most:
            raise NotApplicableError(
                f"{name} can give codes of at most {most} numbers here, got latent_dim={self.params.latent_dim}"
            )
        neighbors = getattr(self.params, "n_neighbors", 0)
        if items <= neighbors:
            raise NotApplicableError(f"{name} with n_neighbors={neighbors} needs more items, got {items}")

    def fit(self, train: Split, generator: torch.Generator) -> None:  # noqa: ARG002 - draws nothing
        """Fit to the chosen items."""
        rows = self.chosen(train)
        self.estimator = self.make_estimator(0)
        with warnings.catch_warnings():  # of graphs in pieces and how they are joined: the docstrings say it
            warnings.filterwarnings("ignore", message="The number of connected components", category=UserWarning)
            warnings.filterwarnings("ignore", category=SparseEfficiencyWarning)
            self.estimator.fit(rows)

    def chosen(self, train: Split) -> npt.NDArray[np.float64]:
        """Return the items to fit to, `(m, D)`, less the mean of all."""
        count = min(len(train), self.params.items)
        self.check(count)
        self.center = Center.of(train)
        places = np.linspace(0, len(train) - 1, count).round().astype(np.int64)
        rows: npt.NDArray[np.float64] = self.center.taken_off(as_inputs(train.inputs[places])).double().numpy()
        return rows

    def encode(self, inputs: Tensor) -> Tensor:
        """Place inputs `(n, *shape)` among the items fitted to."""
        rows = self.center.taken_off(inputs).double().cpu().numpy()
        return torch.from_numpy(np.asarray(self.estimator.transform(rows), dtype=np.float32))
