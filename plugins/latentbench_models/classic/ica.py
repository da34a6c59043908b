"""Independent component analysis."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import decomposition

from latentbench import NotApplicableError
from latentbench_models.classic.affine import AffineModel, Matrices

__all__ = ["ICA"]

LARGEST = 1e6  # ratio of spreads: beyond it float32 inputs hold rounding alone
MANY = 50  # items a number: from here on whitening by the covariance is quicker and as exact


class ICA(AffineModel):
    """Independent component analysis: Hyvärinen and Oja 2000, "Independent Component Analysis", by FastICA.

    Components are whitened, so each code number has variance 1 on the training items. Ours: the inputs' mean is
    taken off in float64 first.
    """

    def make_estimator(self, seed: int) -> Any:
        """Return scikit-learn's FastICA, its unmixing started at random."""
        many = self.data.n_train >= MANY * prod(self.data.shape)
        return decomposition.FastICA(
            self.params.latent_dim,
            whiten="unit-variance",
            whiten_solver="eigh" if many else "svd",
            max_iter=self.params.iterations,
            random_state=seed,
        )

    def fit_estimator(self, rows: npt.NDArray[np.float64]) -> None:
        """Fit, and see that no component is what rounding left of a direction in which nothing varies.

        Raises:
            NotApplicableError: there are fewer directions than components.
        """
        try:
            self.estimator.fit(rows)
            lengths = np.linalg.norm(self.estimator.whitening_, axis=1)
        except ValueError:  # of numbers divided by 0
            lengths = np.array([np.inf])
        if not lengths.max() < LARGEST * lengths.min():
            raise NotApplicableError(
                f"ICA finds no {self.params.latent_dim} components: the inputs vary in fewer directions"
            )

    def matrices(self) -> Matrices:
        """Return unmixing and mixing matrix."""
        return self.estimator.components_.T, self.estimator.mixing_.T
