"""InfoMEC: modularity, explicitness and compactness, with mutual information by nearest neighbors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from torch import Tensor

from latentbench import Better, Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench_metrics._shared.subsets import some_rows
from latentbench_metrics.disentanglement._information import (
    Array,
    as_arrays,
    check_width,
    entropy,
    factor_classes,
    standardized,
)

__all__ = ["InfoE", "InfoMC", "infomec", "infomec_explicitness"]

EXPLICIT = 0.01  # explicitness below which the shares of information are those of noise
INFORMED = 0.05  # share of a factor's entropy, below which a dimension, or a factor, is left out
NEIGHBORS = 10
STEPS = 300  # of its solver
STRENGTHS = (1.0, 1e3, 1e6)  # C of the logistic regression; published: no penalty at all


def infomec(codes: Tensor, factors: Tensor, seed: int = 0) -> dict[str, float]:
    """Modularity, compactness and explicitness of a code, by mutual information; higher is better, in [0, 1].

    N is the mutual information of each dimension and factor by 10 nearest neighbors (Ross 2014), divided by the
    factor's entropy. "modularity" is the mean over dimensions of the largest share of N that a factor has,
    rescaled from 1 / K (evenly spread) .. 1 to [0, 1]; "compactness" is the same with factors and dimensions
    exchanged; for "explicitness" see `infomec_explicitness`.

    Source: Hsu 2023. Ours: seeded; only dimensions and factors with some N above 0.05 count, whatever the unit of
    the codes; explicitness is measured on held-out rows; a single informative dimension has compactness 1.

    Traps: Shares of noise look modular (0.9): both shares are NaN where no N exceeds 0.05 or explicitness is below
    0.01. They ignore factors that are lost: read explicitness beside them. Correlated factors lower them.

    Args:
        codes: `(n, d)`.
        factors: `(n, K)`; those with a single value are left out, continuous ones cut into 20.
        seed: of the halves for explicitness, and of the noise of 1e-10 that keeps neighbors apart.

    Raises:
        ValueError: shapes do not fit, or NaN or infinity.
        NotApplicableError: fewer than two factors vary.

    >>> import torch
    >>> grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(3.0)).repeat(30, 1)
    >>> {name: round(value, 1) for name, value in infomec(grid, grid).items()}
    {'modularity': 1.0, 'compactness': 1.0, 'explicitness': 1.0}
    """
    points, values = as_arrays(codes, factors, least=2)
    points, classes = standardized(points), factor_classes(values)
    explicit = _explicitness(points, classes, seed)
    known = _neighbor_information(points, classes, seed)
    dimensions, captured = known.max(1) > INFORMED, known.max(0) > INFORMED
    if explicit < EXPLICIT or not dimensions.any():
        return {"modularity": math.nan, "compactness": math.nan, "explicitness": explicit}
    known = known[dimensions]
    return {
        "modularity": _largest_share(known),
        "compactness": _largest_share(known[:, captured].T),
        "explicitness": explicit,
    }


def infomec_explicitness(codes: Tensor, factors: Tensor, seed: int = 0) -> float:
    """Mean share of a factor's entropy that a logistic regression on codes explains; higher is better, in [0, 1].

    1 - cross-entropy over that of the class frequencies, at least 0, on the half of the rows (chosen by `seed`)
    that the regression was not fitted to. Codes are standardized; C of the L2 penalty is the best of 1, 1e3 and
    1e6 on a fifth of the fitted half; a probability counts as at least 1 / (fitted rows + 1).

    Source: Hsu 2023; there, the regression is judged on the rows it was fitted to, without a penalty.

    Traps: It only sees linear borders and says nothing about axes: a rotation hardly changes it. Classes in order
    along one axis need steep functions to be separated, so a good code of a factor with 40 values stays below 1.

    Args:
        codes: `(n, d)`.
        factors: `(n, K)`; those with a single value are left out, continuous ones cut into 20.
        seed: of the halves.

    Raises:
        ValueError: shapes do not fit, or NaN or infinity.
        NotApplicableError: no factor varies.

    >>> import torch
    >>> grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(3.0)).repeat(30, 1)
    >>> round(infomec_explicitness(grid @ torch.tensor([[1.0, 1], [1, -1]]), grid), 1)
    1.0
    """
    points, values = as_arrays(codes, factors)
    return _explicitness(standardized(points), factor_classes(values), seed)


def _explicitness(points: Array, classes: list[Array], seed: int) -> float:
    fit = np.zeros(len(points), bool)
    fit[some_rows(len(points), len(points) // 2, seed).numpy()] = True
    choice = fit.copy()
    choice[np.flatnonzero(fit)[some_rows(int(fit.sum()), int(fit.sum()) // 5, seed + 1).numpy()]] = False
    shares = []
    for each in classes:
        if entropy(each[choice]) == 0:
            shares.append(0.0)  # nothing to fit to
            continue
        held = fit & ~choice
        losses = [_loss(points, each, choice, held, C) for C in STRENGTHS]
        best = STRENGTHS[int(np.argmin(losses))]
        chance = _log_loss(
            np.bincount(each[fit], minlength=each.max() + 1) / fit.sum(), each[~fit], int(fit.sum())
        )
        shares.append(max(0.0, 1 - _loss(points, each, fit, ~fit, best) / chance) if chance > 0 else 0.0)
    return float(np.mean(shares))


def _loss(points: Array, classes: Array, fit: Array, held: Array, strength: float) -> float:
    """Return the cross-entropy of the `held` rows in nats, of a regression fitted to the `fit` rows."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=strength, max_iter=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # cut short it is a linear model still
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # classes they are
        regression.fit(points[fit], classes[fit])
    chances = np.zeros((int(held.sum()), int(classes.max()) + 1))
    chances[:, regression.classes_] = regression.predict_proba(points[held])
    return _log_loss(chances, classes[held], int(fit.sum()))


