"""What a verb is doing, shown once it has taken a while: a bar with a clock on a terminal, lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from latentbench.terminal.bars import BARS, on_terminal
from latentbench.terminal.output import before_output, echo

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["working"]

PATIENCE = 2.0  # seconds; what is done by then is not worth a word
LINE_PATIENCE, LINE_SECONDS = 10.0, 60.0  # a line stays where it is printed


@contextmanager
def working(what: str, *, at_once: bool = False) -> Iterator[None]:
    """Show what is being done within, until something is printed on standard output.

    Args:
        what: as "writing the report".
        at_once: show it from the start.
    """
    shown = _Working(what)
    with before_output(shown.stop):
        if at_once:
            shown.show()
        else:
            threading.Thread(target=shown.show_later, daemon=True).start()
        try:
            yield
        finally:
            shown.stop()


class _Working:
    """One thing that is being done; `stop` is heeded at any time, from any thread."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._started = time.monotonic()
        self._live = on_terminal()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._bar: TaskID | None = None

    def show(self) -> None:
        """Show a bar, or print a line."""
        with self._lock:
            if self._over.is_set():
                return
            if self._live:
                self._bar = BARS.add(self.what)
            else:
                seconds = time.monotonic() - self._started
                echo(f"{self.what}{f', {seconds:.0f} s' if seconds > 1 else ''}", err=True)

    def show_later(self) -> None:
        """Show it if it takes long; where lines are printed, again and again."""
        over = self._over.wait(PATIENCE if self._live else LINE_PATIENCE)
        while not over:
            self.show()
            over = self._live or self._over.wait(LINE_SECONDS)

    def stop(self) -> None:
        """Show it no longer."""
        with self._lock:
            self._over.set()
            if self._bar is not None:
                BARS.remove(self._bar)
                self._bar = None
