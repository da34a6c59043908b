"""How worker processes end, with a stand-in for their program: what they say, what they leave behind."""

import json
import os
import queue
import signal
import sys
import time

import psutil
import pytest

from latentbench.benchmark import read_benchmark
from latentbench.cli.run import _workers_ahead
from latentbench.execution import processes, worker_process
from latentbench.execution.events import TrialEvent
from latentbench.execution.job import Job
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect, pending_jobs
from latentbench.execution.worker_process import WorkerProcess, parse
from latentbench.execution.workers import run_in_workers
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import TrialResult

PROGRAM = """
import json, os, signal, subprocess, sys, time
jobs, events = os.fdopen(int(sys.argv[1])), int(sys.argv[2])

def say(values):
    os.write(events, values if isinstance(values, bytes) else json.dumps(values).encode() + b"\\n")

def sleeps(seconds=600, **options):
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(%d)" % seconds], **options)

event = dict(kind="trial_started", trial="", epoch=0, losses={}, result=None, metric="", done=0, total=0)
result = dict(status="ok", error="", message="", seconds=1.0, failed_scores={})
jobs.readline()
for line in jobs:
    job = json.loads(line)
    first = job["trials"][0]["seed"] == 0
    event["trial"] = key = KEYS[job["trials"][0]["seed"]]
    folder = os.path.join(job["run"], "trials", f".work-{key}-{os.getpid()}")
    if first:
        BEFORE
    say(event)
    if first:
        BODY
    say({**event, "kind": "trial_finished", "result": result})
"""


@pytest.fixture(scope="module")
def plan(tiny):
    return make_plan(tiny(models=("ae",), seeds=2), Plugins())


@pytest.fixture
def run(plan, tmp_path, monkeypatch):
    """A function that runs two trials, the first as told, and returns its result, its log, and the seconds."""

    def go(body, timeout=None, before="pass"):
        (tmp_path / "trials").mkdir()
        execution = Execution(workers=1, device="cpu", group_size=1)
        jobs = pending_jobs(inspect(plan, tmp_path, execution), plan, tmp_path, execution, Plugins())
        keys = [job.trials[0].key for job in jobs]
        program = PROGRAM.replace("BODY", body).replace("BEFORE", before)
        (tmp_path / "program.py").write_text(f"KEYS = {keys!r}\n{program}")
        monkeypatch.setattr(worker_process, "PROGRAM", (str(tmp_path / "program.py"),))
        told = []
        started = time.monotonic()
        run_in_workers(jobs, Plugins(), told.append, 1, timeout)
        results = {event.trial: event.result for event in told if event.kind == "trial_finished"}
        assert results[keys[1]].status == "ok"  # the run goes on
        record = Record(tmp_path, keys[0])
        log = record.log_path.read_text() if record.log_path.exists() else ""
        return results[keys[0]], log, time.monotonic() - started

    return go


