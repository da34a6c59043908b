"""t-SNE: a map of the items it is shown, without encoder and without decoder."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from latentbench import Model, NotApplicableError

__all__ = ["TSNE"]


class TSNE(Model):
    """t-SNE: a map to look at, on which neighbors stay neighbors; by scikit-learn, started from PCA.

    It learns no mapping for other items: `embed` maps the items it is given, all together, and the maps of two
    splits do not lie in one space. Started from PCA it draws no random numbers: the same items give the same map
    again, up to rounding; a trial's map is the one in its `codes.npz`.

    Source: van der Maaten and Hinton 2008, "Visualizing Data using t-SNE".

    Loss: `sum_ij p_ij * log(p_ij / q_ij)`, where p are Gaussian similarities of inputs at a perplexity, and q of
    codes, in proportion to 1 / (1 + |z_i - z_j|^2).
    """

    version: ClassVar[int] = 2  # since 2, inputs that are no images are centered first
    encoder: ClassVar[Literal["amortized", "optimized", "none"]] = "none"
    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"
    deterministic: ClassVar[bool] = True
    groupable: ClassVar[bool] = False
    label_params: ClassVar[tuple[str, ...]] = ("dimensions",)

    class Params(Model.Params):
        """Parameters of t-SNE; `dimensions` is not a `latent_dim`, because a map has at most three."""

        dimensions: int = Field(default=2, ge=1, le=3, description="dimensions of the map")
        perplexity: float = Field(
            default=30.0, gt=1, description="effective number of neighbors; fewer than items"
        )
        iterations: int = Field(default=1000, ge=250, description="steps of gradient descent")

    params: Params

    def encode(self, inputs: Tensor) -> Tensor:  # noqa: ARG002 - the same for all
        """Raise NotApplicableError: there is no encoder."""
        raise NotApplicableError("t-SNE has no encoder")

    def embed(self, inputs: Tensor) -> Tensor:
        """Map inputs `(n, *shape)` to places `(n, dimensions)`, n above the perplexity; equal ones to one place.

        Raises:
            NotApplicableError: too few items, or inputs of fewer numbers than the map has dimensions.
        """
        from sklearn import manifold

        rows, wanted = inputs.flatten(1).cpu().numpy(), self.params
        if self.data.dtype != "uint8":
            rows = (rows - rows.mean(0, dtype=np.float64)).astype(np.float32)
        if len(rows) <= wanted.perplexity:
            raise NotApplicableError(
                f"t-SNE of perplexity {wanted.perplexity:g} needs more items than that, there are {len(rows)}"
            )
        if rows.shape[1] < wanted.dimensions:
            raise NotApplicableError(
                f"a map of {wanted.dimensions} dimensions needs as many numbers an input, got {rows.shape[1]}"
            )
        if bool((rows == rows[:1]).all()):  # their spread, by which scikit-learn divides, is 0
            return torch.zeros(len(rows), wanted.dimensions)
        places = manifold.TSNE(
            wanted.dimensions,
            perplexity=wanted.perplexity,
            init="pca",
            learning_rate="auto",
            max_iter=wanted.iterations,
            random_state=0,  # of the PCA, where that is large
        ).fit_transform(rows)
        return torch.from_numpy(np.asarray(places, dtype=np.float32))

    def get_state(self) -> dict[str, Any]:
        """Nothing was learned."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""
