"""Rows of published agreements of k-means, silhouettes and other scores of clusters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.published.data import classes, digits, fitted, pixels, trained
from benchmarks.published.rows import Row, between, near
from latentbench_metrics.clusters import calinski_harabasz, davies_bouldin, kmeans_agreement, silhouette

__all__ = ["ROWS"]

DEMO = (
    "[scikit-learn 0.19, k-means on digits](https://scikit-learn.org/0.19/auto_examples/cluster/"
    "plot_kmeans_digits.html), printed table"
)
GUIDE = (
    "[scikit-learn, user guide on clustering](https://scikit-learn.org/1.1/modules/clustering.html), sections on "
    "the Silhouette Coefficient, the Calinski-Harabasz and the Davies-Bouldin index"
)
SILHOUETTES = (
    "[scikit-learn, silhouette analysis](https://scikit-learn.org/stable/auto_examples/cluster/"
    "plot_kmeans_silhouette_analysis.html), printed lines, read in several copies of them"
)
DEC = (
    "[XifengGuo/DEC-keras](https://github.com/XifengGuo/DEC-keras), results/exp1/results.csv, first block of "
    "fmnist: k-means on the codes of the autoencoder"
)
AUTOENCODER: dict[str, Any] = {
    "datasets": ("fashion_mnist",),
    "models": ("ae",),
    "budget": {"epochs": 30, "batch_size": 256, "learning_rate": 1e-3},
    "params": {"latent_dim": 10, "backbone": "mlp", "channels": 64},
    "scores": ("nmi", "ari"),
    "seeds": 1,
}


def digit_clusters() -> Mapping[str, float]:
    """Cluster standardized digits."""
    model = fitted("sklearn", digits(), pipeline="StandardScaler", latent_dim=64)
    return kmeans_agreement(model.encode(pixels(digits())), classes(digits()), 0)


def clustered(rows: Any, clusters: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return rows, and the clusters that scikit-learn's k-means finds in them."""
    from sklearn.cluster import KMeans

    found = KMeans(clusters, n_init=10, random_state=seed).fit_predict(rows)
    return torch.from_numpy(rows), torch.from_numpy(found)


def iris_clusters() -> Mapping[str, float]:
    """Score three clusters of iris by their own distances."""
    from sklearn.datasets import load_iris

    rows, found = clustered(load_iris().data, 3, 1)
    return {
        "silhouette": silhouette(rows, found),
        "calinski_harabasz": calinski_harabasz(rows, found),
        "davies_bouldin": davies_bouldin(rows, found),
    }


def blob_silhouettes() -> Mapping[str, float]:
    """Score two, three and four clusters of four blobs."""
    from sklearn.datasets import make_blobs

    rows, _ = make_blobs(500, 2, centers=4, cluster_std=1, center_box=(-10.0, 10.0), shuffle=True, random_state=1)
    return {f"{count} clusters": silhouette(*clustered(rows, count, 10)) for count in (2, 3, 4)}


ROWS = (
    Row(
        "kmeans-digits", "digits, standardized, k-means", "k-means of 10 starts",
        {"nmi": between("0.625 to 0.689", 0.625, 0.689), "ari": between("0.465 to 0.561", 0.465, 0.561)},
        "the page's three ways to start (v-measure 0.625, 0.689, 0.684; ARI 0.465, 0.553, 0.561): one start "
        "each or ten, k-means ends in different optima", DEMO, digit_clusters,
        "the printed v-measure is the nmi of this project",
    ),
    Row(
        "kmeans-iris", "iris, k-means of three clusters", "clusters of scikit-learn",
        {"silhouette": between("0.55...", 0.55, 0.56), "calinski_harabasz": between("561.62...", 561.62, 561.63),
         "davies_bouldin": between("0.6619...", 0.6619, 0.6620)},
        "all digits that are printed: nothing is drawn once the clusters are found", GUIDE, iris_clusters,
    ),
    Row(
        "silhouette-blobs", "four blobs, k-means", "clusters of scikit-learn",
        {"2 clusters": near("0.7049787496083262", 1e-4), "3 clusters": near("0.5882004012129721", 1e-4),
         "4 clusters": near("0.6505186632729437", 1e-4)},
        "rounding, and single points between clusters; printed numbers of 5 and 6 clusters differ between "
        "versions and are left out", SILHOUETTES, blob_silhouettes,
    ),
    Row(
        "dec-autoencoder", "Fashion-MNIST, autoencoder of 10 dimensions, k-means", "ae",
        {"nmi": between("0.637021", 0.61492, 0.65589), "ari": between("0.474084", 0.45314, 0.49718)},
        "least and largest of the source's ten trials", DEC,
        partial(trained, "dec-autoencoder", "ae", **AUTOENCODER),
        "trained on 54,000 images for 30 epochs and scored on 10,000 test images (there: layers one by one, then "
        "together for 300 epochs, on all 70,000); mlp of two layers of 512 (there 500-500-2000)",
        "30 epochs are a tenth of the source's training, and the network is narrower; a longer training was not "
        "affordable, and nothing else was tried", quick=False,
    ),
)  # fmt: skip
