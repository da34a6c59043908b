"""Non-negative matrix factorization."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from scipy import optimize
from sklearn import decomposition
from torch import Tensor

from latentbench import Model, NotApplicableError, SklearnModel, Split, as_inputs
from latentbench_models.classic.affine import FactorParams, convergence_told

__all__ = ["NMF"]


class NMF(SklearnModel):
    """Non-negative matrix factorization: parts that add up and never cancel.

    Ours: parts are fitted by scikit-learn's coordinate descent on the squared error (the paper's updates maximize
    a Poisson likelihood) and have length 1; codes are the exact non-negative least squares of each input, found
    item by item: scikit-learn's stop together, so that an item's code would depend on those beside it.

    Source: Lee and Seung 1999, "Learning the Parts of Objects by Non-negative Matrix Factorization".

    Loss: `|x - z P|^2`, where code z and parts P have no number below 0.
    """

    encoder: ClassVar[Literal["amortized", "optimized", "none"]] = "optimized"
    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "differentiable"
    deterministic: ClassVar[bool] = True

    class Params(FactorParams, Model.Params):
        """Parameters of the factorization."""

    params: Params
    parts: Tensor

    def make_estimator(self, seed: int) -> Any:  # noqa: ARG002 - the same parts for every seed
        """Return scikit-learn's NMF, started from singular vectors."""
        return decomposition.NMF(
            self.params.latent_dim, init="nndsvda", max_iter=self.params.iterations, random_state=0
        )

    def fit(self, train: Split, generator: torch.Generator) -> None:  # noqa: ARG002 - draws nothing
        """Fit the parts.

        Raises:
            NotApplicableError: negative inputs, or more parts than images or numbers in one.
        """
        wanted, most = self.params.latent_dim, min(len(train), prod(self.data.shape))
        if wanted > most:
            raise NotApplicableError(f"NMF can have at most {most} parts here, got latent_dim={wanted}")
        rows = as_inputs(train.inputs).flatten(1).numpy()
        if rows.min() < 0:
            raise NotApplicableError(f"NMF takes inputs of at least 0, the least is {rows.min():.3g}")
        self.estimator = self.make_estimator(0)
        with convergence_told("NMF", self.params.iterations):
            self.estimator.fit(rows)
        lengths = np.linalg.norm(self.estimator.components_, axis=1, keepdims=True)
        self.set_state({"parts": self.estimator.components_ / np.where(lengths > 0, lengths, 1)})

    def encode(self, inputs: Tensor) -> Tensor:
        """Return for each input the non-negative code of least squared error, `(n, d)`."""
        base, triangle = np.linalg.qr(self.parts.double().numpy().T)
        rotated = inputs.flatten(1).double().cpu().numpy() @ base
        codes = [optimize.nnls(triangle, row)[0] for row in rotated]
        return torch.from_numpy(np.array(codes, dtype=np.float32).reshape(-1, len(triangle)))

    def decode(self, codes: Tensor) -> Tensor:
        """Add up the parts."""
        return (codes @ self.parts).reshape(-1, *self.data.shape)

    def get_state(self) -> dict[str, Any]:
        """Return the parts `(d, D)`."""
        return {"parts": self.parts.numpy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take the parts back."""
        self.parts = torch.from_numpy(np.array(state["parts"], dtype=np.float32, order="C"))
