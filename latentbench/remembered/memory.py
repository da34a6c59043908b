"""What the files of a run's trials held when they were last read, so that unchanged ones are not read again.

A run of thousands of trials has hundreds of thousands of files. What was read of a trial, and found whole, is kept
below the cache (`latentbench.files.cache`) beside the signature that its folder had before (`signatures`); as long
as the signature stays the same, so has the content. The files stay the truth: a trial in whose folder anything
changed is read from them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from latentbench.files.cache import cache_dir
from latentbench.files.json_files import FORMAT
from latentbench.files.regular import read_regular
from latentbench.files.signatures import signature
from latentbench.files.writing import write_atomically
from latentbench.score_files import ScoreFile

__all__ = ["KnownTrial", "Memory", "memory_folder"]

VERSION = 5  # another where what is found whole was checked otherwise
KIND = f"latentbench remembers {VERSION}, format {FORMAT}"
LARGEST = 2**30  # bytes

Content = Mapping[str, Any]


def memory_folder() -> Path:
    """Return the folder with a file for each run of which something is remembered; it may be removed any time."""
    return cache_dir() / "runs"


@dataclass
class KnownTrial:
    """What is known of the files of one trial; nothing, until they have been read.

    Attributes:
        signature: state of its JSON files before any of them was read; "" where it cannot be told.
        trial: what trial.json holds.
        scores: name of a score file -> what it holds, as it was checked.
        whole: names of the other files whose sha256 is the one that was written, while their state was `others`.
        look: returns the state of the other files now; it is asked for once, before the first of them is read.
        learned: something was added that the cache does not hold.
    """

    signature: str = ""
    trial: Content | None = None
    scores: dict[str, ScoreFile] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    others: str = ""
    look: Callable[[], str] | None = None
    learned: bool = False

    def learn_trial(self, content: Content) -> None:
        """Remember what trial.json holds; like all that is learned, only if one can tell whether it changes."""
        if self.signature:
            self.trial, self.learned = content, True

    def learn_scores(self, name: str, content: ScoreFile) -> None:
        """Remember what a score file holds."""
        if self.signature:
            self.scores[name], self.learned = content, True

    def knows_whole(self, name: str) -> bool:
        """Whether a file is known to be the one that was written."""
        if self.look is not None:
            now, self.look = self.look(), None
            if now != self.others:
                self.whole.clear()
            self.others = now
        return bool(self.others) and name in self.whole

    def learn_whole(self, name: str) -> None:
        """Remember that a file is the one that was written; ask `knows_whole` before it is read."""
        if self.signature and self.others:
            self.whole.add(name)
            self.learned = True

    def forget(self) -> None:
        """Forget everything: the files are about to change."""
        self.signature, self.trial, self.learned = "", None, False
        self.others, self.look = "", None
        self.scores.clear()
        self.whole.clear()


class Memory:
    """What is remembered of the trials of one run; `keep` writes what was learned.

    A file of it that is missing, damaged, of another version or of another user counts as empty, and what cannot
    be written is not remembered: only the time that reading takes depends on it.

    Args:
        run: the run's folder.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._place = os.path.realpath(run)
        self._known: dict[str, KnownTrial] = {}

    @property
    def path(self) -> Path:
        """The file below the cache."""
        name = hashlib.sha256(os.fsencode(self._place)).hexdigest()[:32]
        return memory_folder() / f"{name}.txt"

    def trial(self, key: str) -> KnownTrial:
        """Look at the folder of a trial, and return what is known of its files as they are now."""
        folder = self._run / "trials" / key
        seen = signature(folder, "scores", chosen=_is_json)
        before, line = self._lines.get(key, ("", b""))
        known = self._shapes.decoded(key, seen, line) if seen and seen == before else KnownTrial(seen)
        known.look = lambda: signature(folder, "scores", chosen=_is_other)
        self._known[key] = known
        return known

    def keep(self) -> None:
        """Write what was learned since, if anything was."""
        learned = {key: known for key, known in self._known.items() if known.signature and known.learned}
        if not learned:
            return
        for key, known in learned.items():
            self._lines[key] = known.signature, self._shapes.encoded(known)
            known.learned = False
        head = json.dumps({"run": self._place, "shapes": self._shapes.listed}).encode()
        rows = [b" ".join([key.encode(), seen.encode(), line]) for key, (seen, line) in self._lines.items()]
        body = b"\n".join([head, *rows])
        title = f"{KIND} {hashlib.sha256(body).hexdigest()}\n".encode()
        with suppress(OSError):
            memory_folder().mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, title + body, durable=False)
            _forget_lost_runs(memory_folder())

    @cached_property
    def _parts(self) -> tuple[_Shapes, dict[str, tuple[str, bytes]]]:
        head, lines = _read(self.path)
        if head.get("run") != self._place:
            return _Shapes([]), {}
        parts = (line.split(b" ", 2) for line in lines)
        return _Shapes(head["shapes"]), {key.decode(): (seen.decode(), line) for key, seen, line in parts}

    @property
    def _shapes(self) -> _Shapes:
        return self._parts[0]

    @property
    def _lines(self) -> dict[str, tuple[str, bytes]]:
        return self._parts[1]


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _is_other(name: str) -> bool:
    return not name.endswith(".json")


