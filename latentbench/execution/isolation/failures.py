"""Exceptions of plugins in words, whatever they are made of."""

from __future__ import annotations

import bdb

from latentbench.source.places import place_of

__all__ = ["described", "located"]

LONGEST = 2000  # characters of a message; the log has all of it


def described(error: BaseException) -> str:
    r"""Return an exception's message as one line that can be written in UTF-8, or why there is none.

    >>> described(ValueError("no luck\nat \udce9ll"))
    'no luck at \\udce9ll'
    """
    try:
        text = " ".join(str(error).split())
    except Exception as second:  # noqa: BLE001 - it is a plugin's method
        text = f"its message cannot be read, for that raises {type(second).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def located(error: BaseException, cls: type | None) -> str:
    """Return the same and where in the code of `cls` it was raised, as "no luck (my_plugin.py:14)".

    What the host raises of what a plugin gave it has no such place.
    """
    if isinstance(error, bdb.BdbQuit):
        return "breakpoint() found no terminal here; `latentbench run --debug` runs one trial where there is one"
    place = place_of(error, cls) if cls is not None else ""
    return f"{described(error)} ({place})".strip() if place else described(error)
