"""How many labels a space needs: a linear classifier and nearest neighbors when few training items are labeled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench_metrics._shared.rounding import attempt
from latentbench_metrics._shared.subsets import folds, some_rows, train_with
from latentbench_metrics.neighbors import nearest_rows, votes_right
from latentbench_metrics.probes import ROWS, linear_probe_per_item, probe_right, standardizer

__all__ = [
    "BUDGETS",
    "DRAWS",
    "LinearProbeBudgets",
    "NeighborBudgets",
    "area_over_budgets",
    "draws_of",
    "knn10_n",
    "knn10_n_per_item",
    "label_order",
    "labeled_rows",
    "linear_probe_auc",
    "linear_probe_n",
    "linear_probe_n_per_item",
]

BUDGETS = (10, 100, 1000)
DRAWS = 10  # of fewer than 100 labels: PCA of Fashion-MNIST has .45 with 10, with a deviation of .05 between draws
STRENGTH = 1.0  # C: chosen on a fifth of 1000 labels, the mean is no better and draws deviate three times as much
MOST_NEIGHBORS = 10
FOLDS = 5

Computed = Mapping[str, Tensor | NotApplicableError]


def label_order(labels: Tensor, seed: int = 0) -> Tensor:
    """Return all row numbers of labels `(m,)` in an order of which every beginning is a stratified draw.

    First comes one item of each class; then classes take turns so that each keeps its share (Sainte-Laguë's
    method). Which items stand for a class, and which class comes first among equals, is drawn by `seed`.

    >>> labels = torch.tensor([0, 0, 0, 0, 1, 1])
    >>> labels[label_order(labels)][1:]
    tensor([1, 0, 0, 1, 0])
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).to(labels.device)
    _, classes, sizes = torch.unique(labels[order], return_inverse=True, return_counts=True)
    by_class = classes.argsort(stable=True)
    places = torch.empty_like(by_class)
    places[by_class] = torch.arange(len(labels), device=labels.device)
    places -= (sizes.cumsum(0) - sizes)[classes]  # within the class
    turns = torch.where(places == 0, -1.0, (places.double() + 0.5) / sizes[classes])
    return order[turns.argsort(stable=True)]


def draws_of(budget: int) -> int:
    """Return over how many draws the accuracy with so many labels is the mean: the fewer labels, the more.

    >>> draws_of(10), draws_of(100), draws_of(1000)
    (10, 5, 3)
    """
    return DRAWS if budget < 100 else 5 if budget < 1000 else 3


def labeled_rows(labels: Tensor, budget: int, seed: int = 0) -> Tensor:
    """Return the rows `(budget,)` of labels `(m,)` that a draw shows; more labels of one draw include these.

    Raises:
        NotApplicableError: fewer labels than the budget, more classes than that, or a single class.
    """
    classes = len(torch.unique(labels))
    if classes < 2:
        raise NotApplicableError("training labels hold a single class")
    if budget > len(labels):
        raise NotApplicableError(f"{budget} labels are asked for, training has {len(labels)}")
    if budget < classes:
        raise NotApplicableError(f"{budget} labels cannot hold one of each of {classes} classes")
    return label_order(labels, seed)[:budget]


def linear_probe_n(
    train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor, budget: int, seed: int = 0
) -> float:
    """Share of codes that a linear classifier gets right when it knows `budget` labels; higher is better.

    Multinomial logistic regression with an L2 penalty (C = 1), fitted to a stratified draw of labels with at least
    one of each class: the mean over 10 draws, 5 from 100 labels on and 3 from 1000 on, which `seed` decides and
    the codes do not. Codes need no labels, so they are standardized over all training codes (at most 20,000). In
    [0, 1].

    Source: Alain and Bengio 2016; shares of classes by Sainte-Laguë 1910.

    Traps: an interval over seeds says nothing about other draws of labels. With 10 labels of Fashion-MNIST, single
    draws differ by 0.05 (one standard deviation), so the mean of 10 by 0.02; differences between models by less,
    as all are given the same draws. C is not tuned here, as it is in `linear_probe_accuracy`.

    Args:
        train_codes: `(m, d)`.
        train_labels: class numbers `(m,)`.
        codes: `(n, d)`.
        labels: `(n,)`; a class that training lacks counts as wrong.
        budget: number of labels, from the number of classes to m.
        seed: of the draws.

    Raises:
        NotApplicableError: as for `labeled_rows`.

    >>> line = torch.linspace(-1, 1, 40)[:, None]
    >>> linear_probe_n(line, (line[:, 0] > 0).long(), torch.tensor([[-1.0], [1]]), torch.tensor([0, 1]), budget=10)
    1.0
    """
    return float(linear_probe_n_per_item(train_codes, train_labels, codes, labels, budget, seed).mean())


