"""What a file of scores holds: one metric of one trial, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from latentbench.files.json_files import damaged, read_sealed
from latentbench.files.shapes import Count, NullableNumber, Whole, checked
from latentbench.trial import ScoreRequest

__all__ = ["ScoreFile", "read_score_file"]


@dataclass(frozen=True)
class ScoreFile:
    """What a score file says; `items` is the sha256 of the per-item values beside it, "" where there are none.

    Files of earlier versions say neither `trial` nor `items`.
    """

    metric: str
    version: Whole
    source: str
    n_eval: Count
    seconds: NullableNumber
    scores: Mapping[str, Mapping[str, Any]]
    trial: str = ""
    items: str | None = None

    def fault(self, request: ScoreRequest, trial: str) -> str:
        """Return why it does not answer a request for the scores of a trial, or ""."""
        if (self.metric, self.version) != (request.metric, request.version):
            return f"it is of {self.metric}, version {self.version}"
        if self.trial not in ("", trial):
            return "it is of another trial"
        lacking = request.scores.keys() - self.scores.keys()
        return f"it lacks {', '.join(sorted(lacking))}" if lacking else ""


@dataclass(frozen=True)
class _StoredScore:
    """What a score file says of one score."""

    status: Literal["ok", "not applicable", "failed"]
    reason: str
    value: float | None
    se: float | None


def read_score_file(path: Path, request: ScoreRequest, trial: str) -> ScoreFile:
    """Read the scores of one metric of a trial.

    Raises:
        OtherFormatError: another version wrote them, in a format that this one does not know.
        RunFolderError: the file is damaged, or holds something else.
    """
    values = read_sealed(path)
    try:
        stored = checked(ScoreFile, values)
        for row in stored.scores.values():
            score = checked(_StoredScore, row)
            if score.value is None and score.status == "ok":
                raise ValueError("a score is ok and has no value")
        if fault := stored.fault(request, trial):
            raise ValueError(fault)
    except (AttributeError, TypeError, ValueError) as error:
        raise damaged(path, error) from error
    return stored
