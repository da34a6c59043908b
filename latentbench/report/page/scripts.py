"""The scripts of the page: files that stand inside it, named by their hashes, so that no other script runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from latentbench.report.page.decoding.section import SCRIPTS
from latentbench.report.page.embedding import base64_text

__all__ = ["FOLDER", "PARTS", "PageScript", "page_scripts", "security_policy"]

FOLDER = Path(__file__).parent
PARTS = (  # in the order in which they are read: each uses those before it
    "living/entry.js",
    "living/state.js",
    "living/csv.js",
    "living/table.js",
    "living/arrays.js",
    "living/align.js",
    "living/colors.js",
    "living/dots.js",
    "living/marks.js",
    "living/cross.js",
    "living/shapes.js",
    "living/view.js",
    "living/pinch.js",
    "living/gestures.js",
    "living/items.js",
    "living/item_sets.js",
    "living/space.js",
    "living/panels.js",
    "living/controls.js",
    "living/coloring.js",
    "living/selecting.js",
    "living/way.js",
    "living/pair.js",
    *(f"decoding/{name}" for name in SCRIPTS),
)


@dataclass(frozen=True)
class PageScript:
    """One file of the page's script.

    Attributes:
        name: of the file, below this folder.
        text: its content, which a test finds to hold no end tag; a script's text is never escaped.
    """

    name: str
    text: str

    @cached_property
    def source(self) -> str:
        """The text's hash, as a Content-Security-Policy names it."""
        return f"'sha256-{base64_text(hashlib.sha256(self.text.encode()).digest())}'"


def page_scripts() -> list[PageScript]:
    """Read all parts."""
    return [PageScript(name, (FOLDER / name).read_text("utf-8")) for name in PARTS]


def security_policy(scripts: list[PageScript]) -> str:
    """Return the policy by which a browser loads nothing, evaluates no text, and runs these scripts alone."""
    sources = " ".join(script.source for script in scripts)
    return f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {sources}"
