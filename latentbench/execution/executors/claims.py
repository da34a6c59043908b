"""Who is at work on a training: claims in the run's folder, which end with the process that holds them.

A claim is a file `KEY.N` that only one process can create; N counts the holders that died. Its time of change is
its holder's last sign of life. No lock of the file system is needed, so machines may share the folder by network.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import psutil

from latentbench.files.regular import read_regular
from latentbench.files.removing import discard
from latentbench.files.shapes import Count, checked

__all__ = ["BEAT_SECONDS", "FOLDER", "SILENT_SECONDS", "Claim", "Claims", "Holder", "alive_workers", "busy"]

FOLDER = "executor"  # in the run's folder
BEAT_SECONDS = 5.0  # between two signs of life
SILENT_SECONDS = 60.0  # a process on another machine that has given no sign for so long is dead
LONGEST = 10_000  # bytes of a claim


@dataclass(frozen=True)
class Holder:
    """The process that holds a claim.

    Attributes:
        node: name of its machine.
        machine: what tells processes of this number apart: the start of the machine, and its process namespace.
        process: its number.
        began: when it was started, in seconds since 1970.
        deaths: how many holders before it died, one after the other, and got no further with the training.
        progress: when the training was last saved before it took the claim, in nanoseconds; 0 if never.
    """

    node: str
    machine: str
    process: Count
    began: float
    deaths: Count = 0
    progress: Count = 0

    @classmethod
    def here(cls, deaths: int = 0, progress: int = 0) -> Holder:
        """Return this process."""
        return cls(*_this_process(os.getpid()), deaths, progress)

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """Read what `to_json` gave; None where the file holds something else, as while it is written."""
        try:
            return checked(cls, json.loads(read_regular(path, LONGEST)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @property
    def known_dead(self) -> bool:
        """Whether it was a process of this machine and is not there any more."""
        node, machine, _, _ = _this_process(os.getpid())
        if (self.node, self.machine) != (node, machine):
            return False
        try:
            return abs(psutil.Process(self.process).create_time() - self.began) > 1
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


@lru_cache(maxsize=2)
def _this_process(number: int) -> tuple[str, str, int, float]:
    marks = []
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        marks.append(str(Path("/proc/self/ns/pid").readlink()))
    return platform.node(), " ".join(marks), number, psutil.Process(number).create_time()


@dataclass(frozen=True)
class Claim:
    """One training that somebody is at work on, or was.

    Attributes:
        path: its file.
        key: the training's key.
        generation: how many claims of dead holders are below it.
        holder: None where it cannot be read, as in the moment in which it is written.
        silence: seconds since the last sign of life.
    """

    path: Path
    key: str
    generation: int
    holder: Holder | None
    silence: float

    @property
    def alive(self) -> bool:
        """Whether its holder is, as far as anybody can tell."""
        return self.silence < SILENT_SECONDS and not (self.holder is not None and self.holder.known_dead)


class Claims:
    """The claims of a run.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: list[Path] = []

    def take(self, key: str, progress: int = 0) -> Holder | None:
        """Claim a training for this process; None while somebody else who is alive holds it.

        Args:
            key: the training's key.
            progress: when it was last saved, in nanoseconds; 0 if never.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        before = list(self._of(key))
        if any(claim.alive for claim in before):
            return None
        last = max(before, key=lambda claim: claim.generation, default=None)
        deaths = 0
        if last is not None:
            further = last.holder is not None and last.holder.progress != progress
            deaths = 1 if further or last.holder is None else last.holder.deaths + 1
        holder = Holder.here(deaths, progress)
        path = self.folder / f"{key}.{0 if last is None else last.generation + 1}"
        if not _created(path, holder.to_json()):
            return None
        if any(claim.alive for claim in self._of(key) if claim.path != path):  # of two at once, both step back
            path.unlink(missing_ok=True)
            return None
        self._held.append(path)
        return holder

    def release(self, key: str) -> None:
        """Give back a claim of this process, with those of the dead below it."""
        for claim in sorted(self._of(key), key=lambda claim: claim.generation):
            discard(claim.path)
        self._held = [path for path in self._held if path.stem != key]

    def beat(self) -> None:
        """Give a sign of life for every claim of this process."""
        for path in [*self._held]:
            with suppress(OSError):
                os.utime(path)

    def alive(self) -> dict[str, Claim]:
        """Return the claims whose holders are alive, by the key of the training."""
        return {claim.key: claim for claim in self._all() if claim.alive}

    def clear(self) -> None:
        """Remove the claims of the dead where nobody alive holds the training."""
        kept = self.alive()
        for claim in self._all():
            if claim.key not in kept:
                discard(claim.path)

    def _of(self, key: str) -> Iterator[Claim]:
        return self._read(self.folder.glob(f"{key}.*"))

    def _all(self) -> Iterator[Claim]:
        return self._read(self.folder.glob("*.*"))

    def _read(self, paths: Iterable[Path]) -> Iterator[Claim]:
        now = None
        for path in paths:
            if not path.suffix[1:].isdigit():
                continue
            now = clock_of(self.folder) if now is None else now
            with suppress(OSError):
                silence = max(0.0, now - path.stat().st_mtime)
                yield Claim(path, path.stem, int(path.suffix[1:]), Holder.read(path), silence)


def busy(run: Path) -> int:
    """Return how many workers of executors are alive at a run."""
    folder = run / FOLDER
    if not folder.is_dir():
        return 0
    workers = sum(len(alive_workers(path)) for path in folder.glob("*/workers"))
    return max(workers, len(Claims(folder / "claims").alive()))


def alive_workers(folder: Path) -> dict[str, str]:
    """Return the machine of each worker that has given a sign of life lately, a file `NAME.life` in a folder."""
    alive = {}
    now = clock_of(folder)
    for path in folder.glob("*.life"):
        with suppress(OSError):
            holder = Holder.read(path)
            if now - path.stat().st_mtime < SILENT_SECONDS and not (holder and holder.known_dead):
                alive[path.stem] = holder.node if holder else ""
    return alive


def clock_of(folder: Path) -> float:
    """Return the time by the clock that stamps the files of a folder, which may be that of another machine."""
    probe = folder / f".clock-{platform.node()}-{os.getpid()}-{threading.get_ident()}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        discard(probe)


def _created(path: Path, text: str) -> bool:
    """Create a file that is not there yet; False where it is."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)
    return True
