"""Independent component analysis."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import decomposition

from latentbench import NotApplicableError
from latentbench_models.classic.affine import AffineModel, Matrices
from latentbench_models.pca import EXACT_UP_TO

__all__ = ["ICA"]

LEAST = 1e-12  # ratio of variances: below it float32 inputs hold rounding alone


class ICA(AffineModel):
    """Independent component analysis: sources that were mixed, found as they are not normal; by FastICA.

    Each code number has variance 1 on the training items. Ours: inputs are whitened by principal components before
    scikit-learn's FastICA sees them; its own whitening loses components where the first pixel never varies.

    Source: Hyvärinen and Oja 2000, "Independent Component Analysis: Algorithms and Applications".

    Loss: `-sum_k (E[log cosh z_k] - E[log cosh s])^2`, where the numbers z_k of a code are uncorrelated, of
    variance 1, and s is standard normal.
    """

    def make_estimator(self, seed: int) -> Any:
        """Return scikit-learn's FastICA for whitened inputs, its unmixing started at random."""
        return decomposition.FastICA(whiten=False, max_iter=self.params.iterations, random_state=seed)

    def fit_estimator(self, rows: npt.NDArray[np.float64]) -> None:
        """Whiten inputs less their mean, `(n, D)`, and fit.

        Raises:
            NotApplicableError: inputs vary in fewer directions than there are components.
        """
        wanted, size = self.params.latent_dim, prod(self.data.shape)
        solver = "full" if len(rows) < size else "covariance_eigh"  # whichever is quicker
        solver = solver if size <= EXACT_UP_TO else "randomized"
        pca = decomposition.PCA(wanted, svd_solver=solver, random_state=0).fit(rows)
        variances = pca.explained_variance_ * (len(rows) - 1) / len(rows)
        if not variances[-1] > LEAST * variances[0]:
            raise NotApplicableError(f"ICA finds no {wanted} components: the inputs vary in fewer directions")
        self.spreads, self.axes = np.sqrt(variances)[:, None], pca.components_
        self.estimator.fit(rows @ (self.axes / self.spreads).T)

    def matrices(self) -> Matrices:
        """Return unmixing and mixing matrix."""
        turned = self.estimator.components_
        return (turned @ (self.axes / self.spreads)).T, np.linalg.solve(turned.T, self.axes * self.spreads)
