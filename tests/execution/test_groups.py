"""Which trials are trained together, what is run alone for clean times, and in which precision."""

import json
import threading
import time
from collections import OrderedDict
from itertools import groupby
from types import SimpleNamespace
from typing import ClassVar

import pytest

import latentbench
from latentbench import machine, opening
from latentbench.benchmark import read_benchmark
from latentbench.cli import main
from latentbench.errors import RequestError
from latentbench.execution import options, pending, workers
from latentbench.execution.events import TrialEvent
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect, pending_jobs
from latentbench.execution.worker_process import WorkerProcess
from latentbench.files.json_files import read_sealed, write_sealed
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import Trial, TrialResult

CUDA = Execution(device="cuda", group_size=4, workers=1)
SINGLE = """
import torch
from latentbench import GradientModel, Model, hookimpl

class Single(GradientModel):
    groupable = False
    class Params(Model.Params):
        latent_dim: int = 2
    def __init__(self, params, data):
        super().__init__(params, data)
        self.weight = torch.nn.Parameter(torch.ones(64, 2))
    def loss(self, batch, noise): return {"total": (batch.inputs.flatten(1) @ self.weight).square().mean()}
    def encode(self, inputs): return inputs.flatten(1) @ self.weight

@hookimpl
def register_models(register): register("single", Single)
"""

BIG = """
import numpy as np
from latentbench import Dataset, Split, hookimpl

class Big(Dataset):
    def load(self):
        images = np.random.default_rng(0).integers(0, 256, (300, 1, 16, 16), dtype=np.uint8)
        return Split(images[:200]), Split(images[200:])

@hookimpl
def register_datasets(register): register("big", Big)
"""


def jobs_in(folder, plan, plugins, execution):
    return pending_jobs(inspect(plan, folder, execution), plan, folder, execution, plugins)


@pytest.fixture
def plugins(plugin_file):
    return Plugins(files=(plugin_file(SINGLE),))


@pytest.fixture
def jobs_of(tmp_path, plugins):
    """A function that plans a benchmark and returns the trials of each job."""

    def plan(benchmark, how=CUDA):
        planned = make_plan(benchmark, plugins, "cpu")
        return [job.trials for job in jobs_in(tmp_path, planned, plugins, how)]

    return plan


def told(jobs):
    """Return (label, seed) of the trials of each job."""
    return [[(trial.label, trial.seed) for trial in trials] for trials in jobs]


# groups


def test_seeds_are_trained_together(jobs_of, tiny):
    jobs = jobs_of(tiny(models=("ae", "vae"), seeds=4))
    assert told(jobs) == [[(label, seed) for seed in range(4)] for label in ("ae", "vae")]


def test_a_group_has_its_size_at_most(jobs_of, tiny):
    assert [len(trials) for trials in jobs_of(tiny(seeds=10))] == [4, 4, 2]
    whole = jobs_of(tiny(seeds=10), Execution(device="cuda", group_size=16, workers=1))
    assert [len(trials) for trials in whole] == [10]
    alone = jobs_of(tiny(seeds=3), Execution(device="cuda", group_size=1, workers=1))
    assert [len(trials) for trials in alone] == [1, 1, 1]


def test_parameters_of_members_are_trained_together(jobs_of, tiny):
    asked = tiny(models=("beta_vae",), params={"latent_dim": 2, "beta_vae.beta": [1, 4]}, seeds=2)
    (trials,) = jobs_of(asked)
    assert {(trial.params["beta"], trial.seed) for trial in trials} == {(1.0, 0), (1.0, 1), (4.0, 0), (4.0, 1)}


