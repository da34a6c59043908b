"""Whether the nearest training codes have the same label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score
from latentbench_metrics._shared.nearest import nearest
from latentbench_metrics._shared.neighbor_pairs import nearest_others
from latentbench_metrics._shared.subsets import folds, train_with

__all__ = ["Neighbors", "SampledNeighbors", "knn_accuracy", "nearest_rows", "votes_right"]

FOLDS = 5
NEIGHBORS = (1, 5, 10)
BANK_SEED = 1_000_033  # of the noise of training codes: not the test codes' noise


def knn_accuracy(train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor, k: int) -> float:
    """Share of codes whose k nearest training codes vote for their label, in [0, 1]; higher is better.

    Ties of the vote go to the lowest class; among equally near codes the one in the lowest row is the neighbor.

    Source: Cover and Hart 1967.

    Traps: posterior means of a code without information (rate 0) still reach 0.78 on Fashion-MNIST: read
    `knn10_sample` beside it. Wide dimensions dominate; more training codes raise it.

    Args:
        train_codes: the bank `(m, d)`.
        train_labels: `(m,)`.
        codes: `(n, d)`.
        labels: `(n,)`.
        k: number of neighbors (Euclidean), at most m.

    >>> bank, queries = torch.tensor([[0.0], [1], [10]]), torch.tensor([[0.4], [9]])
    >>> knn_accuracy(bank, torch.tensor([0, 0, 1]), queries, torch.tensor([0, 0]), k=1)
    0.5
    """
    return float(votes_right(train_labels[nearest_rows(train_codes, codes, k)], labels).mean())


def nearest_rows(bank: Tensor, queries: Tensor, k: int) -> Tensor:
    """Return the rows `(n, k)` of the k codes in `bank` `(m, d)` nearest to each query `(n, d)`, nearest first.

    Exact; equally near ones come in the order of their rows: see `nearest.nearest`.

    Raises:
        ValueError: k is more than m.
    """
    return nearest(bank, queries, k)[1]


def votes_right(neighbor_labels: Tensor, labels: Tensor) -> Tensor:
    """Return 1 for each item whose label `(n,)` most of its neighbors' labels `(n, k)` have, else 0."""
    classes, ranks = torch.unique(neighbor_labels, return_inverse=True)  # numbers may be large
    votes = torch.zeros(len(labels), len(classes), device=labels.device)
    votes.scatter_add_(1, ranks, torch.ones_like(ranks, dtype=votes.dtype))
    right: Tensor = classes[votes.argmax(1)] == labels
    return right.double()


class Neighbors(Metric):
    """Without a labeled training split, seeded 5-fold cross-validation on the test codes takes its place."""

    scores: ClassVar[Mapping[str, Score]] = {
        f"knn{k}": Score(
            "up",
            f"accuracy of {k} nearest neighbors",
            purpose="find",
            headline=k == 10,
            range=(0, 1),
            floor="untrained",
            ceiling="pixels",
        )
        for k in NEIGHBORS
    }
    needs: ClassVar[tuple[Need, ...]] = ("labels",)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    tolerance: ClassVar[float] = 0.005  # a vote between two classes may turn
    min_items: ClassVar[int] = 20
    max_items: ClassVar[int | None] = 10_000

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return 1 for each item that its neighbors label rightly, else 0."""
        train = train_with(space, "labels")
        bank = None if train is None else train.codes
        neighbor_labels, labels = _neighbor_labels(space, space.codes, bank)
        return {f"knn{k}": votes_right(neighbor_labels[:, :k], labels) for k in NEIGHBORS}

    def note(self, space: LatentSpace) -> str:
        """Say where the bank comes from when it is not the training split."""
        return "" if train_with(space, "labels") else "no labelled training split: seeded 5-fold on the test codes"


class SampledNeighbors(Metric):
    """The training codes are posterior samples too, so the noise of the posterior counts on both sides."""

    scores: ClassVar[Mapping[str, Score]] = {
        "knn10_sample": Score(
            "up",
            purpose="find",
            headline=True,
            range=(0, 1),
            codes="sample",
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("labels", "posterior")
    version: ClassVar[int] = 2
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale")
    tolerance: ClassVar[float] = 0.005  # likewise
    min_items: ClassVar[int] = Neighbors.min_items
    max_items: ClassVar[int | None] = Neighbors.max_items

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return 1 for each item that its neighbors label rightly, else 0."""
        train = train_with(space, "labels")
        bank = None if train is None else _sampled(train)
        neighbor_labels, labels = _neighbor_labels(space, space.code_samples, bank)
        return {"knn10_sample": votes_right(neighbor_labels, labels)}

    note = Neighbors.note


def _sampled(train: LatentSpace) -> Tensor:
    noise = torch.randn(train.codes.shape, generator=torch.Generator().manual_seed(BANK_SEED))
    return train.posterior.sample(noise.to(train.device))


def _neighbor_labels(space: LatentSpace, codes: Tensor, bank: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the labels `(n, 10)` of each item's neighbors, and the items' labels `(n,)`."""
    labels, k = space.labels, max(NEIGHBORS)
    if bank is not None and "train" in space.supplies:
        if len(bank) < k:
            raise NotApplicableError(f"needs {k} training codes, has {len(bank)}")
        return space.train.labels[nearest_rows(bank, codes, k)], labels
    return labels[nearest_others(codes, k, folds(labels, FOLDS))[1]], labels
