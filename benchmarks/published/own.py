"""Rows whose references are our own: measured apart with other code, or remembered without a page. Not counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.published.data import fashion_mnist, fitted, pixels, scored, trained
from benchmarks.published.rows import Number, Row, between, near
from latentbench import LatentSpace
from latentbench_datasets.lines import draw_lines
from latentbench_metrics._shared.prdc import precision_recall_density_coverage
from latentbench_metrics._shared.wasserstein import sliced_w2_squared, w2_squared
from latentbench_metrics.acai import acai_angles, acai_mean_distance, acai_smoothness
from latentbench_metrics.likelihoods import bernoulli_nll

__all__ = ["ROWS"]

APART = "measured apart, with scikit-learn and POT"
NAMES = (
    "mse", "knn1", "knn5", "knn10", "silhouette", "davies_bouldin", "calinski_harabasz", "nmi", "ari",
    "linear_probe_accuracy",
)  # fmt: skip
TABLE = {
    "pixels": (None, 0.8497, 0.8554, 0.8515, 0.0462, 3.584, 728.6, 0.510, 0.350, None),
    "pca-2": (0.04610, 0.4485, 0.5070, 0.5295, -0.0329, 3.805, 1908.7, 0.410, 0.253, 0.5085),
    "pca-8": (0.02661, *[None] * 9),
    "pca-16": (0.02045, 0.8086, 0.8358, 0.8366, 0.0793, 2.881, 1176.1, 0.513, 0.349, 0.7863),
    "pca-32": (0.01514, 0.8375, 0.8524, 0.8526, 0.0691, 3.044, 1020.4, 0.491, 0.340, 0.8132),
    "pca-64": (0.01037, 0.8461, 0.8589, 0.8597, 0.0605, 3.223, 907.4, 0.492, 0.339, 0.8288),
}
REACH = {
    "mse": 2e-5, "knn1": 0.002, "knn5": 0.002, "knn10": 0.002, "silhouette": 5e-4, "nmi": 0.02, "ari": 0.02,
    "linear_probe_accuracy": 0.02,
}  # fmt: skip
ACAI: dict[str, Any] = {
    "datasets": ("lines:train=50000",),
    "budget": {"epochs": 5, "batch_size": 64, "learning_rate": 1e-3},
    "params": {"latent_dim": 64, "likelihood": "bernoulli"},  # a Gaussian ae stays with black images
    "scores": ("acai_mean_distance", "acai_smoothness"),
    "seeds": 1,
}
SPRITES: dict[str, Any] = {
    "datasets": ("sprites",),
    "models": ("vae", "beta_vae"),
    "budget": {"epochs": 20, "batch_size": 64, "learning_rate": 1e-3},
    "params": {"latent_dim": 10, "likelihood": "bernoulli"},
    "scores": ("mig", "mig_equal_width", "rate", "r2"),
    "seeds": 2,
}
BERTHELOT = "Berthelot 2018, table 1, remembered, no page read: AE 6.88e-3 and 0.44, VAE 1.21e-3 and 0.49"


def space_of(name: str, **params: Any) -> LatentSpace:
    """Fit a model to all training images, and look at the test images."""
    train, test = fashion_mnist()
    return LatentSpace.of_model(fitted(name, train, **params), test, train)


def baseline(name: str) -> Row:
    """Return a row of the table of PCA and pixels."""
    numbers = {
        key: near(str(value), REACH.get(key, 0.02 * abs(value)))
        for key, value in zip(NAMES, TABLE[name], strict=True)
        if value is not None
    }

    def make() -> Mapping[str, float]:
        model, _, dim = name.partition("-")
        return scored(space_of(model, **({"latent_dim": int(dim)} if dim else {})), *numbers)

    what = "Fashion-MNIST, fitted to 60,000, scored on 10,000 images"
    return own(name, what, numbers, "k-means and the probe depend on their solver, votes on ties", make)


def own(name: str, what: str, numbers: Mapping[str, Number], why: str, make: Any, **more: Any) -> Row:
    """Return a row that is not counted."""
    return Row(name, what, "", numbers, why, more.pop("source", APART), make, counted=False, **more)


def bernoulli_floor() -> Mapping[str, float]:
    """Entropy of grey test images, and the cost of the mean training image."""
    train, test = map(pixels, fashion_mnist())
    mean = train.mean(0, keepdim=True).expand_as(test)
    return {"own entropy": bernoulli_nll(test, test), "mean image": bernoulli_nll(test, mean)}


def floors() -> Mapping[str, float]:
    """Distances between real images of the two splits: what sample size alone gives."""
    train, test = (pixels(split)[:5000] for split in fashion_mnist())
    model = fitted("pca", fashion_mnist()[0], latent_dim=32)
    here, there = train[:2000], test[:2000]
    return {
        **precision_recall_density_coverage(model.encode(train), model.encode(test), k=5),
        "exact W2², n = 2000": w2_squared(here, there),
        "sliced W2², n = 2000": sliced_w2_squared(here, there),
    }


def dimension() -> Mapping[str, float]:
    """Intrinsic dimension of test images: far fewer than 784 pixels."""
    return scored(space_of("pixels"), "two_nn", "levina_bickel_k20")


def acai_calibration() -> Mapping[str, float]:
    """ACAI's scores of paths whose quality is known."""
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, 2 * math.pi, 256)
    ends = starts + rng.uniform(-math.pi, math.pi, 256)
    t = np.linspace(0, 1, 16)[:, None]

    def draw(angles: Any) -> Tensor:
        return torch.from_numpy(draw_lines(angles))

    turned = draw((starts + t * (ends - starts)).ravel()).reshape(16, 256, 1, 32, 32)
    share = torch.from_numpy(t).float()[:, :, None, None, None]
    faded = (1 - share) * draw(starts) + share * draw(ends)
    some, others = (2 * draw(each).flatten(1) - 1 for each in (starts, rng.uniform(0, 2 * math.pi, 256)))
    return {
        "distance of true rotation": acai_mean_distance(turned),
        "smoothness of true rotation": acai_smoothness(acai_angles(turned)),
        "distance of pixel fade": acai_mean_distance(faded),
        "smoothness of pixel fade": acai_smoothness(acai_angles(faded)),
        "distance between two random lines": float(1 - torch.cosine_similarity(some, others).mean()),
        "distance of a blank image": acai_mean_distance(torch.zeros(1, 1, 1, 32, 32)),
    }


