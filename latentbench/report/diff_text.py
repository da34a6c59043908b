"""The comparison of two runs, or of two models, as text that fits a width."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from latentbench.report.diff import Difference
from latentbench.table.number_format import Style, measured, number, row_style
from latentbench.table.text_layout import WIDTH, lines, wrapped

__all__ = ["render"]

HEADINGS = ("score", "better", "a mean", "b mean", "b - a", "verdict")
WORDS = (0, 1, 5)  # columns to the left
VERDICTS = ("better", "worse", "=")
NARROWEST = 12  # columns of a score's name


def render(rows: Sequence[Difference], environment: Sequence[str], width: int = WIDTH) -> str:
    """Print the rows of each pair of models below its name, then how they were compared and what else differs.

    Args:
        rows: what is printed, those of one pair one after the other.
        environment: what `differences_in_environment` returns.
        width: columns that the text may take; names and sentences that do not fit go on in the next line.
    """
    letters = _letters(rows)
    legend = [f"{letter} {reason}" for reason, letter in letters.items()]
    differing = [f"differs: {line}" for line in environment] or ["same environment and budget"]
    below = [line for text in (*_explanation(rows), *differing) for line in wrapped([text], "  ", width)]
    tables = "\n\n".join(_tables(rows, letters, width))
    return "\n".join([tables, *wrapped(legend, "  ", width), *below])


def _letters(rows: Sequence[Difference]) -> dict[str, str]:
    """Return a letter for each reason why rows are not compared."""
    reasons = dict.fromkeys(row.verdict for row in rows if row.verdict not in VERDICTS)
    return dict(zip(reasons, string.ascii_lowercase, strict=False))


def _tables(rows: Sequence[Difference], letters: Mapping[str, str], width: int) -> Iterator[str]:
    """Yield the table of each pair of models; their columns stand below each other."""
    texts = [_texts(row, letters) for row in rows]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *texts, strict=True)]
    room = max(NARROWEST, width - sum(widths[1:]) - 2 * (len(widths) - 1))
    widths[0] = min(widths[0], room)
    for pair, group in groupby(zip(rows, texts, strict=True), key=lambda each: _pair(each[0])):
        cells = zip(*(text for _, text in group), strict=True)
        columns = [
            [[_padded(heading, widths[place], place)], *(_entry(cell, place, room) for cell in column)]
            for place, (heading, column) in enumerate(zip(HEADINGS, cells, strict=True))
        ]
        yield "\n".join([*wrapped([pair], "  ", width), *lines(columns, WORDS)])


def _padded(heading: str, width: int, place: int) -> str:
    return heading.ljust(width) if place in WORDS else heading.rjust(width)


def _entry(cell: str, place: int, room: int) -> list[str]:
    return _broken(cell, room) if place == 0 else [cell]


def _broken(name: str, room: int) -> list[str]:
    """Break the name of a score behind its underscores.

    >>> _broken("infomec_explicitness", 12), _broken("r2", 12)
    (['infomec_', 'explicitness'], ['r2'])
    """
    parts = [""]
    for piece in name.replace("_", "_\n").split("\n"):
        parts[-1:] = [parts[-1] + piece] if len(parts[-1] + piece) <= room else [*filter(None, parts[-1:]), piece]
    return parts


def _pair(row: Difference) -> str:
    """Name the two sides.

    >>> _pair(Difference("digits", "ae", "vae", "r2", "up", 0.0, 0.0, None, 5))
    'digits: a is ae, b is vae'
    """
    return f"{row.dataset}: {row.a}" if row.a == row.b else f"{row.dataset}: a is {row.a}, b is {row.b}"


def _texts(row: Difference, letters: Mapping[str, str]) -> list[str]:
    style = row_style([row.mean_a, row.mean_b], [math.nan, math.nan], row.kind == "cost", row.unit)
    written = Style(rough=style.rough, size=style.size)
    difference = "-" if row.paired is None else measured(row.paired.mean, row.half, written)
    means = [number(value, style) for value in (row.mean_a, row.mean_b)]
    verdict = f"- {letters[row.verdict]}" if row.verdict in letters else row.verdict
    return [row.score, row.better.replace("near:", "near "), *means, difference, verdict]


def _explanation(rows: Sequence[Difference]) -> Iterator[str]:
    """Yield how the rows were compared."""
    yield "paired over common seeds and test items, 95 %, Holm over all quality rows, each cost by itself"
    if any(row.single and row.tested for row in rows):
        yield "of deterministic models over test items alone"
    yield "± is the interval that decides (= where it includes 0); plain 95 % otherwise"
    near = dict.fromkeys(row.score for row in rows if row.better.startswith("near:"))
    if near:
        yield f"b - a of the distances: {', '.join(near)}"
