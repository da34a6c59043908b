"""Where in a plugin's code an exception came from."""

from __future__ import annotations

import traceback
from pathlib import Path

from latentbench.source.digest import FOREIGN

__all__ = ["place_of"]


def place_of(error: BaseException, cls: type) -> str:
    """Return the last line of the package of `cls` or its bases that an exception passed, as "my_plugin.py:14".

    Empty where it passed none, as an exception that the host raises of what it was given.
    """
    packages = {base.__module__.partition(".")[0] for base in cls.__mro__} - FOREIGN
    places = [
        f"{Path(frame.f_code.co_filename).name}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in packages
    ]
    return places[-1] if places else ""
