"""Checksums of parts of a file."""

from __future__ import annotations

import zlib
from typing import BinaryIO

__all__ = ["segment_holds"]

PIECE = 2**22  # bytes read at once


def segment_holds(file: BinaryIO, start: int, stop: int, checksum: int) -> bool:
    """Return whether the bytes of a file from `start` to `stop` - 1 are there and have this CRC-32."""
    file.seek(start)
    left, found = stop - start, 0
    while left > 0:
        piece = file.read(min(PIECE, left))
        if not piece:
            return False
        found, left = zlib.crc32(piece, found), left - len(piece)
    return left == 0 and found == checksum
