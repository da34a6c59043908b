"""What workers tell while they run jobs: one event type, sent as a line of JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from latentbench.trial import Status, TrialResult

__all__ = ["Listener", "TrialEvent"]

Kind = Literal["trial_started", "epoch_finished", "trial_finished"]


@dataclass(frozen=True)
class TrialEvent:
    """Something that happened to a trial.

    Attributes:
        kind: what happened.
        trial: the trial's key.
        epoch: of "epoch_finished", counted from 1.
        losses: of "epoch_finished", means over its batches.
        result: of "trial_finished".
    """

    kind: Kind
    trial: str
    epoch: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    result: TrialResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> TrialEvent:
        """Read back what `to_json` gave.

        Raises:
            ValueError: it gave something else.
        """
        if not isinstance(values, dict) or values.keys() != cls.__dataclass_fields__.keys():
            raise ValueError("it lacks the fields of an event")
        event = cls(**{**values, "result": _result(values["result"])})
        numbers = isinstance(event.losses, dict) and all(map(_is_number, event.losses.values()))
        if event.kind not in get_args(Kind) or not isinstance(event.trial, str):
            raise ValueError("it is of no kind of event")
        if (
            not numbers
            or not isinstance(event.epoch, int)
            or (event.kind == "trial_finished") != bool(event.result)
        ):
            raise ValueError(f"it is not all that {event.kind} says")
        return event


def _result(values: Any) -> TrialResult | None:
    if values is None:
        return None
    if not isinstance(values, dict) or values.keys() != TrialResult.__dataclass_fields__.keys():
        raise ValueError("it lacks the fields of a result")
    result = TrialResult(**values)
    texts = isinstance(result.failed_scores, dict) and all(map(_is_text, result.failed_scores.values()))
    if not texts or not _is_text(result.error) or not _is_text(result.message) or not _is_number(result.seconds):
        raise ValueError("it is no result")
    if result.status not in get_args(Status):
        raise ValueError("it is of no status")
    return result


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


Listener = Callable[[TrialEvent], None]
