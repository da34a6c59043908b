"""The making of one prepared array: rows that are on the disk are written down, so that a next sitting goes on."""

from __future__ import annotations

import json
import os
import time
import zlib
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from latentbench.files.checksums import segment_holds
from latentbench.files.preparing import Preparing, tell
from latentbench.files.writing import write_atomically

__all__ = ["DATA", "DONE", "PART", "PROGRESS", "Filling"]

DATA, DONE = "rows.bin", "done.json"
PART, PROGRESS = "rows.part", "progress.jsonl"
FIRST_ROWS = 16  # of a block; later ones take as many as are made in BLOCK_SECONDS, of at most BLOCK_BYTES
BLOCK_SECONDS = 0.2
BLOCK_BYTES = 2**24
SAVE_SECONDS = 1.0  # rows are put on the disk and written down this often


class Filling:
    """Appends rows to a file and writes down how far it has come. Used with `with`.

    Attributes:
        done: rows that are in the file.
        segments: (rows up to where, checksum of those since the segment before), of all that is on the disk.
        rows_at_once: rows in a block.
    """

    def __init__(self, folder: Path, name: str, unit: str, total: int, row: int, notes: list[str]) -> None:
        self.folder, self.name, self.unit, self.total, self.notes = folder, name, unit, total, notes
        self.row, self._most = row, max(1, BLOCK_BYTES // max(row, 1))
        self.rows_at_once = min(FIRST_ROWS, self._most)
        self.done, self.segments = 0, list[tuple[int, int]]()
        self._checksum, self._noted = 0, len(notes)
        self._saved = self._added = time.monotonic()

    def __enter__(self) -> Self:
        """Find out what is there already and can be trusted."""
        if not (self.folder / PART).exists() and (self.folder / DATA).exists():
            (self.folder / DATA).replace(self.folder / PART)  # damaged, or stopped a moment before it was whole
        (self.folder / DONE).unlink(missing_ok=True)
        self._file = (self.folder / PART).open("ab+")
        kept = self._trusted()
        self._file.truncate(self.done * self.row)
        self._file.seek(0, os.SEEK_END)
        write_atomically(self.folder / PROGRESS, "".join(map(_as_line, kept)).encode())
        self._progress = (self.folder / PROGRESS).open("a", encoding="utf-8")
        self._before, self._noted = self.done, len(self.notes)
        self._tell()
        return self

    def __exit__(self, *_: object) -> None:
        """Write down what is done, also when it was stopped."""
        try:
            self._save()
        finally:
            self._file.close()
            self._progress.close()

    def add(self, block: npt.NDArray[Any], stop: int) -> None:
        """Append rows; `stop` is how many there are then."""
        content = block.reshape(-1).view(np.uint8).data if block.size else b""
        self._file.write(content)
        self._checksum, self.done = zlib.crc32(content, self._checksum), stop
        now = time.monotonic()
        if now - self._saved >= SAVE_SECONDS or stop == self.total:
            self._save()
        if now - self._added < BLOCK_SECONDS / 2:
            self.rows_at_once = min(2 * self.rows_at_once, self._most)
        elif now - self._added > 2 * BLOCK_SECONDS:
            self.rows_at_once = max(1, self.rows_at_once // 2)
        self._added = time.monotonic()
        self._tell()

    def _save(self) -> None:
        """Put the rows since the last time on the disk, then write them down."""
        if self.done == (self.segments[-1][0] if self.segments else 0):
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        line = {"rows": self.done, "checksum": self._checksum, "notes": self.notes[self._noted :]}
        self._progress.write(_as_line(line))
        self._progress.flush()
        self.segments.append((self.done, self._checksum))
        self._checksum, self._noted, self._saved = 0, len(self.notes), time.monotonic()

    def _trusted(self) -> list[dict[str, Any]]:
        """Return the lines of an earlier sitting whose rows are there as they were written."""
        kept: list[dict[str, Any]] = []
        for line in self._lines():
            stop, checksum = line["rows"], line["checksum"]
            if not self.done < stop <= self.total:
                break
            if not segment_holds(self._file, self.done * self.row, stop * self.row, checksum):
                break
            kept.append(line)
            self.done = stop
            self.segments.append((stop, checksum))
            self.notes += line["notes"]
        return kept

    def _lines(self) -> list[dict[str, Any]]:
        """Return the lines that are whole."""
        lines: list[dict[str, Any]] = []
        try:
            for text in (self.folder / PROGRESS).read_text(encoding="utf-8").splitlines():
                values = json.loads(text)
                notes = [str(note) for note in values["notes"]]
                lines.append({"rows": int(values["rows"]), "checksum": int(values["checksum"]), "notes": notes})
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        return lines

    def _tell(self) -> None:
        tell(Preparing(self.name, self.unit, self.done, self.total, self._before))


def _as_line(values: dict[str, Any]) -> str:
    return json.dumps(values) + "\n"
