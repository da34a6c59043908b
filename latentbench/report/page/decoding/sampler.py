"""What the page draws new codes from: the prior of a model, or a Gaussian fitted to its codes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from latentbench.latent.sampling import fit_gaussian, sample_codes
from latentbench.latent.space import LatentSpace
from latentbench.model import Posterior
from latentbench.report.page.embedding import base64_floats

__all__ = ["sampler_data"]

POOL = 256  # codes of a prior that is no diagonal normal, among which the page chooses


def sampler_data(space: LatentSpace, codes: Tensor, codes_in_words: str) -> dict[str, Any]:
    """Return for JSON how a code is drawn, and in words from what.

    A code is `center + root @ noise` with standard normal noise; the root is a matrix, or a number for each
    dimension. Of a prior of another family there are codes drawn here instead, among which the page chooses.

    Args:
        space: of the model.
        codes: `(n, d)`, that a Gaussian is fitted to where the model has no prior.
        codes_in_words: what these are.
    """
    if "prior" not in space.supplies:
        center, root = fit_gaussian(codes)
        return _normal(center, root, f"a Gaussian fitted to {codes_in_words}, as the model has no prior")
    prior = space.prior
    if type(prior) is not Posterior:
        drawn = sample_codes(space, POOL, 0, "prior")
        return {"pool": base64_floats(drawn), "words": f"its prior: {POOL} codes drawn when the page was made"}
    standard = not bool(prior.mean.any()) and bool((prior.variance == 1).all())
    return _normal(prior.mean, prior.variance.sqrt(), f"its prior, a{' standard' * standard} normal distribution")


def _normal(center: Tensor, root: Tensor, words: str) -> dict[str, Any]:
    return {"center": base64_floats(center), "root": base64_floats(root), "words": words}
