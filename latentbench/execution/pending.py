"""What of a plan is still to do in a run folder."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from latentbench.errors import RequestError
from latentbench.execution.job import Job
from latentbench.execution.workers import default_workers
from latentbench.machine import choose_device
from latentbench.model import GradientModel
from latentbench.params import per_member_fields
from latentbench.plan import Plan
from latentbench.plugins import Plugins
from latentbench.records import Record, progress_path
from latentbench.trial import Outcome, Trial

__all__ = ["Execution", "count_pending", "pending_jobs"]


GROUP_SIZE = 16


@dataclass(frozen=True)
class Execution:
    """How a run is done; no quality score depends on it.

    Attributes:
        workers: processes that run trials; None: one per core, or one for a GPU; 0: this very process.
        device: "auto" (cuda where there is one), "cpu" or "cuda".
        timeout: seconds a trial may take.
        rerun: also do again what "failed", what "changed" in source since, or "all".
        group_size: how many trials are trained together on CUDA, at most; None: 16. They differ in their seed and
            PerMember parameters alone.
        timing: run trials alone, one at a time, and those again that did not; their cost scores can be compared.
    """

    workers: int | None = None
    device: str = "auto"
    timeout: float | None = None
    rerun: str = "missing"
    group_size: int | None = None
    timing: bool = False

    def settled(self, threads: int) -> Execution:
        """Return it with nothing left open, for trials of this many threads.

        Raises:
            RequestError: parts of it contradict each other, or the machine.
        """
        device = choose_device(self.device)
        if self.timeout is not None and self.workers == 0:
            raise RequestError("--timeout needs a worker process that can be ended; leave out --workers 0")
        if self.timing and (self.workers or 1) > 1:
            raise RequestError("--timing runs trials one at a time; leave out --workers")
        if (self.group_size or 1) > 1 and (self.timing or device != "cuda"):
            why = "--timing runs trials alone" if self.timing else "on a CPU, trials trained together are slower"
            raise RequestError(f"--group-size {self.group_size}: {why}; leave it out")
        workers = self.workers
        if workers is None:
            workers = 1 if self.timing or device == "cuda" else default_workers(threads)
        group = self.group_size or (GROUP_SIZE if device == "cuda" and not self.timing else 1)
        return replace(self, device=device, workers=workers, group_size=group)


def pending_jobs(plan: Plan, folder: Path, how: Execution, plugins: Plugins) -> list[Job]:
    """Return jobs for the trials that can be run and are not there yet, or lack a score.

    Trials that are looks at one training (checkpoints) make one job, and so do those trained together.
    """
    trainings: dict[str, list[Trial]] = {}
    for trial in plan.trials:
        record = Record(folder, trial.key)
        wanting = not record.exists() or bool(record.damage()) or _lacks_scores(record, plan, trial)
        if trial.outcome is None and wanting:
            trainings.setdefault(trial.training_key, []).append(trial)
    parts = [sorted(looks, key=lambda trial: trial.budget.checkpoint or math.inf) for looks in trainings.values()]
    if (how.group_size or 1) > 1:
        parts = _grouped(parts, folder, how.group_size or 1, plugins)
    concurrency = min(max(how.workers or 1, 1), len(plan.trials))
    deferring = how.device == "cuda" and how.workers != 0 and any(request.on_host for request in plan.requests)
    return [
        Job(
            tuple(trials),
            plan.requests,
            folder,
            plan.validation_requests(trials[0]),
            how.device,
            concurrency,
            deferring,
        )
        for trials in parts
    ]


def _grouped(parts: list[list[Trial]], folder: Path, size: int, plugins: Plugins) -> list[list[Trial]]:
    """Put trainings that can be done together into one part, at most `size` of them."""
    groups: dict[tuple[bool, str], list[list[Trial]]] = {}
    for looks in parts:
        to_train = [trial for trial in looks if not Record(folder, trial.key).exists()]
        key = _group_key(to_train[-1], plugins) if to_train else ""
        groups.setdefault((bool(key), key or looks[-1].key), []).append(looks)
    chunks = (group[at : at + size] for group in groups.values() for at in range(0, len(group), size))
    return [[trial for looks in chunk for trial in looks] for chunk in chunks]


def _group_key(trial: Trial, plugins: Plugins) -> str:
    """What trials trained together have in common, as a key; empty for a model that is trained alone."""
    model = plugins.load("model", trial.model)
    if not (issubclass(model, GradientModel) and model.groupable):
        return ""
    free = dict.fromkeys(per_member_fields(model.Params))
    return replace(trial, seed=0, params={**trial.params, **free}).key


def count_pending(plan: Plan, folder: Path, how: Execution) -> int:
    """Return how many trials `execute` will run, before it has changed anything."""
    count = 0
    for trial in plan.trials:
        record = Record(folder, trial.key)
        wanting = (
            not record.exists()
            or bool(record.damage())
            or _stale(trial, record, how)
            or _lacks_scores(record, plan, trial)
            or any(record.scores_are_stale(request, how.rerun, split) for split, request in plan.asked(trial))
        )
        count += trial.outcome is None and wanting
    return count


def _stale(trial: Trial, record: Record, how: Execution) -> bool:
    """Whether a record is to be made again."""
    outcome = record.read_trial().outcome
    failed = outcome is None or outcome.status != "ok"
    asked = {"all": True, "failed": failed, "changed": _changed(trial, record)}
    crowded = how.timing and not failed and outcome is not None and not _ran_alone(outcome)
    return asked.get(how.rerun, False) or crowded


def _changed(trial: Trial, record: Record) -> bool:
    """Whether the model's source is another one now."""
    outcome = record.read_trial().outcome
    return outcome is not None and outcome.source != trial.source


