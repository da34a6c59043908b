"""A run as one file that others load: its request, its trials and their tables."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from latentbench.errors import RunFolderError
from latentbench.packed.layout import MANIFEST, Part, part_of, write_manifest
from latentbench.packed.opening import unpacked
from latentbench.packed.writing import refuse_other_file, write_archive
from latentbench.results import Results
from latentbench.upkeep.examine import Examination, examine
from latentbench.upkeep.exports import EXPORTS
from latentbench.upkeep.leaving import left_behind
from latentbench.upkeep.lock import held
from latentbench.upkeep.trials import ExaminedRecord, ExaminedTrial

__all__ = ["Packed", "pack"]


@dataclass(frozen=True)
class Packed:
    """What was packed.

    Attributes:
        path: the archive.
        trials: how many it holds.
        left_out: sentences on files that are damaged or of another version.
    """

    path: Path
    trials: int
    left_out: tuple[str, ...]


def pack(run: Path, path: Path, without: Collection[Part] = ()) -> Packed:
    """Write an archive of all that is sound in a run.

    Args:
        run: a folder, or an archive to be packed again.
        path: the archive to write; an older archive of a run is replaced.
        without: "models", "codes" or both, to be left out.

    Raises:
        RequestError: something else lies at `path`, or it cannot be written.
        RunFolderError: it is no run, one is at work there, or its run.json cannot be used.
        LatentbenchError: the disk is full or fails.
    """
    refuse_other_file(path)
    folder = unpacked(run)
    with held(folder, "pack"), tempfile.TemporaryDirectory() as staging:
        found = examine(folder, exports=False, locked=True)
        if found.request is None:
            raise RunFolderError(
                f"{run} cannot be packed: its run.json cannot be used; `latentbench doctor {run}` tells why"
            )
        parts = found.without | set(without)
        sound = {key: trial for key, trial in found.trials.items() if trial.trial is not None}
        files = _files(found, sound, parts)
        files |= _made(Path(staging), found, sound, parts)
        write_archive(path, files)
    return Packed(path, len(sound), tuple(left_behind(run, found)))


def _files(found: Examination, sound: Mapping[str, ExaminedTrial], without: Collection[Part]) -> dict[str, Path]:
    """Return name in the archive -> where it lies, of what is packed as it is."""
    files = {"run.json": found.run / "run.json"}
    if not any(finding.path == "environment.json" for finding in found.findings):
        files["environment.json"] = found.run / "environment.json"
    for key, trial in sound.items():
        for name in trial.files:
            packed = f"trials/{key}/{name}"
            if part_of(packed) not in without:
                files[packed] = found.run / packed
    return files


def _made(
    staging: Path, found: Examination, sound: Mapping[str, ExaminedTrial], without: Collection[Part]
) -> dict[str, Path]:
    """Write what is made for the archive: the tables of the trials that it holds, and what it lacks."""
    for trial in sound.values():
        trial.record.forget_all_but(trial.files)

    def record(_: Path, key: str) -> ExaminedRecord:
        return sound[key].record if key in sound else ExaminedRecord(staging, key)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is missing or damaged: the verb tells it
        with suppress(RunFolderError):  # no score is asked for
            Results(found.run, record=record).write(staging)
    tables = {name: staging / name for name in EXPORTS if (staging / name).is_file()}
    return {**tables, MANIFEST: write_manifest(staging, without)}
