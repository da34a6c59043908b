"""Loads a user's own network: the callable that makes it, and a digest of its file and its weights."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from latentbench import DataError, allow_code
from latentbench_models.checkpoints import open_weights

__all__ = ["fingerprint", "make_network", "split_source"]

CHUNK = 1 << 20  # bytes


def split_source(source: str) -> tuple[str, str]:
    """Split "my_net.py:make_net" or "package.module:make_net".

    >>> split_source("my_net.py:make_net")
    ('my_net.py', 'make_net')

    Raises:
        DataError: one of both is missing.
    """
    place, _, name = source.rpartition(":")
    if not place or not name.isidentifier():
        raise DataError(
            f"network.source must be FILE.py:NAME or PACKAGE.MODULE:NAME, as my_net.py:make_net, got {source!r}"
        )
    return place, name


def fingerprint(source: str, weights: str) -> str:
    """Return 16 hex digits of the sha256 of the file that makes the network and of its weights.

    What that file imports, or reads by itself, is not covered.

    Raises:
        DataError: there is no such file or module.
        UntrustedCodeError: a run folder names it, and nobody has allowed it.
    """
    code = _source_file(split_source(source)[0])
    allow_code(code)
    digest = hashlib.sha256(code.read_bytes())
    if weights:
        with open_weights(weights) as file:
            content = hashlib.sha256()
            while chunk := file.read(CHUNK):
                content.update(chunk)
            digest.update(content.digest())
    return digest.hexdigest()[:16]


def make_network(source: str, shape: tuple[int, ...]) -> nn.Module:
    """Make the network; a callable that has an argument without a default is given the shape of an input.

    Raises:
        DataError: the file cannot be imported, holds no such name, or makes no network.
    """
    place, name = split_source(source)
    target = getattr(_module(place), name, None)
    if isinstance(target, nn.Module):
        return copy.deepcopy(target)  # other trials load other weights into it
    if not callable(target):
        raise DataError(f"network.source: {place} has no callable {name!r}")
    try:
        network = target(shape) if _wants_shape(target) else target()
    except (Exception, SystemExit) as error:
        raise DataError(f"network.source: {source} raised {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise DataError(f"network.source: {source} must return a torch.nn.Module, got {type(network).__name__}")
    return network


def _source_file(place: str) -> Path:
    if place.endswith(".py"):
        return _there(Path(place).expanduser(), place)
    file = _module_file(place)
    if file is None:
        raise DataError(f"network.source: no module {place!r} has a file; a file is named with its ending .py")
    return file


def _module_file(place: str) -> Path | None:
    """Return the file of a module, without importing the packages that it lies in."""
    top, *rest = place.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and Path(spec.origin).is_file() else None
    for folder in spec.submodule_search_locations or ():
        stem = Path(folder, *rest)
        for file in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if file.is_file():
                return file
    return None


def _there(file: Path, path: str) -> Path:
    if not file.is_file():
        raise DataError(f"network.source: there is no file {path} in {Path.cwd()}")
    return file


def _module(place: str) -> ModuleType:
    """Import a module, or a file under a name that changes with its content."""
    file = _source_file(place).resolve()
    allow_code(file)
    if not place.endswith(".py"):
        with _imported(place):
            return import_module(place)
    digest = hashlib.sha256(str(file).encode() + file.read_bytes()).hexdigest()[:16]
    name = f"latentbench_network_{file.stem}_{digest}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise DataError(f"network.source: {place} is no Python file")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            with _imported(place):
                spec.loader.exec_module(module)
        except DataError:
            del sys.modules[name]
            raise
    return sys.modules[name]


@contextmanager
def _imported(place: str) -> Iterator[None]:
    """Raise DataError, which names the source, for whatever ends an import."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise DataError(f"network.source: {place} cannot be imported ({type(error).__name__}: {error})") from error


def _wants_shape(make: Any) -> bool:
    """Whether a callable has a positional argument without a default."""
    try:
        arguments = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # of some written in C nothing is known
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(
        argument.kind in positional and argument.default is inspect.Parameter.empty for argument in arguments
    )
