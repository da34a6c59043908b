"""Own codes on the command line: NAME=FILE, or NAME=FILE,FILE for the seeds of one model."""

from __future__ import annotations

from collections.abc import Iterable

from latentbench.errors import RequestError
from latentbench.files.reading import is_there
from latentbench.text import normalized

__all__ = ["codes_by_name"]


def codes_by_name(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read NAME=FILE,FILE of several names.

    Raises:
        RequestError: one lacks its name or its file, or a name is given twice.
    """
    files: dict[str, tuple[str, ...]] = {}
    for name, given in map(_pair, texts):
        if name in files:
            raise RequestError(f"{name} is given twice; give several seeds of one model as {name}=FILE,FILE")
        files[name] = given
    return files


def _pair(text: str) -> tuple[str, tuple[str, ...]]:
    """Read NAME=FILE,FILE; a file whose name holds a comma stands alone."""
    name, _, files = text.partition("=")
    name = normalized(name.strip())
    if not name or not files:
        raise RequestError(f"codes are given as NAME=FILE or NAME=FILE,FILE, got {text!r}")
    return name, (files,) if is_there(files) else tuple(files.split(","))