def _log_loss(chances: Array, classes: Array, fitted: int) -> float:
    """Return the mean negative log chance of each class, of `(n, V)` or `(V,)`, at least 1 / (fitted + 1)."""
    of_class = np.broadcast_to(chances, (len(classes), chances.shape[-1]))[np.arange(len(classes)), classes]
    return float(-np.log(of_class.clip(1 / (fitted + 1))).mean())


def _neighbor_information(points: Array, classes: list[Array], seed: int) -> Array:
    """Return the mutual information of columns and factors by nearest neighbors, over entropy, `(d, K)`."""
    from sklearn.feature_selection import mutual_info_classif

    columns = [
        mutual_info_classif(points, each, discrete_features=False, n_neighbors=NEIGHBORS, random_state=seed)
        / entropy(each)
        for each in classes
    ]
    return np.stack(columns, 1)


def _largest_share(values: Array) -> float:
    """Return the mean over rows of the largest share of a row, from evenly spread (0) to a single one (1)."""
    width = values.shape[1]
    if width == 1:
        return 1.0
    return float(((values.max(1) / values.sum(1)).mean() - 1 / width) / (1 - 1 / width))


def _score(description: str = "", better: Better = "up") -> Score:
    return Score(better, description, purpose="factors", range=(0, 1), floor=0.0, ceiling=1.0)


class InfoE(Metric):
    """The linear model is a logistic regression, judged on codes it was not fitted to."""

    scores: ClassVar[Mapping[str, Score]] = {
        "infomec_explicitness": _score(),
    }
    needs: ClassVar[tuple[Need, ...]] = ("factors",)
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "axis_scale", "permutation")
    tolerance: ClassVar[float] = 0.01  # the probe stops early
    min_items: ClassVar[int] = 50
    max_items: ClassVar[int | None] = 5000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the mean share."""
        check_width(space.dim)
        return {"infomec_explicitness": infomec_explicitness(space.codes, space.factors, seed=0)}


class InfoMC(Metric):
    """Not applicable to codes without information about the factors: their shares would be those of noise."""

    scores: ClassVar[Mapping[str, Score]] = {
        "infomec_modularity": _score(
            "whether each dimension captures only one factor, by nearest neighbors",
            better="none",  # a space that keeps a single factor wins it
        ),
        "infomec_compactness": _score(
            "whether each factor is captured by only one dimension, by nearest neighbors"
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("factors",)
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "axis_scale", "permutation")
    tolerance: ClassVar[float] = 0.01  # dimensions near the limit count or do not
    min_items: ClassVar[int] = 50
    max_items: ClassVar[int | None] = 5000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return both, for codes with information about the factors."""
        check_width(space.dim)
        scores = infomec(space.codes, space.factors, seed=0)
        if math.isnan(scores["modularity"]):
            raise NotApplicableError(
                f"codes tell nothing of the factors (explicitness {scores['explicitness']:.3f}): shares of noise"
            )
        return {f"infomec_{name}": scores[name] for name in ("modularity", "compactness")}
