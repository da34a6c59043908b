"""Kernel principal component analysis."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from sklearn import decomposition, kernel_ridge
from torch import Tensor

from latentbench import NotApplicableError, Split
from latentbench_models.classic.some_items import FittedToSome

__all__ = ["KernelPCA"]


class KernelPCA(FittedToSome):
    """Kernel PCA: principal components of curved features, by scikit-learn.

    It is fitted to `items` of the training items. It decodes as in Bakır, Weston and Schölkopf 2004,
    "Learning to Find Pre-Images", by kernel ridge regression from codes to inputs. Ours: the regression's kernel
    is always rbf, and `gamma` is in units of one over the total variance, of inputs there and of codes here.

    Source: Schölkopf, Smola and Müller 1998, "Nonlinear Component Analysis as a Kernel Eigenvalue Problem".

    Loss: `sum_ij (K_ij - z_i . z_j)^2`, where K is the kernel of two inputs, less the means of its rows and
    columns; solved exactly.
    """

    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "differentiable"
    label_params: ClassVar[tuple[str, ...]] = ("kernel",)

    class Params(FittedToSome.Params):
        """Parameters of kernel PCA."""

        kernel: Literal["rbf", "poly", "cosine"] = Field(default="rbf", description="kernel of two inputs")
        gamma: float = Field(
            default=0.5, gt=0, description="of rbf and poly: times squared distance or product, over the variance"
        )
        degree: int = Field(default=3, ge=1, le=10, description="of poly")
        ridge: float = Field(default=1e-3, gt=0, description="penalty of the regression that decodes")

    params: Params
    variance: float
    pace: float
    places: Tensor
    weights: Tensor

    def make_estimator(self, seed: int) -> Any:  # noqa: ARG002 - no random numbers
        """Return scikit-learn's kernel PCA."""
        settings = self.params
        return decomposition.KernelPCA(
            settings.latent_dim,
            kernel=settings.kernel,
            gamma=None if settings.kernel == "cosine" else settings.gamma / self.variance,
            degree=settings.degree,
            eigen_solver="dense",
        )

    def fit(self, train: Split, generator: torch.Generator) -> None:
        """Fit, and learn to decode the codes of the items fitted to.

        Raises:
            NotApplicableError: codes longer than items or inputs allow, or inputs that are all equal.
        """
        rows = self.chosen(train)
        self.variance = float(rows.var(0).sum())
        if not self.variance:
            raise NotApplicableError("KernelPCA needs inputs that differ, these are all equal")
        super().fit(train, generator)
        codes = np.asarray(self.estimator.transform(rows))
        self.pace = self.params.gamma / float(codes.var(0).sum())
        ridge = kernel_ridge.KernelRidge(alpha=self.params.ridge, kernel="rbf", gamma=self.pace).fit(codes, rows)
        self.places, self.weights = torch.from_numpy(codes), torch.from_numpy(np.asarray(ridge.dual_coef_))

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes to the regression's reconstructions."""
        wide = codes.double()
        lengths = wide.square().sum(1, keepdim=True) + self.places.square().sum(1)
        apart = (lengths - 2 * wide @ self.places.T).clamp_min(0)
        flat = (-self.pace * apart).exp() @ self.weights
        return self.center.put_back(flat).reshape(-1, *self.data.shape)
