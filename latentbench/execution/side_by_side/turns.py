"""Numbers that several processes take in turn, each number once."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator

__all__ = ["MOST", "Turns"]

BYTES = 4
MOST = 1000  # numbers: the smallest pipe that a system gives holds 4,096 bytes


class Turns:
    """The numbers from 0 to `count` - 1, which this process and those that it forks take in turn.

    They wait in a pipe, of which no two processes read the same part: there is no lock that a process which is
    killed could keep.

    Args:
        count: at most 1,000.
    """

    def __init__(self, count: int) -> None:
        if count > MOST:
            raise ValueError(f"at most {MOST} numbers can be taken in turn, got {count}")
        self._waiting, filled = os.pipe()
        self._closing = weakref.finalize(self, os.close, self._waiting)
        os.write(filled, b"".join(number.to_bytes(BYTES) for number in range(count)))
        os.close(filled)

    def taken(self) -> Iterator[int]:
        """Yield numbers that no other process has, in ascending order, until none is left."""
        while number := os.read(self._waiting, BYTES):
            yield int.from_bytes(number)

    def close(self) -> None:
        """Take no more in this process; it comes by itself when nobody has them any more."""
        self._closing()
