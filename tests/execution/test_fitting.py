"""Trainings of a run: together or alone, stopped and gone on with, out of memory, failing."""

import contextlib
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import latentbench
from latentbench import ContractError, load_results
from latentbench.execution import fitting
from latentbench.execution.job import Job, RuinedProcess, execute_job
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record, progress_path
from latentbench.training import engine, trainer
from latentbench.training.graphs import StepGraphs
from latentbench.training.progress import Progress, read_progress, write_progress

SAMPLES = str(Path(__file__).parents[1] / "training" / "samples.py")
FIVE = {"epochs": 5, "batch_size": 64, "train_limit": 200}
ODD = """
from typing import Annotated
import torch
from latentbench import GradientModel, Model, PerMember, hookimpl

class Odd(GradientModel):
    class Params(Model.Params):
        latent_dim: int = 2
        pull: Annotated[float, PerMember] = 1.0
    def __init__(self, params, data):
        super().__init__(params, data)
        if params.pull == 3:
            raise RuntimeError("three is too many")
        self.weight = torch.nn.Parameter(torch.ones(64, 2))
    def loss(self, batch, noise):
        total = (batch.inputs.flatten(1) @ self.weight - self.params.pull).square().mean()
        return {"total": total / (self.params.pull != 5)}
    def encode(self, inputs): return inputs.flatten(1) @ self.weight

@hookimpl
def register_models(register): register("odd", Odd)
"""


@pytest.fixture
def go(tmp_path):
    """A function that runs a benchmark in this process; stops it by Ctrl-C in an epoch, if asked."""

    def run(benchmark, folder="run", stop=None, **options):
        plugins = Plugins(files=(SAMPLES,))
        if stop:
            plugins.register(Stopper(stop), "stopper")
        with contextlib.suppress(KeyboardInterrupt):
            return latentbench.run(benchmark, tmp_path / folder, plugins=plugins, workers=0, **options)

    return run


class Stopper:
    """Presses Ctrl-C at the end of an epoch, before it is saved."""

    def __init__(self, epoch):
        self.last = epoch

    @latentbench.hookimpl
    def epoch_finished(self, epoch):
        if epoch == self.last:
            raise KeyboardInterrupt


@pytest.fixture
def saved_often(monkeypatch):
    monkeypatch.setattr(fitting, "SAVE_SECONDS", 0.0)


