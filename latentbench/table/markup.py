"""The comparison table as LaTeX and as HTML, for papers and pages."""

from __future__ import annotations

import html

from latentbench.table.comparison import Table
from latentbench.table.comparison_display import displays
from latentbench.table.display import Display, DisplayRow

__all__ = ["display_html", "display_latex", "html_table", "latex_table"]

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"$<$",
    ">": r"$>$",
    "²": r"$^2$",
    "|": r"$|$",
}


def latex_table(table: Table) -> str:
    """Write the table of each data set as a `table` float that needs no LaTeX packages."""
    return "\n".join(display_latex(shown) for shown in displays(table))


def display_latex(shown: Display) -> str:
    """Write one table as a `table` float."""
    caption = ", ".join(map(_tex, shown.head))
    legend = [" \\quad ".join(map(_tex, parts)) for parts in shown.legend]
    rows = [" & ".join(map(_tex, entries)) + r" \\" for entries in _grid(shown)]
    heading, body = rows[0], rows[1:]
    return "\n".join(
        [
            *[f"% {' '.join(sentence.split())}" for sentence in shown.reading],
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{ll{'r' * (len(shown.headings) + 3)}}}",
            r"\hline",
            heading,
            r"\hline",
            *body,
            r"\hline",
            r"\end{tabular}",
            *[rf"\par\smallskip\footnotesize {line}" for line in legend if line],
            r"\end{table}",
            "",
        ]
    )


def html_table(table: Table) -> str:
    """Write the table of each data set as a `<table>` with its heading as caption and its legend below."""
    return "\n".join(display_html(shown) for shown in displays(table))


def display_html(shown: Display) -> str:
    """Write one table as a `<table>`, its sentences above and its legend below it."""
    heading, *body = _grid(shown)
    lines = ["<ul>", *(f"<li>{_text(said)}</li>" for said in shown.reading), "</ul>"] if shown.reading else []
    lines += [f"<table>\n<caption>{_text(' · '.join(shown.head))}</caption>"]
    lines.append(
        "<thead><tr>" + "".join(f'<th scope="col">{_text(name)}</th>' for name in heading) + "</tr></thead>"
    )
    lines.append("<tbody>")
    lines += ["<tr>" + "".join(f"<td>{_text(entry)}</td>" for entry in entries) + "</tr>" for entries in body]
    lines.append("</tbody>\n</table>")
    return "\n".join([*lines, *[f"<p>{_text(' · '.join(parts))}</p>" for parts in shown.legend if parts], ""])


def _grid(shown: Display) -> list[list[str]]:
    """Return heading and rows, one text per cell."""
    headings = [" ".join(filter(None, pair)) for pair in zip(shown.headings, shown.under, strict=True)]
    return [[*shown.words, *headings, shown.last], *map(_entries, shown.rows)]


def _entries(row: DisplayRow) -> list[str]:
    cells = [" ".join(filter(None, (str(cell), cell.under))) for cell in row.cells]
    return [*row.words, *cells, row.last]


def _tex(text: str) -> str:
    """Escape the special characters of LaTeX, and two hyphens, which it joins to a dash."""
    return "".join(LATEX.get(sign, sign) for sign in text).replace("--", "-{}-")


def _text(text: str) -> str:
    return html.escape(" ".join(text.split()))
