"""Locally linear embedding."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field
from sklearn import manifold
from torch import Tensor

from latentbench_models.classic.some_items import FittedToSome, NeighborParams

__all__ = ["LLE"]


class LLE(FittedToSome):
    """Locally linear embedding: a map on which each item is rebuilt from its neighbors as among the inputs.

    By scikit-learn, fitted to `items` of the training items, because it needs a dense matrix of all their pairs;
    others are placed by the weights that rebuild them from their neighbors among these, each by itself. Each code
    number has mean 0 and variance 1 on the items fitted to, as in the paper. It has no decoder.

    Source: Roweis and Saul 2000, "Nonlinear Dimensionality Reduction by Locally Linear Embedding".

    Loss: `sum_i |z_i - sum_j w_ij * z_j|^2`, over the neighbors j of i, where the weights w minimize the same of
    the inputs and add up to 1; solved exactly.
    """

    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"
    label_params: ClassVar[tuple[str, ...]] = ("n_neighbors",)

    class Params(NeighborParams, FittedToSome.Params):
        """Parameters of locally linear embedding."""

        regularization: float = Field(
            default=1e-3, gt=0, description="of the weights, as a share of the neighbors' variance"
        )

    params: Params

    def make_estimator(self, seed: int) -> Any:
        """Return scikit-learn's locally linear embedding."""
        return manifold.LocallyLinearEmbedding(
            n_neighbors=self.params.n_neighbors,
            n_components=self.params.latent_dim,
            reg=self.params.regularization,
            eigen_solver="dense",
            random_state=seed,
        )

    def encode(self, inputs: Tensor) -> Tensor:
        """Place inputs `(n, *shape)` among the items fitted to."""
        return super().encode(inputs) * float(len(self.estimator.embedding_) ** 0.5)
