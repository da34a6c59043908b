"""Several runs of one benchmark as one run folder, made elsewhere and renamed whole."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from latentbench.errors import RequestError, RunFolderError
from latentbench.files.failures import refusal
from latentbench.files.json_files import write_sealed
from latentbench.files.removing import discard
from latentbench.files.writing import sync
from latentbench.packed.layout import left_out
from latentbench.packed.opening import unpacked
from latentbench.results import Results
from latentbench.trial import ScoreRequest
from latentbench.upkeep.agreement import refuse_other_benchmarks
from latentbench.upkeep.choice import ChosenTrial, RunSource, choose
from latentbench.upkeep.copying import copy_regular, link_or_copy
from latentbench.upkeep.examine import RunRequest, examine, run_request
from latentbench.upkeep.findings import FileFinding
from latentbench.upkeep.leaving import left_behind
from latentbench.upkeep.lock import held
from latentbench.upkeep.trials import ExaminedRecord
from latentbench.upkeep.union import joined_values

__all__ = ["Merged", "merge"]


@dataclass(frozen=True)
class Merged:
    """What came of a merge.

    Attributes:
        folder: the joined run.
        trials: how many it holds.
        missing: how many its run.json asks for that no run has.
        conflicts: sentences on what the runs say differently; the first run stands.
        left_out: sentences on files that are damaged or of another version.
    """

    folder: Path
    trials: int
    missing: int
    conflicts: tuple[str, ...]
    left_out: tuple[str, ...]


def merge(runs: Sequence[Path], out: Path) -> Merged:
    """Join runs of one benchmark: each trial stands once, from the first run that has it whole.

    Args:
        runs: folders or archives.
        out: the folder to make.

    Raises:
        RequestError: the runs are of different benchmarks or data, or something is at `out`.
        RunFolderError: one is no run, is at work, or its run.json cannot be used.
        LatentbenchError: the disk is full or fails.
    """
    folders = [unpacked(run) for run in runs]
    _refuse_place(out, folders)
    with ExitStack() as locks:
        for folder in dict.fromkeys(folders):
            locks.enter_context(held(folder, "merge"))
        asked = [(run, _request_of(run, folder)) for run, folder in zip(runs, folders, strict=True)]
        refuse_other_benchmarks([(run, request.trials) for run, request in asked])
        examined = {folder: examine(folder, exports=False, locked=True) for folder in dict.fromkeys(folders)}
        sources = [RunSource(run, examined[folder]) for run, folder in zip(runs, folders, strict=True)]
        with _made_whole(out) as work:
            return _fill(work, out, sources, asked)


def _refuse_place(out: Path, folders: Sequence[Path]) -> None:
    if os.path.lexists(out) and not (out.is_dir() and not out.is_symlink() and not any(out.iterdir())):
        raise RequestError(f"{out} is there already; choose a new folder with -o")
    for folder in folders:
        if out.resolve().is_relative_to(folder.resolve()):
            raise RequestError(f"{out} lies in the run folder {folder}; choose another folder with -o")


def _request_of(run: Path, folder: Path) -> RunRequest:
    """Return what a run asks for.

    Raises:
        RunFolderError: its run.json cannot be used, or it was packed without files that a run folder needs.
    """
    if not (folder / "trials").is_dir():
        raise RunFolderError(f"{run} is not a run folder: it has no trials; name folders of runs, or packed runs")
    if parts := left_out(folder):
        raise RunFolderError(
            f"{run} was packed without its {' and '.join(sorted(parts))}, which a run folder needs; merge an "
            "archive that holds them, or the run folder itself"
        )
    request = run_request(folder)
    if isinstance(request, FileFinding):
        raise RunFolderError(f"{run / request.sentence}")
    return request


@contextmanager
def _made_whole(out: Path) -> Iterator[Path]:
    """Give a folder to fill, which is synced and takes its place at the end; if that fails, nothing is left."""
    work = out.parent / f".merging-{out.name}-{os.getpid()}"
    discard(work)
    try:
        (work / "trials").mkdir(parents=True)
        yield work
        os.sync()  # once, and not for every file
        work.rename(out)
        sync(out.parent)
    except OSError as error:
        raise refusal(error, f"{out} cannot be written", RunFolderError) from error
    finally:
        discard(work)


def _fill(work: Path, out: Path, sources: Sequence[RunSource], asked: Sequence[tuple[Path, RunRequest]]) -> Merged:
    values, told = joined_values(asked)
    requests = [ScoreRequest.from_json(request) for request in values["requests"]]
    keys = dict.fromkeys(key for source in sources for key in source.found.trials)
    choices = {key: choice for key in keys if (choice := choose(key, sources, requests)) is not None}
    for key, choice in choices.items():
        _copy(choice, work / "trials" / key)
    write_sealed(work / "run.json", values, durable=False)
    _copy_environment(work, sources)
    _write_tables(work, choices)
    missing = {trial.key for _, request in asked for trial in request.trials} - set(choices)
    conflicts = [*told, *(choice.conflict for choice in choices.values() if choice.conflict)]
    names = {f"trials/{key}/{name}" for key, choice in choices.items() for name in choice.files}
    left = [sentence for source in sources for sentence in left_behind(source.named, source.found, names)]
    return Merged(out, len(choices), len(missing), tuple(conflicts), tuple(left))


def _copy(choice: ChosenTrial, folder: Path) -> None:
    folder.mkdir()
    if any(name.startswith("scores/") for name in choice.files):
        (folder / "scores").mkdir()
    for name, path in choice.files.items():
        take = copy_regular if name == "log.txt" else link_or_copy  # a log is written on at its end
        take(path, folder / name)


def _copy_environment(work: Path, sources: Sequence[RunSource]) -> None:
    """Copy what the first run says of machine and versions; each trial says it of itself."""
    for found in (source.found for source in sources):
        if not any(finding.path == "environment.json" for finding in found.findings):
            copy_regular(found.run / "environment.json", work / "environment.json")
            return


def _write_tables(work: Path, choices: Mapping[str, ChosenTrial]) -> None:
    """Write scores.csv and scores.parquet, from what has been read already where a trial is of one run."""

    def record(run: Path, key: str) -> ExaminedRecord:
        choice = choices.get(key)
        if choice is None or choice.record is None:
            return ExaminedRecord(run, key)
        choice.record.forget_all_but(choice.files)
        return choice.record

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is missing: the verb tells it
        with suppress(RunFolderError):  # no score is asked for
            Results(work, record=record).write()
