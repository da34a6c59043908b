"""One pair score between all models: means over seeds, what unrelated spaces score, and seeds of one model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from latentbench.scores import gain
from latentbench.similarity.agreement import FEWEST_SEEDS, between, p_below_ceilings, within
from latentbench.similarity.measuring import model_pairs, null_key
from latentbench.similarity.null import LEVEL, Null, adjusted_p, calibrated
from latentbench.similarity.requests import PairRequest
from latentbench.similarity.spaces import ComparedModel
from latentbench.similarity.store import PairScore, PairStore
from latentbench.statistics import holm

__all__ = ["Matrix", "PairCell", "alike_together", "matrix_of"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class PairCell:
    """What one model and another score; of a model with itself, what its seeds score with each other.

    Attributes:
        row: label of the first model; `column` of the second.
        mean: over pairs of seeds; NaN where there is no score.
        low: end of its 95 % interval over seeds, `high` the other; NaN where few seeds tell nothing.
        pairs: number of pairs of seeds.
        null: what unrelated spaces score; None where there is none.
        calibrated: 0 at the 95 % quantile of the null, 1 at the best value; NaN where there is no null.
        p_null: adjusted p-value of: no more than unrelated spaces; NaN where there is no null.
        p_ceilings: Holm's adjusted p-value of: as much as the seeds of either model; NaN where seeds are too few.
        reason: why there is no score, or what a reader must know of how it was made.
    """

    row: str
    column: str
    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    pairs: int = 0
    null: Null | None = None
    calibrated: float = math.nan
    p_null: float = math.nan
    p_ceilings: float = math.nan
    reason: str = ""

    @property
    def of_seeds(self) -> bool:
        """Whether it compares the seeds of one model."""
        return self.row == self.column

    @property
    def has_value(self) -> bool:
        """Whether there is a score."""
        return math.isfinite(self.mean)

    @property
    def above_null(self) -> bool | None:
        """Whether it scores more than unrelated spaces do; None where nothing tells."""
        return None if math.isnan(self.p_null) else self.p_null < 1 - LEVEL

    @property
    def below_ceilings(self) -> bool | None:
        """Whether it scores less than the seeds of either model do; None where nothing tells."""
        return None if math.isnan(self.p_ceilings) else self.p_ceilings < 1 - LEVEL


@dataclass(frozen=True)
class Matrix:
    """One score between models.

    Attributes:
        request: the score.
        models: labels of rows and columns, in their order.
        references: label -> "floor", "yardstick" or "ceiling" of the reference models among them.
        seeds: label -> number of spaces of the model.
        cells: labels of row and column -> cell; of a symmetric score, each pair of models stands twice.
    """

    request: PairRequest
    models: tuple[str, ...]
    references: Mapping[str, str]
    seeds: Mapping[str, int]
    cells: Mapping[tuple[str, str], PairCell]

    @property
    def pairs(self) -> Iterator[PairCell]:
        """The cells of two models, of a symmetric score one for each pair."""
        for row, first in enumerate(self.models):
            for column, second in enumerate(self.models):
                if row < column or (row > column and not self.request.metric.symmetric):
                    yield self.cells[first, second]

    @property
    def notes(self) -> list[str]:
        """Why there is no score, each reason once; and how scores were made, where most cells say the same."""
        cells = [cell for cell in self.cells.values() if cell.reason]
        reasons = dict.fromkeys(cell.reason for cell in cells if not cell.has_value)
        made = Counter(cell.reason for cell in cells if cell.has_value)
        return [*reasons, *(text for text, count in made.items() if 2 * count > made.total())]


def matrix_of(request: PairRequest, models: Sequence[ComparedModel], store: PairStore) -> Matrix:
    """Return the matrix of a score whose values are all in the store."""
    symmetric = request.metric.symmetric
    tables = {
        (first.label, second.label): _Table.of(request, first, second, store)
        for first, second in model_pairs(models, symmetric)
    }
    cells = {labels: _cell(labels, table, request) for labels, table in tables.items()}
    if request.directed:
        cells = _against_nulls(cells, tables, request)
        cells = _against_ceilings(cells, tables, request)
    if symmetric:
        apart = [cell for cell in cells.values() if not cell.of_seeds]
        cells |= {(cell.column, cell.row): replace(cell, row=cell.column, column=cell.row) for cell in apart}
    labels = tuple(model.label for model in models)
    alone = {(label, label): PairCell(label, label) for label in labels if (label, label) not in cells}
    references = {model.label: model.reference for model in models if model.reference}
    seeds = {model.label: len(model.spaces) for model in models}
    return Matrix(request, labels, references, seeds, {**cells, **alone})


@dataclass(frozen=True)
class _Table:
    """The scores between the seeds of two models, `(m, n)`; NaN on the diagonal of one model with itself."""

    values: Values
    null: tuple[float, ...]
    text: str

    @classmethod
    def of(cls, request: PairRequest, first: ComparedModel, second: ComparedModel, store: PairStore) -> _Table:
        symmetric = request.metric.symmetric
        scores = {
            (row, column): _known(store.pair(a.key, b.key, symmetric))
            for row, a in enumerate(first.spaces)
            for column, b in enumerate(second.spaces)
            if not (first is second and row == column)
        }
        values = np.full((len(first.spaces), len(second.spaces)), math.nan)
        for place, score in scores.items():
            values[place] = math.nan if score.value is None else score.value
        null = store.null(null_key(first), null_key(second), symmetric) or ()
        return cls(values, null, next((score.text for score in scores.values() if score.text), ""))

    @property
    def known(self) -> Values:
        """The scores between spaces that are not the same one."""
        return self.values[~np.isnan(self.values)]


def _known(score: PairScore | None) -> PairScore:
    if score is None:
        raise ValueError("a pair of spaces was not measured")
    return score


def _cell(labels: tuple[str, str], table: _Table, request: PairRequest) -> PairCell:
    row, column = labels
    same = row == column
    missing = np.isnan(table.values).sum() - (len(table.values) if same else 0)
    if missing:
        return PairCell(row, column, reason=table.text)
    found = within(table.values) if same else between(table.values)
    null = Null.of(table.null, request.better) if table.null else None
    return PairCell(
        row,
        column,
        found.mean,
        found.low,
        found.high,
        found.pairs // 2 if same and request.metric.symmetric else found.pairs,
        null,
        math.nan if null is None else calibrated(found.mean, null, request.best),
        reason=table.text,
    )


def _against_nulls(
    cells: dict[tuple[str, str], PairCell], tables: Mapping[tuple[str, str], _Table], request: PairRequest
) -> dict[tuple[str, str], PairCell]:
    """Test all cells that have a null as one family."""
    tested = [labels for labels, cell in cells.items() if cell.null is not None]
    if not tested:
        return cells
    observed = [cells[labels].mean for labels in tested]
    nulls = np.array([tables[labels].null for labels in tested])
    p_values = adjusted_p(observed, nulls, request.better)
    return cells | {
        labels: replace(cells[labels], p_null=float(p)) for labels, p in zip(tested, p_values, strict=True)
    }


def _against_ceilings(
    cells: dict[tuple[str, str], PairCell], tables: Mapping[tuple[str, str], _Table], request: PairRequest
) -> dict[tuple[str, str], PairCell]:
    """Test all pairs of models of which both have enough seeds, as one family."""
    p_values: dict[tuple[str, str], float] = {}
    for labels, cell in cells.items():
        ceilings = [cells.get((label, label)) for label in labels]
        enough = all(ceiling is not None and ceiling.has_value for ceiling in ceilings)
        if cell.of_seeds or not cell.has_value or not enough or min(tables[labels].values.shape) < FEWEST_SEEDS:
            continue
        first, second = (tables[label, label].values for label in labels)
        p_values[labels] = p_below_ceilings(tables[labels].values, _whole(first), _whole(second), request.better)
    adjusted = holm(list(p_values.values()))
    return cells | {
        labels: replace(cells[labels], p_ceilings=float(p)) for labels, p in zip(p_values, adjusted, strict=True)
    }


def _whole(table: Values) -> Values:
    """Return the scores within a model with any number on its diagonal, which nothing looks at."""
    return np.where(np.eye(len(table), dtype=bool), 0.0, table)


def alike_together(matrices: Sequence[Matrix]) -> tuple[str, ...]:
    """Return the labels of the models in one order for all scores, so that alike ones stand together.

    Of each score, pairs are ranked; models are joined by the mean rank of their pairs (average linkage), and the
    leaves of the tree are turned so that neighbors are as alike as can be.
    """
    labels = matrices[0].models
    if len(labels) < 3:
        return labels
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform
    from scipy.stats import rankdata

    apart = []
    for matrix in matrices:
        gains = np.array([[_alike(matrix, row, column) for column in labels] for row in labels])
        upper = squareform(gains + gains.T, checks=False)
        if np.isfinite(upper).all():
            apart.append(rankdata(-upper))
    if not apart:
        return labels
    order = leaves_list(linkage(np.mean(apart, axis=0), "average", optimal_ordering=True))
    return tuple(labels[place] for place in order)


def _alike(matrix: Matrix, row: str, column: str) -> float:
    return 0.0 if row == column else gain(matrix.cells[row, column].mean, matrix.request.better)
