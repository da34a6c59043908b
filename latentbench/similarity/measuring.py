"""Scores between all spaces of all models, and between permuted ones, as far as they are not known yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import Tensor

from latentbench.errors import NotApplicableError
from latentbench.execution.pair_scores import compared, computing, given_to_pair, prepared, read_score
from latentbench.files.json_files import short_hash
from latentbench.latent.space import LatentSpace
from latentbench.similarity.requests import PERMUTATIONS, PairRequest
from latentbench.similarity.spaces import ComparedModel, ComparedSpace
from latentbench.similarity.store import PairScore, PairStore

__all__ = ["measure", "model_pairs", "null_key", "space_pairs"]

SEED = 20_000  # of the first permutation
OF_INPUTS = {"inputs", "encoder", "posterior"}
Step = Callable[[], None]


def model_pairs(models: Sequence[ComparedModel], symmetric: bool) -> Iterator[tuple[ComparedModel, ComparedModel]]:
    """Yield the pairs of models that have a score: each with itself, if it has several seeds, and with each other.

    Of a symmetric score, each pair stands once, in the order of the models.
    """
    for (row, first), (column, second) in product(enumerate(models), repeat=2):
        if (row <= column or not symmetric) and (row != column or len(first.spaces) > 1):
            yield first, second


def space_pairs(
    first: ComparedModel, second: ComparedModel, symmetric: bool
) -> Iterator[tuple[ComparedSpace, ComparedSpace]]:
    """Yield the pairs of spaces of two models, or of the seeds of one."""
    for (row, a), (column, b) in product(enumerate(first.spaces), enumerate(second.spaces)):
        if first is not second or row < column or (row != column and not symmetric):
            yield a, b


def null_key(model: ComparedModel) -> str:
    """Return what identifies the spaces of a model."""
    return short_hash([space.key for space in model.spaces], 24)


def measure(
    request: PairRequest,
    models: Sequence[ComparedModel],
    order: Tensor,
    store: PairStore,
    step: Step = lambda: None,
) -> None:
    """Compute what the store lacks of a pair score of these models; each pair of models is kept when it is done.

    Args:
        request: the score.
        models: of the same items.
        order: `(n,)`, in which items are compared.
        store: what is known, and takes what is new.
        step: called after each pair of models.
    """
    ready = _Prepared(request, order)
    for first, second in model_pairs(models, request.metric.symmetric):
        _measure_pair(request, first, second, ready, store)
        store.keep()
        step()


def _measure_pair(
    request: PairRequest, first: ComparedModel, second: ComparedModel, ready: _Prepared, store: PairStore
) -> None:
    applicable = True
    for a, b in space_pairs(first, second, request.metric.symmetric):
        known = store.pair(a.key, b.key, request.metric.symmetric)
        if known is None:
            known = _score(request, a, b, ready)
            store.add_pair(a.key, b.key, known)
        applicable &= known.value is not None
    keys = null_key(first), null_key(second)
    if applicable and request.metric.has_null and store.null(*keys, request.metric.symmetric) is None:
        store.add_null(*keys, _null(request, first, second, ready))


def _score(request: PairRequest, a: ComparedSpace, b: ComparedSpace, ready: _Prepared) -> PairScore:
    try:
        return PairScore(*compared(request.metric, ready.first(a), ready.second(b)))
    except NotApplicableError as reason:
        return PairScore(None, str(reason))


def _null(request: PairRequest, first: ComparedModel, second: ComparedModel, ready: _Prepared) -> list[float]:
    """Return the score after each permutation; the seeds of both models take turns.

    A permutation is the same for all pairs of models, so that the largest score over pairs can be taken in each.
    """
    values = []
    with computing():
        for turn in range(PERMUTATIONS):
            a = first.spaces[(turn + 1) % len(first.spaces)]  # within a model, another seed than the next line's
            b = second.spaces[turn % len(second.spaces)]
            try:
                returned = request.metric.compute(ready.first(a), ready.permuted(b, turn))
            except NotApplicableError:
                return []
            values.append(read_score(request.metric, returned)[0])
    return values


@dataclass
class _Prepared:
    """What a metric makes of each space, once, with its items in a common order."""

    request: PairRequest
    order: Tensor
    _made: dict[tuple[str, bool], Any] = field(default_factory=dict)
    _reasons: dict[tuple[str, bool], str] = field(default_factory=dict)

    def first(self, space: ComparedSpace) -> Any:
        """Return the space as the first of two."""
        return self._of(space, second=False)

    def second(self, space: ComparedSpace) -> Any:
        """Return the space as the second of two."""
        return self._of(space, second=bool(self.request.metric.needs_second))

    def permuted(self, space: ComparedSpace, turn: int) -> Any:
        """Return the space as the second of two, its items in another order."""
        items = len(self.order) if self.request.metric.max_items is None else self.request.metric.max_items
        order = _permutation(min(items, len(self.order)), turn)
        train = space.space.others.train
        train_order = None if train is None else _permutation(len(train), turn)
        return self.request.metric.reordered(self.second(space), order, train_order)

    def _of(self, space: ComparedSpace, second: bool) -> Any:
        key = space.key, second
        if key in self._reasons:
            raise NotApplicableError(self._reasons[key])
        if key not in self._made:
            try:
                given = given_to_pair(self.request.metric, self._lean(space.space), self.order, second=second)
                self._made[key] = prepared(self.request.metric, given)
            except NotApplicableError as reason:
                self._reasons[key] = str(reason)
                raise
        return self._made[key]

    def _lean(self, space: LatentSpace) -> LatentSpace:
        """Return a space without what is not needed: inputs would be sorted for each space anew."""
        metric = self.request.metric
        if set(metric.needs + metric.needs_second) & OF_INPUTS or space.data.inputs is None:
            return space
        return space.replaced(codes=space.codes, inputs=None, encode=None, posterior=None)


def _permutation(count: int, turn: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(SEED + turn))