def linear_probe_n_per_item(
    train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor, budget: int, seed: int = 0
) -> Tensor:
    """Return the share of draws `(n,)` in which the probe labels each code rightly."""
    draws = _draws(train_labels.cpu(), budget, seed)
    standardized = standardizer(train_codes[some_rows(len(train_codes), ROWS)])
    queries, asked, known = standardized(codes), labels.cpu(), train_labels.cpu()
    right = torch.zeros(len(codes), dtype=torch.float64)
    for rows in draws:
        right += probe_right(standardized(train_codes[rows]), known[rows], queries, asked, STRENGTH)
    return (right / len(draws)).to(codes.device)


def linear_probe_auc(
    train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor, seed: int = 0
) -> float:
    """Mean accuracy of a linear classifier over budgets of labels, from 10 to all; higher is better.

    The area under `linear_probe_n` with 10, 100 and 1000 labels and `linear_probe_accuracy` with all (at most
    20,000), over the logarithm of the number of labels, divided by its length: in [0, 1], as an accuracy. Budgets
    that are too small for one label of each class, or not below the number of labels, are left out.

    Source: area under the learning curve over the logarithm of its size; Guyon et al. 2011, "Results of the Active
    Learning Challenge".

    Traps: compare within one dataset: the more labels there are, the farther the area reaches to the right.

    Arguments and errors as for `linear_probe_n`.

    >>> line = torch.linspace(-1, 1, 40)[:, None]
    >>> linear_probe_auc(line, (line[:, 0] > 0).long(), torch.tensor([[-1.0], [1]]), torch.tensor([0, 1]))
    1.0
    """
    return float(_area(*_probe_curve(train_codes, train_labels, codes, labels, seed)).mean())


def area_over_budgets(budgets: Sequence[int], right: Tensor) -> Tensor:
    """Return the mean `(n,)` of what is right `(b, n)` over the logarithm of ascending budgets, by trapezoids.

    >>> area_over_budgets([10, 100, 1000], torch.tensor([[0.2], [0.6], [0.8]]))
    tensor([0.5500], dtype=torch.float64)
    """
    widths = [math.log(more / fewer) for fewer, more in pairwise(budgets)]
    between = (right[:-1] + right[1:]).double() / 2
    pieces = [piece * width for piece, width in zip(between, widths, strict=True)]
    return torch.stack(pieces).sum(0) / sum(widths)


def knn10_n(
    train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor, budget: int, seed: int = 0
) -> float:
    """Share of codes whose nearest labeled codes vote for their label when `budget` are labeled; higher is better.

    As many neighbors vote as a class has labels on average, at least 1 and at most 10: of 10 labels of 10 classes,
    all 10 would give every code the same label. The mean over stratified draws with at least one label of each
    class, those of `linear_probe_n`. Ties of the vote go to the lowest class. In [0, 1].

    Source: Cover and Hart 1967; shares of classes by Sainte-Laguë 1910.

    Traps: those of `knn_accuracy`. An interval over seeds says nothing about other draws of labels; all models are
    given the same. A class with fewer labels than half the neighbors is hardly ever voted for.

    Arguments and errors as for `linear_probe_n`.

    >>> line = torch.linspace(-1, 1, 40)[:, None]
    >>> knn10_n(line, (line[:, 0] > 0).long(), torch.tensor([[-1.0], [1]]), torch.tensor([0, 1]), budget=10)
    1.0
    """
    return float(knn10_n_per_item(train_codes, train_labels, codes, labels, budget, seed).mean())


