"""A digest of the code in its own package that a metric's numbers depend on, without comments and docstrings."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
from importlib import import_module
from types import ModuleType

from latentbench.source.places import FOREIGN

__all__ = ["code_digest"]

Definition = tuple[str, str]  # module, name
PLAIN = {  # declarations: no number changes
    "scores",
    "score",
    "version",
    "tier",
    "tolerance",
    "invariances",
    "min_items",
    "symmetric",
    "has_null",
}


def code_digest(cls: type) -> str:
    """Return the sha256 of all code of its own package that a class reaches, without docstrings and comments.

    Follows the names that the class, its bases and every function, class and constant found this way use, from
    file to file within their top-level packages, but not into the host or libraries. Declarations in words do not
    count.
    """
    waiting: list[Definition] = [(base.__module__, base.__name__) for base in cls.__mro__]
    packages = {module.partition(".")[0] for module, _ in waiting} - FOREIGN
    files: dict[str, _File] = {}
    definitions: dict[Definition, str] = {}
    while waiting:
        module, name = waiting.pop()
        if (module, name) in definitions or module.partition(".")[0] not in packages:
            continue
        if module not in files:
            files[module] = _File(import_module(module))
        file = files[module]
        if name not in file.definitions:
            if name in file.imports:
                waiting.append(file.imports[name])
            continue
        nodes = file.definitions[name]
        definitions[module, name] = "\n".join(map(_text, nodes))
        used = {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}
        waiting.extend((module, other) for other in used if other in file.definitions)
        waiting.extend(file.imports[other] for other in used if other in file.imports)
    text = "\n".join(f"{_key(*place)}: {definitions[place]}" for place in sorted(definitions))
    return hashlib.sha256(text.encode()).hexdigest()


def _key(module: str, name: str) -> str:
    return f"{module}.{name}"


def _text(node: object) -> str:
    """Write out a piece of syntax; empty parts are left out, so that Python versions agree."""
    if isinstance(node, list):
        return f"[{' '.join(map(_text, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = [(name, part) for name, part in ast.iter_fields(node) if part is not None and part != []]
    return f"({type(node).__name__} {' '.join(f'{name}={_text(part)}' for name, part in parts)})"


class _File:
    """Top-level definitions of a module, and where the names it imports come from."""

    def __init__(self, module: ModuleType) -> None:
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, Definition] = {}
        for node in _Bare().visit(ast.parse(inspect.getsource(module))).body:
            if isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    base = importlib.util.resolve_name("." * node.level + base, module.__package__)
                self.imports |= {alias.asname or alias.name: (base, alias.name) for alias in node.names}
            else:
                for name in _names(node):
                    self.definitions.setdefault(name, []).append(node)


class _Bare(ast.NodeTransformer):
    """Removes docstrings, annotations and declarations in words."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.body = [part for part in _without_docstring(node.body) if not _is_plain(part)] or [ast.Pass()]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body, node.returns = _without_docstring(node.body) or [ast.Pass()], None
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


def _is_plain(node: ast.stmt) -> bool:
    """Whether it declares what changes no number; a method may bear the same name."""
    return isinstance(node, ast.Assign | ast.AnnAssign) and bool(PLAIN & set(_names(node)))


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    text = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if text else body


def _names(node: ast.stmt) -> list[str]:
    """Names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [part.id for target in targets if target for part in ast.walk(target) if isinstance(part, ast.Name)]
