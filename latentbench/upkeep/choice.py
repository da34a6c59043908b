"""Which run a trial is taken from where several hold it, and what is told of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentbench.trial import ScoreRequest, Trial
from latentbench.upkeep.examine import Examination
from latentbench.upkeep.trials import ExaminedTrial

__all__ = ["Choice", "Source", "choose"]


@dataclass(frozen=True)
class Source:
    """A run that is joined with others.

    Attributes:
        named: as its user named it, a folder or an archive.
        found: what its folder holds.
    """

    named: Path
    found: Examination


@dataclass(frozen=True)
class Choice:
    """One trial of the joined run.

    Attributes:
        trial: as it was recorded.
        files: name in the trial's folder -> where it lies.
        examined: the trial as it was looked over, if all files are of one run.
        conflict: a sentence on what two runs say of it, "" where they agree.
    """

    trial: Trial
    files: Mapping[str, Path]
    examined: ExaminedTrial | None
    conflict: str = ""


def choose(key: str, sources: Sequence[Source], requests: Sequence[ScoreRequest]) -> Choice | None:
    """Return a trial from the first run that has it whole, one that ended well before one that did not.

    Scores that only a later run has are added where it holds the very same training.

    Returns:
        None where no run has it whole.
    """
    held = [(source, each) for source in sources if (each := source.found.trials.get(key)) and each.trial]
    held = [(source, each) for source, each in held if each.trial is not None]
    if not held:
        return None
    held.sort(key=lambda pair: not (pair[1].trial is not None and pair[1].trial.ok))
    (first, chosen), others = held[0], held[1:]
    files = {name: chosen.record.folder / name for name in chosen.files}
    conflict = ""
    for other, each in others:
        conflict = conflict or _conflict((first, chosen), (other, each), requests)
        if each.record.digests == chosen.record.digests:
            files |= _scores_to_add(each, files)
    if chosen.trial is None:
        return None
    return Choice(chosen.trial, files, chosen if len(files) == len(chosen.files) else None, conflict)


def _scores_to_add(other: ExaminedTrial, files: Mapping[str, Path]) -> dict[str, Path]:
    """Return the score files of another run, with their values per item, that the first one lacks."""
    lacking = {name.partition(".json")[0] for name in other.files if name.endswith(".json") and name not in files}
    return {
        name: other.record.folder / name
        for name in other.files
        if name.startswith("scores/") and name.removesuffix(".items.npz").partition(".json")[0] in lacking
    }


def _conflict(
    stands: tuple[Source, ExaminedTrial], other: tuple[Source, ExaminedTrial], requests: Sequence[ScoreRequest]
) -> str:
    (source, chosen), (elsewhere, each) = stands, other
    paths = [where.named / "trials" / each.record.key for where in (source, elsewhere)]
    if chosen.trial is None or each.trial is None:
        return ""
    name = f"{chosen.trial.label} on {chosen.trial.dataset}, seed {chosen.trial.seed}"
    if chosen.trial.ok != each.trial.ok:
        return f"{name} failed in {paths[1]} and did not in {paths[0]}, which stands"
    difference = _difference(chosen, each, requests) if chosen.trial.ok else ""
    return f"{name}: {difference.format(*paths)}; the first stands" if difference else ""


def _difference(one: ExaminedTrial, other: ExaminedTrial, requests: Sequence[ScoreRequest]) -> str:
    """Return the first score of quality that differs, with places for two paths; costs always do."""
    for request in requests:
        for split in ("test", "validation"):
            name = request.file(split, "json")
            if not (name in one.files and name in other.files):
                continue
            mine, others = one.record.scores_of(request, split), other.record.scores_of(request, split)
            for score, declared in request.scores.items():
                values = [each.get(score, {}).get("value") for each in (mine, others)]
                if declared["kind"] == "quality" and values[0] != values[1]:
                    return f"{score} is {values[0]} in {{}} and {values[1]} in {{}}"
    return ""
