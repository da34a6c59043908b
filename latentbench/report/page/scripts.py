"""The scripts of the page: files that stand inside it, named by their hashes, so that no other script runs."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from latentbench.report.page.decoding.section import SCRIPTS

__all__ = ["FOLDER", "PARTS", "PageScript", "page_data", "page_scripts", "security_policy"]

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
    "living/view.js",
    "living/gestures.js",
    "living/items.js",
    "living/space.js",
    "living/panels.js",
    "living/controls.js",
    "living/coloring.js",
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
        digest = hashlib.sha256(self.text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def page_scripts() -> list[PageScript]:
    """Read all parts."""
    return [PageScript(name, (FOLDER / name).read_text("utf-8")) for name in PARTS]


def security_policy(scripts: list[PageScript]) -> str:
    """Return the policy by which a browser loads nothing, evaluates no text, and runs these scripts alone."""
    sources = " ".join(script.source for script in scripts)
    return f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {sources}"


def page_data(content: Any) -> str:
    r"""Return JSON that can stand inside a script element: no text in it can end that element.

    >>> page_data({"name": "</script>"})
    '{"name":"\\u003c/script>"}'
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
