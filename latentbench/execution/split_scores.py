"""The scores of one split of a trial: every metric sees it as it is, whatever the metrics before it did."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from latentbench.errors import NotApplicableError
from latentbench.execution.isolation.failures import described
from latentbench.execution.isolation.put_back import put_back
from latentbench.execution.scoring import measure, unmeasured
from latentbench.latent.seals import broken_seals
from latentbench.latent.space import LatentSpace
from latentbench.model import Model
from latentbench.opening import latent_space
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import ScoreRequest, SplitName, Trial

__all__ = ["SplitScores"]

LOG = logging.getLogger(__name__)
CHECKING = 0.01  # share of the time of metrics that digests may take

Measured = tuple[ScoreRequest, Mapping[str, Any], Mapping[str, Any]]


@dataclass
class SplitScores:
    """Scores of one split, on their way to a trial's folder.

    What metrics see is digested again after them, as often as their time allows. Until then their scores wait; if
    something was written into, the metrics are measured again one by one, each on an unspoilt space, and the one
    that writes fails.

    Attributes:
        split: which.
        trial: with its outcome.
        record: where its scores are written.
        plugins: where metrics come from.
        device: where the model computes.
        model: the trained one; None: it is reloaded.
        space: the split seen through it; None: it is made.
        failed: score name -> message of each that failed.
    """

    split: SplitName
    trial: Trial
    record: Record
    plugins: Plugins
    device: str
    model: Model | None = None
    space: LatentSpace | None = None
    failed: dict[str, str] = field(default_factory=dict)
    _waiting: list[Measured] = field(default_factory=list)
    _reason: tuple[str, str] = ("", "")  # status and reason of scores that have no space

    def prepare(self, change: Callable[[LatentSpace], LatentSpace]) -> None:
        """Change the space and compute what every metric needs, for processes that are forked from this one."""
        space = self._opened()
        if space is not None:
            with put_back(f"the model of {self.trial.label}"), contextlib.suppress(Exception):
                self.space = change(space)
                _ = self.space.arranged  # what fails here fails again in each metric

    def compute(self, requests: Iterable[ScoreRequest], begins: Callable[[str], None]) -> dict[str, str]:
        """Compute metrics and write their scores; return the message of each that failed.

        `begins` is called with the name of each metric, before it is computed.
        """
        seconds = cost = 0.0
        for request in requests:
            begins(request.metric)
            started = time.perf_counter()
            self._waiting.append(self._measured(request, checked=False))
            seconds += time.perf_counter() - started
            if seconds * CHECKING >= cost:
                seconds, cost = 0.0, self._settle()
        self._settle()
        return self.failed

    def _settle(self) -> float:
        """Write the scores that wait, once nothing was written into; return the seconds that it took to see."""
        started = time.perf_counter()
        spoilt = self._spoilt()
        seconds = time.perf_counter() - started
        waiting, self._waiting = self._waiting, []
        if spoilt:
            self._renew()
        for measured in waiting:
            self._write(*(self._measured_alone(measured[0]) if spoilt else measured))
        return seconds

    def _measured_alone(self, request: ScoreRequest) -> Measured:
        """Measure again what may have written, or may have seen what another wrote."""
        measured = self._measured(request)
        if self._spoilt():
            self._renew()
        return measured

    def _measured(self, request: ScoreRequest, *, checked: bool = True) -> Measured:
        space = self._opened()
        if space is None:
            return request, unmeasured(request, *self._reason), {}
        return request, *measure(request, self.plugins, space, checked=checked)

    def _opened(self) -> LatentSpace | None:
        """Return the space, which is made where there is none, or None where it cannot be made."""
        if self.space is None and not self._reason[0]:
            try:
                with put_back(f"the model of {self.trial.label}"):
                    self.space = latent_space(
                        self.trial, self.record, self.plugins, self.model, self.device, self.split
                    )
            except NotApplicableError as error:
                self._reason = "not applicable", described(error)
            except Exception as error:
                LOG.exception("there is no latent space")
                self._reason = "failed", f"{type(error).__name__}: {described(error)}"
        return self.space

    def _spoilt(self) -> list[str]:
        """Name what is not as it was handed out to metrics."""
        handed_out = None if self.space is None else self.space.__dict__.get("arranged")
        return [] if handed_out is None else broken_seals(handed_out)

    def _renew(self) -> None:
        """Forget the space, and the model where it can be reloaded: a metric may have written into it."""
        self.space = None
        if self.record.reloadable:
            self.model = None

    def _write(self, request: ScoreRequest, rows: Mapping[str, Any], items: Mapping[str, Any]) -> None:
        self.record.write_scores(request, rows, items, self.split)
        scores = rows["scores"].items()
        self.failed |= {name: row["reason"] for name, row in scores if row["status"] == "failed"}
