"""One trial looked over: every file that a reader would trust, by the digest it was written with."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentbench.errors import OtherFormatError, RunFolderError
from latentbench.files.json_files import read_sealed
from latentbench.files.regular import is_regular
from latentbench.packed.layout import Part, part_of
from latentbench.records import Record, StoredTrial
from latentbench.score_files import ScoreFile
from latentbench.trial import ScoreRequest, SplitName, Trial
from latentbench.upkeep.findings import FileFinding
from latentbench.upkeep.places import UPGRADE, fault, outside_link

__all__ = ["ExaminedRecord", "ExaminedTrial", "examine_trial"]

Asked = Sequence[tuple[SplitName, ScoreRequest]]
ITEMS = ".items.npz"


class ExaminedRecord(Record):
    """A record whose JSON files are read once: what tables make from it later reads none again."""

    def __init__(self, run: Path, key: str, folder: Path | None = None) -> None:
        super().__init__(run, key, folder)
        self._trial: StoredTrial | None = None
        self._scores: dict[str, ScoreFile | None] = {}

    def read(self) -> StoredTrial:
        """Read `trial.json`, once."""
        if self._trial is None:
            self._trial = super().read()
        return self._trial

    def score_file(self, request: ScoreRequest, split: SplitName = "test") -> ScoreFile | None:
        """Read the file of the scores of one metric, once."""
        name = request.file(split, "json")
        if name not in self._scores:
            self._scores[name] = super().score_file(request, split)
        return self._scores[name]

    def forget_all_but(self, files: Collection[str]) -> None:
        """Count scores as not there whose files are not among these."""
        for name in self._scores:
            if name not in files:
                self._scores[name] = None

    def scores_of(self, request: ScoreRequest, split: SplitName) -> Mapping[str, Any]:
        """Return score name -> value, se, status and reason of one metric; empty where there are none."""
        stored = self.read_scores(request, split)
        return {} if stored is None else stored["scores"]


@dataclass(frozen=True)
class ExaminedTrial:
    """What a trial's folder holds.

    Attributes:
        record: its files.
        trial: as recorded, with its outcome; None where trial.json, the model or the codes are not as written.
        files: the sound files, from the trial's folder on.
        findings: what is wrong with the others.
    """

    record: ExaminedRecord
    trial: Trial | None = None
    files: tuple[str, ...] = ()
    findings: tuple[FileFinding, ...] = ()


@dataclass
class _Look:
    """What has been seen of a trial so far."""

    record: ExaminedRecord
    about: str = ""
    files: list[str] = field(default_factory=list)
    findings: list[FileFinding] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The trial's folder, from the run folder on."""
        return f"trials/{self.record.key}"

    def wrong(self, name: str, aside: Collection[str], reason: str = "is not the file that was written") -> None:
        """Note that a file is damaged or missing."""
        self.findings.append(fault(self.record.run, f"{self.place}/{name}", reason, self.about, aside))

    def newer(self, name: str) -> None:
        """Note that another version wrote a file."""
        path = f"{self.place}/{name}"
        self.findings.append(FileFinding("newer", path, "was written in another format", UPGRADE, self.about))


def examine_trial(record: ExaminedRecord, asked: Asked, without: Collection[Part] = ()) -> ExaminedTrial:
    """Check every file of a trial; nothing is changed.

    Args:
        record: the trial's files.
        asked: the metrics that its run asks for, if the trial ended well.
        without: what its run was packed without.
    """
    look = _Look(record)
    trial = _trained(look, without)
    if trial is not None:
        look.files += [] if record.log_path.is_symlink() or not is_regular(record.log_path) else ["log.txt"]
        _scores(look, asked if trial.ok else ())
    _links(look)
    return ExaminedTrial(record, trial, tuple(look.files), tuple(look.findings))