def alive(seconds):
    """Whether a process is there that sleeps for so long."""
    words = f"time.sleep({seconds})"
    return any(words in " ".join(each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"]))


ENDS = {
    "os._exit(3)": "the worker process ended with exit status 3",
    "os.kill(os.getpid(), signal.SIGKILL)":
        "the worker process ended by signal SIGKILL; the machine may be out of memory, try fewer --workers",
    "os.kill(os.getpid(), 36)": "the worker process ended by signal 36",
    "os.kill(os.getpid(), signal.SIGSEGV)": "the worker process ended by signal SIGSEGV",
    "say({'died': 'KeyboardInterrupt', 'traceback': 'one\\ntwo\\n'}); os._exit(1)":
        "the worker process ended with exit status 1 after KeyboardInterrupt",
}  # fmt: skip


@pytest.mark.parametrize("body", ENDS)
def test_the_record_tells_how_a_worker_ended(run, body):
    result, log, _ = run(f"os.makedirs(folder); open(folder + '/log.txt', 'w').write('printed before\\n'); {body}")
    assert (result.status, result.error, result.message) == ("failed", "WorkerDied", ENDS[body])
    assert log.startswith("printed before\n")
    assert log.endswith(ENDS[body] + "\n")
    assert ("one\ntwo\n" in log) == ("died" in body)


GARBAGE = {
    "say(b'no json\\n')": r"'no json\n', which is no event",
    "say(b'\\xff\\xfe\\n')": r"'\xff\xfe\n', which is no event",
    "say([1, 2])": r"'[1, 2]\n', which is no event",
    "say({'kind': 'trial_finished'})": "which is no event",
    "say({**event, 'losses': 3})": "which is no event",
    "say({**event, 'trial': 'unknown'})": "an event of a trial that it is not on (trial_started unknown)",
    "say({**event, 'kind': 'trial_finished', 'result': {**result, 'status': 'splendid'}})": "which is no event",
    "say(b'[' * 100_000 + b'\\n')": "which is no event",
    "say(b'half a line'); os.close(events)": "'half a line', which is no event",
}


@pytest.mark.parametrize("body", GARBAGE)
def test_garbage_fails_the_trial_and_not_the_run(run, body):
    result, log, seconds = run(f"{body}; time.sleep(600)")
    assert (result.status, result.error) == ("failed", "WorkerDied")
    assert result.message.startswith("the worker process was ended because it sent ")
    assert GARBAGE[body] in result.message
    assert log == result.message + "\n"
    assert seconds < 10


def test_a_line_without_end_is_no_event(run, monkeypatch):
    monkeypatch.setattr(worker_process, "LONGEST", 2**20)
    result, _, seconds = run("while True: say(b'x' * 2**16)")
    assert result.message.endswith("'" + "x" * 80 + "'..., which is no event")
    assert seconds < 10


CHILDREN = {
    "in the group": "sleeps({})",
    "in a session of its own": "sleeps({}, start_new_session=True)",
    "with the pipe": "sleeps({}, pass_fds=[events])",
    "of a fork": "os.fork() or (sleeps({}).wait(), os._exit(0))",
}


@pytest.mark.parametrize("kind", CHILDREN)
@pytest.mark.parametrize("end", ["dies", "late", "ok"])
def test_children_neither_hide_the_end_nor_outlive_the_run(run, kind, end):
    number = 1000 + 10 * list(CHILDREN).index(kind) + len(end)
    body = CHILDREN[kind].format(number) + {"dies": "; os._exit(3)", "late": "; time.sleep(600)", "ok": ""}[end]
    result, _, seconds = run(body, timeout=1 if end == "late" else None)
    assert result.status == {"dies": "failed", "late": "timeout", "ok": "ok"}[end]
    assert seconds < 10
    deadline = time.monotonic() + 5
    while alive(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(number)


@pytest.mark.parametrize("body", ["time.sleep(0.5)", "os._exit(3)", "sleeps(1900)"])
def test_a_system_that_cannot_wait_for_the_end_alone(run, monkeypatch, body):
    """As macOS was before Python 3.13."""
    monkeypatch.delattr(os, "waitid")
    result, _, seconds = run(body)
    assert result.status == ("failed" if "exit" in body else "ok")
    assert not result.message or result.message == "the worker process ended with exit status 3"
    assert seconds < 10
    assert not alive(1900)


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "sys.exit()"])
def test_a_job_that_was_not_begun_is_given_to_another_worker(run, end):
    """A worker may end just when it is given its next job."""
    once = f"flag = job['run'] + '/flag'; os.path.exists(flag) or (open(flag, 'w').close(), {end})"
    result, _, _ = run("pass", before=once)
    assert result.status == "ok"


@pytest.mark.parametrize("end", ["os._exit(0)", "os._exit(7)", "say({'died': 'E', 'traceback': ''}); os._exit(1)"])
def test_a_job_that_is_never_begun_fails(run, end):
    result, _, _ = run("pass", before=end)
    assert (result.status, result.error) == ("failed", "WorkerDied")


LEAVES = """
import json, os, sys, time
jobs, events = os.fdopen(int(sys.argv[1])), int(sys.argv[2])
result = dict(status="ok", error="", message="", seconds=1.0, failed_scores={})
event = dict(kind="trial_started", epoch=0, losses={}, result=None, metric="", done=0, total=0)

def say(values):
    os.write(events, json.dumps(values).encode() + b"\\n")

jobs.readline()
for number, line in enumerate(jobs):
    keys = [KEYS[trial["seed"]] for trial in json.loads(line)["trials"]]
    with open(SEEN, "a") as seen:
        print(os.getpid(), *(trial["seed"] for trial in json.loads(line)["trials"]), file=seen)
    LEAVE
    for key in keys:
        say({**event, "trial": key})
    for key in keys:
        say({**event, "trial": key, "kind": "trial_finished", "result": result})
"""


@pytest.fixture
def leaving(tiny, tmp_path, monkeypatch):
    """A function that runs trials in workers that leave as told; returns their results and who got which seeds."""

    def go(leave, workers, *groups):
        seeds = 1 + max(max(group) for group in groups)
        plan = make_plan(tiny(models=("ae",), seeds=seeds), Plugins())
        jobs = [Job(tuple(plan.trials[seed] for seed in group), (), tmp_path) for group in groups]
        keys, seen = [trial.key for trial in plan.trials], tmp_path / "seen"
        program = LEAVES.replace("LEAVE", leave)
        (tmp_path / "program.py").write_text(f"KEYS = {keys!r}\nSEEN = {str(seen)!r}\n{program}")
        monkeypatch.setattr(worker_process, "PROGRAM", (str(tmp_path / "program.py"),))
        told = []
        run_in_workers(jobs, Plugins(), told.append, workers)
        results = {event.trial: event.result for event in told if event.kind == "trial_finished"}
        lines = [[int(word) for word in line.split()] for line in seen.read_text().splitlines()]
        return [results[key] for key in keys], [tuple(seeds) for _, *seeds in lines]

    return go


def test_a_job_given_to_workers_that_are_leaving_is_put_back_as_often_as_it_takes(leaving):
    """A worker whose capture broke has finished its job and is about to end when it is given the next one."""
    results, seen = leaving("if number: time.sleep(0.5); os._exit(0)", 2, (0,), (1,), (2,))
    assert {result.status for result in results} == {"ok"}
    assert seen.count((2,)) == 3  # two that were leaving, and one that was not


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("halves", [(0, 1, 2), (0,), (1, 2), (1,), (2,)]),
        ("singles", [(0, 1, 2), (0,), (1,), (2,)]),
    ],
)
def test_what_a_worker_leaves_in_the_middle_of_a_job_is_divided(leaving, how, expected):
    leave = f"""if len(keys) > 1:
        say({{**event, "trial": keys[0]}})
        say({{"put_back": "{how}"}})
        os._exit(0)"""
    results, seen = leaving(leave, 1, (0, 1, 2))
    assert {result.status for result in results} == {"ok"}
    assert seen == expected


