"""Matrices of pair scores as text, Markdown, LaTeX, HTML and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator

from latentbench.errors import RequestError
from latentbench.similarity.matrix import Matrix, PairCell
from latentbench.similarity.null import LEVEL, Null
from latentbench.similarity.sentences import sentences
from latentbench.similarity.similarity import Similarity
from latentbench.table.display import Display, DisplayCell, DisplayRow
from latentbench.table.markup import display_html, display_latex
from latentbench.table.number_format import Style, number
from latentbench.table.render import display_markdown
from latentbench.table.text_layout import lines, wrapped
from latentbench.text import counted

__all__ = ["BELOW", "UNRELATED", "displays", "mark_of", "number_of", "render_similarity"]

WIDTH = 80
BELOW, UNRELATED = "<", "~"
PLACES = 3
COLUMNS = (
    "dataset",
    "score",
    "better",
    "row",
    "column",
    "mean",
    "low",
    "high",
    "pairs",
    "null_mean",
    "null_deviation",
    "null_quantile",
    "calibrated",
    "p_null",
    "p_ceilings",
    "reason",
)


def render_similarity(
    similarity: Similarity, form: str = "text", calibrated: bool = False, width: int = WIDTH
) -> str:
    """Print matrices as "text", "md", "csv" (full precision), "latex" or "html".

    Args:
        similarity: what is printed.
        form: one of these.
        calibrated: instead of each score, where it lies between what unrelated spaces score (0) and the best (1).
        width: columns that text may take; what does not fit goes into blocks that repeat the models' names.

    Raises:
        RequestError: another form.
    """
    writers: dict[str, Callable[[Similarity, bool], str]] = {
        "text": lambda shown, of_nulls: _text(shown, of_nulls, width),
        "md": lambda *asked: "\n\n".join(map(display_markdown, displays(*asked))) + "\n",
        "csv": lambda shown, _: _csv(shown),
        "latex": lambda *asked: "\n".join(map(display_latex, displays(*asked))),
        "html": lambda *asked: "\n".join(map(display_html, displays(*asked))),
    }
    if form not in writers:
        raise RequestError(f"matrices are printed as {', '.join(writers)}, not {form!r}")
    return writers[form](similarity, calibrated)


def displays(similarity: Similarity, calibrated: bool = False) -> list[Display]:
    """Return each matrix in words; the sentences stand above the first."""
    said = tuple(sentences(similarity.matrices))
    return [
        _display(similarity, matrix, calibrated, () if place else said)
        for place, matrix in enumerate(similarity.matrices)
    ]


def _display(similarity: Similarity, matrix: Matrix, calibrated: bool, said: tuple[str, ...]) -> Display:
    rows = [
        DisplayRow(
            (label, matrix.references.get(label, "")),
            tuple(_shown(matrix.cells[label, column], calibrated) for column in matrix.models),
            str(matrix.seeds[label]),
        )
        for label in matrix.models
    ]
    return Display(
        (similarity.dataset, *_head(similarity, matrix, calibrated)),
        matrix.models,
        ("",) * len(matrix.models),
        tuple(rows),
        tuple((part,) for part in _legend(matrix)),
        said,
        ("model", "reference"),
        "seeds",
    )


def _head(similarity: Similarity, matrix: Matrix, calibrated: bool) -> list[str]:
    request = matrix.request
    what = request.summary or request.metric.score.description
    ends = " as a share of the way from unrelated spaces to equal ones" if calibrated else f" ({request.better})"
    return [f"{request.name}{ends}", what, counted(similarity.items, "item")]


def _shown(cell: PairCell, calibrated: bool) -> DisplayCell:
    text = number_of(cell.calibrated if calibrated else cell.mean)
    if cell.of_seeds:
        return DisplayCell(f"[{text}]" if text != "-" else text)
    return DisplayCell(text, mark_of(cell))


def number_of(value: float) -> str:
    """Write a score of a matrix; "-" where there is none.

    >>> number_of(0.9514), number_of(float("nan"))
    ('.951', '-')
    """
    return number(value, Style(PLACES, bare=True)) if math.isfinite(value) else "-"


def mark_of(cell: PairCell) -> str:
    """Return the mark of a cell of two models: UNRELATED, BELOW, or "" where there is none."""
    if cell.of_seeds:
        return ""
    return UNRELATED if cell.above_null is False else BELOW if cell.below_ceilings else ""


def _legend(matrix: Matrix) -> list[str]:
    cells = [cell for cell in matrix.cells.values() if cell.has_value]
    parts = []
    if any(cell.of_seeds for cell in cells):
        parts.append("[ ] seeds of one model")
    if any(cell.below_ceilings and cell.above_null is not False for cell in cells):
        parts.append(f"{BELOW} below the seeds of either model")
    if any(cell.above_null is False for cell in cells):
        parts.append(f"{UNRELATED} no more than unrelated spaces")
    if not matrix.request.metric.symmetric:
        parts.append("from the model of the row to that of the column")
    parts += [_of_nulls([cell.null for cell in cells if cell.null])] if any(cell.null for cell in cells) else []
    return [*parts, *matrix.notes]


def _of_nulls(nulls: list[Null]) -> str:
    quantiles = sorted(null.quantile for null in nulls)
    low, high = (number_of(value) for value in (quantiles[0], quantiles[-1]))
    span = low if low == high else f"{low} to {high}"
    return f"unrelated spaces reach {span} in {100 * (1 - LEVEL):.0f} % of {nulls[0].count} permutations"


def _text(similarity: Similarity, calibrated: bool, width: int) -> str:
    narrow = min(width, WIDTH)
    said = [line for sentence in sentences(similarity.matrices) for line in wrapped([sentence], "  ", narrow)]
    head = f"{similarity.dataset}: how alike {len(similarity.matrices[0].models)} models are"
    parts = [_matrix_text(similarity, matrix, calibrated, width) for matrix in similarity.matrices]
    return "\n\n".join(["\n".join([head, *said]), *parts]) + "\n"


def _matrix_text(similarity: Similarity, matrix: Matrix, calibrated: bool, width: int) -> str:
    narrow = min(width, WIDTH)
    head = wrapped(_head(similarity, matrix, calibrated), "  ", narrow)
    legend = wrapped(_legend(matrix), "  ", narrow)
    grid = ["\n".join(lines(block)) for block in _blocks(matrix, calibrated, width)]
    return "\n".join([*head, "\n\n".join(grid), *legend])


def _blocks(matrix: Matrix, calibrated: bool, most: int) -> Iterator[list[list[list[str]]]]:
    """Yield the columns of the matrix in blocks that fit the width; columns have the numbers of their models."""
    first = [[""], *([f"{place} {label}"] for place, label in enumerate(matrix.models, 1))]
    start = max(len(entry[0]) for entry in first)
    block, width = [first], start
    for place, column in enumerate(matrix.models, 1):
        cells = [[str(_shown(matrix.cells[row, column], calibrated))] for row in matrix.models]
        shown = [[str(place)], *cells]
        needed = 2 + max(len(entry[0]) for entry in shown)
        if width + needed > most and len(block) > 1:
            yield block
            block, width = [first], start
        block, width = [*block, shown], width + needed
    yield block


def _csv(similarity: Similarity) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for matrix in similarity.matrices:
        for row in matrix.models:
            for column in matrix.models:
                about = [similarity.dataset, matrix.request.name, matrix.request.better]
                writer.writerow([*about, *_csv_cells(matrix.cells[row, column])])
    return out.getvalue()


def _csv_cells(cell: PairCell) -> list[str]:
    null = (cell.null.mean, cell.null.deviation, cell.null.quantile) if cell.null else (math.nan,) * 3
    numbers = [_exact(value) for value in (cell.mean, cell.low, cell.high)]
    others = [_exact(value) for value in (*null, cell.calibrated, cell.p_null, cell.p_ceilings)]
    return [cell.row, cell.column, *numbers, str(cell.pairs), *others, cell.reason]


def _exact(value: float) -> str:
    """Write a number so that it reads back exactly; NaN is empty."""
    return "" if math.isnan(value) else repr(float(value))
