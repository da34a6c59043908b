"""Templates of the page, in which the text of others stays text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from latentbench.text import printable

__all__ = ["page_template"]


def page_template(path: Path) -> jinja2.Template:
    """Return the template of a file: what it is given is escaped, and all that it names must be given."""
    return _environment(path.parent).get_template(path.name)


@cache  # compiled templates stay with it
def _environment(folder: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """Escape what HTML forbids in the text of others: control characters, halves of characters."""
    return printable(value, keep="\n\t") if type(value) is str else value