@pytest.fixture
def epochs(monkeypatch):
    """The epochs that were trained, one number of steps for each."""
    found = []
    plain = trainer.Trainer.run_epoch

    def run_epoch(self):
        found.append(self.cursor.step // self.steps_an_epoch + 1)
        return plain(self)

    monkeypatch.setattr(trainer.Trainer, "run_epoch", run_epoch)
    monkeypatch.setattr(fitting._Task, "_warm_up", lambda self, models: None)
    return found


def quality(results):
    frame = results.scores[results.scores["kind"] == "quality"]
    return frame[["label", "seed", "score", "value", "se", "status", "reason"]].reset_index(drop=True)


def assert_same_results(found, expected):
    pd.testing.assert_frame_equal(quality(found), quality(expected), check_exact=True)
    for one, other in zip(found.trials, expected.trials, strict=True):
        assert one.outcome.history == other.outcome.history
        mine, its = (Record(run.path, one.key).read_state() for run in (found, expected))
        assert {name: value.tobytes() for name, value in mine.items()} == {
            name: value.tobytes() for name, value in its.items()
        }


def saved_files(folder):
    return list((folder / "trials").glob(".progress*"))


# going on


@pytest.mark.usefixtures("saved_often")
@pytest.mark.parametrize("model", ["ae", "beta_vae", "Centers", "Adversarial"])
def test_a_stopped_training_goes_on_to_the_same_bits(tiny, go, epochs, tmp_path, model):
    benchmark = tiny(models=(model,), params={"latent_dim": 3}, budget=FIVE)
    whole = go(benchmark, "whole")
    assert go(benchmark, stop=4) is None
    assert epochs == [1, 2, 3, 4, 5, 1, 2, 3, 4]
    (path,) = saved_files(tmp_path / "run")
    progress = read_progress(path)
    assert len(progress.state.history) == 3
    results = go(benchmark)
    assert epochs[9:] == [4, 5]
    assert_same_results(results, whole)
    (trial,) = results.trials
    assert trial.outcome.cost["train_seconds"] > progress.seconds > 0
    seconds = 200 * 5 / trial.outcome.cost["images_per_second"]
    assert seconds == pytest.approx(trial.outcome.cost["train_seconds"])
    assert not saved_files(tmp_path / "run")


@pytest.mark.usefixtures("saved_often")
def test_looks_on_the_way_are_kept_when_a_training_goes_on(tiny, go, epochs, tmp_path):
    benchmark = tiny(budget={**FIVE, "checkpoint": [1, 4]})
    whole = go(benchmark, "whole")
    go(benchmark, stop=4)
    first = Record(tmp_path / "run", whole.trials[0].key)
    before = (first.folder / "model.safetensors").stat().st_mtime_ns
    del epochs[:]
    results = go(benchmark)
    assert epochs == [4, 5]
    assert_same_results(results, whole)
    assert (first.folder / "model.safetensors").stat().st_mtime_ns == before
    assert [len(trial.outcome.history) for trial in results.trials] == [1, 4, 5]
    assert not saved_files(tmp_path / "run")


@pytest.mark.usefixtures("saved_often")
def test_a_look_before_the_saved_epoch_begins_at_the_start(tiny, go, epochs):
    go(tiny(budget=FIVE), stop=4)
    del epochs[:]
    results = go(tiny(budget={**FIVE, "checkpoint": [2]}))
    assert epochs == [1, 2, 3, 4, 5]
    assert [len(trial.outcome.history) for trial in results.trials] == [2, 5]


@pytest.mark.usefixtures("saved_often")
def test_rerun_all_begins_at_the_start(tiny, go, epochs, tmp_path):
    go(tiny(budget=FIVE), stop=4)
    del epochs[:]
    go(tiny(budget=FIVE), rerun="all")
    assert epochs == [1, 2, 3, 4, 5]
    assert not saved_files(tmp_path / "run")


@pytest.mark.usefixtures("saved_often")
@pytest.mark.parametrize("harm", ["source", "bytes"])
def test_what_cannot_be_gone_on_with_begins_at_the_start(tiny, go, epochs, tmp_path, harm):
    go(tiny(budget=FIVE), stop=4)
    (path,) = saved_files(tmp_path / "run")
    progress = read_progress(path)
    if harm == "source":
        write_progress(path, Progress(progress.state, progress.seconds, "another"))
    else:
        path.write_bytes(path.read_bytes()[:1000])
    del epochs[:]
    results = go(tiny(budget=FIVE))
    assert epochs == [1, 2, 3, 4, 5]
    assert_same_results(results, go(tiny(budget=FIVE), "whole"))
    log = Record(results.path, results.trials[0].key).log_path.read_text()
    assert ("is damaged" in log) is (harm == "bytes")


def test_short_trainings_are_not_saved(tiny, go, tmp_path):
    go(tiny(budget=FIVE), stop=4)
    assert not saved_files(tmp_path / "run")


KILLED = """
import os, signal, sys
import latentbench
from latentbench import hookimpl
from latentbench.benchmark import Benchmark
from latentbench.execution import fitting
from latentbench.plugins import Plugins

folder, samples, benchmark = sys.argv[1:]
fitting.SAVE_SECONDS = 0

class Killer:
    @hookimpl
    def epoch_finished(self, epoch):
        if epoch == 3:
            os.kill(os.getpid(), signal.SIGKILL)

plugins = Plugins(files=(samples,))
plugins.register(Killer(), "killer")
latentbench.run(Benchmark.model_validate_json(benchmark), folder, plugins=plugins, workers=0)
"""


def test_a_killed_process_loses_no_saved_epoch(tiny, go, epochs, tmp_path):
    benchmark = tiny(
        models=("vae", "Centers"), params={"latent_dim": 3}, budget={**FIVE, "checkpoint": [1, 3]}, seeds=1
    )
    whole = go(benchmark, "whole")
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "run"), SAMPLES, benchmark.model_dump_json()], check=False
    )
    assert died.returncode == -signal.SIGKILL
    assert len(saved_files(tmp_path / "run")) == 1
    del epochs[:]
    results = go(benchmark)
    assert epochs == [3, 4, 5, *range(1, 6)]  # of the vae, and of the model that was not begun
    assert_same_results(results, whole)
    assert not saved_files(tmp_path / "run")
    assert_same_results(load_results(tmp_path / "run"), whole)


