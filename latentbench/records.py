"""The files of one trial, in a folder in which nothing is ever half written.

A trial's folder is `trials/KEY/` with `trial.json`, `codes.npz`, `model.safetensors`, `log.txt`, and one file per
metric in `scores/`. It is made elsewhere (`trials/.work-KEY-PID/`) and renamed into place when whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from latentbench.errors import RunFolderError
from latentbench.files.failures import refusal
from latentbench.files.json_files import read_json, write_json
from latentbench.files.writing import sync, write_atomically
from latentbench.trial import Outcome, ScoreRequest, SplitName, Trial

__all__ = ["Record", "StoredTrial", "all_records", "progress_path", "remove_leftovers", "work_folder"]

CHECKED = ("model.safetensors", "codes.npz")


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
    """

    def __init__(self, run: Path, key: str, folder: Path | None = None) -> None:
        self.run, self.key = run, key
        self.place = run / "trials" / key
        self.folder = folder or self.place

    @classmethod
    def begin(cls, run: Path, key: str) -> Record:
        """Return a record under work in a folder of its own."""
        folder = work_folder(run, key, os.getpid())
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise refusal(error, f"the run folder {run} cannot be written", RunFolderError) from error
        return cls(run, key, folder)

    def publish(self) -> None:
        """Rename the folder into place, files and folder synced; a record that is already there stays."""
        if self.is_published:
            return
        for path in sorted(self.folder.rglob("*")):
            sync(path)
        sync(self.folder)
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
        """Whether it lies in its place."""
        return self.folder == self.place

    def exists(self) -> bool:
        """Whether the trial has ended, well or not."""
        return (self.place / "trial.json").is_file()

    @property
    def has_ended(self) -> bool:
        """Whether it says how the trial ended, published or not."""
        return (self.folder / "trial.json").is_file()

    def remove(self) -> None:
        """Forget the trial: its folder is renamed away first, so that no half of it is ever seen."""
        gone = self.place.with_name(f".work-{self.key}-{os.getpid()}-old")
        with suppress(FileNotFoundError):
            self.place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    @property
    def log_path(self) -> Path:
        """Where the trial's output goes."""
        return self.folder / "log.txt"

    def write_trial(self, trial: Trial, outcome: Outcome) -> None:
        """Write `trial.json`, with the sha256 of the model and the codes that lie beside it."""
        files = [path for path in map(self.folder.joinpath, CHECKED) if path.is_file()]
        digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        values = {"trial": trial.to_json(), "outcome": asdict(outcome), "sha256": digests}
        write_json(self.folder / "trial.json", values)

    def damaged_file(self, digests: Mapping[str, str]) -> str:
        """Return which of the files beside `trial.json` is not the one that was written, as a sentence, or ""."""
        for name, digest in digests.items():
            path = self.folder / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                return f"{path} is not the file that was written"
        return ""

    def read(self) -> StoredTrial:
        """Read `trial.json`.

        Raises:
            RunFolderError: the file is damaged.
        """
        path = self.folder / "trial.json"
        values = read_json(path)
        try:
            trial = Trial.from_json(values["trial"], Outcome.from_json(values["outcome"]))
            return StoredTrial(trial, dict(values["sha256"]))
        except (KeyError, TypeError, ValueError) as error:
            damage = f"{type(error).__name__}: {error}"
            raise RunFolderError(
                f"{path} cannot be read ({damage}); remove it and run the same command again"
            ) from error

    def read_trial(self) -> Trial:
        """Read the trial with its outcome.

        Raises:
            RunFolderError: `trial.json` is damaged.
        """
        return self.read().trial

    def write_arrays(self, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write `name` (as codes.npz)."""
        write_atomically(self.folder / name, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def read_arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Read arrays back; no pickle."""
        with (self.folder / name).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)  # numpy leaves a damaged file open that it opened itself

    def write_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write what a model learned as `model.safetensors`."""
        from safetensors.numpy import save

        arrays = {name: np.asarray(value, order="C") for name, value in state.items()}
        write_atomically(self.folder / "model.safetensors", save(arrays))

    @property
    def reloadable(self) -> bool:
        """Whether what the model learned was written."""
        return (self.folder / "model.safetensors").is_file()

    def read_state(self) -> dict[str, npt.NDArray[Any]] | None:
        """Read it back, or None for a model that cannot be reloaded."""
        from safetensors.numpy import load_file

        return load_file(self.folder / "model.safetensors") if self.reloadable else None

    def write_scores(
        self,
        request: ScoreRequest,
        rows: Mapping[str, Any],
        items: Mapping[str, npt.NDArray[Any]],
        split: SplitName = "test",
    ) -> None:
        """Write the scores of one metric: `scores/STEM.json`, per-item values beside it, items first.

        The items are on the disk by then; the JSON, which says that there are scores, is computed anew if lost.
        """
        (self.folder / "scores").mkdir(exist_ok=True)
        if items:
            self.write_arrays(request.file(split, "items.npz"), items)
        write_json(self.folder / request.file(split, "json"), rows, durable=False)

    def read_scores(self, request: ScoreRequest, split: SplitName = "test") -> dict[str, Any] | None:
        """Read the scores of one metric, or None when they have not been made or are damaged, with a warning."""
        path = self.folder / request.file(split, "json")
        if not path.is_file():
            return None
        with suppress(RunFolderError):
            stored = read_json(path)
            if isinstance(stored, dict) and isinstance(stored.get("scores"), dict):
                return stored
        warnings.warn(f"{path} is damaged and left out; the same command makes it again", stacklevel=2)
        return None

    def forget_scores(self, request: ScoreRequest, split: SplitName = "test") -> None:
        """Remove the scores of a metric."""
        (self.folder / request.file(split, "json")).unlink()

    def read_items(self, request: ScoreRequest, split: SplitName = "test") -> dict[str, npt.NDArray[Any]]:
        """Read the per-item values of a metric: score name -> `(n,)`; empty where there are none."""
        name = request.file(split, "items.npz")
        if not (self.folder / name).is_file():
            return {}
        try:
            return self.read_arrays(name)
        except (OSError, ValueError, BadZipFile) as error:
            warnings.warn(f"{self.folder / name} is damaged and left out ({error})", stacklevel=2)
            return {}


def all_records(run: Path) -> Iterator[Record]:
    """Every finished trial in a run's folder."""
    folder = run / "trials"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if len(path.name) == 64 and (path / "trial.json").is_file():
            yield Record(run, path.name)


def work_folder(run: Path, key: str, process: int) -> Path:
    """Where a process makes a trial's record before it is renamed into place."""
    return run / "trials" / f".work-{key}-{process}"


def progress_path(run: Path, key: str) -> Path:
    """Where a trial in the middle of its training is saved."""
    return run / "trials" / f".progress-{key}.safetensors"


def remove_leftovers(run: Path) -> None:
    """Remove what killed workers left behind, but for trials to go on with; call it with the run's lock held."""
    for path in (run / "trials").glob(".work-*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in (run / "trials").glob(".*.safetensors.*"):  # half written
        path.unlink(missing_ok=True)
    for record in all_records(run):
        progress_path(run, record.key).unlink(missing_ok=True)
