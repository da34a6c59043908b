"""Digests of the source of classes that stand in no file, as those of a notebook."""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import sys
import textwrap
import types
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from latentbench.source.files import files_digest, is_installed

__all__ = ["forget_unreadable", "has_no_file", "session_digest"]

PLAIN = (bool, int, float, complex, str, bytes, types.NoneType)
HOST = {"latentbench", *sys.stdlib_module_names}  # what they hold has versions of its own
SESSION = uuid.uuid4().hex  # no other process has it
_NUMBERS = count()
_UNREADABLE: dict[type, str] = {}  # classes whose source cannot be had, and what stands for it


def has_no_file(item: type | types.FunctionType) -> bool:
    """Whether a class or function was defined in a module that was not read from a file, as a notebook is."""
    module = sys.modules.get(item.__module__)
    foreign = item.__module__.partition(".")[0] in HOST
    return module is not None and not foreign and getattr(module, "__file__", None) is None


def session_digest(cls: type) -> str:
    """Return the sha256 of the source of a class without file, and of all that this source names.

    What the names stand for counts too: classes, functions, plain values and arrays of the session, and files that
    are not installed. Where any of it cannot be read, the digest is one that no other class or session has, and
    that `forget_unreadable` replaces, so that nothing that is stored is taken for its work.
    """
    digest = hashlib.sha256()
    try:
        for part in _parts(cls):
            digest.update(hashlib.sha256(part).digest())
    except (OSError, TypeError, ValueError, SyntaxError, RuntimeError):
        if cls not in _UNREADABLE:
            _UNREADABLE[cls] = f"{SESSION}-{next(_NUMBERS)}"
        return _UNREADABLE[cls]
    return digest.hexdigest()


def forget_unreadable() -> None:
    """Give another digest to each class whose source cannot be read: what it uses may have changed since."""
    _UNREADABLE.clear()


def _parts(cls: type) -> Iterator[bytes]:
    """Yield the sources of a class, of its bases and of what they name, each once.

    Raises:
        OSError, TypeError, ValueError, SyntaxError, RuntimeError: one of them cannot be read.
    """
    waiting: list[type | types.FunctionType] = [base for base in cls.__mro__ if has_no_file(base)]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        source = _source_of(item)
        yield source.encode()
        known = vars(sys.modules[item.__module__])
        for name in sorted(_names_in(source) & known.keys()):
            value = inspect.unwrap(known[name]) if callable(known[name]) else known[name]
            if isinstance(value, type | types.FunctionType) and has_no_file(value):
                waiting.append(value)
            else:
                yield name.encode() + _content(name, value)


def _source_of(item: type | types.FunctionType) -> str:
    """Return the source of a function, or of a class that has a method: Python itself finds that only in files."""
    if isinstance(item, types.FunctionType):
        return inspect.getsource(item)
    codes = [code for value in vars(item).values() for code in _codes_of(value)]
    name = item.__qualname__.rpartition(".")[2]
    for code in codes:
        lines = linecache.getlines(code.co_filename)
        for node in ast.walk(ast.parse("".join(lines))):
            if isinstance(node, ast.ClassDef) and node.name == name and _spans(node, code.co_firstlineno):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                return "".join(lines[first - 1 : node.end_lineno])
    raise OSError(f"the source of {item.__qualname__} cannot be had")


def _codes_of(value: Any) -> Iterator[types.CodeType]:
    """Yield the code of a method, however it is bound."""
    inner = getattr(value, "fget", None) or getattr(value, "func", None) or getattr(value, "__func__", value)
    function = inspect.unwrap(inner) if callable(inner) else inner
    if isinstance(function, types.FunctionType):
        yield function.__code__


def _spans(node: ast.ClassDef, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _names_in(source: str) -> set[str]:
    """Return all names that a source uses; some are its own."""
    return {node.id for node in ast.walk(ast.parse(textwrap.dedent(source))) if isinstance(node, ast.Name)}


def _is_plain(value: Any) -> bool:
    """Whether a value is a number or text, or a list, tuple or dict of such: its repr says all of it."""
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, (*value.keys(), *value.values())))
    return isinstance(value, PLAIN)


def _content(name: str, value: Any) -> bytes:
    """Return what a value consists of; nothing for what is installed.

    Raises:
        OSError, TypeError, ValueError, RuntimeError: that cannot be told.
    """
    if _is_plain(value):
        return repr(value).encode()
    kind = f"{type(value).__module__}.{type(value).__name__}"
    if kind in ("torch.device", "torch.dtype", "torch.Size"):
        return repr(value).encode()
    if kind in ("torch.Tensor", "numpy.ndarray"):
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"what {name} holds cannot be told")
        return f"{array.dtype}{array.shape}".encode() + array.tobytes()
    module = value if isinstance(value, types.ModuleType) else sys.modules.get(getattr(value, "__module__", ""))
    of_module = isinstance(value, types.ModuleType | type | types.FunctionType | types.BuiltinFunctionType)
    if module is None or not (of_module or getattr(module, name, None) is value):
        raise TypeError(f"what {name} is cannot be told")
    path = getattr(module, "__file__", None)
    if path is None or module.__name__.partition(".")[0] in HOST or is_installed(Path(path)):
        return b""
    return files_digest(Path(path)).encode()