# groups


@pytest.fixture
def job_of(tmp_path, plugin_file):
    """A function that makes one job of all trials of a benchmark, and the plugins it needs."""

    def make(benchmark, folder="job", source=ODD):
        plugins = Plugins(files=(SAMPLES, plugin_file(source, "odd.py")))
        plan = make_plan(benchmark, plugins, "cpu")
        return Job(plan.trials, plan.requests, tmp_path / folder), plugins

    return make


def ended(job):
    """Return the outcomes of a job's trials, as their records have them."""
    return [Record(job.run, trial.key).read_trial().outcome for trial in job.trials]


@pytest.fixture
def betas(tiny):
    """A function that makes a benchmark of four trials that can be trained together."""

    def make(epochs=2, **budget):
        return tiny(
            models=("beta_vae",),
            seeds=2,
            scores=("r2", "rate"),
            budget={**FIVE, "epochs": epochs, "precision": "float32", **budget},
            params={"latent_dim": 2, "beta_vae.beta": [1, 4]},
        )

    return make


def test_a_job_of_several_trials_gives_each_its_record(betas, job_of, go):
    job, plugins = job_of(betas())
    events, started = [], time.perf_counter()
    execute_job(job, plugins, events.append)
    wall = time.perf_counter() - started
    outcomes = ended(job)
    assert [outcome.status for outcome in outcomes] == ["ok"] * 4
    assert {outcome.environment["group_size"] for outcome in outcomes} == {4}
    seconds = {outcome.cost["train_seconds"] for outcome in outcomes}
    assert len(seconds) == 1
    assert 0 < 4 * seconds.pop() < wall
    assert {round(o.cost["images_per_second"] * o.cost["train_seconds"]) for o in outcomes} == {400}
    keys = [trial.key for trial in job.trials]
    assert [event.trial for event in events if event.kind == "trial_started"] == keys
    assert [event.trial for event in events if event.kind == "trial_finished"] == keys
    assert {event.result.status for event in events if event.kind == "trial_finished"} == {"ok"}
    alone = go(betas())
    for trial, expected in zip(job.trials, alone.trials, strict=True):
        found = Record(job.run, trial.key).read_trial().outcome
        for mine, its in zip(found.history, expected.outcome.history, strict=True):
            assert mine == pytest.approx(its, rel=1e-4)
        assert Record(job.run, trial.key).read_scores(job.requests[0])["scores"]
        assert expected.outcome.environment["group_size"] == 1


@pytest.fixture
def stacks(tiny):
    """A function that makes a benchmark of three trials with the fewest steps that are stacked on a CPU."""
    budget = {"epochs": 100, "batch_size": 32, "train_limit": 64, "precision": "float32"}
    return lambda **changes: tiny(seeds=3, budget=budget, **changes)


def states(job):
    return {trial.seed: Record(job.run, trial.key).read_state() for trial in job.trials}


def test_a_trial_on_small_images_learns_the_same_whoever_shares_its_stack(stacks, job_of):
    whole, plugins = job_of(stacks())
    results = []
    execute_job(whole, plugins, lambda event: results.append(event.result))
    assert {outcome.environment["group_size"] for outcome in ended(whole)} == {3}
    seconds = [result.seconds for result in results if result is not None]
    assert max(seconds) < 2 * min(seconds)  # each has its share of what they took together
    few = replace(whole, run=whole.run / "few", trials=(whole.trials[2], whole.trials[0]))
    execute_job(few, plugins, lambda *_: None)
    for seed, state in states(few).items():
        expected = states(whole)[seed]
        assert all((state[name] == expected[name]).all() for name in expected)


