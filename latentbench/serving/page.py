"""The page of a run as it is served: the same document, with parts that ask the server."""

from __future__ import annotations

from collections.abc import Callable

from latentbench.report.page.addition import PageAddition
from latentbench.report.page.decoding.section import DecodingContent
from latentbench.report.page.scripts import PageScript, read_scripts
from latentbench.serving.content import FOLDER

__all__ = ["SCRIPTS", "served_addition", "served_scripts"]

SCRIPTS = ("server.js", "encoding.js")  # in the order in which they are read


def served_scripts() -> list[PageScript]:
    """Read the scripts that a served page has beyond those of the file."""
    return read_scripts(FOLDER, SCRIPTS)


def served_addition(decoding: Callable[[str], DecodingContent]) -> PageAddition:
    """Return what a served page has beyond the file; `decoding` makes what collects the models of a data set."""
    return PageAddition(served_scripts(), (FOLDER / "encoding.css").read_text("utf-8"), decoding)
