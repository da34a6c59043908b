"""What classic linear methods share: codes and reconstructions are affine, kept as tensors, and reloaded."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from latentbench import Model, NotApplicableError, Params, SklearnModel, Split, as_inputs
from latentbench_models.centering import Center

__all__ = ["AffineModel", "FactorParams", "convergence_told"]

Matrices = tuple[npt.NDArray[Any], npt.NDArray[Any]]


class FactorParams(Params):
    """Parameters of every linear method here."""

    latent_dim: int = Field(default=16, ge=1, le=4096, description="number of components")
    iterations: int = Field(default=1000, ge=1, description="most iterations of the fit")


class AffineModel(SklearnModel):
    """Codes are `(x - mean) A`, reconstructions `c B + mean`: implement `make_estimator` and `matrices`."""

    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "differentiable"

    class Params(FactorParams, Model.Params):
        """Parameters of the linear method."""

    params: Params
    center: Center
    inward: Tensor
    outward: Tensor

    @abstractmethod
    def matrices(self) -> Matrices:
        """Return A `(D, d)` and B `(d, D)` of the fitted estimator, which saw inputs less their mean."""

    def fit_estimator(self, rows: npt.NDArray[np.float64]) -> None:
        """Fit the estimator to inputs less their mean, `(n, D)`."""
        self.estimator.fit(rows)

    def fit(self, train: Split, generator: torch.Generator) -> None:
        """Fit, and keep mean and matrices as tensors.

        Raises:
            NotApplicableError: more components than the data vary in.
        """
        name, wanted = type(self).__name__, self.params.latent_dim
        most = min(len(train) - 1, prod(self.data.shape))
        if wanted > most:
            raise NotApplicableError(f"{name} can have at most {most} components here, got latent_dim={wanted}")
        center = Center.of(train)
        seed = int(torch.randint(2**31 - 1, (1,), generator=generator))
        self.estimator = self.make_estimator(seed)
        with np.errstate(all="ignore"), convergence_told(name, self.params.iterations):
            self.fit_estimator(center.taken_off(as_inputs(train.inputs)).double().numpy())
        inward, outward = self.matrices()
        self.set_state({"mean": center.mean.numpy(), "inward": inward, "outward": outward})

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs `(n, *shape)` to codes `(n, d)`."""
        return self.center.taken_off(inputs) @ self.inward

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes to reconstructions."""
        return self.center.put_back(codes @ self.outward).reshape(-1, *self.data.shape)

    def get_state(self) -> dict[str, Any]:
        """Return mean `(D,)` and both matrices."""
        return {
            "mean": self.center.mean.numpy(),
            "inward": self.inward.numpy(),
            "outward": self.outward.numpy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take mean and matrices back."""
        self.center = Center.of_state(state["mean"])
        self.inward, self.outward = (
            torch.from_numpy(np.array(state[name], dtype=np.float32, order="C")) for name in ("inward", "outward")
        )


@contextmanager
def convergence_told(name: str, iterations: int) -> Iterator[None]:
    """Say in the model's own words that an estimator stopped early."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            warnings.warn(
                f"{name} had not converged after iterations={iterations}; its codes are those of the last one",
                stacklevel=4,
            )
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
