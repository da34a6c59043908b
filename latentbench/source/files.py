"""A digest of a Python file and of what it imports beside it, without running any of it."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib.machinery import all_suffixes
from pathlib import Path

from latentbench.files.regular import is_regular, read_regular

__all__ = ["files_digest", "is_installed"]


def files_digest(path: Path) -> str:
    """Return the sha256 of a Python file and of the modules in its folder, or in its package, that it imports.

    What it reads by itself, or imports from elsewhere, is not covered; nor what installed packages import.

    Raises:
        OSError, ValueError: the file cannot be read.
    """
    contents = {path: read_regular(path)}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file.suffix != ".py" or is_installed(file):
            continue
        for other in _beside(file, contents[file]):
            if other not in contents and is_regular(other):
                contents[other] = read_regular(other)
                waiting.append(other)
    digest = hashlib.sha256()
    for file in sorted(contents):
        digest.update(hashlib.sha256(contents[file]).digest())
    return digest.hexdigest()


def is_installed(file: Path) -> bool:
    """Whether a file is of Python or of an installed distribution: packages there import hundreds of files."""
    return any(place in file.parents for place in _installed_places())


@cache
def _installed_places() -> frozenset[Path]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return frozenset(Path(sysconfig.get_path(name)).resolve() for name in names)


def _beside(file: Path, source: bytes) -> Iterator[Path]:
    """Files that a Python file may import from its own folder or package; some are not there."""
    root = file.parent
    while is_regular(root / "__init__.py") and root != root.parent:
        yield root / "__init__.py"
        root = root.parent
    for names, level in _imports(source):
        folders = [file.parents[level - 1]] if 0 < level <= len(file.parents) else [file.parent, root]
        for folder in folders:
            for length in range(1, len(names) + 1):
                yield from _files_of(folder, names[:length])


def _files_of(folder: Path, names: list[str]) -> Iterator[Path]:
    """Files that may be the module of these names below a folder."""
    stem = folder.joinpath(*names)
    yield stem / "__init__.py"
    yield from (stem.with_name(f"{stem.name}{suffix}") for suffix in all_suffixes())


def _imports(source: bytes) -> Iterator[tuple[list[str], int]]:
    """What a file imports: names of modules in packages, and by how many dots; some are not modules."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # it cannot be imported either
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split("."), 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            yield from (([*base, alias.name], node.level) for alias in node.names if alias.name != "*")
            if base:
                yield base, node.level
