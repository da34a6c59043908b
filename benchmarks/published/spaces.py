"""Rows of published variances, neighborhoods, dimensions and comparisons of two spaces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benchmarks.published.data import fashion_mnist, fitted, pixels
from benchmarks.published.rows import Number, Row, between, near
from latentbench.dataset import Split
from latentbench_metrics._shared.prdc import precision_recall_density_coverage
from latentbench_metrics.intrinsic_dimension import two_nn
from latentbench_metrics.neighborhoods import trustworthiness
from latentbench_metrics.pairs.kernel_alignment import cka

__all__ = ["ROWS"]

TUTORIAL = (
    "[federicoarenasl/PCA-on-Fashion-MNIST](https://github.com/federicoarenasl/PCA-on-Fashion-MNIST), "
    "PCA-FMNIST-Tutorial.md"
)
DOCSTRING = (
    "[scikit-learn, trustworthiness](https://scikit-learn.org/stable/modules/generated/"
    "sklearn.manifold.trustworthiness.html), example"
)
PRDC = (
    "[clovaai/generative-evaluation-prdc](https://github.com/clovaai/generative-evaluation-prdc), README.md, "
    "the example"
)
SIMILARITY = (
    "[google-research, representation_similarity/Demo.ipynb](https://github.com/google-research/google-research/"
    "blob/master/representation_similarity/Demo.ipynb), printed lines"
)
DADAPY = (
    "[sissa-data-science/DADApy](https://github.com/sissa-data-science/DADApy), "
    "examples/notebook_on_intrinsic_dimension.ipynb, output 6"
)
FIRST_VARIANCES = ("19.80980567", "12.11221047", "4.10615661", "3.38182839", "2.62477022")


def variances() -> Mapping[str, float]:
    """Return variances along principal components, and how many components keep nine tenths."""
    train, _ = fashion_mnist()
    rows = pixels(train)
    along = fitted("pca", train, latent_dim=100).encode(rows).double().var(0)
    kept = along.cumsum(0) / rows.double().var(0).sum()
    first = {f"variance {place + 1}": float(along[place]) for place in range(len(FIRST_VARIANCES))}
    return {**first, "components for 90 %": int((kept < 0.9).sum()) + 1}


def blob_neighborhoods() -> Mapping[str, float]:
    """Compare blobs with their first two principal components."""
    from sklearn.datasets import make_blobs

    rows, _ = make_blobs(n_samples=100, n_features=10, centers=3, random_state=42)
    split = Split(rows.astype(np.float32))
    low = fitted("pca", split, latent_dim=2).encode(pixels(split))
    return {"trustworthiness, k = 5": trustworthiness(pixels(split), low, 5)}


def normal(seed: int, *shape: int) -> Tensor:
    """Draw standard normal numbers."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def normal_balls() -> Mapping[str, float]:
    """Compare two samples of one normal distribution in 1,000 dimensions."""
    return precision_recall_density_coverage(normal(0, 10_000, 1000), normal(1, 10_000, 1000), k=5)


def alike() -> Mapping[str, float]:
    """Compare normal numbers with others added to them."""
    rng = np.random.RandomState(1337)
    x = rng.randn(100, 10)
    y = rng.randn(100, 10) + x
    return {"cka": cka(torch.from_numpy(x), torch.from_numpy(y))}


def narrow_normal() -> Mapping[str, float]:
    """Estimate the dimension of a normal distribution that is a hundred times as long as wide."""
    covariance = [[1, 0.9999], [0.9999, 1]]
    rows = np.random.default_rng(0).multivariate_normal([0, 0], covariance, size=2000)
    return {"two_nn": two_nn(torch.from_numpy(rows))}


def variance_numbers() -> dict[str, Number]:
    """Return the printed variances."""
    first = {f"variance {place + 1}": near(text, 1e-3) for place, text in enumerate(FIRST_VARIANCES)}
    return {**first, "components for 90 %": between("84", 84, 84)}


ROWS = (
    Row(
        "variance-fashion", "Fashion-MNIST, principal components of 60,000 images", "pca", variance_numbers(),
        "rounding of codes in single precision; the number of components exactly", TUTORIAL, variances,
    ),
    Row(
        "trustworthiness-blobs", "three blobs in ten dimensions, two components", "pca",
        {"trustworthiness, k = 5": near("0.92", 0.005)}, "two decimals are printed: nothing is drawn",
        DOCSTRING, blob_neighborhoods,
    ),
    Row(
        "prdc-normal", "two samples of 10,000 in 1,000 dimensions", "none",
        {"precision": near("0.4772", 0.03), "recall": near("0.4705", 0.03),
         "density": near("1.0555", 0.111), "coverage": near("0.9735", 0.01)},
        "two standard errors of both: for precision and recall twice the binomial ones, as points share balls; "
        "for density and coverage the source's own distance from what is expected (1 and 0.969)",
        PRDC, normal_balls,
        "drawn from other numbers: the source gives no seed",
        tried="one more draw, seeds 10 and 11, lies in all four bands (0.4753, 0.4820, 1.0006, 0.9692); what "
        "was drawn first stands. 1 and 0.969 are expected: the source's draw lies above both, the first one here "
        "below, so that a band from one draw was too narrow",
    ),
    Row(
        "cka-normal", "100 normal rows and others added", "none", {"cka": near("0.51346", 1e-5)},
        "five decimals are printed: nothing is drawn, the seed is given", SIMILARITY, alike,
        "the line of the debiased estimator, which is the one here",
    ),
    Row(
        "two-nn-normal", "2,000 points of a narrow normal distribution", "none", {"two_nn": near("2.0726", 0.131)},
        "two standard errors of both, d / sqrt(n) each", DADAPY, narrow_normal,
        "drawn from other numbers; likelihood of all ratios instead of a line through 90 % of them",
    ),
)  # fmt: skip
