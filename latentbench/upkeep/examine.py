"""A run folder looked over: the request, every trial, the tables made from them, and what lies about."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from latentbench.errors import OtherFormatError, RunFolderError
from latentbench.execution.executors.claims import busy
from latentbench.files.json_files import read_sealed
from latentbench.files.run_files import read_environment, read_request
from latentbench.packed.layout import Part, left_out
from latentbench.results import Results
from latentbench.trial import ScoreRequest, SplitName, Trial, deciding
from latentbench.upkeep.exports import examine_exports
from latentbench.upkeep.findings import FileFinding
from latentbench.upkeep.lock import is_at_work
from latentbench.upkeep.places import AGAIN, UPGRADE, fault, outside_link
from latentbench.upkeep.trials import ExaminedRecord, ExaminedTrial, examine_trial

__all__ = ["Examination", "RunRequest", "examine", "run_request"]

KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RunRequest:
    """What run.json asks for.

    Attributes:
        values: all of it.
        trials: as requested, without outcome.
        requests: the metrics.
    """

    values: Mapping[str, Any]
    trials: tuple[Trial, ...]
    requests: tuple[ScoreRequest, ...]

    @property
    def swept(self) -> list[str]:
        """Datasets whose trials are scored on the validation split too."""
        return list(self.values.get("swept", ()))

    def asked(self, trial: Trial) -> list[tuple[SplitName, ScoreRequest]]:
        """Return all that is asked of a trial."""
        asked: list[tuple[SplitName, ScoreRequest]] = [("test", request) for request in self.requests]
        if trial.dataset in self.swept:
            asked += [("validation", request) for request in deciding(self.requests)]
        return asked


@dataclass(frozen=True)
class Examination:
    """What a run folder holds.

    Attributes:
        run: the folder.
        request: what run.json asks for; None where it cannot be used.
        trials: key -> each trial that has a folder.
        findings: all that was found, in the order of looking.
        without: what the run was packed without.
    """

    run: Path
    request: RunRequest | None
    trials: Mapping[str, ExaminedTrial]
    findings: tuple[FileFinding, ...]
    without: frozenset[Part] = frozenset()

    @property
    def count(self) -> int:
        """How many trials there are, or should be."""
        asked = {trial.key for trial in self.request.trials} if self.request else set()
        return len(asked | set(self.trials))

    @property
    def results(self) -> Results:
        """The results of the run, which read no file of the trials again."""
        return Results(self.run, record=self._record)

    def _record(self, run: Path, key: str) -> ExaminedRecord:
        examined = self.trials.get(key)
        return ExaminedRecord(run, key) if examined is None else examined.record


def examine(run: Path, *, exports: bool = True, locked: bool = False) -> Examination:
    """Check all files of a run folder; nothing is changed.

    Args:
        run: the folder.
        exports: whether scores.csv and scores.parquet are compared with the trials' files.
        locked: whether this process holds the lock of the folder.

    Raises:
        RunFolderError: it is no run folder.
    """
    if not (os.path.lexists(run / "run.json") or (run / "trials").is_dir()):
        raise RunFolderError(f"{run} is not a run folder: it has neither run.json nor trials")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they would say is found here
        found = _examined(run, exports)
    return found if locked else replace(found, findings=(*_at_work(run), *found.findings))


def _examined(run: Path, exports: bool) -> Examination:
    findings = [*_environment(run)]
    asks = run_request(run)
    request = None if isinstance(asks, FileFinding) else asks
    findings += [asks] if isinstance(asks, FileFinding) else []
    without = left_out(run)
    if without:
        what = f"says that the run was packed without its {' and '.join(sorted(without))}"
        findings.append(FileFinding("note", "packed.json", what, "they are not looked for"))
    keys = [name for name in _names(run / "trials") if KEY.fullmatch(name)]
    asked = {} if request is None else {trial.key: request.asked(trial) for trial in request.trials}
    records = {key: ExaminedRecord(run, key) for key in keys}
    trials = {key: examine_trial(record, asked.get(key, ()), without) for key, record in records.items()}
    findings += [finding for trial in trials.values() for finding in trial.findings]
    findings += [*_not_there(request, trials), *_lying_about(run), *_outside(run, findings), *_pair_scores(run)]
    examination = Examination(run, request, trials, tuple(findings), without)
    if not exports or request is None or any(finding.kind == "newer" for finding in findings):
        return examination
    return replace(examination, findings=(*findings, *examine_exports(examination.results)))


def _at_work(run: Path) -> Iterator[FileFinding]:
    again = "look again when it has ended"
    if busy(run):
        yield FileFinding(
            "note", "executor", "shows signs of life: workers of an executor are at work here", again
        )
    elif is_at_work(run):
        yield FileFinding("note", "run.lock", "is held: a run is at work here", again)


def run_request(run: Path) -> RunRequest | FileFinding:
    """Return what run.json asks for, or what is wrong with it."""
    try:
        values = read_request(run)
        trials = tuple(Trial.from_json(trial) for trial in values["trials"])
        return RunRequest(values, trials, tuple(ScoreRequest.from_json(each) for each in values["requests"]))
    except OtherFormatError:
        return FileFinding("newer", "run.json", "was written in another format", UPGRADE)
    except (RunFolderError, AttributeError, KeyError, TypeError, ValueError):
        return fault(run, "run.json", "is not the file that was written", "", ["run.json"])


def _environment(run: Path) -> Iterator[FileFinding]:
    try:
        read_sealed(run / "environment.json")
    except OtherFormatError:
        yield FileFinding("newer", "environment.json", "was written in another format", UPGRADE)
        return
    except RunFolderError:
        pass
    else:
        if read_environment(run):
            return
    yield fault(run, "environment.json", "is not the file that was written", "", ["environment.json"])


def _not_there(request: RunRequest | None, trials: Mapping[str, ExaminedTrial]) -> Iterator[FileFinding]:
    for trial in request.trials if request else ():
        if trial.key not in trials:
            about = f"{trial.label} on {trial.dataset}, seed {trial.seed}"
            yield FileFinding("missing", f"trials/{trial.key}", "is missing", AGAIN, about)


def _names(folder: Path) -> Sequence[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names alone, of many
    except OSError:
        return ()


def _lying_about(run: Path) -> Iterator[FileFinding]:
    """Yield what killed runs left, and what is no run's."""
    for name in _names(run / "trials"):
        path = f"trials/{name}"
        if name.startswith(".progress-") and name.endswith(".safetensors"):
            yield FileFinding(
                "note", path, "is a training that stopped on its way", "the same command continues it"
            )
        elif name.startswith("."):
            yield FileFinding("note", path, "was left by a run that ended early", "the next run removes it")
        elif not KEY.fullmatch(name):
            yield FileFinding("note", path, "is no trial", "nothing reads it")


def _pair_scores(run: Path) -> Iterator[FileFinding]:
    """Yield the files of pair scores that are not as they were written."""
    for name in _names(run / "similarity"):
        path = f"similarity/{name}"
        try:
            if name.endswith(".json"):
                read_sealed(run / path)
        except OtherFormatError:
            yield FileFinding("newer", path, "was written in another format", UPGRADE)
        except RunFolderError:
            yield fault(run, path, "is not the file that was written", "", [path])


def _outside(run: Path, findings: Sequence[FileFinding]) -> Iterator[FileFinding]:
    """Yield the links by which a run would write elsewhere."""
    known = {finding.path for finding in findings}
    for name in ("run.json", "run.lock", "events.jsonl", "trials"):
        if name not in known and outside_link(run, run / name):
            yield FileFinding(
                "damaged", name, "is a link that leaves the run folder", "put what it leads to in its place"
            )