def test_a_trial_that_cannot_be_stacked_is_trained_as_it_is(stacks, job_of):
    reads = ODD.replace("total / (self.params.pull != 5)", "total + 0 * total.item()")
    job, plugins = job_of(stacks(models=("odd",)), source=reads)
    execute_job(job, plugins, lambda *_: None)
    found = [(o.status, len(o.history), o.environment["group_size"]) for o in ended(job)]
    assert found == [("ok", 100, 1)] * 3


def test_codes_are_made_once_of_a_trial_alone_and_wait_for_no_other(betas, job_of, monkeypatch):
    made, plain = [], fitting.split_space

    def counted(*given):
        made.append(given[1].key)
        return plain(*given)

    for module in ("execution.fitting", "opening"):
        monkeypatch.setattr(f"latentbench.{module}.split_space", counted)
    job, plugins = job_of(betas())
    execute_job(replace(job, trials=job.trials[:1]), plugins, lambda *_: None)
    assert made == [job.trials[0].key]
    made.clear()
    execute_job(replace(job, run=job.run / "together"), plugins, lambda *_: None)
    assert sorted(made) == sorted(2 * [each.key for each in job.trials])


def test_checkpoints_and_groups_go_together(betas, job_of):
    job, plugins = job_of(betas(checkpoint=[1]))
    assert len(job.trials) == 8
    execute_job(job, plugins, lambda *_: None)
    assert {outcome.status for outcome in ended(job)} == {"ok"}
    assert [len(outcome.history) for outcome in ended(job)] == [t.budget.checkpoint or 2 for t in job.trials]


@pytest.mark.usefixtures("saved_often")
def test_a_stopped_group_goes_on_to_the_same_bits(betas, job_of, epochs):
    whole, plugins = job_of(betas(5), "whole")
    execute_job(whole, plugins, lambda *_: None)
    job, plugins = job_of(betas(5))

    def stop(event):
        if event.epoch == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute_job(job, plugins, stop)
    assert len(saved_files(job.run)) == 4
    del epochs[:]
    execute_job(job, plugins, lambda *_: None)
    assert epochs == [4, 5]
    assert not saved_files(job.run)
    assert [outcome.history for outcome in ended(job)] == [outcome.history for outcome in ended(whole)]
    for trial in job.trials:
        mine, its = (Record(run, trial.key).read_state() for run in (job.run, whole.run))
        assert all((mine[name] == its[name]).all() for name in its)


