"""Isomap: distances along a graph of neighbors."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from sklearn import manifold

from latentbench_models.classic.some_items import FittedToSome, NeighborParams

__all__ = ["Isomap"]


class Isomap(FittedToSome):
    """Isomap: a map that keeps distances along the data, not across; by scikit-learn.

    Distances along the graph cost time and memory that grow with the square of the items, so it is fitted to
    `items` of the training items; others are placed by their distances to these, each by itself. A graph in
    several pieces is joined by the shortest links. It has no decoder.

    Source: Tenenbaum, de Silva and Langford 2000, "A Global Geometric Framework for Nonlinear Dimensionality
    Reduction".

    Loss: `sum_ij (t(G)_ij - z_i . z_j)^2`, where G are distances along the graph of neighbors and t(G) = -G^2 / 2,
    less the means of its rows and columns; solved exactly.
    """

    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"
    label_params: ClassVar[tuple[str, ...]] = ("n_neighbors",)

    class Params(NeighborParams, FittedToSome.Params):
        """Parameters of Isomap."""

    params: Params

    def make_estimator(self, seed: int) -> Any:  # noqa: ARG002 - no random numbers
        """Return scikit-learn's Isomap."""
        return manifold.Isomap(
            n_neighbors=self.params.n_neighbors, n_components=self.params.latent_dim, eigen_solver="dense"
        )
