"""Metric multidimensional scaling: a map of the items it is shown."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.spatial.distance import pdist, squareform
from sklearn import manifold
from torch import Tensor

from latentbench import Model, NotApplicableError

__all__ = ["MDS"]


class MDS(Model):
    """Metric multidimensional scaling: a map that keeps all distances as well as it can; by scikit-learn.

    It learns no mapping for other items: `embed` maps the items it is given, all together, and the maps of two
    splits do not lie in one space. Started from classical scaling it draws no random numbers. Time and memory grow
    with the square of the items: more than `items` are not applicable. Ours: distances are those of the inputs, so
    stress is the squared error of distances that the iterations have reached, without rank regression.

    Source: Kruskal 1964, "Multidimensional Scaling by Optimizing Goodness of Fit to a Nonmetric Hypothesis"; by
    SMACOF (de Leeuw 1977).

    Loss: `sum_ij (|x_i - x_j| - |z_i - z_j|)^2`, over all pairs of items.
    """

    encoder: ClassVar[Literal["amortized", "optimized", "none"]] = "none"
    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"
    deterministic: ClassVar[bool] = True
    groupable: ClassVar[bool] = False

    class Params(Model.Params):
        """Parameters of multidimensional scaling."""

        latent_dim: int = Field(default=2, ge=1, le=256, description="dimensions of the map")
        items: int = Field(default=2000, ge=2, le=20_000, description="most items it maps at once")
        iterations: int = Field(default=300, ge=1, description="steps of majorization")

    params: Params

    def encode(self, inputs: Tensor) -> Tensor:  # noqa: ARG002 - the same for all
        """Raise NotApplicableError: there is no encoder."""
        raise NotApplicableError("MDS has no encoder")

    def embed(self, inputs: Tensor) -> Tensor:
        """Map inputs `(n, *shape)` to places `(n, d)`.

        Raises:
            NotApplicableError: too many items, or too few for a map of so many dimensions.
        """
        rows, settings = inputs.flatten(1).double().cpu().numpy(), self.params
        if len(rows) > settings.items:
            raise NotApplicableError(
                f"MDS maps at most items={settings.items} at once, got {len(rows)}; give mds.items={len(rows)}, "
                "or score fewer items"
            )
        most = min(len(rows) - 1, prod(self.data.shape))
        if settings.latent_dim > most:
            raise NotApplicableError(
                f"MDS can give codes of at most {most} numbers here, got latent_dim={settings.latent_dim}"
            )
        estimator = manifold.MDS(
            settings.latent_dim,
            metric="precomputed",
            init="classical_mds",
            n_init=1,
            max_iter=settings.iterations,
        )
        places = estimator.fit_transform(squareform(pdist(rows)))
        return torch.from_numpy(np.asarray(places, dtype=np.float32))

    def get_state(self) -> dict[str, Any]:
        """Nothing was learned."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""
