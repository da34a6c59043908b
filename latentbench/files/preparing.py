"""Who is told how far the preparing of data has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Preparing", "listening", "tell"]


@dataclass(frozen=True)
class Preparing:
    """How far the preparing of an array has come.

    Attributes:
        name: what is prepared, as "images of photos".
        unit: what its rows are, as "images".
        done: rows that are done.
        total: rows in all.
        before: rows that were done in earlier sittings.
    """

    name: str
    unit: str
    done: int
    total: int
    before: int


_LISTENERS: list[Callable[[Preparing], None]] = []


@contextmanager
def listening(listener: Callable[[Preparing], None]) -> Iterator[None]:
    """Tell a listener of all that is prepared within: at its start, after each block, at its end."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


def tell(event: Preparing) -> None:
    """Tell all who listen."""
    for listener in _LISTENERS:
        listener(event)
