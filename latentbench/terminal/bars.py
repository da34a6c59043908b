"""The live display of this process: bars below each other on standard error, all in one frame.

Two displays at the same time would draw over each other, so that all who show a bar share this one.
"""

from __future__ import annotations

import os
import sys
import textwrap
import threading
from typing import TYPE_CHECKING

from latentbench.terminal.output import echo
from latentbench.text import printable, shortened

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["BARS", "Bars", "on_terminal"]

NAME_WIDTHS, BAR_WIDTH = (20, 26), 12


def on_terminal() -> bool:
    """Whether standard error is a terminal that can show something live."""
    able = os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    return able and sys.stderr is not None and sys.stderr.isatty()


class Bars:
    """Bars, each with a name, a note and a clock; the display comes with the first and goes with the last."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._lock = threading.RLock()

    def add(self, name: str, total: float | None = None, done: float = 0, note: str = "") -> TaskID:
        """Show another bar; without a total it only shows that something is going on."""
        with self._lock:
            if self._progress is None:
                self._progress = _display()
                self._progress.start()
            shown = shortened(printable(name), NAME_WIDTHS[1])
            return self._progress.add_task(shown, total=total, completed=int(done), note=printable(note))

    def move(self, bar: TaskID, done: float, total: float | None, note: str) -> None:
        """Change a bar."""
        if self._progress is not None:
            self._progress.update(bar, completed=done, total=total, note=printable(note))

    def remove(self, bar: TaskID) -> None:
        """Take a bar away."""
        with self._lock:
            if self._progress is not None:
                self._progress.remove_task(bar)
                if not self._progress.tasks:
                    self._progress.stop()
                    self._progress = None

    def say(self, text: str) -> None:
        """Print lines above the bars, broken between words alone: a path can be copied."""
        if self._progress is None:
            echo(text, err=True)
            return
        console = self._progress.console
        for line in printable(text, keep="\n").splitlines():
            lead = " " * (len(line) - len(line.lstrip()))
            wrapped = textwrap.wrap(
                line, console.width, subsequent_indent=lead, break_long_words=False, break_on_hyphens=False
            )
            console.print("\n".join(wrapped), markup=False, highlight=False, emoji=False, soft_wrap=True)


def _display() -> Progress:
    """Return a display whose columns keep their places, and whose lines are never wider than the terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    def text(field: str, least: int | None = None, ratio: int | None = None) -> TextColumn:
        column = Column(no_wrap=True, overflow="ellipsis", min_width=least, ratio=ratio)
        return TextColumn(f"{{task.{field}}}", markup=False, table_column=column)

    return Progress(
        text("description", least=NAME_WIDTHS[0]),
        BarColumn(BAR_WIDTH),
        text("fields[note]", ratio=1),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        expand=True,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),  # a file gets what is printed to it
    )


BARS = Bars()
