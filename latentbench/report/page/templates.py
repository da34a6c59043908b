"""Templates of the page, in which the text of others stays text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from latentbench.text import printable

__all__ = ["page_template"]


def page_template(path: Path) -> jinja2.Template:
    """Return the template of a file: what it is given is escaped, and all that it names must be given."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(path.name)


def _shown(value: Any) -> Any:
    """Escape what HTML forbids in the text of others: control characters, halves of characters."""
    return printable(value, keep="\n\t") if type(value) is str else value