def _ran_alone(outcome: Outcome) -> bool:
    return all(outcome.environment.get(name) == 1 for name in ("concurrency", "group_size"))


def _lacks_scores(record: Record, plan: Plan, trial: Trial) -> bool:
    outcome = record.read_trial().outcome
    good = outcome is not None and outcome.status == "ok"
    return good and any(record.read_scores(request, split) is None for split, request in plan.asked(trial))


def _discard_damaged(plan: Plan, folder: Path) -> None:
    """Remove records that cannot be read, and those without a sound model that must be scored: they run again."""
    for trial in plan.trials:
        record = Record(folder, trial.key)
        if not record.exists():
            continue
        damage = record.damage()
        if not damage and _lacks_scores(record, plan, trial):
            damage = record.damage(files=True)
        if damage:
            warnings.warn(f"{damage}; {trial.label} seed {trial.seed} is done again", stacklevel=2)
            record.remove()


def _record_unreadable(plan: Plan, folder: Path) -> None:
    """Write the record of each trial whose data could not be read: there is nothing to run."""
    for trial in plan.trials:
        if trial.outcome is not None and not Record(folder, trial.key).exists():
            record = Record.begin(folder, trial.key)
            record.write_trial(trial, trial.outcome)
            record.publish()


def _forget(plan: Plan, folder: Path, how: Execution) -> None:
    """Remove the records and scores that are to be made again; tell once of sources that have changed since."""
    changed: set[str] = set()
    for trial in plan.trials:
        record = Record(folder, trial.key)
        if how.rerun == "all":
            progress_path(folder, trial.key).unlink(missing_ok=True)
        if not record.exists():
            continue
        if _stale(trial, record, how):
            record.remove()
            continue
        if _changed(trial, record):
            changed.add(f"model {trial.model}")
        for split, request in plan.asked(trial):
            if record.scores_are_stale(request, how.rerun, split):
                record.forget_scores(request, split)
            elif record.scores_are_stale(request, "changed", split):
                changed.add(f"metric {request.metric}")
    for name in sorted(changed):
        warnings.warn(f"the source of {name} has changed since; --rerun changed does its part again", stacklevel=2)