def alike(trials):
    """What trials of a group must have in common."""
    return {
        (trial.dataset, trial.model, repr(trial.budget), json.dumps({**trial.params, "beta": 0}))
        for trial in trials
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"params": {"latent_dim": [2, 3]}},
        {"models": ("vae", "beta_vae", "ae")},
        {"budget": {"epochs": 1, "learning_rate": [1e-3, 2e-3]}},
        {"budget": {"epochs": [1, 2]}},
        {"budget": {"epochs": 1, "train_limit": [100, 200]}},
    ],
)
def test_nothing_else_is_trained_together(jobs_of, tiny, changes):
    jobs = jobs_of(tiny(seeds=3, **changes))
    assert len(jobs) > 1
    for trials in jobs:
        assert len(alike(trials)) == 1
        assert [trial.seed for trial in trials] == [0, 1, 2]


def test_datasets_are_trained_apart(jobs_of, tiny):
    jobs = jobs_of(tiny(datasets=("digits", "lines"), seeds=2))
    assert [[trial.dataset for trial in trials] for trials in jobs] == [["digits"] * 2, ["lines"] * 2]


def test_looks_at_one_training_stay_together(jobs_of, tiny):
    asked = tiny(seeds=3, budget={"epochs": 4, "checkpoint": [1, 2]})
    jobs = jobs_of(asked, Execution(device="cuda", group_size=2, workers=1))
    assert [len(trials) for trials in jobs] == [6, 3]
    for trials in jobs:
        by_seed = [[t.budget.checkpoint for t in own] for _, own in groupby(trials, lambda t: t.seed)]
        assert by_seed == [[1, 2, None]] * (len(trials) // 3)


def test_models_that_cannot_be_stacked_are_trained_alone(jobs_of, tiny):
    jobs = jobs_of(tiny(models=("single", "untrained", "pca"), seeds=2))
    assert [len(trials) for trials in jobs] == [1] * 5


def on_cpu(**options):
    return Execution(device="cpu", **options).settled(1)


@pytest.mark.parametrize(
    ("models", "seeds", "how", "sizes"),
    [
        (("ae", "vae", "beta_vae"), 5, {"workers": 1}, [5, 5, 5]),
        (("ae", "vae", "beta_vae"), 5, {"workers": 2}, [5, 5, 2, 3]),
        (("ae", "vae"), 5, {"workers": 3}, [2, 3, 2, 3]),
        (("ae",), 5, {"workers": 2}, [2, 3]),
        (("ae",), 5, {"workers": 8}, [1] * 5),
        (("ae",), 5, {"workers": 0}, [5]),
        (("ae",), 5, {"workers": 1, "group_size": 4}, [2, 3]),
        (("ae",), 5, {"workers": 1, "group_size": 1}, [1] * 5),
        (("ae",), 3, {"timing": True}, [1] * 3),
        (("ae", "pca", "single"), 3, {"workers": 1}, [3, 1, 1, 1, 1]),
    ],
)
def test_long_trainings_on_small_images_share_their_steps_on_a_cpu(jobs_of, tiny, models, seeds, how, sizes):
    jobs = jobs_of(tiny(models=models, seeds=seeds, budget={"epochs": 80}), on_cpu(**how))
    assert [len(trials) for trials in jobs] == sizes
    assert all(len({trial.label for trial in trials}) == 1 for trials in jobs)


@pytest.mark.parametrize(
    "changes",
    [
        {"budget": {"epochs": 1}},
        {"budget": {"epochs": 80, "train_limit": 100}},
        {"budget": {"epochs": 500, "batch_size": 512}},
        {"budget": {"epochs": 200, "batch_size": 128}, "datasets": ("big",)},
    ],
)
def test_short_trainings_and_large_batches_are_trained_alone_on_a_cpu(tmp_path, plugin_file, tiny, changes):
    plugins = Plugins(files=(plugin_file(BIG),))
    plan = make_plan(tiny(seeds=3, **changes), plugins, "cpu")
    jobs = jobs_in(tmp_path, plan, plugins, on_cpu(workers=1))
    assert [len(job.trials) for job in jobs] == [1, 1, 1]


def test_data_that_cannot_be_read_any_more_are_for_the_job_to_tell_of(tmp_path, tiny, plugins, monkeypatch):
    plan = make_plan(tiny(seeds=2, budget={"epochs": 80}), plugins, "cpu")
    monkeypatch.setattr(pending, "training_shape", lambda *_, **__: 1 / 0)
    assert [len(job.trials) for job in jobs_in(tmp_path, plan, plugins, on_cpu(workers=1))] == [1, 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_data_stay_in_memory_only_where_they_are_trained_on(tmp_path, tiny, plugins, monkeypatch, workers):
    monkeypatch.setattr(opening, "_MEMORY", OrderedDict())
    plan = make_plan(tiny(seeds=2, budget={"epochs": 80}), plugins, "cpu")
    (job,) = jobs_in(tmp_path, plan, plugins, on_cpu(workers=workers))
    assert len(job.trials) == 2
    assert len(opening._MEMORY) == (workers == 0)


def test_what_only_lacks_scores_is_not_put_with_what_is_trained(jobs_of, tiny, plugins, tmp_path):
    latentbench.run(tiny(seeds=2), tmp_path, plugins=plugins, workers=0)
    jobs = jobs_of(tiny(seeds=4, scores=("r2", "knn10")))
    assert sorted(told(jobs)) == [[("ae", 0)], [("ae", 1)], [("ae", 2), ("ae", 3)]]
    assert jobs_of(tiny(seeds=2)) == []


def test_a_training_of_which_a_look_is_there_can_be_grouped(jobs_of, tiny, plugins, tmp_path):
    latentbench.run(tiny(seeds=1, budget={"epochs": 2, "checkpoint": [1]}), tmp_path, plugins=plugins, workers=0)
    (path,) = [p for p in tmp_path.rglob("trial.json") if '"checkpoint": null' in p.read_text()]
    Record(tmp_path, path.parent.name).remove()
    (trials,) = jobs_of(tiny(seeds=2, budget={"epochs": 2, "checkpoint": [1]}))
    assert {(trial.seed, trial.budget.checkpoint) for trial in trials} == {(0, None), (1, 1), (1, None)}


def test_every_trial_stands_in_one_job(jobs_of, tiny):
    asked = tiny(models=("ae", "beta_vae", "single"), references=("pca",), seeds=3, params={"beta": [1, 2, 4]})
    jobs = jobs_of(asked)
    keys = [trial.key for trials in jobs for trial in trials]
    assert len(keys) == len(set(keys)) == 3 + 9 + 3 + 1


# out of time


class SlowWorker(WorkerProcess):
    """Stands for a process: it is done with one trial at once, unless its seed is 1, and never with several."""

    jobs: ClassVar = []
    alive = True

    def __init__(self, plugins, messages, device):
        self.device, self.messages, self.jobs_done = device, messages, 0
        self.last_words = self.put_back = None
        self.process = SimpleNamespace(pid=0)

    def _send(self, value):
        trials = [Trial.from_json(trial) for trial in value["trials"]]
        self.jobs.append([trial.seed for trial in trials])
        for trial in trials:
            self.tell("trial_started", trial)
        if len(trials) == 1 and trials[0].seed != 1:
            self.tell("trial_finished", trials[0], result=TrialResult("ok"))
        else:
            threading.Timer(0.3, self.tell, ("epoch_finished", trials[0])).start()

    def tell(self, kind, trial, **values):
        line = json.dumps(TrialEvent(kind, trial.key, **values).to_json())
        self.messages.put((self, line.encode() + b"\n"))

    def end(self):
        """There is no process."""
        return "well"


def test_a_group_out_of_time_is_done_again_one_by_one(tiny, plugins, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "WorkerProcess", SlowWorker)
    SlowWorker.jobs.clear()
    (job,) = jobs_in(tmp_path, make_plan(tiny(seeds=3), plugins, "cpu"), plugins, CUDA)
    seeds = {trial.key: trial.seed for trial in job.trials}
    finished, began = [], time.monotonic()

    def listen(event):
        if event.result is not None:
            finished.append((seeds[event.trial], event.result.status, time.monotonic() - began))

    workers.run_in_workers([job], plugins, listen, workers=1, timeout=0.5)
    assert SlowWorker.jobs == [[0, 1, 2], [0], [1], [2]]
    assert [(seed, status) for seed, status, _ in finished] == [(0, "ok"), (1, "timeout"), (2, "ok")]
    assert 1.5 <= finished[0][2] < 1.5 + 0.45  # three trials have three times the time, and epochs give none
    assert 0.5 <= finished[1][2] - finished[0][2] < 0.5 + 0.45
    outcome = Record(tmp_path, job.trials[1].key).read_trial().outcome
    assert (outcome.status, outcome.message) == ("timeout", "the trial ran past --timeout")


# clean times


def environments(results):
    return {trial.seed: trial.outcome.environment for trial in results.trials}


def started(folder):
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return sum(line["event"] == "trial_started" for line in lines)


def crowd(results, seed, **environment):
    """Let a trial have run beside others."""
    (trial,) = [trial for trial in results.trials if trial.seed == seed]
    path = results.path / "trials" / trial.key / "trial.json"
    values = read_sealed(path)
    values["outcome"]["environment"] |= environment
    write_sealed(path, values)


def test_timing_runs_again_what_ran_beside_others(tiny, tmp_path):
    results = latentbench.run(tiny(seeds=4), tmp_path, workers=0)
    assert started(tmp_path) == 4
    crowd(results, 1, concurrency=2)
    crowd(results, 3, group_size=10)
    plan = make_plan(tiny(seeds=4), Plugins())
    for execution, count in ((Execution(timing=True), 2), (Execution(), 0)):
        assert sum(state.pending for state in inspect(plan, tmp_path, execution)) == count
    again = latentbench.run(tiny(seeds=4), tmp_path, workers=0, timing=True)
    assert started(tmp_path) == 6
    assert {(e["concurrency"], e["group_size"]) for e in environments(again).values()} == {(1, 1)}
    latentbench.run(tiny(seeds=4), tmp_path, workers=0, timing=True)
    assert started(tmp_path) == 6


def test_timing_leaves_failed_trials(plugin_file, tiny, tmp_path):
    failing = plugin_file(SINGLE.replace("return {", "raise RuntimeError('no luck'); return {"), "failing.py")
    plugins = Plugins(files=(failing,))
    results = latentbench.run(tiny(models=("single",)), tmp_path, plugins=plugins, workers=0)
    crowd(results, 0, concurrency=2)
    latentbench.run(tiny(models=("single",)), tmp_path, plugins=plugins, workers=0, timing=True)
    assert started(tmp_path) == 1


def test_timing_takes_one_worker_and_no_groups():
    how = Execution(timing=True, device="cpu").settled(1)
    assert (how.workers, how.group_size) == (1, 1)


def test_cuda_takes_one_worker_and_groups(monkeypatch):
    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: True)
    assert Execution().settled(1) == Execution(device="cuda", workers=1, group_size=options.GROUP_SIZE)
    timed = Execution(timing=True).settled(1)
    assert (timed.device, timed.workers, timed.group_size) == ("cuda", 1, 1)


CONTRADICTIONS = {
    "timing with workers": (
        {"timing": True, "workers": 2},
        "--timing runs trials one at a time; leave out --workers",
    ),
    "timing with groups": (
        {"timing": True, "group_size": 4},
        "--group-size 4: --timing runs trials alone; leave it out",
    ),
    "a timeout without workers": (
        {"timeout": 3.0, "workers": 0},
        "--timeout needs a worker process that can be ended; leave out --workers 0",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions_are_one_sentence(case, tiny, tmp_path, capsys):
    options, sentence = CONTRADICTIONS[case]
    with pytest.raises(RequestError) as caught:
        Execution(**options).settled(1)
    assert str(caught.value) == sentence
    with pytest.raises(RequestError) as caught:
        latentbench.run(tiny(), tmp_path / "run", **options)
    assert str(caught.value) == sentence
    assert not (tmp_path / "run").exists()
    flags = [
        f"--{name.replace('_', '-')}" if value is True else f"--{name.replace('_', '-')}={value}"
        for name, value in options.items()
    ]
    for more in ([], ["--dry-run"]):
        with pytest.raises(SystemExit) as ended:
            main(["run", *flags, *more, "-o", str(tmp_path / "run")])
        assert ended.value.code == 2
        assert capsys.readouterr().err == f"latentbench: {sentence}\n"


@pytest.mark.parametrize("options", [{"timing": True, "workers": 1}, {"timing": True, "group_size": 1}])
def test_what_agrees_is_taken(options):
    assert Execution(**options, device="cpu").settled(1).workers == 1


# precision


@pytest.fixture(params=["float32", "bfloat16"])
def chip(request, monkeypatch):
    """A machine that is best in one precision."""
    flags = ["avx2", "avx512_bf16"] if request.param == "bfloat16" else ["avx2"]
    monkeypatch.setattr(machine, "_processor_flags", lambda: flags)
    return request.param


def planned(benchmark, device="cpu"):
    return make_plan(benchmark, Plugins(), device).trials


def test_auto_is_what_the_chip_does_best(chip, tiny):
    assert machine.best_precision("cpu") == chip
    (auto,) = planned(tiny(budget={"epochs": 1, "precision": "auto"}))
    (plain,) = planned(tiny(datasets=("lines",)))
    (fixed,) = planned(tiny(budget={"epochs": 1, "precision": chip}))
    assert auto.budget.precision == plain.budget.precision == chip
    assert auto.key == fixed.key


def test_precision_is_in_the_key(tiny):
    def key(precision):
        (trial,) = planned(tiny(budget={"epochs": 1, "precision": precision}))
        return trial.key

    assert key("float32") != key("bfloat16")
    assert key("auto") == key(machine.best_precision("cpu"))


def test_auto_in_toml(chip, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('models = ["ae"]\nreferences = []\nseeds = 1\nbudget = {precision = "auto"}\n')
    (trial,) = planned(read_benchmark(path))
    assert trial.budget.precision == chip


def test_several_precisions_span_the_grid(chip, tiny):
    trials = planned(tiny(budget={"epochs": 1, "precision": ["float32", "bfloat16"]}))
    assert [trial.label for trial in trials] == ["ae(precision=float32)", "ae(precision=bfloat16)"]


def test_models_without_steps_have_one_key_in_any_precision(tiny):
    keys = {
        trial.key
        for precision in ("float32", "bfloat16", "auto")
        for trial in planned(tiny(models=("pca",), budget={"epochs": 1, "precision": precision}))
    }
    assert len(keys) == 1


def test_a_wrong_precision_is_one_sentence(tiny):
    with pytest.raises(RequestError, match=r"precision should be 'float32' or 'bfloat16', got 'half'$"):
        planned(tiny(budget={"epochs": 1, "precision": "half"}))


def test_cuda_that_is_not_there_is_told(tiny, monkeypatch):
    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match="torch sees no CUDA device here"):
        planned(tiny(budget={"precision": "auto"}), "cuda")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_command_line_sets_it_and_the_table_tells_it(precision, tmp_path, capsys):
    arguments = ["run", "-m", "ae", "-s", "r2", "--seeds", "1", "--epochs", "1", "--train-limit", "100"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--precision", precision, "--workers", "0", "-o", str(tmp_path)])
    assert ended.value.code == 0
    scores = latentbench.load_results(tmp_path).scores.set_index("label")
    assert scores.loc["ae", "precision"] == precision
    capsys.readouterr()
