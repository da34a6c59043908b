"""What of a plan a run folder holds, read once, and the jobs that are left to do."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from latentbench.errors import OtherFormatError, RunFolderError
from latentbench.execution.job import Job
from latentbench.execution.options import Execution
from latentbench.model import GradientModel
from latentbench.opening import training_shape
from latentbench.params import per_member_fields
from latentbench.planning.plan import Plan
from latentbench.plugins import Plugins
from latentbench.records import Record, progress_path
from latentbench.remembered.memory import Memory
from latentbench.source.digest import same_source
from latentbench.training.stacking import stacking_pays
from latentbench.trial import Outcome, ScoreRequest, SplitName, Trial

__all__ = ["TrialState", "inspect", "pending_jobs", "prepare"]

SplitRequest = tuple[SplitName, ScoreRequest]


@dataclass(frozen=True)
class TrialState:
    """What a run folder holds of one trial of a plan, and what follows from it.

    Attributes:
        trial: as planned.
        record: where its files lie.
        stored: as recorded, with its outcome; None without a readable record.
        damage: why the record cannot be used; empty when it can.
        outdated: the request asks to run the whole trial again.
        stale: scores on file that the request asks to compute again, or whose per-item values are damaged.
        missing: scores that are not on file.
        changed: plugins whose source has changed since, as "model ae", and that are not run again.
    """

    trial: Trial
    record: Record
    stored: Trial | None = None
    damage: str = ""
    outdated: bool = False
    stale: tuple[SplitRequest, ...] = ()
    missing: tuple[SplitRequest, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def trained(self) -> bool:
        """Whether its record can be used."""
        return self.stored is not None and not self.damage and not self.outdated

    @property
    def pending(self) -> bool:
        """Whether a job must run it; not where its data could not be read."""
        return self.trial.outcome is None and bool(not self.trained or self.stale or self.missing)


def inspect(plan: Plan, folder: Path, execution: Execution) -> list[TrialState]:
    """Look at each trial of a plan in a run folder; every file is read once, and nothing is changed.

    Raises:
        OtherFormatError: another version of latentbench wrote a file, in a format that this one does not know.
    """
    memory = Memory(folder)
    records = (Record(folder, trial.key, known=memory.trial(trial.key)) for trial in plan.trials)
    states = [_inspect_trial(*each, plan, execution) for each in zip(plan.trials, records, strict=True)]
    memory.keep()
    return states


def _inspect_trial(trial: Trial, record: Record, plan: Plan, execution: Execution) -> TrialState:
    if not record.exists():
        return TrialState(trial, record)
    try:
        stored = record.read()
    except OtherFormatError:
        raise
    except RunFolderError as error:
        if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError):
            raise  # it is whole, but not ours to read: nothing to remove and do again
        return TrialState(trial, record, damage=str(error))
    state = TrialState(trial, record, stored.trial, outdated=_is_outdated(trial, stored.trial, execution))
    if state.outdated or not stored.trial.ok:
        return replace(state, changed=_changed_model(state))
    if damage := record.damaged_file(stored.digests):
        return replace(state, damage=damage)
    return _inspect_scores(state, plan, execution)


def _is_outdated(trial: Trial, stored: Trial, execution: Execution) -> bool:
    """Whether the request asks to run this trial again."""
    crowded = execution.timing and stored.ok and not _ran_alone(stored)
    outdated = {"all": True, "failed": not stored.ok, "changed": not _of_same_source(stored, trial)}
    return outdated.get(execution.rerun, False) or crowded


def _ran_alone(stored: Trial) -> bool:
    environment: Mapping[str, Any] = stored.outcome.environment if stored.outcome else {}
    return all(environment.get(name) == 1 for name in ("concurrency", "group_size"))


def _of_same_source(stored: Trial, trial: Trial) -> bool:
    return same_source(stored.outcome.source if stored.outcome else "", trial.source)


def _changed_model(state: TrialState) -> tuple[str, ...]:
    stored, outdated = state.stored, state.outdated
    changed = stored is not None and not outdated and not _of_same_source(stored, state.trial)
    return (f"model {state.trial.model}",) if changed else ()


def _inspect_scores(state: TrialState, plan: Plan, execution: Execution) -> TrialState:
    """Read each score file of a trial that ended well."""
    stale: list[SplitRequest] = []
    missing: list[SplitRequest] = []
    changed = list(_changed_model(state))
    for split, request in plan.asked(state.trial):
        scores = state.record.read_scores(request, split)
        if scores is None:
            missing.append((split, request))
        elif damage := state.record.items_damage(request, split):
            warnings.warn(f"{damage}; {request.metric} is computed again", stacklevel=2)
            stale.append((split, request))
        elif _is_stale(scores, request, execution):
            stale.append((split, request))
        elif not same_source(scores["source"], request.source):
            changed.append(f"metric {request.metric}")
    return replace(state, stale=tuple(stale), missing=tuple(missing), changed=tuple(changed))


def _is_stale(scores: Mapping[str, Any], request: ScoreRequest, execution: Execution) -> bool:
    """Whether the request asks to compute these scores again."""
    if execution.rerun == "changed":
        return not same_source(scores["source"], request.source)
    return execution.rerun == "failed" and any(row["status"] == "failed" for row in scores["scores"].values())


def prepare(states: Sequence[TrialState], execution: Execution) -> None:
    """Remove the records and scores that will be made anew; warn of damage and of changed sources.

    A trial whose data could not be read gets its record here: there is nothing to run.
    """
    for state in states:
        if execution.rerun == "all":
            progress_path(state.record.run, state.trial.key).unlink(missing_ok=True)
        _clear(state)
        if state.trial.outcome is not None and not state.trained:
            _write_record(state.trial, state.trial.outcome, state.record.run)
    for name in sorted({name for state in states for name in state.changed}):
        warnings.warn(f"the source of {name} has changed since; --rerun changed does its part again", stacklevel=2)


def _clear(state: TrialState) -> None:
    if state.damage:
        trial = state.trial
        warnings.warn(f"{state.damage}; {trial.label} seed {trial.seed} is done again", stacklevel=3)
    if state.damage or state.outdated:
        state.record.remove()
        return
    for split, request in state.stale:
        state.record.forget_scores(request, split)


def _write_record(trial: Trial, outcome: Outcome, folder: Path) -> None:
    record = Record.begin(folder, trial.key)
    record.write_trial(trial, outcome)
    record.publish()


def pending_jobs(
    states: Sequence[TrialState], plan: Plan, folder: Path, execution: Execution, plugins: Plugins
) -> list[Job]:
    """Return the jobs for what is pending.

    The trials that are checkpoints of one training make one job, and so do trainings that are done together.
    """
    trainings: dict[str, list[TrialState]] = {}
    for state in states:
        if state.pending:
            trainings.setdefault(state.trial.training_key, []).append(state)
    parts = [
        sorted(training, key=lambda state: state.trial.budget.checkpoint or math.inf)
        for training in trainings.values()
    ]
    parts = _grouped(parts, execution, plugins)
    on_host = any(request.on_host for request in plan.requests)
    helped = execution.workers != 0 and not execution.elsewhere
    return [
        Job(
            trials=tuple(state.trial for state in part),
            requests=plan.test_requests(part[0].trial),
            run=folder.absolute(),  # a model may change the current folder
            validation=plan.validation_requests(part[0].trial),
            device=execution.device,
            concurrency=min(max(execution.workers or 1, 1), len(plan.trials)),
            deferring=execution.device == "cuda" and helped and on_host,
            executor=execution.executor,
            scorers=1 if execution.elsewhere else max(1, (execution.workers or 1) // len(parts)),
        )
        for part in parts
    ]


def _grouped(parts: Sequence[list[TrialState]], execution: Execution, plugins: Plugins) -> list[list[TrialState]]:
    """Put trainings that can be done together into one part, at most so many as the request says.

    On a CPU these are all trainings of a kind, where stacking pays; kinds that come last and are too few for all
    workers are divided among them.
    """
    size = execution.group_size or 1
    if size == 1:
        return list(parts)
    groups: dict[tuple[bool, str], list[list[TrialState]]] = {}
    for training in parts:
        untrained = [state.trial for state in training if not state.trained]
        key = _group_key(untrained[-1], plugins) if untrained else ""
        groups.setdefault((bool(key), key or training[-1].trial.key), []).append(training)
    if execution.device == "cuda":
        chunks = [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]
    else:
        chunks = _stacks_on_cpu(list(groups.values()), size, execution.workers or 0, plugins)
    return [[state for training in chunk for state in training] for chunk in chunks]


def _stacks_on_cpu(
    groups: Sequence[list[list[TrialState]]], size: int, workers: int, plugins: Plugins
) -> list[list[list[TrialState]]]:
    """Divide groups of trainings into stacks, one by one where stacking does not pay."""
    pays = [len(group) > 1 and _stacking_pays(group[0][-1].trial, plugins, keep=workers < 1) for group in groups]
    kinds = sum(pays)
    last = kinds % max(1, workers)
    shares = [1] * (kinds - last) + [math.ceil(workers / max(1, last))] * last
    stacks = []
    for group, paying in zip(groups, pays, strict=True):
        count = min(len(group), max(shares.pop(0), math.ceil(len(group) / size))) if paying else len(group)
        bounds = [len(group) * index // count for index in range(count + 1)]
        stacks += [group[start:stop] for start, stop in itertools.pairwise(bounds)]
    return stacks


def _stacking_pays(trial: Trial, plugins: Plugins, *, keep: bool) -> bool:
    """Whether to train a trial with others pays; data that cannot be read are for its job to tell of."""
    try:
        rows, *shape = training_shape(trial, plugins, keep=keep)
    except Exception:  # noqa: BLE001 - whatever it is, it is recorded with the trial
        return False
    return stacking_pays(trial.budget, rows, shape)


def _group_key(trial: Trial, plugins: Plugins) -> str:
    """What trials trained together have in common, as a key; empty for a model that is trained alone."""
    if trial.given:
        return ""
    model = plugins.load("model", trial.model)
    if not (issubclass(model, GradientModel) and model.groupable):
        return ""
    free = dict.fromkeys(per_member_fields(model.Params))
    return replace(trial, seed=0, params={**trial.params, **free}).key