ROWS = (
    *map(baseline, TABLE),
    own(
        "bernoulli-floor", "Fashion-MNIST test images as probabilities, nats an image",
        {"own entropy": near("189.86", 0.01), "mean image": near("385.02", 0.01)}, "rounding", bernoulli_floor,
    ),
    own(
        "floors", "Fashion-MNIST, first images of train against first of test; balls in PCA-32, n = 5000",
        {"precision": near("0.939", 0.0188), "recall": near("0.936", 0.0187), "density": near("1.002", 0.02),
         "coverage": near("0.969", 0.0194), "exact W2², n = 2000": near("26.4", 0.5),
         "sliced W2², n = 2000": between("1e-4 to 4e-4", 1e-4, 4e-4)}, "2 % for other images", floors,
    ),
    own(
        "dimension", "intrinsic dimension of the 10,000 Fashion-MNIST test images (784 pixels)",
        {"two_nn": between("15.7", 14, 16.5), "levina_bickel_k20": between("7 to 20", 7, 20)},
        "likelihood of all ratios instead of a line through 90 %; no printed dimension of Fashion-MNIST was found",
        dimension,
        source="TwoNN by scikit-dimension; Levina-Bickel: around the 7 to 13 remembered for MNIST from Pope 2021",
    ),
    own(
        "acai-calibration", "lines: 256 paths of 16 images whose quality is known",
        {"distance of true rotation": between("0", 0, 1e-6), "smoothness of true rotation": between("0", 0, 0.02),
         "distance of pixel fade": near("6.2e-3", 1e-3),
         "smoothness of pixel fade": between("0.8 to 14 / 15", 0.8, 14 / 15),
         "distance between two random lines": near("0.082", 0.01),
         "distance of a blank image": near("0.031", 0.004)},
        "other lines", acai_calibration, source="measured apart, with lines drawn as Berthelot 2018 draws them",
    ),
    own(
        "acai-ae", "lines, ae, d = 64, Bernoulli, 45,000 images x 5 epochs (the paper: 2^24 images)",
        {"acai_mean_distance": between("6.88e-3", 2e-3, 14e-3), "acai_smoothness": between("0.44", 0.2, 0.8)},
        "a smaller budget", partial(trained, "acai-ae", "ae", models=("ae",), **ACAI), source=BERTHELOT,
        quick=False,
    ),
    own(
        "acai-vae", "lines, vae, d = 64, Bernoulli, 45,000 images x 5 epochs (the paper: 2^24 images)",
        {"acai_mean_distance": between("1.21e-3", 0.4e-3, 4e-3), "acai_smoothness": between("0.49", 0.2, 0.8)},
        "a smaller budget", partial(trained, "acai-vae", "vae", models=("vae",), **ACAI), source=BERTHELOT,
        quick=False,
    ),
    own(
        "mig-sprites", "sprites, d = 10, Bernoulli, 17,695 images x 20 epochs, 2 seeds",
        {"VAE": between("0.10", 0.05, 0.35), "beta-VAE": between("0.21", 0.1, 0.6)}, "other data",
        partial(trained, "mig-sprites", {"vae": "VAE", "beta_vae(4)": "beta-VAE"}, **SPRITES),
        source="dSprites, Chen's variant of MIG without shape, remembered, no page read", quick=False,
    ),
)  # fmt: skip