def test_a_job_of_one_training_is_not_put_back_for_ever(leaving):
    leave = 'say({**event, "trial": keys[0]}); say({"put_back": "halves"}); os._exit(0)'
    (result,), seen = leaving(leave, 1, (0,))
    assert (result.status, result.message) == ("failed", "the worker process ended with exit status 0")
    assert seen == [(0,)]


VALUES = TrialEvent("trial_finished", "key", result=TrialResult("ok")).to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "trial_invented"},
        {"trial": None},
        {"epoch": "3"},
        {"losses": {"total": "low"}},
        {"result": None},
        {"result": []},
        {"result": {"status": "ok"}},
        {"result": {**VALUES["result"], "message": 3}},
        {"result": {**VALUES["result"], "failed_scores": {"r2": 3}}},
        {"more": 1},
    ],
)
def test_an_event_of_another_shape_is_none(change):
    parse(json.dumps(VALUES).encode())
    with pytest.raises(ValueError, match="which is no event"):
        parse(json.dumps({**VALUES, **change}).encode())


# started ahead


def test_a_worker_started_ahead_is_the_first_to_be_taken_and_one_left_is_ended():
    with processes.started_ahead(2):
        first, left = (each.process for each in processes._AHEAD)
        taken = WorkerProcess(Plugins(), queue.Queue(), "cpu")
        assert taken.process is first
        elsewhere = WorkerProcess(Plugins(), queue.Queue(), "cuda")
        assert elsewhere.process is not left
        elsewhere.end()
        assert (first.poll(), left.poll()) == (None, None)
    assert left.returncode == -signal.SIGKILL
    assert not processes._AHEAD
    assert first.poll() is None
    taken.end()
    assert first.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 2),
        ({"workers": 1}, 1),
        ({"workers": 0}, 0),
        ({"timing": True}, 1),
        ({"device": "cuda"}, 0),
        ({"executor": "dask"}, 0),
        ({"debug": True}, 0),
        ({"dry_run": True}, 0),
        ({"detach": True}, 0),
    ],
)
def test_workers_are_started_ahead_where_they_will_be_needed(changes, count, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    usual = {"workers": None, "device": "cpu", "executor": "local"}
    options = {**dict.fromkeys(("timing", "debug", "dry_run", "detach"), False), **usual, **changes}
    quick, plugins = read_benchmark("quick"), Plugins()

    def ahead(folder=tmp_path / "new", **request):
        return _workers_ahead(quick.model_copy(update=request), folder, plugins, options)

    assert ahead() == 0  # this process has its libraries
    monkeypatch.delitem(sys.modules, "torch")
    assert ahead() == count
    assert ahead(models=("ae",), references=(), seeds=1) == min(1, count)
    (tmp_path / "trials").mkdir()
    assert ahead(tmp_path) == ahead(budget={"threads": 2}) == ahead(models=("vea",)) == 0
