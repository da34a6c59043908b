"""A digest of the source that a class depends on."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from latentbench.source.session_digest import has_no_file, session_digest

__all__ = ["source_digest"]

FOREIGN = {"latentbench", "torch", "sklearn", *sys.stdlib_module_names}


def source_digest(cls: type) -> str:
    """Return the sha256 of the source that a class depends on.

    This covers the files of the class and its bases, and the files of the same top-level package that those
    import, but nothing of the host. Of classes that stand in no file, see `session_digest`.
    """
    waiting = [base.__module__ for base in cls.__mro__]
    packages = {name.partition(".")[0] for name in waiting} - FOREIGN
    seen: dict[str, bytes] = {}
    while waiting:
        name = waiting.pop()
        if name in seen or name.partition(".")[0] not in packages:
            continue
        path = _source_file(name)
        if path is None:
            continue
        seen[name] = path.read_bytes()
        if path.suffix == ".py":
            parent = name if path.stem == "__init__" else name.rpartition(".")[0]
            waiting.extend(_imported_modules(seen[name], parent))
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(seen[name])
    if any(map(has_no_file, cls.__mro__)):
        digest.update(session_digest(cls).encode())
    return digest.hexdigest()


def _source_file(name: str) -> Path | None:
    """The file of a module, imported or not: a digest must not depend on what ran before."""
    path = getattr(sys.modules.get(name), "__file__", None)
    if path is not None:
        return Path(path)
    top, *rest = name.split(".")
    for folder in getattr(sys.modules.get(top), "__path__", ()):
        stem = Path(folder, *rest)
        for file in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if file.is_file():
                return file
    return None


def _imported_modules(source: bytes, parent: str) -> Iterator[str]:
    """Names that `source`, a module of the package `parent`, imports; some are not modules."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # a broken file that is not imported yet; its bytes still count
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*parent.split(".")[: len(parent.split(".")) - node.level + 1], base]).rstrip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
