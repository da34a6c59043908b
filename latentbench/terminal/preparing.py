"""How far the preparing of data has come: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from latentbench.files.preparing import Preparing, listening
from latentbench.terminal.bars import BARS, on_terminal
from latentbench.terminal.output import echo
from latentbench.text import printable

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["PreparingBar", "PreparingLines", "shown_preparing"]

PATIENCE = 1.0  # seconds; what is ready by then is not worth a word
LINE_SECONDS = 10.0


@contextmanager
def shown_preparing() -> Iterator[None]:
    """Show how far data are prepared within: a bar where standard error is a terminal, lines elsewhere."""
    shown = PreparingBar() if on_terminal() else PreparingLines()
    try:
        with listening(shown):
            yield
    finally:
        shown.close()


class PreparingLines:
    """A line when it has taken a while, then every ten seconds, and when it is done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.name = ""
        self.started = self.due = 0.0
        self.shown = False

    def __call__(self, event: Preparing) -> None:
        """Show where it is, if it is time."""
        now = self.clock()
        if event.name != self.name or event.done == event.before:
            self.close()
            self.name, self.started, self.due, self.shown = event.name, now, now + PATIENCE, False
        ended = event.done == event.total
        if now >= self.due or (ended and self.shown):
            self.show(event, now - self.started)
            self.shown, self.due = True, now + LINE_SECONDS
        if ended:
            self.close()
            self.name = ""

    def show(self, event: Preparing, seconds: float) -> None:
        """Print where it is."""
        echo(f"{printable(event.name)}: {sentence(event, seconds)}", err=True)

    def close(self) -> None:
        """Do nothing: lines need no cleanup."""


class PreparingBar(PreparingLines):
    """A bar that goes when it is done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._bar: TaskID | None = None

    def __call__(self, event: Preparing) -> None:
        """Move the bar."""
        super().__call__(event)
        if self._bar is not None:
            note = sentence(event, self.clock() - self.started)
            BARS.move(self._bar, event.done, event.total, note)

    def show(self, event: Preparing, seconds: float) -> None:
        """Make the bar, the first time."""
        if self._bar is None:
            self._bar = BARS.add(event.name, event.total, event.done, sentence(event, seconds))

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            BARS.remove(self._bar)
        self._bar = None


def sentence(event: Preparing, seconds: float) -> str:
    """Say how many are done, how fast it goes, and how long it takes.

    >>> sentence(Preparing("images of x", "images", 600, 2000, 100), 10.0)
    '600 of 2,000 images (100 from before), 50/s, 28 s left'
    >>> sentence(Preparing("estimating", "trials", 3, 12, 0), 30.0)
    '3 of 12 trials, 90 s left'
    """
    before = f" ({event.before:,} from before)" if event.before else ""
    text = f"{event.done:,} of {event.total:,} {event.unit}{before}"
    rate = (event.done - event.before) / seconds if seconds > 0 else 0.0
    if event.done == event.total:
        return f"{text}, done in {_duration(seconds)}"
    if not rate:
        return text
    speed = f", {rate:,.0f}/s" if rate >= 1 else ""
    return f"{text}{speed}, {_duration((event.total - event.done) / rate)} left"


def _duration(seconds: float) -> str:
    """Return a duration to read.

    >>> _duration(28), _duration(200), _duration(9000)
    ('28 s', '3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
