"""What is said of one call: which faults its end and its output show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.robust.calls import Ended

__all__ = ["FAULTS", "STATUSES", "Fault", "Verdict", "faults_of", "told"]

STATUSES = (0, 1, 2, 130)
FAULTS = ("traceback", "hang", "status", "silent", "other")
TRACEBACK = "Traceback (most recent call last)"
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")  # control characters, tab and line feed apart
SENTENCE = re.compile(
    r"^(latentbench:|Error:|warning:|Usage:|damaged:|newer:|outdated:|.*\bfailed\b|.*\bmissing\b)", re.MULTILINE
)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: its kind, of `FAULTS`, and what it is."""

    kind: str
    what: str


@dataclass(frozen=True)
class Verdict:
    """A case and what it showed.

    Attributes:
        case: its name, as `--case` takes it.
        part: the part of the matrix.
        ends: how its calls ended, the last of which counts as its status.
        commands: the calls, as one would type them.
    """

    case: str
    part: str
    ends: tuple[Ended, ...]
    faults: tuple[Fault, ...]
    commands: tuple[str, ...] = ()


def faults_of(ended: Ended) -> Iterator[Fault]:
    """Yield what no call may do: a traceback, a hang, another status, raw control characters, no reason."""
    text = f"{ended.out}\n{ended.err}"
    if ended.hung:
        yield Fault("hang", f"still at work after {ended.seconds:.0f} s")
    elif ended.status not in STATUSES:
        yield Fault("status", f"exit status {ended.status}")
    if TRACEBACK in text:
        yield Fault("traceback", _signature(text))
    elif ended.status in (1, 2) and not ended.hung and not SENTENCE.search(text):
        yield Fault("other", f"status {ended.status} without a reason")
    if ended.children:
        yield Fault("other", f"{ended.children} processes left behind")
    if raw := RAW.search(text):
        yield Fault("other", f"raw control character {raw[0]!r}")
    if ended.status == 130:
        yield Fault("other", "says that it was interrupted, and was not")


def told(ended: Ended, undamaged: Ended, names: Iterable[str]) -> bool:
    """Whether the output says something new about one of the files named, or gives a new warning."""
    lines = set(f"{ended.out}\n{ended.err}".splitlines()) - set(f"{undamaged.out}\n{undamaged.err}".splitlines())
    marks = [name for name in names if name]
    return any(
        line.startswith(("warning:", "latentbench:")) or any(mark in line for mark in marks) for line in lines
    )


def _signature(text: str) -> str:
    """The last line of the last traceback, and the file of this project in which it was raised."""
    last = text[text.rindex(TRACEBACK) :]
    places = re.findall(r'File "[^"]*?((?:latentbench|latentbench_\w+)/[^"]*)", line \d+, in (\S+)', last)
    error = next((line for line in last.splitlines()[1:] if line and not line.startswith(" ")), "")
    return f"{error[:120]} ({':'.join(places[-1]) if places else 'elsewhere'})"
