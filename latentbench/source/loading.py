"""Loading a single Python file."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from latentbench.errors import PluginError
from latentbench.source.trust import allow_code

__all__ = ["FILE_MODULE", "load_file", "module_name"]

FILE_MODULE = "latentbench_file_"


def load_file(path: str) -> ModuleType:
    """Import a Python file that is on no path, once, under a name derived from its path.

    Raises:
        PluginError: the file does not exist.
        UntrustedCodeError: a run folder names it, and nobody has allowed it.
    """
    resolved = Path(path).resolve()
    if not resolved.is_file():
        raise PluginError(f"there is no file {path}")
    name = module_name(resolved)
    if name not in sys.modules:
        allow_code(resolved)
        spec = importlib.util.spec_from_file_location(name, resolved)
        if spec is None or spec.loader is None:
            raise PluginError(f"{path} is not a Python file")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def module_name(path: Path) -> str:
    """Return the name under which the file of this resolved path is imported."""
    return f"{FILE_MODULE}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
