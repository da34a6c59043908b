"""What workers tell while they run jobs: one event type, sent as a line of JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from latentbench.files.shapes import checked
from latentbench.trial import TrialResult

__all__ = ["Listener", "TrialEvent"]


@dataclass(frozen=True)
class TrialEvent:
    """Something that happened to a trial.

    Attributes:
        kind: what happened.
        trial: the trial's key.
        epoch: of "epoch_finished", counted from 1.
        losses: of "epoch_finished", means over its batches.
        result: of "trial_finished".
        metric: of "metric_started", the one that is computed next.
        done: of "metric_started", how many of the trial's metrics are computed.
        total: of "metric_started", how many there are to compute.
    """

    kind: Literal["trial_started", "epoch_finished", "metric_started", "trial_finished"]
    trial: str
    epoch: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    result: TrialResult | None = None
    metric: str = ""
    done: int = 0
    total: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> TrialEvent:
        """Read back what `to_json` gave.

        Raises:
            ValueError: it gave something else.
        """
        given = _complete(cls, values)["result"]
        result = None if given is None else checked(TrialResult, _complete(TrialResult, given))
        event = checked(cls, {**values, "result": result})
        if (event.kind == "trial_finished") != (event.result is not None):
            raise ValueError("a result belongs to the end of a trial")
        return event


def _complete(kind: type[TrialEvent | TrialResult], values: Any) -> dict[str, Any]:
    """Return values if they are an object with all fields: `to_json` leaves none to its default."""
    if not isinstance(values, dict) or values.keys() != kind.__dataclass_fields__.keys():
        raise ValueError(f"it lacks the fields of {kind.__name__}")
    return values


Listener = Callable[[TrialEvent], None]
