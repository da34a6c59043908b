"""Loading a single Python file."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from latentbench.errors import PluginError

__all__ = ["load_file"]


def load_file(path: str) -> ModuleType:
    """Import a Python file that is on no path, once, under a name derived from its path.

    Raises:
        PluginError: the file does not exist.
    """
    resolved = Path(path).resolve()
    if not resolved.is_file():
        raise PluginError(f"there is no file {path}")
    name = f"latentbench_file_{resolved.stem}_{hashlib.sha256(str(resolved).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
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
