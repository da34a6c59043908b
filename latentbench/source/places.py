"""Where in a plugin's code an exception came from."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

__all__ = ["FOREIGN", "import_failure", "place_of"]

FOREIGN = {"latentbench", "torch", "sklearn", *sys.stdlib_module_names}  # no plugin's own


def place_of(error: BaseException, cls: type) -> str:
    """Return the last line of the package of `cls` or its bases that an exception passed, as "my_plugin.py:14".

    Empty where it passed none, as an exception that the host raises of what it was given.
    """
    packages = {_package(base.__module__) for base in cls.__mro__} - FOREIGN
    places = [place for package, place in _passed(error) if package in packages]
    return places[-1] if places else ""


def import_failure(error: BaseException) -> str:
    """Say what an import raised, with its type and the file and line of the plugin that raised it."""
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return what  # its message has file and line
    places = [place for package, place in _passed(error) if package not in {*FOREIGN, "importlib"}]
    return f"{what} ({places[-1]})" if places else what


def _passed(error: BaseException) -> list[tuple[str, str]]:
    """Return the package and the line of each frame that an exception passed, the innermost last."""
    return [
        (_package(str(frame.f_globals.get("__name__", ""))), f"{Path(frame.f_code.co_filename).name}:{line}")
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]


def _package(module: str) -> str:
    return module.partition(".")[0]
