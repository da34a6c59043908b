"""Layout of plain text: aligned columns, split into blocks that fit the width of a page."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Sequence

__all__ = ["WIDTH", "WIDTH_OF_SENTENCES", "blocks", "lines", "wrapped", "wrapped_label", "wrapped_name"]

WIDTH = 100
WIDTH_OF_SENTENCES = 80
LABEL_WIDTH = 16  # longer headings are broken before ( and after ,

TextColumn = list[list[str]]  # heading, then rows; each a list of lines


def blocks(
    left: Sequence[TextColumn], models: Sequence[TextColumn], right: TextColumn, width: int = WIDTH
) -> Iterator[list[TextColumn]]:
    """Split the models' columns into blocks that fit the width, or have one model.

    Each block begins with `left`, the last ends with `right`.
    """
    start = room = width - sum(_width(column) + 2 for column in left) - _width(right)
    block: list[TextColumn] = []
    for column in models:
        needed = _width(column) + 2
        if block and needed > room:
            yield [*left, *block]
            block, room = [], start
        block.append(column)
        room -= needed
    yield [*left, *block, right]


def lines(columns: Sequence[TextColumn], words: Collection[int] = (0, 1)) -> list[str]:
    """Lay columns out: those of words to the left, numbers to the right, headings at the bottom of theirs.

    >>> lines([[["for"], ["keep"]], [["score"], ["r2"]], [["beta_vae", "(4)"], [".853"]]])
    ['             beta_vae', 'for   score       (4)', 'keep  r2         .853']
    """
    widths = [_width(column) for column in columns]
    shown = []
    for place, row in enumerate(zip(*columns, strict=True)):
        height = max(map(len, row))
        gaps = [[""] * (height - len(entry)) for entry in row]
        entries = [gap + entry if place == 0 else entry + gap for entry, gap in zip(row, gaps, strict=True)]
        shown += [_line([entry[level] for entry in entries], widths, words) for level in range(height)]
    return shown


def wrapped(parts: Sequence[str], indent: str = "", width: int = WIDTH) -> list[str]:
    """Join parts with three spaces into lines of limited width; only a part longer than a line is broken.

    >>> wrapped(["a no posterior", "! vae not converged"])
    ['a no posterior   ! vae not converged']
    """
    joined: list[str] = []
    for part in parts:
        text = " ".join(part.split())
        if joined and len(joined[-1]) + 3 + len(text) <= width:
            joined[-1] += f"   {text}"
        else:
            joined.append(text)
    return [line for text in joined for line in _broken(text, indent, width)]


def wrapped_label(label: str) -> list[str]:
    """Break a long heading before its bracket and after its commas.

    >>> wrapped_label("beta_vae(4)"), wrapped_label("vae(latent_dim=8,beta=2)")
    (['beta_vae(4)'], ['vae', '(latent_dim=8,', 'beta=2)'])
    """
    if len(label) <= LABEL_WIDTH:
        return [label]
    pieces = label.replace("(", "\n(").replace(",", ",\n").split("\n")
    shown = [pieces[0]]
    for piece in pieces[1:]:
        fits = not piece.startswith("(") and len(shown[-1]) + len(piece) <= LABEL_WIDTH
        shown[-1:] = [shown[-1] + piece] if fits else [shown[-1], piece]
    return shown


def wrapped_name(name: str) -> list[str]:
    """Break the name of a score before the likelihood that it is of.

    >>> wrapped_name("r2"), wrapped_name("elbo, nats (gaussian, sigma learned)")
    (['r2'], ['elbo, nats', '(gaussian, sigma learned)'])
    """
    first, bracket, rest = name.partition(" (")
    return [first, f"({rest}"] if bracket else [name]


def _broken(text: str, indent: str, width: int) -> list[str]:
    if len(text) <= width and "   " in text:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)


def _width(column: TextColumn) -> int:
    return max(len(line) for entry in column for line in entry)


def _line(cells: Sequence[str], widths: Sequence[int], words: Collection[int]) -> str:
    aligned = [
        cell.ljust(width) if place in words else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()
