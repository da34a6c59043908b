"""The files of one trial, in a folder in which nothing is ever half written.

A trial's folder is `trials/KEY/` with `trial.json`, `codes.npz`, `model.safetensors`, `log.txt`, and one file per
metric in `scores/`. It is made elsewhere (`trials/.work-KEY-PID/`) and renamed into place when whole.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latentbench.errors import OtherFormatError, RunFolderError
from latentbench.files.archives import read_npz, read_safetensors
from latentbench.files.failures import refusal
from latentbench.files.json_files import damaged, read_sealed, write_sealed
from latentbench.files.regular import is_digested, is_regular
from latentbench.files.removing import clear_way, discard, in_the_way, make_folder
from latentbench.files.writing import sync, write_atomically
from latentbench.remembered.memory import KnownTrial
from latentbench.score_files import ScoreFile, read_score_file
from latentbench.trial import Outcome, ScoreRequest, SplitName, Trial

__all__ = ["Record", "StoredTrial", "all_records", "progress_path", "remove_leftovers", "work_folder"]

SYNCS_AT_ONCE = 8  # forty files of a trial: 9 ms, one after the other 150 (ext4)
CHECKED = ("model.safetensors", "codes.npz")
OF_SCORES = ("source", "n_eval", "seconds", "scores")  # what readers learn of a score file


@dataclass(frozen=True)
class StoredTrial:
    """What `trial.json` says.

    Attributes:
        trial: with its outcome.
        digests: file name -> sha256 of each file that was written beside it.
    """

    trial: Trial
    digests: Mapping[str, str]


class Record:
    """The folder of one trial.

    Args:
        run: the run's folder.
        key: the trial's key.
        folder: where the files lie; the trial's place in the run unless it is still being made.
        known: what is remembered of the files as they are now (`Memory.trial`); what is read is added to it.
    """

    def __init__(self, run: Path, key: str, folder: Path | None = None, known: KnownTrial | None = None) -> None:
        self.run, self.key = run, key
        self.place = run / "trials" / key
        self.folder = folder or self.place
        self._known = KnownTrial() if known is None else known
        self._digests: Mapping[str, str] | None = None
        self._items: dict[str, str | None] = {}  # name of a file with per-item values -> its sha256, if known

    @classmethod
    def begin(cls, run: Path, key: str) -> Record:
        """Return a record under work in a folder of its own."""
        folder = work_folder(run, key, os.getpid())
        discard(folder)
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise refusal(error, f"the run folder {run} cannot be written", RunFolderError) from error
        return cls(run, key, folder)

    def publish(self) -> None:
        """Rename the folder into place, files and folder synced; a record that is already there stays."""
        if self.is_published:
            return
        with ThreadPoolExecutor(SYNCS_AT_ONCE) as threads:  # the disk takes them together
            list(threads.map(sync, [*self.folder.rglob("*"), self.folder]))
        try:
            self.folder.rename(self.place)
        except OSError:
            if self.exists():
                shutil.rmtree(self.folder, ignore_errors=True)
            else:
                self.remove()  # what is left of a record without its trial.json
                self.folder.rename(self.place)
        sync(self.place.parent)
        self.folder = self.place

    @property
    def is_published(self) -> bool:
        """Whether it lies in its place; until then its files need not be on the disk, and are not waited for."""
        return self.folder == self.place

    def exists(self) -> bool:
        """Whether the trial has ended, well or not."""
        return is_regular(self.place / "trial.json")

    @property
    def has_ended(self) -> bool:
        """Whether it says how the trial ended, published or not."""
        return (self.folder / "trial.json").is_file()

    def remove(self) -> None:
        """Forget the trial: its folder is renamed away first, so that no half of it is ever seen."""
        gone = self.place.with_name(f".work-{self.key}-{os.getpid()}-old")
        with suppress(FileNotFoundError):
            self.place.rename(gone)
        discard(gone)
        self._known.forget()
        self._digests = None
        self._items.clear()

    @property
    def log_path(self) -> Path:
        """Where the trial's output goes."""
        return self.folder / "log.txt"

    def write_trial(self, trial: Trial, outcome: Outcome) -> None:
        """Write `trial.json`, with the sha256 of the model and the codes that lie beside it."""
        self._known.forget()
        files = [path for path in map(self.folder.joinpath, CHECKED) if path.is_file()]
        self._digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        values = {"trial": trial.to_json(), "outcome": asdict(outcome), "sha256": self._digests}
        write_sealed(self.folder / "trial.json", values, durable=self.is_published)

    def damaged_file(self, digests: Mapping[str, str]) -> str:
        """Return which of the files beside `trial.json` is not the one that was written, as a sentence, or ""."""
        for name, digest in digests.items():
            if not self._is_whole(name, digest):
                return f"{self.folder / name} is not the file that was written"
        return ""

    def _is_whole(self, name: str, digest: str) -> bool:
        """Whether a file is the one that was written."""
        if self._known.knows_whole(name):
            return True
        whole = is_digested(self.folder / name, digest)
        if whole:
            self._known.learn_whole(name)
        return whole

    def read(self) -> StoredTrial:
        """Read `trial.json`.

        Raises:
            OtherFormatError: another version wrote it, in a format that this one does not know.
            RunFolderError: the file is damaged.
        """
        path = self.folder / "trial.json"
        values = read_sealed(path) if self._known.trial is None else self._known.trial
        try:
            if set(values) != {"trial", "outcome", "sha256"}:
                raise ValueError(f"it holds {', '.join(sorted(values)) or 'nothing'}")
            trial = Trial.from_json(values["trial"], Outcome.from_json(values["outcome"]))
            if self._known.trial is None and trial.key != self.key:
                raise ValueError("it is of another trial")
            self._digests = _checked_digests(values["sha256"])
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise damaged(path, f"{type(error).__name__}: {error}") from error
        if self._known.trial is None:
            self._known.learn_trial(values)
        return StoredTrial(trial, self._digests)

    def read_outcome(self) -> Outcome:
        """Read how the trial ended.

        Raises:
            RunFolderError: `trial.json` is damaged, or does not say.
        """
        if self._known.trial is not None:  # it was checked when it was read
            return Outcome.from_json(self._known.trial["outcome"])
        outcome = self.read().trial.outcome
        if outcome is None:
            raise damaged(self.folder / "trial.json", "it does not say how the trial ended")
        return outcome

    @property
    def digests(self) -> Mapping[str, str]:
        """File name -> sha256 of the model and the codes, as `trial.json` says; read once.

        Raises:
            RunFolderError: `trial.json` is damaged.
        """
        return self.read().digests if self._digests is None else self._digests

    def read_trial(self) -> Trial:
        """Read the trial with its outcome.

        Raises:
            RunFolderError: `trial.json` is damaged.
        """
        return self.read().trial

    def write_arrays(self, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
        """Write `name` (as codes.npz); return the sha256 of the file."""
        self._known.forget()
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        path = self.folder / name
        clear_way(path)
        write_atomically(path, buffer.getbuffer(), durable=self.is_published)
        return hashlib.sha256(buffer.getbuffer()).hexdigest()

    def read_arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Read arrays back; no pickle. What `trial.json` has a digest of must be what was written.

        Raises:
            RunFolderError: the file is damaged or missing.
        """
        return read_npz(self.folder / name, self.digests.get(name, "") if name in CHECKED else None)

    def write_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write what a model learned as `model.safetensors`."""
        from safetensors.numpy import save

        self._known.forget()
        arrays = {name: np.asarray(value, order="C") for name, value in state.items()}
        write_atomically(self.folder / "model.safetensors", save(arrays), durable=self.is_published)

    @property
    def reloadable(self) -> bool:
        """Whether what the model learned was written."""
        return "model.safetensors" in self.digests

    def read_state(self) -> dict[str, npt.NDArray[Any]] | None:
        """Read it back, or None for a model that cannot be reloaded.

        Raises:
            RunFolderError: it is not the file that was written.
        """
        digest = self.digests.get("model.safetensors")
        return None if digest is None else read_safetensors(self.folder / "model.safetensors", digest)

    def write_scores(
        self,
        request: ScoreRequest,
        rows: Mapping[str, Any],
        items: Mapping[str, npt.NDArray[Any]],
        split: SplitName = "test",
    ) -> None:
        """Write the scores of one metric: `scores/STEM.json`, per-item values beside it, items first.

        In a published record the items are on the disk by then; the JSON, which says that there are scores, is
        computed anew if lost.
        """
        make_folder(self.folder / "scores")
        digest = self.write_arrays(request.file(split, "items.npz"), items) if items else ""
        path = self.folder / request.file(split, "json")
        clear_way(path)
        write_sealed(path, {**rows, "trial": self.key, "items": digest}, durable=False)
        self._known.forget()
        self._items[request.file(split, "items.npz")] = digest

    def scores_path(self, request: ScoreRequest, split: SplitName) -> Path:
        """Return the file of the scores of one metric."""
        return self.folder / request.file(split, "json")

    def lacks_scores(self, request: ScoreRequest, split: SplitName) -> bool:
        """Whether the file of the scores of one metric is not there, and nothing else in its place."""
        path = self.scores_path(request, split)
        return not is_regular(path) and not in_the_way(path)

    def read_scores(self, request: ScoreRequest, split: SplitName = "test") -> dict[str, Any] | None:
        """Read the scores of one metric, or None when they have not been made or are damaged, with a warning.

        Raises:
            OtherFormatError: another version wrote them, in a format that this one does not know.
        """
        stored = self.score_file(request, split)
        return None if stored is None else {name: getattr(stored, name) for name in OF_SCORES}

    def score_file(self, request: ScoreRequest, split: SplitName = "test") -> ScoreFile | None:
        """Read the file of the scores of one metric, as `read_scores`."""
        stored = self._known.scores.get(request.file(split, "json"))
        if stored is not None and not stored.fault(request, self.key):
            return stored
        stored = self._stored_scores(request, split)
        self._items[request.file(split, "items.npz")] = "" if stored is None else stored.items
        return stored

    def _items_digest(self, request: ScoreRequest, split: SplitName) -> str | None:
        """Return the sha256 of the per-item values of a metric; "" where there are none, None if not known."""
        name = request.file(split, "items.npz")
        if name in self._items:
            return self._items[name]
        stored = self.score_file(request, split)
        return "" if stored is None else stored.items

    def _stored_scores(self, request: ScoreRequest, split: SplitName) -> ScoreFile | None:
        """Read the file of the scores of one metric; None, with a warning, where it cannot be used."""
        path = self.scores_path(request, split)
        if not is_regular(path):
            if obstacle := in_the_way(path):
                warnings.warn(f"{obstacle} is no file of scores; the same command makes it again", stacklevel=2)
            return None
        try:
            stored = read_score_file(path, request, self.key)
        except OtherFormatError:
            raise
        except RunFolderError:
            warnings.warn(f"{path} is damaged and left out; the same command makes it again", stacklevel=3)
            return None
        self._known.learn_scores(request.file(split, "json"), stored)
        return stored

    def forget_scores(self, request: ScoreRequest, split: SplitName = "test") -> None:
        """Remove the scores of a metric."""
        self._known.forget()
        (self.folder / request.file(split, "json")).unlink()

    def read_items(self, request: ScoreRequest, split: SplitName = "test") -> dict[str, npt.NDArray[Any]]:
        """Read the per-item values of a metric: score name -> `(n,)`; empty where there are none.

        Damaged ones are left out, with a warning.
        """
        try:
            return self._checked_items(request, split)
        except RunFolderError as error:
            path = self.folder / request.file(split, "items.npz")
            warnings.warn(
                f"{path} is damaged and left out; the same command makes it again ({error.__cause__ or error})",
                stacklevel=2,
            )
            return {}

    def items_damage(self, request: ScoreRequest, split: SplitName = "test") -> str:
        """Return why the per-item values of a metric are not those that were written, as a sentence, or ""."""
        name = request.file(split, "items.npz")
        path = self.folder / name
        if (digest := self._items_digest(request, split)) is not None:
            return "" if not digest or self._is_whole(name, digest) else f"{path} is not the file that was written"
        try:
            self._checked_items(request, split)
        except RunFolderError as error:
            return f"{path} is damaged ({error.__cause__ or error})"
        return ""

    def _checked_items(self, request: ScoreRequest, split: SplitName) -> dict[str, npt.NDArray[Any]]:
        """Read per-item values; RunFolderError where they are damaged."""
        name = request.file(split, "items.npz")
        path, digest = self.folder / name, self._items_digest(request, split)
        if digest == "" or (digest is None and not os.path.lexists(path)):
            return {}
        items = read_npz(path, digest)
        for score, values in items.items():
            if score not in request.scores or values.ndim != 1 or values.dtype.kind != "f":
                raise damaged(path, f"{score} holds {values.dtype} {values.shape}")
        return items


def _checked_digests(values: Any) -> dict[str, str]:
    """Return the digests of `trial.json`, which name no other files than those beside it."""
    if not (isinstance(values, dict) and set(values) <= set(CHECKED)):
        raise ValueError("sha256 must hold digests of the model and the codes")
    if not all(isinstance(digest, str) for digest in values.values()):
        raise ValueError("a sha256 is text")
    return values


def all_records(run: Path) -> Iterator[Record]:
    """Every finished trial in a run's folder."""
    folder = run / "trials"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if len(path.name) == 64 and is_regular(path / "trial.json"):
            yield Record(run, path.name)


def work_folder(run: Path, key: str, process: int) -> Path:
    """Where a process makes a trial's record before it is renamed into place."""
    return run / "trials" / f".work-{key}-{process}"


def progress_path(run: Path, key: str) -> Path:
    """Where a trial in the middle of its training is saved."""
    return run / "trials" / f".progress-{key}.safetensors"


def remove_leftovers(run: Path, *, at_work: bool = False) -> None:
    """Remove what killed workers left, but for trials to go on with; under the lock. `at_work`: some are alive."""
    if not at_work:
        for pattern in (".work-*", ".*.safetensors.*"):  # these are half written
            for path in (run / "trials").glob(pattern):
                discard(path)
    for path in (run / "trials").glob(".progress-*.safetensors"):
        if not is_regular(path):
            discard(path)
    for record in all_records(run):
        discard(progress_path(run, record.key))
