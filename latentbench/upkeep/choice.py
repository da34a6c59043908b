"""Which run a trial is taken from where several hold it, and what is told of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from latentbench.trial import ScoreRequest, SplitName, Trial
from latentbench.upkeep.examine import Examination
from latentbench.upkeep.trials import ExaminedRecord, ExaminedTrial

__all__ = ["ChosenTrial", "RunSource", "choose"]


@dataclass(frozen=True)
class RunSource:
    """A run that is joined with others.

    Attributes:
        named: as its user named it, a folder or an archive.
        found: what its folder holds.
    """

    named: Path
    found: Examination


@dataclass(frozen=True)
class ChosenTrial:
    """One trial of the joined run.

    Attributes:
        files: name in the trial's folder -> where it lies.
        record: the one that has been read, if all files are of one run.
        conflict: a sentence on what two runs say of it, "" where they agree.
    """

    files: Mapping[str, Path]
    record: ExaminedRecord | None
    conflict: str = ""


@dataclass(frozen=True)
class _Copy:
    """A trial as one run has it, whole.

    Attributes:
        named: its folder, as the user would find it.
        trial: as recorded, with its outcome.
        examined: its files.
    """

    named: Path
    trial: Trial
    examined: ExaminedTrial

    def scores(self, request: ScoreRequest, split: SplitName) -> Mapping[str, Any] | None:
        """Return what it has of a metric; None where it has nothing."""
        if request.file(split, "json") not in self.examined.files:
            return None
        return self.examined.record.scores_of(request, split)


def choose(key: str, sources: Sequence[RunSource], requests: Sequence[ScoreRequest]) -> ChosenTrial | None:
    """Return a trial from the first run that has it whole, one that ended well before one that did not.

    Scores that only a later run has are added where it holds the very same training.

    Returns:
        None where no run has it whole.
    """
    copies = sorted(_copies(key, sources), key=lambda copy: not copy.trial.ok)
    if not copies:
        return None
    stands, *others = copies
    record = stands.examined.record
    files = {name: record.folder / name for name in stands.examined.files}
    conflicts = [told for other in others if (told := _conflict(stands, other, requests))]
    for other in others:
        if record.digests and other.examined.record.digests == record.digests:
            files |= _scores_to_add(other.examined, files)
    is_of_one = len(files) == len(stands.examined.files)
    return ChosenTrial(files, record if is_of_one else None, conflicts[0] if conflicts else "")


def _copies(key: str, sources: Sequence[RunSource]) -> Iterator[_Copy]:
    for source in sources:
        examined = source.found.trials.get(key)
        if examined is not None and examined.trial is not None:
            yield _Copy(source.named / "trials" / key, examined.trial, examined)


def _scores_to_add(other: ExaminedTrial, files: Mapping[str, Path]) -> dict[str, Path]:
    """Return the score files of another run, with their values per item, that the first one lacks."""
    lacking = {name.removesuffix(".json") for name in other.files if name.endswith(".json") and name not in files}
    added = (name for name in other.files if name.startswith("scores/"))
    return {
        name: other.record.folder / name
        for name in added
        if name.removesuffix(".json").removesuffix(".items.npz") in lacking
    }


def _conflict(stands: _Copy, other: _Copy, requests: Sequence[ScoreRequest]) -> str:
    """Return a sentence on what two runs say of one trial, "" where they agree."""
    name = f"{stands.trial.label} on {stands.trial.dataset}, seed {stands.trial.seed}"
    if stands.trial.ok != other.trial.ok:
        return f"{name} failed in {other.named} and did not in {stands.named}, which stands"
    if not stands.trial.ok:
        return ""
    for score, value, differing in _differences(stands, other, requests):
        return f"{name}: {score} is {value} in {stands.named} and {differing} in {other.named}; the first stands"
    return ""


def _differences(
    stands: _Copy, other: _Copy, requests: Sequence[ScoreRequest]
) -> Iterator[tuple[str, object, object]]:
    """Yield (score, value, other value) of each score of quality that differs; costs always do."""
    splits: tuple[SplitName, ...] = ("test", "validation")
    for request, split in product(requests, splits):
        scores, others = stands.scores(request, split), other.scores(request, split)
        if scores is None or others is None:
            continue
        for name in (name for name, declared in request.scores.items() if declared["kind"] == "quality"):
            value, differing = (each.get(name, {}).get("value") for each in (scores, others))
            if value != differing:
                yield name, value, differing
