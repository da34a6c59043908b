"""A digest of the source that a class depends on."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentbench.source.loading import FILE_MODULE
from latentbench.source.modules import Code, ModuleSource, parsed
from latentbench.source.places import FOREIGN
from latentbench.source.session_digest import has_no_file, session_digest

__all__ = ["function_digest", "same_source", "source_digest"]

BY_CLASS = "class:"  # digests without it are of whole files
_CLASSES: dict[str, type] = {}  # digest -> a class of this source


def source_digest(cls: type) -> str:
    """Return the sha256 of the source that a class depends on, after the word "class:".

    This covers the class and its bases, and every function, class, constant and import of the same top-level
    packages that they use, but nothing of the host. Where what is used cannot be told, as with `globals()` or
    `from x import *`, the whole file counts, and the files that it imports. Comments do not count. Of classes that
    stand in no file, see `session_digest`.
    """
    reached = _Followed({base.__module__.partition(".")[0] for base in cls.__mro__} - FOREIGN)
    for base in cls.__mro__:
        reached.follow(base.__module__, base.__qualname__.partition(".")[0])
    digest = reached.digest()
    if any(map(has_no_file, cls.__mro__)):
        digest.update(session_digest(cls).encode())
    found = f"{BY_CLASS}{digest.hexdigest()}"
    _CLASSES[found] = cls
    return found


def function_digest(function: Callable[..., Any]) -> str:
    """Return the sha256 of the source that a function of a module depends on, as `source_digest` does.

    Empty where that cannot be told: of a function in another one, in a class, in no file or of the host.
    """
    module, name = function.__module__, function.__qualname__
    reached = _Followed({module.partition(".")[0]} - FOREIGN)
    if name.isidentifier():
        reached.follow(module, name)
    there = {(module, name), (module, "*")} & reached.parts.keys()
    return reached.digest().hexdigest() if there else ""


def same_source(recorded: str, current: str) -> bool:
    """Whether a recorded digest is of the same source as one that `source_digest` has returned.

    Records of earlier versions hold the sha256 of whole files.
    """
    if recorded == current or recorded.startswith(BY_CLASS) or current not in _CLASSES:
        return recorded == current
    return recorded == _files_digest(_CLASSES[current])


def _files_digest(cls: type) -> str:
    """Return the sha256 of the files of a class and its bases, and of those that they import of their packages."""
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


@dataclass(frozen=True)
class _SourceFile:
    content: bytes
    parent: str  # the package that its relative imports are from
    source: ModuleSource


def _read(module: str) -> _SourceFile | None:
    path = _source_file(module)
    if path is None:
        return None
    content = path.read_bytes()
    parent = module if path.stem == "__init__" else module.rpartition(".")[0]
    return _SourceFile(
        content, parent, parsed(content, parent) if path.suffix == ".py" else ModuleSource(whole=True)
    )


@dataclass
class _Followed:
    """What is reached from some definitions, file by file.

    Attributes:
        packages: top-level packages that are followed.
        parts: (module, name) -> its source; the name "*" stands for all of a module.
        read: module -> its file, None where it has none.
    """

    packages: set[str]
    parts: dict[tuple[str, str], str] = field(default_factory=dict)
    read: dict[str, _SourceFile | None] = field(default_factory=dict)

    def follow(self, module: str, name: str) -> None:
        """Add a definition, and all that it uses."""
        waiting = [(module, name)]
        while waiting:
            place = waiting.pop()
            if place not in self.parts and place[0].partition(".")[0] in self.packages:
                waiting.extend(self._add(*place))

    def digest(self) -> hashlib._Hash:
        """Return the sha256 of all parts, to which more may be added."""
        digest = hashlib.sha256()
        for module, name in sorted(self.parts):
            where = "" if module.startswith(FILE_MODULE) else module  # a loose file may lie anywhere
            digest.update(repr((where, name, self.parts[module, name])).encode())
        return digest

    def _add(self, module: str, name: str) -> Iterator[tuple[str, str]]:
        """Add one definition and yield what it uses."""
        if module not in self.read:
            self.read[module] = _read(module)
        file = self.read[module]
        if file is None:
            return
        source = file.source
        if name == "*" or source.whole:
            self.parts[module, "*"] = hashlib.sha256(file.content).hexdigest()
            yield from ((other, "*") for other in _imported_modules(file.content, file.parent))
            return
        if (module, "") not in self.parts:  # what runs whatever is used
            self.parts[module, ""] = source.others.text
            yield from _used(module, source, source.others.names)
            yield from (
                (module, other) for other, code in source.definitions.items() if self._registers(source, code)
            )
        if name in source.definitions:
            self.parts[module, name] = source.definitions[name].text
            yield from _used(module, source, source.definitions[name].names)
        elif name in source.imports:
            yield _place(source.imports[name])
        elif _source_file(f"{module}.{name}") is not None:  # a module of a package
            yield f"{module}.{name}", "*"

    def _registers(self, source: ModuleSource, code: Code) -> bool:
        """Whether a definition is decorated by the package's own code, which may keep it in a table."""
        roots = (source.imports.get(name, ("", ""))[0].partition(".")[0] for name in code.decorators)
        return any(name in source.definitions for name in code.decorators) or bool(self.packages & set(roots))


def _used(module: str, source: ModuleSource, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the definitions and imports of a module that are among some names."""
    for name in names:
        if name in source.definitions:
            yield module, name
        elif name in source.imports:
            yield _place(source.imports[name])


def _place(imported: tuple[str, str]) -> tuple[str, str]:
    module, name = imported
    return module, name or "*"


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
