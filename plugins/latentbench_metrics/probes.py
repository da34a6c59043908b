"""Whether a linear classifier can read the classes from the codes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench_metrics._shared.rounding import rounding_of
from latentbench_metrics._shared.subsets import folds, some_rows, train_with

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

__all__ = [
    "ROWS",
    "LinearProbe",
    "linear_probe_accuracy",
    "linear_probe_per_item",
    "probe_right",
    "standardizer",
]

ROWS = 20_000  # the probe is fitted on
CHOICE_ROWS = 5000  # C is chosen on
STRENGTHS = (0.01, 0.1, 1.0, 10.0)
FOLDS = 5
TOLERANCE = 1e-3  # a tenth of the time of scikit-learn's 1e-4 on pixels, for 0.002 of accuracy


def linear_probe_accuracy(
    train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor, seed: int = 0
) -> float:
    """Share of codes whose label a linear classifier, fitted to training codes, gets right; higher is better.

    Multinomial logistic regression with an L2 penalty on codes that are standardized over the training codes, of
    which at most 20,000 are used, chosen by `seed`. C is the best of 0.01, 0.1, 1 and 10 on a fifth of at most
    5000 of them. In [0, 1], by chance the share of the largest class.

    Source: Alain and Bengio 2016.

    Traps: it grows with d: a random projection to many dimensions already scores well. It cannot separate classes
    that surround each other: read `knn10` beside it. Solvers differ by up to 0.02.

    Args:
        train_codes: `(m, d)`.
        train_labels: class numbers `(m,)`.
        codes: `(n, d)`.
        labels: `(n,)`; a class that training lacks counts as wrong.
        seed: of the choice of rows.

    Raises:
        NotApplicableError: training labels hold a single class.

    >>> line = torch.linspace(-1, 1, 40)[:, None]
    >>> linear_probe_accuracy(line, (line[:, 0] > 0).long(), torch.tensor([[-2.0], [2]]), torch.tensor([0, 1]))
    1.0
    """
    return float(linear_probe_per_item(train_codes, train_labels, codes, labels, seed).mean())


def linear_probe_per_item(
    train_codes: Tensor, train_labels: Tensor, codes: Tensor, labels: Tensor, seed: int = 0
) -> Tensor:
    """Return 1 for each code that the probe labels rightly, else 0, `(n,)` in float64."""
    rows = some_rows(len(train_codes), ROWS, seed)
    known = train_labels[rows].cpu()
    if len(torch.unique(known)) < 2:
        raise NotApplicableError("training labels hold a single class")
    standardized = standardizer(train_codes[rows])
    bank = standardized(train_codes[rows])
    strength = _best_strength(bank, known, seed)
    return probe_right(bank, known, standardized(codes), labels.cpu(), strength).to(codes.device)


def standardizer(codes: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what standardizes codes `(m, d)` over the given ones `(n, d)`, on the CPU in float64.

    Dimensions in which the given ones are equal up to rounding become 0.
    """
    known = codes.double().cpu()
    mean, spread = known.mean(0), known.std(0)
    varies = spread > rounding_of(codes).cpu() / 2
    spread = torch.where(varies, spread, 1.0)

    def standardized(others: Tensor) -> Tensor:
        return torch.where(varies, (others.double().cpu() - mean) / spread, 0.0)

    return standardized


def probe_right(codes: Tensor, known: Tensor, queries: Tensor, labels: Tensor, strength: float) -> Tensor:
    """Return 1 for each of `queries` `(n, d)` that a probe fitted to `codes` `(m, d)` labels rightly, else 0.

    All are on the CPU, standardized; `strength` is C, as scikit-learn calls it.
    """
    return _right(_fitted(codes, known, strength), queries, labels)


def _best_strength(codes: Tensor, labels: Tensor, seed: int) -> float:
    """Return the C that is best on a fifth of the rows, the smallest in a tie."""
    rows = some_rows(len(codes), CHOICE_ROWS, seed + 1)
    codes, labels = codes[rows], labels[rows]
    held = folds(labels, FOLDS, seed) == 0
    if len(torch.unique(labels[~held])) < 2:
        return 1.0  # too few rows to choose by
    probes = {C: _fitted(codes[~held], labels[~held], C) for C in STRENGTHS}
    return max(STRENGTHS, key=lambda C: float(_right(probes[C], codes[held], labels[held]).mean()))


def _fitted(codes: Tensor, labels: Tensor, strength: float) -> LogisticRegression:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # cut short at 1000 steps it is a linear probe still
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # labels are class numbers
        probe = LogisticRegression(C=strength, max_iter=1000, tol=TOLERANCE)
        return probe.fit(codes.float().numpy(), labels.numpy())


def _right(probe: LogisticRegression, codes: Tensor, labels: Tensor) -> Tensor:
    return (torch.from_numpy(probe.predict(codes.float().numpy())) == labels).double()


class LinearProbe(Metric):
    """Fitted to training codes or, without a labeled training split, by seeded 5-fold cross-validation."""

    scores: ClassVar[Mapping[str, Score]] = {
        "linear_probe_accuracy": Score(
            "up",
            purpose="find",
            range=(0, 1),
            floor="untrained",
            ceiling="pixels",
        ),
    }
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ("labels",)
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale")
    tolerance: ClassVar[float] = 0.005  # an item on the border may change sides
    min_items: ClassVar[int] = 20
    max_items: ClassVar[int | None] = 10_000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return 1 for each item that the probe labels rightly, else 0."""
        codes, labels = space.codes, space.labels
        train = train_with(space, "labels")
        if train is None:
            return {"linear_probe_accuracy": _in_folds(codes, labels)}
        return {"linear_probe_accuracy": linear_probe_per_item(train.codes, train.labels, codes, labels)}

    def note(self, space: LatentSpace) -> str:
        """Say where the probe was fitted when it is not the training split."""
        return "" if train_with(space, "labels") else "no labelled training split: seeded 5-fold on the test codes"


def _in_folds(codes: Tensor, labels: Tensor) -> Tensor:
    fold = folds(labels, FOLDS)
    right = torch.empty(len(labels), dtype=torch.float64, device=codes.device)
    for number in range(FOLDS):
        held = fold == number
        right[held] = linear_probe_per_item(codes[~held], labels[~held], codes[held], labels[held])
    return right
