"""Whether each code dimension captures one factor, measured by trees that predict the factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, Score, Tier
from latentbench_metrics._shared.subsets import some_rows, train_with
from latentbench_metrics.disentanglement._information import (
    Array,
    as_arrays,
    check_shapes,
    check_width,
    equal_frequency,
)

__all__ = ["Dci", "dci", "dci_scores"]

CLASSES = 10  # a factor is cut into at most
STEPS = 64  # a code dimension is cut into at most: half the time
ROWS = 2000  # trees are fitted to
TREES = 100  # for each class
WIDE = 64  # dimensions that one split looks at, at most


def dci(
    codes: Tensor,
    factors: Tensor,
    held_codes: Tensor | None = None,
    held_factors: Tensor | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Disentanglement, completeness and informativeness by gradient-boosted trees; higher is better, in [0, 1].

    scikit-learn's GradientBoostingClassifier (100 trees of depth 3) is fitted for each factor to at most 2000
    codes, cut into at most 64 steps of equal frequency; factors with more than 10 values are cut into 10 classes
    of equal frequency. Its importances give the first two scores, see `dci_scores`; "informativeness" is the mean
    accuracy on held-out codes. With over 64 dimensions, each split considers 64 of them, drawn at random.

    Source: Eastwood and Williams 2018, with the trees of Locatello 2019; other learners give other numbers.

    Traps: The importances of a factor always sum to 1, so they do not say how well it can be predicted: read
    disentanglement beside informativeness. A rotation lowers the former and hardly changes the latter; correlated
    factors distort both. Guessing the most frequent class already gives an accuracy above 0.

    Args:
        codes: to fit to, `(m, d)`.
        factors: `(m, K)`; those with a single value are left out.
        held_codes: for the accuracy, `(n, d)`; without them the rows of `codes` that were not fitted to, at least
            half.
        held_factors: `(n, K)`.
        seed: of the choice of rows and of the trees.

    Raises:
        ValueError: shapes do not fit, NaN or infinity, or only one of the held-out tensors.
        NotApplicableError: fewer than two factors vary.

    >>> grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(3.0)).repeat(20, 1)
    >>> {name: round(value, 2) for name, value in dci(grid, grid).items()}
    {'disentanglement': 1.0, 'completeness': 1.0, 'informativeness': 1.0}
    """
    check_shapes(codes, factors)
    if held_codes is None and held_factors is None:
        rows = some_rows(len(codes), min(ROWS, len(codes) // 2), seed)
        others = torch.ones(len(codes), dtype=torch.bool)
        others[rows] = False
        held_codes, held_factors = codes[others], factors[others]
    elif held_codes is None or held_factors is None:
        raise ValueError("held_codes and held_factors go together, got one of them")
    else:
        rows = some_rows(len(codes), ROWS, seed)
    check_shapes(held_codes, held_factors)
    if codes.shape[1] != held_codes.shape[1] or factors.shape[1] != held_factors.shape[1]:
        shapes = [tuple(each.shape) for each in (codes, factors, held_codes, held_factors)]
        raise ValueError(f"held-out codes and factors must be as wide as the others, got {shapes}")
    both = torch.cat([codes[rows], held_codes]), torch.cat([factors[rows], held_factors])
    points, values = as_arrays(*both, least=2)
    points = _steps(points, len(rows))
    fits = [_fitted(points, equal_frequency(column, CLASSES), len(rows), seed) for column in values.T]
    importance = torch.from_numpy(np.stack([each for each, _ in fits], 1))
    return {**dci_scores(importance), "informativeness": float(np.mean([right for _, right in fits]))}


def dci_scores(importance: Tensor) -> dict[str, float]:
    """Return "disentanglement" and "completeness" of importances, each 1 - entropy; higher is better, in [0, 1].

    Disentanglement: 1 - entropy (to base K) of each dimension's importances over the factors, weighted by its
    share of all importance. Completeness: the same of each factor's importances over the d dimensions (to base
    d). A single column or row has nothing to spread over and counts 1; no importance at all gives 0.

    Source: Eastwood and Williams 2018; completeness weighted by the importance of factors too.

    Traps: It only sees shares: importances of unpredictable factors count as much as others, unless they are
    scaled down first.

    Args:
        importance: of each dimension for each factor `(d, K)`, at least 0.

    Raises:
        ValueError: not a matrix, negative, NaN or infinite.

    >>> {name: round(value, 6) for name, value in dci_scores(torch.tensor([[1.0, 0], [1, 0], [0, 1]])).items()}
    {'disentanglement': 1.0, 'completeness': 0.57938}
    """
    if importance.ndim != 2 or not importance.numel():
        raise ValueError(f"importance must be (d, K), got {tuple(importance.shape)}")
    if not bool(((importance >= 0) & torch.isfinite(importance)).all()):
        raise ValueError("importance must be finite and at least 0")
    shares = importance.double() / importance.double().max().clamp_min(torch.finfo(torch.float64).tiny)
    return {"disentanglement": _peaked(shares), "completeness": _peaked(shares.T)}


def _peaked(shares: Tensor) -> float:
    """Return 1 - the entropy of each row, to the base of its length, weighted by the sums of the rows."""
    sums = shares.sum(1, keepdim=True)
    if not bool((sums > 0).any()):
        return 0.0
    parts = shares / torch.where(sums > 0, sums, 1.0)
    entropies = torch.special.entr(parts).sum(1) / max(np.log(shares.shape[1]), np.log(2))
    return float(((1 - entropies) * sums[:, 0]).sum() / sums.sum())


def _steps(points: Array, fitted: int) -> Array:
    """Return each column in steps, cut at quantiles of the first `fitted` rows: trees only see the order."""
    steps = np.empty(points.shape, np.float32)
    for number, column in enumerate(points.T):
        cuts = np.unique(column[:fitted])
        if len(cuts) > STEPS:
            ranks = np.linspace(0, 1, STEPS + 1)[1:-1]
            cuts = np.unique(np.quantile(column[:fitted], ranks, method="inverted_cdf"))
        steps[:, number] = np.searchsorted((cuts[1:] + cuts[:-1]) / 2, column)
    return steps


def _fitted(points: Array, classes: Array, fitted: int, seed: int) -> tuple[Array, float]:
    """Fit trees to the first `fitted` rows; return the importance of columns and the accuracy on the others."""
    from sklearn.ensemble import GradientBoostingClassifier

    known, width = classes[:fitted], points.shape[1]
    if (known == known[0]).all():
        return np.zeros(width), float((classes[fitted:] == known[0]).mean())
    seen = WIDE if width > WIDE else None
    trees = GradientBoostingClassifier(n_estimators=TREES, random_state=seed, max_features=seen)
    trees.fit(points[:fitted], known)
    return trees.feature_importances_.clip(0), float((trees.predict(points[fitted:]) == classes[fitted:]).mean())


class Dci(Metric):
    """The trees are fitted to 2000 training codes."""

    scores: ClassVar[Mapping[str, Score]] = {
        "dci_disentanglement": Score(
            "up",
            "whether each dimension captures only one factor",
            purpose="factors",
            headline=True,
            range=(0, 1),
            floor=0.0,
            ceiling=1.0,
        ),
        "dci_completeness": Score(
            "up",
            "whether each factor is captured by only one dimension",
            purpose="factors",
            range=(0, 1),
            floor=0.0,
            ceiling=1.0,
        ),
        "dci_informativeness": Score(
            "up",
            "accuracy of trees that predict the factors",
            purpose="factors",
            range=(0, 1),
            floor="untrained",
            ceiling=1.0,
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("factors",)
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "axis_scale", "permutation")
    tolerance: ClassVar[float] = 0.02  # rounding may move a cut of a tree
    min_items: ClassVar[int] = 50
    max_items: ClassVar[int | None] = 10_000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return all three."""
        check_width(space.dim)
        codes, factors = space.codes, space.factors
        train = train_with(space, "factors")
        if train is None:
            scores = dci(codes, factors, seed=0)
        else:
            chosen = some_rows(len(train), ROWS)
            scores = dci(train.codes[chosen], train.factors[chosen], codes, factors, seed=0)
        return {f"dci_{name}": value for name, value in scores.items()}

    def note(self, space: LatentSpace) -> str:
        """Say what the trees were fitted to unless it is the training split, and when splits skip dimensions."""
        said = []
        if train_with(space, "factors") is None:
            fitted = min(ROWS, len(space) // 2)
            said.append(f"no training split with factors: fitted to {fitted} of the items, judged on the others")
        if space.dim > WIDE:
            said.append(f"each split looks at {WIDE} of the {space.dim} dimensions")
        return "; ".join(said)
