"""The scripts of the page: files that stand inside it, named by their hashes, so that no other script runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from latentbench.report.page.decoding.section import SCRIPTS
from latentbench.report.page.embedding import base64_text

__all__ = ["FOLDER", "PARTS", "PageScript", "page_scripts", "read_scripts", "security_policy"]

FOLDER = Path(__file__).parent
PARTS = (  # in the order in which they are read: each uses those before it
    "living/entry.js",
    "living/state.js",
    "living/csv.js",
    "living/contents.js",
    "living/table.js",
    "living/arrays.js",
    "living/maps/align.js",
    "living/maps/colors.js",
    "living/maps/dots.js",
    "living/maps/marks.js",
    "living/maps/cross.js",
    "living/maps/shapes.js",
    "living/maps/view.js",
    "living/maps/pinch.js",
    "living/maps/gestures.js",
    "living/maps/items.js",
    "living/maps/item_sets.js",
    "living/maps/space.js",
    "living/maps/panels.js",
    "living/maps/controls.js",
    "living/maps/coloring.js",
    "living/maps/selecting.js",
    "living/maps/way.js",
    "living/maps/pair.js",
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
    return read_scripts(FOLDER, PARTS)


def read_scripts(folder: Path, names: Sequence[str]) -> list[PageScript]:
    """Read the scripts of these names below a folder."""
    return [PageScript(name, (folder / name).read_text("utf-8")) for name in names]


def security_policy(scripts: Sequence[PageScript], *, asks: bool = False) -> str:
    """Return the policy by which a browser loads nothing, evaluates no text, and runs these scripts alone.

    Args:
        scripts: all of the page.
        asks: whether the page is served, and may ask its own server, though no other.
    """
    sources = " ".join(script.source for script in scripts)
    policy = f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {sources}"
    return f"{policy}; connect-src 'self'" if asks else policy