def _read(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    """Return the head and the lines of a file of the memory; nothing where it is not what was written."""
    try:
        if path.stat().st_uid != os.getuid():
            return {}, []
        title, _, body = read_regular(path, LARGEST).partition(b"\n")
        if title != f"{KIND} {hashlib.sha256(body).hexdigest()}".encode():
            return {}, []
        head, *lines = body.split(b"\n")
        return json.loads(head), lines
    except (OSError, ValueError, AttributeError):  # no getuid: a system on which nothing is remembered
        return {}, []


def _forget_lost_runs(folder: Path) -> None:
    """Remove what is remembered of runs that are not there any more."""
    for path in folder.glob("*.txt"):
        with suppress(OSError, ValueError, KeyError, TypeError), path.open("rb") as file:
            file.readline()
            if not os.path.lexists(json.loads(file.readline())["run"]):
                path.unlink()


class _Shapes:
    """What many score files have in common is written once: all but the numbers.

    Args:
        listed: of each shape the name of the file, metric, version, source and number of items, whether it says of
            which trial it is, the names of the scores, and (status, reason) of each.
    """

    def __init__(self, listed: list[Any]) -> None:
        self.listed = listed
        self._places = {json.dumps(shape): place for place, shape in enumerate(listed)}

    def encoded(self, known: KnownTrial) -> bytes:
        """Return what is known of a trial as a line."""
        scores = [self._encoded_file(name, file) for name, file in known.scores.items()]
        values = {"trial": known.trial, "whole": sorted(known.whole), "others": known.others, "scores": scores}
        return json.dumps(values, separators=(",", ":")).encode()

    def _encoded_file(self, name: str, file: ScoreFile) -> list[Any]:
        common = [file.metric, file.version, file.source, file.n_eval, file.trial != "", file.names, file.states]
        shape = [name, *common]
        place = self._places.setdefault(json.dumps(shape), len(self.listed))
        if place == len(self.listed):
            self.listed.append(shape)
        return [place, file.seconds, file.items, file.numbers]

    def decoded(self, key: str, seen: str, line: bytes) -> KnownTrial:
        """Return what a line holds."""
        values = json.loads(line)
        scores = dict(self._decoded_files(key, values["scores"]))
        return KnownTrial(seen, values["trial"], scores, set(values["whole"]), values["others"])

    def _decoded_files(self, key: str, files: list[list[Any]]) -> Iterator[tuple[str, ScoreFile]]:
        shapes = self.listed
        for place, seconds, items, numbers in files:
            name, metric, version, source, n_eval, says_trial, names, states = shapes[place]
            trial = key if says_trial else ""
            yield name, ScoreFile(metric, version, source, n_eval, seconds, names, states, numbers, items, trial)