@pytest.mark.usefixtures("saved_often")
def test_a_group_of_which_one_was_saved_begins_at_the_start(betas, job_of, epochs):
    job, plugins = job_of(betas())

    def stop(event):
        if event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute_job(job, plugins, stop)
    progress_path(job.run, job.trials[2].key).unlink()
    del epochs[:]
    execute_job(job, plugins, lambda *_: None)
    assert epochs == [1, 2]
    assert not saved_files(job.run)


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of the groups that were tried; those over `limit` run out of memory."""
    tried, plain = [], engine.Training.__post_init__

    def post_init(self):
        tried.append(len(self.models))
        if len(self.models) > tried_limit[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        plain(self)

    tried_limit = [10]
    monkeypatch.setattr(engine.Training, "__post_init__", post_init)
    monkeypatch.setattr(fitting._Task, "_warm_up", lambda self, models: None)
    return tried, tried_limit


@pytest.mark.parametrize(("limit", "tried"), [(2, [4, 2, 2]), (1, [4, 2, 1, 1, 2, 1, 1]), (3, [4, 2, 2])])
def test_out_of_memory_halves_a_group(betas, job_of, sizes, limit, tried):
    seen, place = sizes
    place[0] = limit
    job, plugins = job_of(betas())
    execute_job(job, plugins, lambda *_: None)
    assert seen == tried
    outcomes = ended(job)
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert {outcome.environment["group_size"] for outcome in outcomes} == {min(limit, 2)}


def test_one_trial_out_of_memory_has_failed(betas, job_of, sizes):
    sizes[1][0] = 0
    job, plugins = job_of(betas())
    execute_job(job, plugins, lambda *_: None)
    assert {(o.status, o.error, o.message) for o in ended(job)} == {
        ("failed", "OutOfMemoryError", "CUDA out of memory")
    }


@pytest.fixture
def captures_fail(monkeypatch):
    """A function that makes the capture of groups fail, as those of single trials do if asked; it breaks all."""

    def fail(error, alone=False):
        plain = engine.Training.__post_init__

        def post_init(self):
            if alone or len(self.models) > 1:
                StepGraphs.broken = True
                raise error
            plain(self)

        monkeypatch.setattr(StepGraphs, "broken", False)
        monkeypatch.setattr(engine.Training, "__post_init__", post_init)
        monkeypatch.setattr(fitting._Task, "_warm_up", lambda self, models: None)

    return fail


@pytest.mark.parametrize(
    ("error", "halves"),
    [(torch.OutOfMemoryError("CUDA out of memory"), True), (ContractError("loss cannot be captured"), False)],
)
def test_a_group_whose_capture_failed_is_left_for_other_processes(betas, job_of, captures_fail, error, halves):
    captures_fail(error)
    job, plugins = job_of(betas())
    with pytest.raises(RuinedProcess) as caught:
        execute_job(job, plugins, lambda *_: None, replaceable=True)
    assert caught.value.halves == halves
    assert not any(Record(job.run, trial.key).exists() for trial in job.trials)  # nothing is held against them


def test_where_there_is_no_other_process_the_rest_is_tried_here(betas, job_of, captures_fail):
    captures_fail(ContractError("loss cannot be captured"))
    job, plugins = job_of(betas())
    execute_job(job, plugins, lambda *_: None)
    assert {outcome.status for outcome in ended(job)} == {"ok"}


def test_a_trial_alone_whose_capture_failed_has_failed(betas, job_of, captures_fail):
    captures_fail(ContractError("loss cannot be captured"), alone=True)
    job, plugins = job_of(betas())
    execute_job(replace(job, trials=job.trials[:1]), plugins, lambda *_: None, replaceable=True)
    outcome = Record(job.run, job.trials[0].key).read_trial().outcome
    assert (outcome.status, outcome.message) == ("failed", "loss cannot be captured")


def odd(tiny, *pulls, epochs=2, **budget):
    return tiny(
        models=("odd",), scores=("active_units",), params={"latent_dim": 2, "odd.pull": list(pulls)},
        budget={**FIVE, "epochs": epochs, "precision": "float32", **budget},
    )  # fmt: skip


def test_an_error_in_a_group_fails_the_guilty_one_alone(tiny, job_of):
    job, plugins = job_of(odd(tiny, 1, 2, 3))
    execute_job(job, plugins, lambda *_: None)
    found = [(o.status, o.message, o.environment["group_size"]) for o in ended(job)]
    assert found == [("ok", "", 1), ("ok", "", 1), ("failed", "three is too many (odd.py:13)", 1)]


def test_one_that_diverges_leaves_its_group_ok(tiny, job_of):
    job, plugins = job_of(odd(tiny, 1, 5, 2, epochs=3, checkpoint=[1]))
    events = []
    execute_job(job, plugins, events.append)
    by_pull = {}
    for trial, outcome in zip(job.trials, ended(job), strict=True):
        by_pull.setdefault(trial.params["pull"], []).append((outcome.status, outcome.environment["group_size"]))
    assert by_pull == {1.0: [("ok", 3)] * 2, 5.0: [("diverged", 3)] * 2, 2.0: [("ok", 3)] * 2}
    assert [event.result.status for event in events if event.result is not None].count("diverged") == 2
    assert not saved_files(job.run)


def test_what_was_looked_at_before_an_error_is_kept(tiny, job_of, epochs):
    job, plugins = job_of(odd(tiny, 1, 2, epochs=3, checkpoint=[1]))
    failed = []

    def fail_once(event):
        if event.epoch == 2 and not failed:
            failed.append(event)
            raise RuntimeError("no luck")

    execute_job(job, plugins, fail_once)
    found = [(o.status, len(o.history), o.environment["group_size"]) for o in ended(job)]
    assert found == [("ok", 1, 2), ("ok", 3, 1), ("ok", 1, 2), ("ok", 3, 1)]
    assert epochs == [1, 2, 1, 2, 3, 1, 2, 3]
