"""The scores of one split of a trial, computed by this process and by others that are forked from it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import psutil
import torch

from latentbench.execution.side_by_side.fork import Fork, Tell, can_fork
from latentbench.execution.side_by_side.shared_codes import with_shared_codes
from latentbench.execution.side_by_side.turns import MOST, Turns
from latentbench.execution.split_scores import SplitScores
from latentbench.opening import changed_data
from latentbench.trial import ScoreRequest

__all__ = ["compute_side_by_side"]

LOG = logging.getLogger(__name__)
Begins = Callable[[str], None]


def compute_side_by_side(
    scores: SplitScores, requests: Sequence[ScoreRequest], begins: Begins, processes: int
) -> list[str]:
    """Compute metrics and write their scores as `scores.compute` does, in up to so many processes.

    What measures costs is computed first, while nothing else is. Then this process and its forks each take the
    next metric that none of them has. Numbers are the same as in one process, since each metric has the same space
    and the same seed there. A fork that ends before its time costs time alone: what it has left undone is computed
    here.

    Args:
        scores: of a trial's split.
        requests: metrics without a file.
        begins: called in this process with the name of each metric, before it is computed or soon after.
        processes: how many may compute at the same time, this one too.

    Returns:
        Names of arrays of the trial's data that a metric in a fork wrote into. It did so there alone.
    """
    alone = [request for request in requests if _measures_costs(request)]
    others = [request for request in requests if request not in alone]
    processes = min(processes, len(others), _most_processes())
    if processes < 2 or len(others) > MOST:
        scores.compute(requests, begins)
        return []
    scores.compute(alone, begins)
    scores.prepare(with_shared_codes)
    changed = _Team(scores, others, begins).compute(processes - 1)
    if left := [request for request in others if scores.record.read_scores(request, scores.split) is None]:
        LOG.warning("computed in this process alone: %s", ", ".join(request.metric for request in left))
        scores.compute(left, lambda _: None)  # it was said that they begin
    return changed


def _measures_costs(request: ScoreRequest) -> bool:
    return any(declared["kind"] == "cost" for declared in request.scores.values())


def _most_processes() -> int:
    """Return how many copies of this process can compute: one on several threads, or where memory is scarce.

    Threads do not live on in a fork. It is taken to need as much memory again as this process holds.
    """
    if not can_fork() or torch.get_num_threads() > 1:
        return 1
    try:
        return 1 + psutil.virtual_memory().available // psutil.Process().memory_info().rss
    except (psutil.Error, OSError):  # this system does not say
        return 1


class _Team:
    """This process and its forks, at the metrics of a split."""

    def __init__(self, scores: SplitScores, requests: Sequence[ScoreRequest], begins: Begins) -> None:
        self.scores, self.requests, self.begins = scores, requests, begins
        self.changed: list[str] = []
        self._turns = Turns(len(requests))
        self._begun: dict[Fork, list[str]] = {}  # metrics that each fork has taken

    def compute(self, forks: int) -> list[str]:
        """Compute all, with so many forks; return the names of arrays that one of them wrote into."""
        try:
            with contextlib.suppress(OSError):  # no process more to be had
                for _ in range(forks):
                    self._begun[Fork(self._work)] = []
            self.scores.compute(self._taken(), self.begins)
            self._listen(to_the_end=True)
        finally:
            self._turns.close()
            for fork in self._begun:
                fork.end()
        self._forget(metric for fork, begun in self._begun.items() if not fork.finished for metric in begun)
        return self.changed

    def _taken(self) -> Iterator[ScoreRequest]:
        """Yield the metrics that are this process's turn, and meanwhile listen to the others."""
        for number in self._turns.taken():
            self._listen()
            yield self.requests[number]

    def _listen(self, *, to_the_end: bool = False) -> None:
        for fork, begun in self._begun.items():
            for message in fork.messages(to_the_end=to_the_end):
                self.scores.failed |= message["failed"]
                self.changed += message["changed"]
                for metric in message["begins"]:
                    begun.append(metric)
                    self.begins(metric)

    def _forget(self, metrics: Iterable[str]) -> None:
        """Forget the scores of a fork that ended too early: it did not get as far as to see what it had spoilt."""
        lost = set(metrics)
        record, split = self.scores.record, self.scores.split
        for request in (request for request in self.requests if request.metric in lost):
            if record.read_scores(request, split) is not None:
                record.forget_scores(request, split)
            for name in request.scores:
                self.scores.failed.pop(name, None)

    def _work(self, tell: Tell) -> None:
        """Do, in a fork, what is its turn."""
        scores, changed = self.scores, list[str]()
        scores.failed = {}

        def say(*metrics: str) -> None:
            tell({"begins": metrics, "failed": scores.failed, "changed": changed})

        scores.compute((self.requests[number] for number in self._turns.taken()), say)
        changed += changed_data(scores.plugins, scores.trial)
        say()