def knn10_n_per_item(
    train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor, budget: int, seed: int = 0
) -> Tensor:
    """Return the share of draws `(n,)` in which the nearest labeled codes vote for each code's label."""
    draws = _draws(train_labels, budget, seed)
    k = min(MOST_NEIGHBORS, budget // len(torch.unique(train_labels)))
    right = torch.zeros(len(codes), dtype=torch.float64, device=codes.device)
    for rows in draws:
        neighbors = nearest_rows(train_codes[rows], codes, k)
        right += votes_right(train_labels[rows][neighbors], labels)
    return right / len(draws)


def _draws(labels: Tensor, budget: int, seed: int) -> list[Tensor]:
    return [labeled_rows(labels, budget, seed * DRAWS + draw) for draw in range(draws_of(budget))]


def _probe_curve(
    train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor, seed: int = 0
) -> tuple[dict[int, Tensor | NotApplicableError], int, Tensor]:
    """Return what is right with each budget, the number of all labels, and what is right with these."""
    every = linear_probe_per_item(train_codes, train_labels, codes, labels, seed)
    given = train_codes, train_labels, codes, labels
    curve = {budget: attempt(linear_probe_n_per_item, *given, budget, seed) for budget in BUDGETS}
    return curve, min(len(train_labels), ROWS), every


def _area(curve: Mapping[int, Tensor | NotApplicableError], total: int, every: Tensor) -> Tensor:
    some = {budget: right for budget in _below(total) if isinstance(right := curve[budget], Tensor)}
    if not some:
        reason = next(right for right in curve.values() if isinstance(right, NotApplicableError))
        raise NotApplicableError(f"no budget below all {total} labels: {reason}")
    return area_over_budgets([*some, total], torch.stack([*some.values(), every]))


def _below(total: int) -> list[int]:
    return [budget for budget in BUDGETS if budget < total]


def _declared(what: str) -> Score:
    return Score("up", what, purpose="find", range=(0, 1), floor="untrained", ceiling="pixels")


class LinearProbeBudgets(Metric):
    """Each score is the mean over stratified draws of labels, the same for every model.

    There are ten draws of 10 labels, five of 100 and three of 1000; more labels of a draw include its fewer ones.
    Without a labeled training split, labels are drawn in each fold of a seeded 5-fold cross-validation. A budget
    that cannot hold one label of each class, or that exceeds the labels there are, is not applicable; the area is
    then taken over the others.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        **{
            f"linear_probe_n{budget}": _declared(
                f"accuracy of a linear classifier of codes fitted to {budget} labels"
            )
            for budget in BUDGETS
        },
        "linear_probe_auc": _declared(
            "mean accuracy of a linear classifier over 10 to all labels, on a log scale"
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("labels",)
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale")
    tolerance: ClassVar[float] = 0.005  # an item on the border may change sides
    min_items: ClassVar[int] = 20
    max_items: ClassVar[int | None] = 10_000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> tuple[Computed, str]:
        """Return for each item the share of draws in which it is labeled rightly, and what the area leaves out."""
        values = _of_labels(space, _probe_scores)
        left_out = [b for b in BUDGETS if isinstance(values[f"linear_probe_n{b}"], NotApplicableError)]
        return values, _note_on_area(space, left_out) if isinstance(values["linear_probe_auc"], Tensor) else ""

    def note(self, space: LatentSpace) -> str:
        """Say where labels come from when it is not the training split."""
        return "" if train_with(space, "labels") else "no labelled training split: seeded 5-fold on the test codes"


class NeighborBudgets(Metric):
    """As many neighbors vote as a class has labels on average, at most 10.

    Each score is the mean over stratified draws of labels, the same for every model: ten of 10 labels, five of 100
    and three of 1000; more labels of a draw include its fewer ones. Without a labeled training split, labels are
    drawn in each fold of a seeded 5-fold cross-validation. A budget that cannot hold one label of each class, or
    that exceeds the labels there are, is not applicable.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        f"knn10_n{budget}": _declared(f"accuracy of nearest neighbors, at most 10, among {budget} labeled codes")
        for budget in BUDGETS
    }
    needs: ClassVar[tuple[Need, ...]] = ("labels",)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    tolerance: ClassVar[float] = 0.005  # a vote between two classes may turn
    min_items: ClassVar[int] = 20
    max_items: ClassVar[int | None] = 10_000

    def compute(self, space: LatentSpace) -> Computed:
        """Return for each item the share of draws in which its neighbors label it rightly."""
        return _of_labels(space, _neighbor_scores)

    note = LinearProbeBudgets.note


def _probe_scores(train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor) -> Computed:
    try:
        curve, total, every = _probe_curve(train_codes, train_labels, codes, labels)
    except NotApplicableError as error:
        return dict.fromkeys(LinearProbeBudgets.scores, error)
    few = {f"linear_probe_n{budget}": right for budget, right in curve.items()}
    return {**few, "linear_probe_auc": attempt(_area, curve, total, every)}


def _neighbor_scores(train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor) -> Computed:
    given = train_codes, train_labels, codes, labels
    return {f"knn10_n{budget}": attempt(knn10_n_per_item, *given, budget) for budget in BUDGETS}


def _of_labels(space: LatentSpace, scores: Callable[[Tensor, Tensor, Tensor, Tensor], Computed]) -> Computed:
    """Return scores of a space whose labels are those of its training split, or of the other folds."""
    codes, labels, train = space.codes, space.labels, train_with(space, "labels")
    if train is not None:
        return scores(train.codes, train.labels, codes, labels)
    fold = folds(labels, FOLDS)
    values: dict[str, Tensor | NotApplicableError] = {}
    for number in range(FOLDS):
        held = fold == number
        for name, part in scores(codes[~held], labels[~held], codes[held], labels[held]).items():
            whole = values.setdefault(name, torch.empty(len(labels), dtype=torch.float64, device=codes.device))
            if isinstance(whole, Tensor) and isinstance(part, Tensor):
                whole[held] = part
            else:
                values[name] = whole if isinstance(whole, NotApplicableError) else part
    return values


def _note_on_area(space: LatentSpace, left_out: Sequence[int]) -> str:
    """Say which budgets the area is over where it is not all of them."""
    if not left_out:
        return ""
    train = train_with(space, "labels")
    total = min(len(space.labels) - -(-len(space.labels) // FOLDS) if train is None else len(train.labels), ROWS)
    shown = [str(budget) for budget in _below(total) if budget not in left_out]
    return f"linear_probe_auc over {', '.join(shown)} and all {total} labels"
