"""What matrices of pair scores say, in sentences above them."""

from __future__ import annotations

from collections.abc import Sequence

from latentbench.scores import gain
from latentbench.similarity.matrix import Cell, Matrix
from latentbench.text import counted

__all__ = ["sentences"]

MOST_NAMED = 3
FLOOR = "floor"


def sentences(matrices: Sequence[Matrix]) -> list[str]:
    """Return what all matrices together say: about seeds, about floor models, about unrelated spaces."""
    said = [_of_ceilings(matrices), _of_floors(matrices), _of_nulls(matrices)]
    return [sentence for sentence in said if sentence]


def _of_ceilings(matrices: Sequence[Matrix]) -> str:
    """Say which models find other spaces than their own seeds do."""
    below: dict[tuple[str, str], list[bool]] = {}
    for matrix in matrices:
        for cell in matrix.pairs:
            if cell.below_ceilings is not None:
                first, second = sorted((cell.row, cell.column), key=matrix.models.index)
                below.setdefault((first, second), []).append(cell.below_ceilings)
    if not below:
        return ""
    differ = [pair for pair, verdicts in below.items() if all(verdicts)]
    same = [pair for pair, verdicts in below.items() if not any(verdicts)]
    scores = "in every score" if len(matrices) > 1 else f"in {matrices[0].request.name}"
    if len(differ) == len(below):
        whose = "The two models with seeds" if len(below) == 1 else f"All {len(below)} pairs of models with seeds"
        return f"{whose} agree less than the seeds of either {scores}: they find different spaces."
    parts = []
    if differ:
        parts.append(f"{_pairs(differ)} agree less than the seeds of either {scores}")
    if same:
        parts.append(f"{_pairs(same)} cannot be told from seeds of one model in any score")
    mixed = len(below) - len(differ) - len(same)
    if mixed:
        other = "other " if parts else ""
        parts.append(f"for {counted(mixed, f'{other}pair')} it depends on the score")
    return _sentence("; ".join(parts))


def _of_floors(matrices: Sequence[Matrix]) -> str:
    """Say whether models share more than a floor model, which has learned nothing, shares with them."""
    floors = [label for label, reference in matrices[0].references.items() if reference == FLOOR]
    trained = [label for label in matrices[0].models if label not in matrices[0].references]
    if not floors or len(trained) < 2:
        return ""
    more: dict[str, tuple[int, int]] = {}
    for matrix in matrices:
        verdicts = [
            verdict
            for cell in matrix.pairs
            if {cell.row, cell.column} <= set(trained)
            and cell.has_value
            and (verdict := _more_than_floors(matrix, cell, floors)) is not None
        ]
        if verdicts:
            more[matrix.request.name] = sum(verdicts), len(verdicts)
    if not more:
        return ""
    names = " and ".join(floors)
    always = [name for name, (count, total) in more.items() if count == total]
    if len(always) == len(more):
        return f"On average, trained models are more alike than any of them is to {names} in every score."
    parts = [
        f"{name} ({total - count} of {total} pairs)" for name, (count, total) in more.items() if count < total
    ]
    return (
        f"Some trained models are no more alike than one of them is to {names}, which learned nothing: in "
        f"{', '.join(parts)}."
    )


def _more_than_floors(matrix: Matrix, cell: Cell, floors: Sequence[str]) -> bool | None:
    better = matrix.request.better
    shared = [
        gain(matrix.cells[pair].mean, better)
        for floor in floors
        for label in (cell.row, cell.column)
        for pair in ((label, floor), (floor, label))
        if matrix.cells[pair].has_value
    ]
    return gain(cell.mean, better) > max(shared) if shared else None


def _of_nulls(matrices: Sequence[Matrix]) -> str:
    """Name the pairs that score no more than unrelated spaces do."""
    parts = []
    for matrix in matrices:
        unrelated = [(cell.row, cell.column) for cell in matrix.pairs if cell.above_null is False]
        if unrelated:
            parts.append(f"{_pairs(unrelated)} in {matrix.request.name}")
    if not parts:
        return ""
    return _sentence(f"no more alike than unrelated spaces: {'; '.join(parts)}")


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    named = [f"{first} and {second}" for first, second in pairs[:MOST_NAMED]]
    more = [f"{counted(len(pairs) - MOST_NAMED, 'more pair')}"] if len(pairs) > MOST_NAMED else []
    return ", ".join([*named, *more])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