def _trained(look: _Look, without: Collection[Part]) -> Trial | None:
    """Check trial.json, and by it the model and the codes; return the trial if all are as written."""
    record = look.record
    try:
        stored = record.read()
    except OtherFormatError:
        look.newer("trial.json")
        return None
    except RunFolderError:
        look.wrong("trial.json", [look.place])
        return None
    look.about = f"{stored.trial.label} on {stored.trial.dataset}, seed {stored.trial.seed}"
    look.files.append("trial.json")
    sound = True
    for name, digest in stored.digests.items():
        if part_of(f"{look.place}/{name}") in without:
            continue
        if record.damaged_file({name: digest}):
            look.wrong(name, [look.place])
            sound = False
        else:
            look.files.append(name)
    return stored.trial if sound else None


def _scores(look: _Look, asked: Asked) -> None:
    """Check the score files: those that are asked for, and those of other metrics and versions."""
    folder = look.record.folder / "scores"
    if os.path.lexists(folder) and not folder.is_dir():
        look.wrong("scores", [f"{look.place}/scores"], "is no folder")
        return
    there = set(os.listdir(folder)) if folder.is_dir() else set()  # noqa: PTH208 - names alone, of many
    names = {}
    for split, request in asked:
        name = request.file(split, "json").removeprefix("scores/")
        names[name] = request, split
        _asked_scores(look, name, request, split, there)
    for name in sorted(there - set(names)):
        if name.endswith(".json") and not name.startswith("."):
            _other_scores(look, name, there)
    for name in sorted(there):
        if name.endswith(ITEMS) and name.removesuffix(ITEMS) + ".json" not in there:
            path = f"{look.place}/scores/{name}"
            look.findings.append(FileFinding("note", path, "belongs to no scores", "nothing reads it", look.about))


def _aside(look: _Look, name: str, there: Collection[str]) -> list[str]:
    """Return the paths of a score file and of its values per item, those that are there."""
    items = name.removesuffix(".json") + ITEMS
    return [f"{look.place}/scores/{each}" for each in (name, items) if each in there]


def _asked_scores(look: _Look, name: str, request: ScoreRequest, split: SplitName, there: Collection[str]) -> None:
    try:
        stored = look.record.read_scores(request, split)
    except OtherFormatError:
        look.newer(f"scores/{name}")
        return
    if stored is None:
        look.wrong(f"scores/{name}", _aside(look, name, there))
    else:
        _with_items(look, name, there, look.record.items_damage(request, split))


def _other_scores(look: _Look, name: str, there: Collection[str]) -> None:
    """Check scores that the run's last request does not name: of another metric, version or split."""
    path = look.record.folder / "scores" / name
    try:
        values = read_sealed(path)
    except OtherFormatError:
        look.newer(f"scores/{name}")
        return
    except RunFolderError:
        look.wrong(f"scores/{name}", _aside(look, name, there))
        return
    if values.get("trial") not in (None, "", look.record.key):
        look.wrong(f"scores/{name}", _aside(look, name, there), "is of another trial")
        return
    digest, items = values.get("items"), f"scores/{name.removesuffix('.json')}{ITEMS}"
    damage = look.record.damaged_file({items: digest}) if isinstance(digest, str) and digest else ""
    _with_items(look, name, there, damage)


def _with_items(look: _Look, name: str, there: Collection[str], damage: str) -> None:
    """Count a score file as sound, and its values per item unless they are damaged."""
    items = name.removesuffix(".json") + ITEMS
    if damage:
        look.wrong(f"scores/{items}", _aside(look, name, there))
    else:
        look.files += [f"scores/{each}" for each in (name, items) if each in there]


def _links(look: _Look) -> None:
    for name in _linked(look.record.folder):
        if outside_link(look.record.run, look.record.folder / name):
            path = f"{look.place}/{name}".rstrip("/.")
            advice = "put what it leads to in its place before the run is moved"
            look.findings.append(
                FileFinding("note", path, "is a link that leaves the run folder", advice, look.about)
            )


def _linked(folder: Path) -> Iterator[str]:
    """Yield what of a trial's folder is a link: "." for itself."""
    if folder.is_symlink():
        yield "."
    for inner in ("", "scores/"):
        if (folder / inner).is_dir():
            with os.scandir(folder / inner) as entries:
                yield from sorted(f"{inner}{entry.name}" for entry in entries if entry.is_symlink())
