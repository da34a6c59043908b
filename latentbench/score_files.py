"""What a file of scores holds: one metric of one trial, checked when it is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from latentbench.files.json_files import damaged, read_sealed
from latentbench.files.shapes import Count, NullableNumber, Whole, checked
from latentbench.trial import NOT_RUN, Outcome, ScoreRequest, Trial

__all__ = ["MISSING", "ScoreFile", "StoredScores", "likelihood_of", "number_of", "read_score_file"]

MISSING = Outcome("skipped", NOT_RUN, "not run yet")


State = tuple[str, str]  # status and reason of a score


@dataclass(slots=True)  # not frozen: a large run has hundreds of thousands, and frozen ones are slow to make
class ScoreFile:
    """What a score file says.

    Attributes:
        metric: registered name; `version` and `source` as it was computed with.
        n_eval: number of items that were scored.
        seconds: time to compute the metric; NaN where that was not recorded.
        names: of its scores.
        states: status and reason of each.
        numbers: value and standard error of each, one after the other; None where there is none.
        items: sha256 of the per-item values beside it, "" where there are none; None in files of earlier versions.
        trial: of which trial it says that it is; "" in files of earlier versions.
    """

    metric: str
    version: int
    source: str
    n_eval: int
    seconds: float
    names: Sequence[str]
    states: Sequence[State]
    numbers: Sequence[float | None]
    items: str | None
    trial: str

    @property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Name -> status, reason, value and standard error (`se`) of each score."""
        pairs = iter(self.numbers)
        return {
            name: {"status": status, "reason": reason, "value": value, "se": error}
            for name, (status, reason), value, error in zip(self.names, self.states, pairs, pairs, strict=True)
        }

    def fault(self, request: ScoreRequest, trial: str) -> str:
        """Return why it does not answer a request for the scores of a trial, or ""."""
        if (self.metric, self.version) != (request.metric, request.version):
            return f"it is of {self.metric}, version {self.version}"
        if self.trial not in ("", trial):
            return "it is of another trial"
        if self.names == request.names:
            return ""
        lacking = request.scores.keys() - set(self.names)
        return f"it lacks {', '.join(sorted(lacking))}" if lacking else ""


@dataclass(frozen=True)
class _StoredFile:
    """What a score file holds. Files of earlier versions say neither `trial` nor `items`."""

    metric: str
    version: Whole
    source: str
    n_eval: Count
    seconds: NullableNumber
    scores: Mapping[str, Mapping[str, Any]]
    trial: str = ""
    items: str | None = None


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
        stored = checked(_StoredFile, values)
        rows = {name: checked(_StoredScore, row) for name, row in stored.scores.items()}
        if any(row.value is None and row.status == "ok" for row in rows.values()):
            raise ValueError("a score is ok and has no value")
        found = ScoreFile(
            stored.metric,
            stored.version,
            stored.source,
            stored.n_eval,
            stored.seconds,
            list(rows),
            [(row.status, row.reason) for row in rows.values()],
            [number for row in rows.values() for number in (row.value, row.se)],
            stored.items,
            stored.trial,
        )
        if fault := found.fault(request, trial):
            raise ValueError(fault)
    except (AttributeError, TypeError, ValueError) as error:
        raise damaged(path, error) from error
    return found


Scored = tuple[str, str, float | None, float | None]  # status, reason, value, se


@dataclass(slots=True)
class StoredScores:
    """One metric of one trial, as its files hold it.

    Attributes:
        trial: with its outcome.
        request: the metric that was asked for.
        names: the scores of it that were asked for.
        content: of the score file, or None where there is none.
    """

    trial: Trial
    request: ScoreRequest
    names: Sequence[str]
    content: ScoreFile | None

    def scored(self) -> list[Scored]:
        """Return status, reason, value and se of each score; why it is missing where the file lacks it."""
        content = self.content
        if content is None:
            return [self._missing()] * len(self.names)
        pairs = iter(content.numbers)
        rows: list[Scored] = [
            (status, reason, value, error)
            for (status, reason), value, error in zip(content.states, pairs, pairs, strict=True)
        ]
        if content.names == self.names:
            return rows
        by_name = dict(zip(content.names, rows, strict=True))
        return [by_name.get(name) or self._missing() for name in self.names]

    def _missing(self) -> Scored:
        outcome = self.trial.outcome or MISSING
        status: str = "missing" if outcome.status in ("ok", "skipped") else outcome.status
        status = "not applicable" if outcome.refused else status
        return status, outcome.message or "not computed", None, None

    def nats_of(self, name: str) -> str:
        """Return the likelihood within which values of a score can be compared; "" where any can."""
        return likelihood_of(self.trial) if self.request.scores[name].get("per_likelihood") else ""

    def flags(self) -> Iterator[str]:
        """Yield the flags of the outcome, and those that values under a threshold raise."""
        yield from (self.trial.outcome or MISSING).flags
        if not self.request.flags:
            return
        for name, (_, _, value, _) in zip(self.names, self.scored(), strict=True):
            declared = self.request.scores[name]
            threshold = declared["flag_below"]
            if declared["flag"] and threshold is not None and number_of(value) < threshold:
                yield declared["flag"]


def number_of(value: float | None) -> float:
    """Return a number of a score file; NaN where there is none."""
    return math.nan if value is None else float(value)


def likelihood_of(trial: Trial) -> str:
    """Return what the trial's model declared; of an old record, what versions without declarations guessed."""
    if trial.traits.likelihood is not None:
        return trial.traits.likelihood
    params = trial.params
    if "likelihood" not in params:
        return ""
    if params["likelihood"] != "gaussian":
        return str(params["likelihood"])
    sigma = params.get("sigma")
    return "gaussian, sigma learned" if sigma == "learned" else f"gaussian, sigma {sigma}"
