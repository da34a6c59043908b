"""Factor analysis."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn import decomposition

from latentbench import Posterior
from latentbench_models.classic.affine import AffineModel, Matrices
from latentbench_models.terms import standard_normal

__all__ = ["FactorAnalysis"]


class FactorAnalysis(AffineModel):
    """Factor analysis: what the numbers of an input have in common, apart from each one's noise; by scikit-learn.

    x = c W + mean + noise, with a variance of the noise for each number of an input; codes are the posterior means
    and their prior is the standard normal. The posterior is no diagonal normal, so it has no `posterior`.

    Source: Spearman 1904, ""General Intelligence," Objectively Determined and Measured"; fitted by maximum
    likelihood as in Barber 2012, "Bayesian Reasoning and Machine Learning", chapter 21.

    Loss: `-log N(x; mean, W^T W + V)`, where V is the diagonal of the noise's variances.
    """

    deterministic: ClassVar[bool] = True

    @property
    def prior(self) -> Posterior:
        """The standard normal."""
        return standard_normal(self.params.latent_dim, self.device)

    def make_estimator(self, seed: int) -> Any:  # noqa: ARG002 - the same factors for every seed
        """Return scikit-learn's factor analysis, its singular vectors from the same start always."""
        return decomposition.FactorAnalysis(
            self.params.latent_dim, max_iter=self.params.iterations, random_state=0
        )

    def matrices(self) -> Matrices:
        """Return the map to posterior means, and the loadings W."""
        loadings = self.estimator.components_
        weighted = loadings / self.estimator.noise_variance_
        precision = np.eye(len(loadings)) + weighted @ loadings.T
        return np.linalg.solve(precision, weighted).T, loadings
