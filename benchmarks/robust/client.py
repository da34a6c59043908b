"""The other end of the fork server: starts it, and hands calls to it from several threads."""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from benchmarks.robust.calls import MAIN, Call, Ended

__all__ = ["Server"]

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "COLUMNS": "120",
    "LC_ALL": "C.UTF-8",
}


class Server:
    """A fork server with `workers` dispatchers.

    Args:
        workers: calls that may run at the same time.
        folder: where calls work, each in a folder of its own; removed when the server is closed.
    """

    def __init__(self, workers: int, folder: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="robustness-", dir=folder))
        self._channels: queue.Queue[tuple[Path, TextIO]] = queue.Queue()
        pairs = [socket.socketpair() for _ in range(workers)]
        numbers = [far.fileno() for _, far in pairs]
        command = [sys.executable, str(Path(__file__).with_name("server.py")), *map(str, numbers)]
        self._process = subprocess.Popen(
            command, pass_fds=numbers, stdin=subprocess.DEVNULL, start_new_session=True, env=self._environment()
        )
        self._lines = []
        for number, (near, far) in enumerate(pairs):
            far.close()
            lines = near.makefile("rw", encoding="utf-8")
            near.close()
            self._lines.append(lines)
            self._channels.put((self.folder / f"desk-{number}", lines))
        for lines in self._lines:
            if lines.readline() != "ready\n":
                raise RuntimeError("the fork server did not start; its error stands above")

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **ENVIRONMENT, "LATENTBENCH_CACHE": str(self.folder / "cache")}

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        """Wait for a dispatcher and return it with an empty folder, removed afterwards."""
        folder, lines = self._channels.get()
        try:
            (folder / "work").mkdir(parents=True)
            yield Desk(folder / "work", lines)
        finally:
            remove(folder)
            self._channels.put((folder, lines))

    def close(self) -> None:
        """End the server and remove its folder."""
        for lines in self._lines:
            lines.close()
        self._process.wait(timeout=60)
        remove(self.folder)


class Desk:
    """A dispatcher and the folder in which its calls work."""

    def __init__(self, folder: Path, lines: TextIO) -> None:
        self.folder, self._lines = folder, lines

    def clear(self) -> None:
        """Empty the folder."""
        remove(self.folder)
        self.folder.mkdir()

    def run(self, *arguments: str, seconds: float = 10.0, code: str = MAIN, **environment: str) -> Ended:
        """Run `latentbench ARGUMENTS`, or a function `module:function`."""
        call = Call(arguments, str(self.folder), seconds, environment=environment, code=code)
        print(call.to_json(), file=self._lines, flush=True)
        reply = self._lines.readline()
        if not reply:
            raise RuntimeError("the fork server is gone; its error stands above")
        return Ended.read(json.loads(reply), self.folder.parent)


def remove(folder: Path) -> None:
    """Remove a folder whatever a case made of it."""
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
