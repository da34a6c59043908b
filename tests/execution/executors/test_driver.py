"""Runs through an executor: the scores of a local run, whatever happens to workers and drivers."""

import json
import os
import time
import warnings
from collections import Counter

import pandas as pd
import pytest

from latentbench.errors import RequestError, RunFolderError
from latentbench.execution.executors.claims import busy
from latentbench.execution.executors.driver import Driver
from latentbench.execution.executors.submission import Submission, claims_of, submissions
from latentbench.execution.run import _locked
from latentbench.upkeep.examine import examine
from latentbench.upkeep.pack import pack

QUALITY = ["label", "seed", "score", "value", "se", "status", "n_eval"]


def values(results):
    return results.scores.sort_values(["label", "seed", "score"]).reset_index(drop=True)[QUALITY]


def leftovers(folder):
    """What a run leaves behind besides its trials and what an executor wrote of its own."""
    kept = {"logs", "claims"}
    inside = [path.name for path in (folder / "executor").iterdir() if path.name not in kept]
    return inside + [path.name for path in (folder / "trials").iterdir() if path.name.startswith(".")]


def test_a_run_through_a_pool_is_as_a_local_one(go, tmp_path):
    """The same scores and events; a trial that fails fails alone."""
    changes = {"models": ("two_pixels", "fails", "ae", "pca"), "seeds": 2, "params": {"latent_dim": 2}}
    changes |= {"scores": ("sum", "r2"), "budget": {"epochs": 2, "train_limit": 200}}
    local = go("local", executor="local", execution={"workers": 0}, **changes)
    there = go("pool", execution={"workers": 2}, **changes)
    pd.testing.assert_frame_equal(values(there), values(local), check_exact=True)
    assert [(label, status) for label, _, status, _ in there.failures] == [("fails", "failed")] * 2
    assert leftovers(tmp_path / "pool") == []
    assert set(there.scores["node"]) == set(local.scores["node"]) == {os.uname().nodename}
    assert set(there.scores["environment"]) == set(local.scores["environment"])
    record = there.record(there.trials[0]).read_trial()
    assert record.outcome.environment["executor"] == "pool"
    assert events(tmp_path / "pool") == events(tmp_path / "local")


def events(run):
    """How often each kind of event was told of each model."""
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    labels = {line["trial"]: line["label"] for line in lines if "label" in line}
    return Counter((line["event"], labels.get(line.get("trial"))) for line in lines)


def test_what_is_there_is_not_done_again(go):
    first = go(executor="local", execution={"workers": 0})
    before = {trial.key: first.record(trial).read_trial().outcome.cost for trial in first.trials}
    second = go(seeds=4)
    after = {trial.key: second.record(trial).read_trial().outcome.cost for trial in second.trials}
    assert len(after) == 4
    assert before.items() <= after.items()


@pytest.mark.parametrize("victim", ["worker", pytest.param("parent of it", marks=pytest.mark.slow)])
def test_a_killed_worker_loses_nothing(go, tmp_path, victim):
    """The process of the trial, or that of the pool around it: the pool is then broken for good."""
    deaths = tmp_path / victim
    deaths.mkdir()
    params = {"deadly": str(deaths), "deaths": 2}
    results = go(params=params, seeds=3, execution={"workers": 1})
    assert results.complete
    assert len(list(deaths.iterdir())) == 2
    assert leftovers(tmp_path / "run") == []


@pytest.mark.parametrize("victim", ["worker", pytest.param("parent of it", marks=pytest.mark.slow)])
def test_a_trial_that_kills_its_workers_fails_in_the_end(go, tmp_path, victim):
    deaths = tmp_path / victim
    deaths.mkdir()
    params = {"two_pixels.deadly": [str(deaths)], "two_pixels.deaths": 1000}
    results = go(params=params, seeds=1, execution={"workers": 1, "retries": 1})
    ((_, _, status, message),) = results.failures
    assert status == "failed"
    assert "ended" in message
    assert len(list(deaths.iterdir())) == 2  # at first, and again
    assert leftovers(tmp_path / "run") == []


def test_an_executor_that_takes_no_jobs_is_told(go):
    with pytest.raises(RequestError, match="--executor unreachable takes no more jobs"):
        go(executor="unreachable")


def test_workers_that_cannot_begin_are_told(go, tmp_path):
    with pytest.raises(
        RequestError, match="3 workers ended before they could begin; the last one said: ImportErr"
    ):
        go(executor="deaf")
    assert leftovers(tmp_path / "run") == []


def test_unknown_executors_and_options_are_refused(go):
    with pytest.raises(RequestError, match="there is no executor 'pol'; did you mean 'pool'"):
        go(executor="pol")
    with pytest.raises(RequestError, match=r"executor 'pool' has no parameter 'minutes' \(its parameters: none\)"):
        go(options={"minutes": "3"})
    with pytest.raises(RequestError, match="--detach: workers of the executor pool"):
        go(execution={"detach": True})


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_second_driver_is_refused_while_the_first_is_there(go, tmp_path):
    with _locked(tmp_path / "run"), pytest.raises(RunFolderError, match="another run is at work in"):
        go()


def test_a_local_run_is_refused_while_workers_are_at_work(go, tmp_path):
    """And the driver that submitted them is gone: as after --detach, or a kill."""
    (trial,) = go(seeds=1, executor="local", execution={"workers": 0}).trials
    claims_of(tmp_path / "run").take(trial.training_key)
    assert busy(tmp_path / "run") == 1
    with pytest.raises(RunFolderError, match="1 worker of the executor NAME still work"):
        go(executor="local", seeds=2)
    assert [(each.kind, each.path) for each in examine(tmp_path / "run").findings] == [("note", "executor")]
    with pytest.raises(RunFolderError, match="workers of an executor are at work in"):
        pack(tmp_path / "run", tmp_path / "run.zip")
    claims_of(tmp_path / "run").clear()


def test_what_nobody_has_begun_is_taken_back(go, tmp_path, monkeypatch):
    monkeypatch.setattr(Driver, "_wait", lambda self, fleets: 1 / 0)
    monkeypatch.setattr(Submission, "discard", lambda self: None)
    monkeypatch.setattr(Submission, "stop", lambda self: None)
    with pytest.raises(RequestError, match="ZeroDivisionError"):
        go()
    monkeypatch.undo()
    assert len(submissions(tmp_path / "run")) == 1
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert go(executor="local", execution={"workers": 0}).complete
    assert "handed to the executor pool and has not begun is taken back" in str(said[0].message)
    assert submissions(tmp_path / "run") == []


@pytest.mark.slow
def test_an_interrupted_run_ends_its_workers_and_goes_on(go, tmp_path, monkeypatch):

    def interrupted(self, fleets):
        for fleet in fleets:
            fleet.man()
        wait_for(lambda: busy(tmp_path / "run") > 0)
        raise KeyboardInterrupt

    monkeypatch.setattr(Driver, "_wait", interrupted)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        go(params={"seconds": 120.0}, seeds=1)
    assert time.monotonic() - started < 60
    assert busy(tmp_path / "run") == 0
    monkeypatch.undo()
    assert go().complete


def test_results_that_were_told_to_nobody_are_collected(go, tmp_path, monkeypatch):
    """Logs of events are lost: the records say how trials ended."""
    monkeypatch.setattr(Submission, "events", lambda self, offsets: iter(()))
    results = go()
    assert results.complete
    told = (tmp_path / "run/events.jsonl").read_text()
    assert told.count("trial_finished") == 3
