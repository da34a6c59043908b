"""Principal component analysis."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from sklearn import decomposition
from torch import Tensor

from latentbench import Model, NotApplicableError, SklearnModel, Split
from latentbench_models.centering import Center

__all__ = ["PCA"]

EXACT_UP_TO = 4096


class PCA(SklearnModel):
    """Principal component analysis: the directions in which the data vary most; by scikit-learn, decodes in torch.

    Exact up to 4096 numbers per input; above, where that takes minutes to hours, by randomized iteration: Halko et
    al. 2011, "Finding Structure with Randomness", always from the same start. Inputs that are no images
    are centered in float64.

    Source: Pearson 1901, "On Lines and Planes of Closest Fit to Systems of Points in Space".

    Loss: `|x - m - W W^T (x - m)|^2`, where m is the mean and W has orthonormal columns; solved exactly.
    """

    version: ClassVar[int] = 2  # since 2, inputs far from 0 are centered first
    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "differentiable"
    deterministic: ClassVar[bool] = True
    reference: ClassVar[Literal["", "floor", "yardstick", "ceiling"]] = "yardstick"

    class Params(Model.Params):
        """Parameters of PCA."""

        latent_dim: int = Field(default=16, ge=1, le=4096, description="number of principal components")

    params: Params
    center: Center
    components: Tensor

    def make_estimator(self, seed: int) -> Any:  # noqa: ARG002 - the same components for every seed
        """Return scikit-learn's PCA, exact where that is quick."""
        solver = "covariance_eigh" if np.prod(self.data.shape) <= EXACT_UP_TO else "randomized"
        return decomposition.PCA(self.params.latent_dim, svd_solver=solver, random_state=0)

    def fit(self, train: Split, generator: torch.Generator) -> None:
        """Fit, and keep mean and components as tensors.

        Raises:
            NotApplicableError: more components than pixels or images.
        """
        most = min(len(train), int(np.prod(self.data.shape)))
        if self.params.latent_dim > most:
            raise NotApplicableError(
                f"pca can have at most {most} components here, got latent_dim={self.params.latent_dim}"
            )
        if self.data.dtype == "uint8":
            super().fit(train, generator)
            mean = np.asarray(self.estimator.mean_, dtype=np.float32)
        else:
            mean = Center.of(train).mean.numpy()
            self.estimator = self.make_estimator(0).fit(train.inputs.reshape(len(train), -1) - mean)
        self.set_state({"mean": mean, "components": self.estimator.components_})

    def encode(self, inputs: Tensor) -> Tensor:
        """Project `(n, *shape)` on the components."""
        return self.center.taken_off(inputs) @ self.components.T

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes back to the hyperplane of the components."""
        return self.center.put_back(codes @ self.components).reshape(-1, *self.data.shape)

    def get_state(self) -> dict[str, Any]:
        """Return mean `(D,)` and components `(d, D)`."""
        return {"mean": self.center.mean.numpy(), "components": self.components.numpy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take mean and components back."""
        self.center = Center.of_state(state["mean"])
        rows = np.array(
            state["components"], dtype=np.float32, order="C"
        )  # as they are reloaded: products round alike
        self.components = torch.from_numpy(rows)
