"""UMAP: a map learned from the training items, into which others are placed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from latentbench import DataSpec, Model, NotApplicableError, SklearnModel, Split, as_inputs
from latentbench_models.centering import Center

__all__ = ["UMAP"]

ROWS = 10_000  # placed at once: above, umap-learn takes fewer steps
LARGE = 4096  # from this many items on umap-learn searches neighbors by other code, which costs a second a call


class UMAP(SklearnModel):
    """UMAP: a map to look at, or codes of a few numbers, on which neighbors stay neighbors; by umap-learn.

    Fitted to the training items; other items are placed among those, up to 10,000 at once, and together: an item's
    place depends on what is placed with it, by a tenth of the map and more where there are few. It cannot be
    reloaded without pickle, so its scores are made with the trial. It has no decoder: the inverse of umap-learn
    takes much of a second per image.

    Source: McInnes, Healy and Melville 2018, "UMAP: Uniform Manifold Approximation and Projection for Dimension
    Reduction".

    Loss: `-sum_ij (p_ij * log q_ij + (1 - p_ij) * log(1 - q_ij))`, where p are memberships in the graph of
    neighbors, and q = 1 / (1 + a * |z_i - z_j|^(2 b)) with a and b from `min_dist`; by negative sampling.
    """

    version: ClassVar[int] = 3  # since 3, inputs that are no images are centered first
    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"
    rows_at_once: ClassVar[int | None] = ROWS

    class Params(Model.Params):
        """Parameters of UMAP."""

        latent_dim: int = Field(default=2, ge=1, le=256, description="dimensions of the map")
        n_neighbors: int = Field(default=15, ge=2, description="number of neighbors an item is connected to")
        min_dist: float = Field(default=0.1, ge=0, lt=1, description="minimum distance between items on the map")

    params: Params
    center: Center | None = None

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        needed = max(params.n_neighbors, params.latent_dim + 1)
        if data.n_train <= needed:
            raise NotApplicableError(
                f"umap with n_neighbors={params.n_neighbors} and latent_dim={params.latent_dim} "
                f"needs more than {needed} training items, there are {data.n_train}"
            )
        _compile(data.n_train >= LARGE)

    def make_estimator(self, seed: int) -> Any:
        """Return umap-learn's UMAP on one thread: several threads draw random numbers in no fixed order."""
        return _umap(
            n_components=self.params.latent_dim,
            n_neighbors=self.params.n_neighbors,
            min_dist=self.params.min_dist,
            random_state=seed,
            transform_seed=seed,
        )

    def fit(self, train: Split, generator: torch.Generator) -> None:
        """Fit the map."""
        if self.data.dtype != "uint8":
            self.center = Center.of(train)
            centered = self.center.taken_off(as_inputs(train.inputs)).numpy()
            train = replace(train, inputs=centered.reshape(train.inputs.shape))
        with _without_warnings():
            super().fit(train, generator)

    def encode(self, inputs: Tensor) -> Tensor:
        """Place inputs `(n, *shape)` on the map."""
        with _without_warnings():
            return super().encode(inputs if self.center is None else self.center.taken_off(inputs))


@cache
def _compile(large: bool) -> None:
    """Let numba compile, once per process and before the first trial is timed: it takes most of a minute."""
    rows = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    with _without_warnings():
        _umap(n_neighbors=5, n_epochs=3, random_state=0, force_approximation_algorithm=large).fit(rows).transform(
            -rows
        )


def _umap(**params: Any) -> Any:
    with _without_warnings():
        import umap

    return umap.UMAP(n_jobs=1, **params)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppress warnings of umap, numba and scikit-learn that are meant for developers.

    For example that TensorFlow is not installed, or that an eigenvector start did not converge and the map starts
    from noise: users can change neither.
    """
    with warnings.catch_warnings():
        for module in ("umap", "numba", "pynndescent", "sklearn"):
            warnings.filterwarnings("ignore", module=rf"{module}(\.|$)")
        yield
