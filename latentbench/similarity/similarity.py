"""How alike the models of one set of items are: a matrix for each pair score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latentbench.errors import RequestError
from latentbench.files.preparing import Preparing, tell
from latentbench.machine import limited_threads
from latentbench.similarity.matrix import Matrix, alike_together, matrix_of
from latentbench.similarity.measuring import measure, model_pairs
from latentbench.similarity.requests import PairRequest
from latentbench.similarity.spaces import ComparedModel, on_same_items
from latentbench.similarity.store import PairStore

__all__ = ["MOST_MODELS", "Similarity", "compare_models"]

MOST_MODELS = 20  # a matrix of more is nothing to read


@dataclass(frozen=True)
class Similarity:
    """How alike models are.

    Attributes:
        dataset: heading of the data set.
        items: number of test items.
        matrices: one for each score, their models in one order.
    """

    dataset: str
    items: int
    matrices: tuple[Matrix, ...]


def compare_models(
    dataset: str,
    models: Sequence[ComparedModel],
    requests: Sequence[PairRequest],
    folder: Path,
) -> Similarity:
    """Compare models of the same items by pair scores.

    Args:
        dataset: heading of the data set.
        models: two at least.
        requests: the scores.
        folder: where values are kept; a second call computes only what is new.

    Raises:
        RequestError: too few or too many models, or models of other items.
    """
    if len(models) < 2:
        names = models[0].label if models else "none"
        raise RequestError(f"expected two models to compare, got {names}; give a run of several, or own codes")
    if len(models) > MOST_MODELS:
        raise RequestError(
            f"there are {len(models)} models, and at most {MOST_MODELS} can be compared; choose some with --models"
        )
    order = on_same_items(models)
    stores = [PairStore.read(folder / f"{request.stem}.json") for request in requests]
    total = sum(1 for request in requests for _ in model_pairs(models, request.metric.symmetric))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        tell(Preparing("comparing", "pairs of models", done, total, 0))

    tell(Preparing("comparing", "pairs of models", 0, total, 0))
    with limited_threads(1):  # sums come out the same on any machine, and two threads take longer than one
        for request, store in zip(requests, stores, strict=True):
            measure(request, models, order, store, step)
    matrices = [matrix_of(request, models, store) for request, store in zip(requests, stores, strict=True)]
    together = alike_together(matrices)
    return Similarity(dataset, len(order), tuple(replace(matrix, models=together) for matrix in matrices))
