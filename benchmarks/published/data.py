"""The data of published numbers, and what several rows do with them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import latentbench
from latentbench import Benchmark, LatentSpace, Model
from latentbench.dataset import DataSpec, Split
from latentbench.model import as_inputs
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench_metrics.neighbors import nearest_rows, votes_right

__all__ = [
    "PLUGINS",
    "accuracies",
    "classes",
    "digits",
    "fashion_mnist",
    "fitted",
    "fold_accuracies",
    "pixels",
    "scored",
    "trained",
    "whole_fashion_mnist",
]

RESULTS = Path(__file__).parents[2] / "results"
PLUGINS = Plugins()


@cache
def fashion_mnist() -> tuple[Split, Split]:
    """Return all 60,000 training and 10,000 test images."""
    cls = PLUGINS.load("dataset", "fashion_mnist")
    train, test = cls(build_params(cls.Params, {}, "fashion_mnist")).load()
    return train, test


def whole_fashion_mnist() -> Split:
    """Return all 70,000 images."""
    train, test = fashion_mnist()
    return Split(np.concatenate([train.inputs, test.inputs]), torch.cat([classes(train), classes(test)]).numpy())


@cache
def digits() -> Split:
    """Return all 1,797 digits of scikit-learn in their order, grey levels 0 to 16 as 0 to 1, which is exact."""
    from sklearn.datasets import load_digits

    source = load_digits()
    return Split((source.data / 16).astype(np.float32), source.target)


def pixels(split: Split) -> Tensor:
    """Return inputs as rows; images lie in [0, 1]."""
    return as_inputs(split.inputs).flatten(1)


def classes(split: Split) -> Tensor:
    """Return class numbers."""
    return torch.as_tensor(split.labels)


def fitted(name: str, train: Split, **params: Any) -> Model:
    """Fit a model that learns at once."""
    cls = PLUGINS.load("model", name)
    model: Model = cls(build_params(cls.Params, params, name), DataSpec.of(train))
    model.fit(train, torch.Generator().manual_seed(0))
    return model


def scored(space: LatentSpace, *scores: str) -> dict[str, float]:
    """Return the values of some scores."""
    frame = latentbench.score(space, scores, PLUGINS)
    wrong = frame[frame["status"] != "ok"]
    if len(wrong):
        raise RuntimeError(f"not computed: {wrong[['score', 'reason']].to_dict('records')}")
    return dict(zip(frame["score"], frame["value"], strict=True))


def trained(name: str, label: str | Mapping[str, str], **benchmark: Any) -> Mapping[str, float]:
    """Run a benchmark in results/obtained-NAME and return the means of its scores over seeds."""
    benchmark = {"title": f"obtained-{name}", "references": (), **benchmark}
    frame = latentbench.run(Benchmark(**benchmark), RESULTS / f"obtained-{name}", plugins=PLUGINS).scores
    wrong = frame[frame["status"] != "ok"]
    if len(wrong):
        raise RuntimeError(f"not computed: {wrong[['label', 'score', 'reason']].to_dict('records')}")
    means = frame.groupby(["label", "score"])["value"].mean()
    if isinstance(label, str):
        return {str(score): float(means[label, score]) for score in benchmark["scores"]}
    return {shown: float(means[found, benchmark["scores"][0]]) for found, shown in label.items()}


def accuracies(
    bank: Tensor, known: Tensor, codes: Tensor, labels: Tensor, counts: tuple[int, ...]
) -> dict[str, float]:
    """Return the accuracy of k neighbors for each k: `knn_accuracy`, with one search for all."""
    rows = nearest_rows(bank, codes, max(counts))
    return {f"k = {k}": float(votes_right(known[rows[:, :k]], labels).mean()) for k in counts}


def fold_accuracies(codes: Tensor, labels: Tensor, folds: int, counts: tuple[int, ...]) -> dict[str, float]:
    """Return means over stratified folds in the order of the rows, cut as by scikit-learn."""
    from sklearn.model_selection import StratifiedKFold

    parts = [
        accuracies(codes[known], labels[known], codes[held], labels[held], counts)
        for known, held in StratifiedKFold(folds).split(codes, labels)
    ]
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}
