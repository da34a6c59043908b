"""What matrices of pair scores say, in sentences above them."""

from __future__ import annotations

from collections.abc import Sequence

from latentbench.scores import gain
from latentbench.similarity.matrix import Matrix, PairCell
from latentbench.text import counted

__all__ = ["sentences"]

MOST_NAMED = 3
FLOOR = "floor"
Pair = tuple[str, str]


def sentences(matrices: Sequence[Matrix]) -> list[str]:
    """Return what all matrices together say: about seeds, about floor models, about unrelated spaces."""
    directed = [matrix for matrix in matrices if matrix.request.directed]
    said = [_of_ceilings(directed), _of_floors(directed), _of_nulls(directed)] if directed else []
    return [sentence for sentence in said if sentence]


def _of_ceilings(matrices: Sequence[Matrix]) -> str:
    """Say which models find other spaces than their own seeds do; floor models, which find none, are left out."""
    verdicts: dict[Pair, list[bool]] = {}
    for matrix in matrices:
        for cell in matrix.pairs:
            pair = min((cell.row, cell.column), (cell.column, cell.row), key=lambda pair: _place(matrix, pair))
            if cell.below_ceilings is not None and not _has_floor(matrix, pair):
                verdicts.setdefault(pair, []).append(cell.below_ceilings)
    if not verdicts:
        return ""
    differ = [pair for pair, below in verdicts.items() if all(below)]
    same = [pair for pair, below in verdicts.items() if not any(below)]
    mixed = [pair for pair in verdicts if pair not in {*differ, *same}]
    if len(same) == len(verdicts):
        return f"No two models agree clearly less than the seeds of both do, {_where(matrices, 'any')}."
    every = f"agree less than the seeds of either {_where(matrices, 'every')}"
    if len(differ) == len(verdicts):
        whose = "Both models" if len(differ) == 1 else f"All {len(differ)} pairs of models with seeds"
        return f"{whose} {every}: they find different spaces."
    parts = [(every, differ), ("in some scores only", mixed), ("in none", same)]
    said = "; ".join(f"{what}: {_named(pairs)}" for what, pairs in parts if pairs)
    return f"Models that {said}." if differ else f"Models that agree less than the seeds of either {said}."


def _where(matrices: Sequence[Matrix], word: str) -> str:
    return f"in {word} score" if len(matrices) > 1 else f"in {matrices[0].request.name}"


def _place(matrix: Matrix, pair: Pair) -> tuple[int, int]:
    return matrix.models.index(pair[0]), matrix.models.index(pair[1])


def _has_floor(matrix: Matrix, pair: Pair) -> bool:
    return any(matrix.references.get(label) == FLOOR for label in pair)


def _of_floors(matrices: Sequence[Matrix]) -> str:
    """Say whether models share more than a floor model, which has learned nothing, shares with them."""
    floors = [label for label, reference in matrices[0].references.items() if reference == FLOOR]
    more: dict[str, list[bool]] = {}
    for matrix in matrices:
        trained = [cell for cell in matrix.pairs if not {cell.row, cell.column} & matrix.references.keys()]
        verdicts = [_more_than_floors(matrix, cell, floors) for cell in trained if cell.has_value]
        more[matrix.request.name] = [verdict for verdict in verdicts if verdict is not None]
    known = {name: verdicts for name, verdicts in more.items() if verdicts}
    if not known:
        return ""
    names = " and ".join(floors)
    seldom = {name: verdicts for name, verdicts in known.items() if not all(verdicts)}
    if not seldom:
        where = _where(matrices, "every")
        return f"On average, any two trained models share more than either shares with {names}, {where}."
    counts = {name: (verdicts.count(False), len(verdicts)) for name, verdicts in seldom.items()}
    parts = [f"{few} of {counted(pairs, 'pair')} in {name}" for name, (few, pairs) in counts.items()]
    return (
        f"What two trained models share, one of them shares with {names} as well, which learned nothing: "
        f"{', '.join(parts)}."
    )


def _more_than_floors(matrix: Matrix, cell: PairCell, floors: Sequence[str]) -> bool | None:
    """Whether two models share more than either shares with any floor model; None where there is none.

    Of a score from one model to another: whether the first tells more of the second than a floor model does.
    """
    better, symmetric = matrix.request.better, matrix.request.metric.symmetric
    labels = (cell.row, cell.column) if symmetric else (cell.column,)
    pairs = [(floor, label) for floor in floors for label in labels]
    shared = [gain(matrix.cells[pair].mean, better) for pair in pairs if matrix.cells[pair].has_value]
    return gain(cell.mean, better) > max(shared) if shared else None


def _of_nulls(matrices: Sequence[Matrix]) -> str:
    """Name the pairs that score no more than unrelated spaces do."""
    parts = []
    for matrix in matrices:
        unrelated = [(cell.row, cell.column) for cell in matrix.pairs if cell.above_null is False]
        if unrelated:
            parts.append(f"{_named(unrelated)} in {matrix.request.name}")
    return f"No more alike than unrelated spaces are {'; '.join(parts)}." if parts else ""


def _named(pairs: Sequence[Pair]) -> str:
    named = [f"{first} and {second}" for first, second in pairs[:MOST_NAMED]]
    more = [counted(len(pairs) - MOST_NAMED, "more pair")] if len(pairs) > MOST_NAMED else []
    return ", ".join([*named, *more])
