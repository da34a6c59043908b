import json

import numpy as np
import pytest

import latentbench
from latentbench.errors import RunFolderError
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect, pending_jobs, prepare
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import Outcome


@pytest.fixture(scope="module")
def plugins():
    return Plugins()


@pytest.fixture
def plan(tiny, plugins):
    return make_plan(tiny(models=("pca",), scores=("r2", "knn10")), plugins, "cpu")


@pytest.fixture
def run(tiny, plugins, tmp_path):
    """The folder of a finished run of one trial."""
    latentbench.run(tiny(models=("pca",), scores=("r2", "knn10")), tmp_path, plugins=plugins, workers=0)
    return tmp_path


def state_of(plan, folder, rerun="missing"):
    (state,) = inspect(plan, folder, Execution(rerun=rerun))
    return state


def change(path, *names, value):
    """Change one value of a JSON file as an earlier version wrote it, without digest."""
    content = json.loads(path.read_text())
    content.pop("digest", None)
    part = content
    for name in names[:-1]:
        part = part[name]
    part[names[-1]] = value
    path.write_text(json.dumps(content))


def score_file(folder, metric):
    (path,) = folder.rglob(f"{metric}-*.json")
    return path


def metrics(requests):
    return [request.metric for _, request in requests]


def test_an_empty_folder_has_everything_pending(plan, tmp_path):
    state = state_of(plan, tmp_path)
    assert state.pending
    assert not state.trained


def test_a_finished_run_has_nothing_pending(plan, run, plugins):
    state = state_of(plan, run)
    assert state.trained
    assert not state.pending
    assert pending_jobs([state], plan, run, Execution(workers=1, device="cpu"), plugins) == []


def test_a_score_without_file_is_missing_and_the_record_stays(plan, run):
    score_file(run, "knn").unlink()
    state = state_of(plan, run)
    assert metrics(state.missing) == ["knn"]
    assert state.trained
    assert state.pending


def test_a_damaged_record_is_pending_and_removed_with_a_warning(plan, run):
    (path,) = run.rglob("trial.json")
    path.write_text("{")
    state = state_of(plan, run)
    assert state.pending
    assert not state.trained
    with pytest.warns(UserWarning, match="pca seed 0 is done again"):
        prepare([state], Execution())
    assert not path.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "codes.npz"])
def test_the_model_and_its_codes_are_checked(plan, run, name):
    (path,) = run.rglob(name)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    state = state_of(plan, run)
    assert state.damage == f"{path} is not the file that was written"
    assert state.pending


@pytest.mark.parametrize(
    ("status", "rerun", "stale"),
    [("failed", "failed", True), ("failed", "missing", False), ("ok", "failed", False)],
)
def test_failed_scores_are_stale_when_asked_for(plan, run, status, rerun, stale):
    change(score_file(run, "knn"), "scores", "knn10", "status", value=status)
    state = state_of(plan, run, rerun)
    assert metrics(state.stale) == (["knn"] if stale else [])
    assert state.pending is stale


def test_scores_of_another_source_are_stale_when_asked_for_and_told_of_otherwise(plan, run):
    path = score_file(run, "knn")
    change(path, "source", value="older")
    assert metrics(state_of(plan, run, "changed").stale) == ["knn"]
    state = state_of(plan, run)
    assert state.changed == ("metric knn",)
    assert not state.pending
    with pytest.warns(UserWarning, match="the source of metric knn has changed since"):
        prepare([state], Execution())
    prepare([state_of(plan, run, "changed")], Execution(rerun="changed"))
    assert not path.exists()


@pytest.mark.parametrize(("rerun", "outdated"), [("all", True), ("changed", True), ("failed", False)])
def test_a_trained_model_of_another_source(plan, run, rerun, outdated):
    (path,) = run.rglob("trial.json")
    change(path, "outcome", "source", value="older")
    state = state_of(plan, run, rerun)
    assert state.outdated is outdated
    assert state.changed == (() if outdated else ("model pca",))
    assert state.pending is outdated


def test_a_failed_trial_stays_until_it_is_asked_for(plan, tmp_path):
    record = Record.begin(tmp_path, plan.trials[0].key)
    record.write_trial(plan.trials[0], Outcome("failed", "X", "no luck", source=plan.trials[0].source))
    record.publish()
    assert not state_of(plan, tmp_path).pending
    assert state_of(plan, tmp_path, "failed").pending
    prepare([state_of(plan, tmp_path, "failed")], Execution(rerun="failed"))
    assert not record.exists()


def test_inspecting_changes_nothing(plan, run):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for rerun in ("missing", "failed", "changed", "all"):
        inspect(plan, run, Execution(rerun=rerun))
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_stored_trial_knows_the_digests_of_its_files(run):
    (path,) = run.rglob("trial.json")
    record = Record(run, path.parent.name)
    assert record.damaged_file(record.read().digests) == ""
    np.savez(path.with_name("codes.npz"), codes=np.zeros(3))
    assert record.damaged_file(record.read().digests).endswith("codes.npz is not the file that was written")
    path.unlink()
    with pytest.raises(RunFolderError):
        record.read()
