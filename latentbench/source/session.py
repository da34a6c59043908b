"""Names of classes that a session itself has defined, as in a notebook.

Such a class stands in no file, so only the process that has defined it can find it again.
"""

from __future__ import annotations

__all__ = ["class_of_session", "is_session_name", "name_in_session"]

_DEFINED: dict[str, type] = {}  # by name, what this session has handed over


def name_in_session(cls: type) -> str:
    """Return the name under which this process finds a class again, "module:Class"."""
    name = f"{cls.__module__}:{cls.__qualname__}"
    _DEFINED[name] = cls
    return name


def is_session_name(name: str) -> bool:
    """Whether a name is that of a class which some session has defined.

    >>> [is_session_name(name) for name in ("__main__:Mine", "mine.py:Mine", "vae")]
    [True, False, False]
    """
    module, colon, _ = name.rpartition(":")
    return bool(colon) and not module.endswith(".py")


def class_of_session(name: str) -> type | None:
    """Return the class that this process has handed over under a name, or None."""
    return _DEFINED.get(name)
