"""What a module defines at its top level, what it takes from elsewhere, and which of it a definition uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

__all__ = ["Code", "ModuleSource", "parsed"]

HIDDEN = {"globals", "exec", "eval", "compile", "__import__", "import_module", "importlib"}  # reach any name


@dataclass(frozen=True)
class Code:
    """Some statements.

    Attributes:
        text: they, without comments.
        names: what they name, sorted.
        decorators: names of what a function or class is decorated with.
    """

    text: str
    names: tuple[str, ...]
    decorators: tuple[str, ...] = ()

    @classmethod
    def of(cls, nodes: Sequence[ast.stmt]) -> Code:
        """Read statements."""
        decorators = [part for node in nodes for part in getattr(node, "decorator_list", ())]
        return cls("\n".join(map(ast.unparse, nodes)), _names_in(nodes), _names_in(decorators))


@dataclass(frozen=True)
class ModuleSource:
    """The source of one module.

    Attributes:
        definitions: name -> the statements that define it.
        imports: name -> (module, name in it); the second is empty for a whole module.
        others: statements that run whatever is used, as a call at the top level.
        whole: whether it must be taken as a whole: what a definition uses cannot be told.
    """

    definitions: dict[str, Code] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    others: Code = field(default_factory=lambda: Code.of(()))
    whole: bool = False


@lru_cache(maxsize=512)
def parsed(source: bytes, parent: str) -> ModuleSource:
    """Read a module of the package `parent`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ModuleSource(whole=True)
    definitions: dict[str, list[ast.stmt]] = {}
    imports: dict[str, tuple[str, str]] = {}
    others: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= dict(_imported(node, parent))
        elif names := list(_defined(node)):
            for name in names:
                definitions.setdefault(name, []).append(node)
        elif not _is_text(node):
            others.append(node)
    inner = [part for node in tree.body for part in ast.walk(node)]
    imports |= {
        name: place
        for part in inner
        if isinstance(part, ast.Import | ast.ImportFrom)
        for name, place in _imported(part, parent)
        if name not in imports
    }
    hidden = "*" in imports or any(isinstance(part, ast.Name) and part.id in HIDDEN for part in inner)
    found = {name: Code.of(nodes) for name, nodes in definitions.items()}
    return ModuleSource(found, imports, Code.of(others), whole=hidden or bool(HIDDEN & imports.keys()))


def _names_in(nodes: Sequence[ast.AST]) -> tuple[str, ...]:
    return tuple(sorted({part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}))


def _imported(node: ast.Import | ast.ImportFrom, parent: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the names that an import binds, and what they stand for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (alias.asname or alias.name.partition(".")[0]), (alias.name, "")
        return
    base = node.module or ""
    if node.level:
        above = parent.split(".")
        base = ".".join([*above[: len(above) - node.level + 1], base]).rstrip(".")
    for alias in node.names:
        yield (alias.asname or alias.name), (base, alias.name)


def _defined(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a definition or a plain assignment binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if isinstance(node, ast.Assign | ast.AnnAssign) and all(isinstance(target, ast.Name) for target in targets):
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
