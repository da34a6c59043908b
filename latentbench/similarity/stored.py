"""How alike the models of a run are, from what was computed before: nothing is computed, no model is opened."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from latentbench.errors import LatentbenchError
from latentbench.plugins import Plugins
from latentbench.results import Results
from latentbench.similarity.matrix import alike_together, matrix_of
from latentbench.similarity.measuring import model_pairs, null_key, space_pairs
from latentbench.similarity.requests import PairRequest, pair_requests
from latentbench.similarity.similarity import Similarity
from latentbench.similarity.sources import FOLDER
from latentbench.similarity.spaces import ComparedModel, models_of_run
from latentbench.similarity.store import PairStore

__all__ = ["StoredSimilarity", "stored_similarity"]


@dataclass(frozen=True)
class StoredSimilarity:
    """What is stored of a run.

    Attributes:
        similarity: the scores that are complete for its models.
        left_out: labels of the run's other models.
    """

    similarity: Similarity
    left_out: tuple[str, ...]


def stored_similarity(results: Results, dataset: str, plugins: Plugins) -> StoredSimilarity | None:
    """Return what is stored of the models of a run on a data set.

    It is of the largest set of models that a score is complete for, and of all scores that are complete for them.
    A file that is damaged is left out with a warning, and so are all where the codes of the first trial are.

    Returns:
        None where no score is stored of two models at least.
    """
    stores = list(_stores(results, plugins))
    if not stores:
        return None
    models = models_of_run(results, dataset)
    chosen = max((_complete_for(models, *pair) for pair in stores), key=len)
    if len(chosen) < 2:
        return None
    complete = [pair for pair in stores if len(_complete_for(chosen, *pair)) == len(chosen)]
    matrices = [matrix_of(request, chosen, store) for request, store in complete]
    together = alike_together(matrices)
    shown = tuple(replace(matrix, models=together) for matrix in matrices)
    try:
        similarity = Similarity(dataset, _items(results, dataset), shown)
    except LatentbenchError as damage:
        warnings.warn(f"how alike models are is left out: {damage}", stacklevel=2)
        return None
    return StoredSimilarity(similarity, tuple(model.label for model in models if model not in chosen))


def _stores(results: Results, plugins: Plugins) -> Iterator[tuple[PairRequest, PairStore]]:
    """Yield the scores that have a file under their present version and parameters; others are not even loaded."""
    stems = {path.stem for path in (results.path / FOLDER).glob("*.json")}
    for name in plugins.names("pair_metric"):
        if not any(stem.startswith(f"{name}-v") for stem in stems):
            continue
        try:
            (request,) = pair_requests([name], plugins)
            if request.stem in stems:
                yield request, PairStore.read(results.path / FOLDER / f"{request.stem}.json")
        except LatentbenchError as error:
            warnings.warn(f"{name} is left out of how alike models are: {error}", stacklevel=2)


def _complete_for(models: Sequence[ComparedModel], request: PairRequest, store: PairStore) -> list[ComparedModel]:
    """Return the models of which each pair is known, in their order: one joins if it is known with all before."""
    chosen: list[ComparedModel] = []
    for model in models:
        symmetric = request.metric.symmetric
        pairs = {pair for other in chosen for pair in model_pairs([other, model], symmetric)}
        if all(_is_known(*pair, request, store) for pair in pairs | set(model_pairs([model], symmetric))):
            chosen.append(model)
    return chosen


def _is_known(first: ComparedModel, second: ComparedModel, request: PairRequest, store: PairStore) -> bool:
    symmetric = request.metric.symmetric
    scores = [store.pair(a.key, b.key, symmetric) for a, b in space_pairs(first, second, symmetric)]
    if not all(scores):
        return False
    applicable = all(score is not None and score.value is not None for score in scores)
    wants_null = applicable and request.metric.has_null
    return not wants_null or store.null(null_key(first), null_key(second), symmetric) is not None


def _items(results: Results, dataset: str) -> int:
    """Return the number of test items, that of the codes of a trial."""
    trial = next(trial for trial in results.trials if trial.dataset == dataset and trial.ok)
    return len(results.record(trial).read_arrays("codes.npz")["codes"])
