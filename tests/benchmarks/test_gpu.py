"""What `benchmarks/gpu.py` does with its parts; each of them, smaller, on a CPU; that one cannot break another."""

import contextlib
import csv
import itertools
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import psutil
import pytest
import torch

import latentbench
from benchmarks.cuda import parts, rates, variants
from benchmarks.cuda.parts import CALLS, PARTS, Part, rows_of, seconds_for
from benchmarks.cuda.rows import Aim, Row, read_rows, write_rows
from benchmarks.cuda.work import Work
from latentbench import LatentSpace
from latentbench.benchmark import read_benchmark
from latentbench.training.graphs import StepGraphs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def gpu(script):
    return script("gpu.py")


@pytest.fixture
def work():
    return Work(
        device="cpu",
        quick=True,
        dataset="digits",
        members=2,
        batches=(64,),
        seconds=0.0,
        processes=1,
        ae=((256, 3e-3, 1),),
        study_groups=(2,),
    )


# rows


AIMED = Row(
    *("streams", "the fastest, of all", 2.5e6, "images/s", Aim(">=", 2e6, hoped=4e6)),
    batch=128, precision="bfloat16", members=10, note='a "note", and more',
)  # fmt: skip
ROWS = [
    AIMED,
    Row("checks", "losses", 1.25e-7, "relative", Aim("<=", 1e-6), must=True),
    Row("grid", "part grid", None, failed=True, note="its process ended by signal SIGSEGV"),
]


def test_rows_are_read_back_as_they_were_written(tmp_path):
    assert read_rows(tmp_path) == []
    write_rows(ROWS, ["command"], tmp_path)
    assert read_rows(tmp_path) == ROWS
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["gpu.csv", "gpu.txt"]
    lines = (tmp_path / "gpu.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "command"
    assert lines[2].split()[:3] == ["the", "fastest,", "of"]
    assert "2,500,000" in lines[2]


def test_a_missed_aim_is_an_error_for_checks_alone():
    most = Aim("<=", 1e-6)
    assert (Row("", "", 1e-7, aim=most).met, Row("", "", 1e-5, aim=most).met) == ("met", "NOT MET")
    assert not Row("", "", 1e-5, aim=most).wrong
    for value in (1e-5, float("nan"), None):
        assert Row("", "", value, aim=most, must=True).wrong
    assert not Row("", "", 1e-7, aim=most, must=True).wrong


# parts in processes of their own

FAKES = r"""
import contextlib, os, signal, subprocess, time
from benchmarks.cuda.rows import Row

def good(work, rows, seconds):
    print("to be read by nobody")
    yield Row("good", "sum", sum(row.value or 0 for row in rows), note=f"{seconds:.0f}")

def raises(work, rows, seconds):
    yield Row("raises", "first", 1.0)
    raise ValueError("no\nsuch luck")

def crashes(work, rows, seconds):
    yield Row("crashes", "first", 2.0)
    os.kill(os.getpid(), signal.SIGSEGV)

def stays(work, rows, seconds):
    child = subprocess.Popen(["sleep", "618"])
    yield Row("stays", "child", child.pid)
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)

def lingers(work, rows, seconds):
    import atexit
    atexit.register(time.sleep, 60)  # as the end of a process whose capture broke may take long
    yield Row("lingers", "first", 3.0)
"""


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """Parts by the names of FAKES."""
    (tmp_path / "fake_gpu_parts.py").write_text(textwrap.dedent(FAKES), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(parts, "GRACE", 1.0)
    names = ("raises", "crashes", "lingers", "good")
    return {name: Part(f"fake_gpu_parts:{name}", 60, 1) for name in (*names, "stays")}


def test_parts_that_fail_or_crash_keep_their_rows_and_the_others_go_on(gpu, fakes, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "PARTS", fakes)
    monkeypatch.setattr(parts, "PARTS", fakes)
    earlier = [Row("grid", "earlier", 7.0), Row("good", "done again", 100.0)]
    write_rows(earlier, [], tmp_path / "kept")
    started = time.monotonic()
    rows = gpu.measure(None, ["raises", "crashes", "lingers", "good"], 4, tmp_path / "kept")
    assert time.monotonic() - started < 50
    assert [(row.what, row.value, row.failed) for row in rows] == [
        ("first", 1.0, False),
        ("part raises", None, True),
        ("first", 2.0, False),
        ("part crashes", None, True),
        ("first", 3.0, False),
        ("sum", 13.0, False),  # of all before it and of the earlier call
        ("earlier", 7.0, False),
    ]
    assert [row.note for row in rows if row.failed] == [
        "ValueError: no such luck",
        "its process ended by signal SIGSEGV",
    ]
    assert read_rows(tmp_path / "kept") == rows


def test_a_part_out_of_time_is_ended_with_all_that_it_has_started(fakes):
    started = time.monotonic()
    child, stopped = rows_of("stays", fakes["stays"], None, (), 6.0)
    assert time.monotonic() - started < 20
    assert stopped.note == "stopped after 6 s: out of time"
    while alive(child.value) and time.monotonic() - started < 20:
        time.sleep(0.05)
    assert not alive(child.value)


def alive(process):
    """Whether a process is there and is no dead one that nobody has buried."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(int(process)).status() != psutil.STATUS_ZOMBIE
    return False


def test_a_row_is_there_before_the_next_is_made(fakes):
    rows = rows_of("stays", fakes["stays"], None, (), 60.0)
    assert next(rows).what == "child"
    rows.close()


def test_parts_have_the_order_and_the_time_of_two_calls():
    """What a first run on a GPU must tell comes first: more may not be had."""
    order = ["versions", "captured", "stack", "checks", "profile", "variants"]
    assert list(PARTS)[:6] == order
    assert [*CALLS[1], *CALLS[2]] == list(PARTS)
    for names in CALLS.values():
        assert sum(PARTS[name].seconds for name in names) <= 330
    names = CALLS[1]
    assert seconds_for(names, 0, 330, 330) == pytest.approx(PARTS["versions"].seconds)
    early = seconds_for(names, 1, 330, 325)  # the first took 5 of its 20 seconds
    assert early == pytest.approx(PARTS["captured"].seconds + 15)
    assert seconds_for(names, len(names) - 1, 330, -3) == 0


# ways to train


@pytest.fixture
def no_streams(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    return rates


def test_trainers_take_steps_in_turn(no_streams):
    class Steps:
        def __init__(self, name):
            self.name = name

        def steps(self):
            for number in range(2):
                taken.append(f"{self.name}{number}")
                yield

    taken = []
    rounds = no_streams.in_turn([Steps("a"), Steps("b")], [None, None])
    assert sum(1 for _ in itertools.islice(rounds, 3)) == 3
    assert taken == ["a0", "b0", "a1", "b1", "a0", "b0"]


def test_a_stream_for_each_seed_trains_all_of_them(no_streams, monkeypatch, work):
    trainers = []
    new_trainer = no_streams.new_trainer
    monkeypatch.setattr(
        no_streams, "new_trainer", lambda *args: trainers.append(new_trainer(*args)) or trainers[-1]
    )
    assert no_streams.on_streams(work, 64, "float32") > 0
    assert [trainer.cursor.step for trainer in trainers] == [2, 2]


def test_images_are_counted_after_the_warm_up():
    def steps():
        yield time.sleep(0.3)
        while True:
            yield time.sleep(0.01)

    assert 2000 < rates.rate(steps(), 100, 0.2, "cpu") <= 10_000


def test_ways_of_training_end_at_the_same_weights_and_others_do_not(work, monkeypatch):
    from benchmarks.cuda import checks

    monkeypatch.setitem(checks.STEPS, True, 3)
    expected = checks.train(work, checks.Way("cpu"))
    together = checks.train(work, checks.Way("cpu", together=True))
    assert max(map(checks.Trained.distance, together, expected)) < 1e-9
    assert expected[0].distance(expected[1]) > 1e-3
    monkeypatch.setitem(checks.STEPS, True, 4)
    assert checks.train(work, checks.Way("cpu"))[0].distance(expected[0]) > 1e-3


@pytest.mark.parametrize(
    ("value", "other", "alike"),
    [
        (1.0, 1.0009, True),
        (1.0, 1.002, False),
        (100.0, 100.09, True),
        ("not applicable", "not applicable", True),
        ("not applicable", 1.0, False),
        ("failed", "failed", False),
    ],
)
def test_scores_are_compared_within_their_margin(value, other, alike):
    from benchmarks.cuda.checks import _alike

    assert _alike(value, other, 1e-3) is alike


@pytest.mark.parametrize(
    ("changed", "seconds", "told"), [(0.0, 60.0, "equal"), (0.5, 60.0, "not"), (0.0, 0.0, "no time")]
)
def test_scores_of_two_spaces_are_compared_while_there_is_time(work, monkeypatch, changed, seconds, told):
    from benchmarks.cuda import checks

    codes = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    spaces = [LatentSpace.from_arrays(codes=codes), LatentSpace.from_arrays(codes=codes + changed * codes**2)]
    requests = [request for request in checks._requests() if request.metric == "intrinsic_dimension"]
    monkeypatch.setattr(checks, "_spaces", lambda _: spaces)
    monkeypatch.setattr(checks, "_requests", lambda: requests)
    (row,) = checks.check_scores(replace(work, device="cuda"), (), seconds)
    assert told in row.note
    assert row.wrong == (changed > 0)


def test_the_cost_of_the_study_follows_from_the_rate(work, monkeypatch):
    from benchmarks.cuda import others

    monkeypatch.setattr(others, "rate", lambda *_: 1e6)
    group, hours, times = others.time_study(work, (), 60.0)
    assert (group.value, group.members) == (1e6, 2)
    assert hours.value == pytest.approx(67.2)
    assert times.value == pytest.approx(22_050 / 67.2)


def test_random_images_stand_in_for_missing_ones(tmp_path, monkeypatch):
    from benchmarks.cuda import work

    monkeypatch.setattr(work, "IMAGES", "no such file")
    monkeypatch.setattr(work, "RANDOM_TRAIN", 300)
    monkeypatch.setattr(work, "RANDOM_TEST", 100)
    dataset = work.find_data(None, tmp_path)
    assert dataset == f"arrays:path={tmp_path / 'random.npz'}"
    splits = Work("cpu", True, dataset, 2, (64,), 0.0, 1, (), ()).splits()
    assert splits.train.inputs.shape == (270, 1, 28, 28)
    assert len(splits.test) == 100


def test_a_folder_without_the_data_is_one_sentence(tmp_path):
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--data", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"gpu.py: --data {tmp_path}: the folder should hold Fashion-MNIST's four idx files, it does not\n"
    )


WAYS = {
    ("stacked, matrix products", "float32"): 9e6,  # its products are not rounded: other work, and not compared
    ("stacked, matrix products, TF32", "float32"): 1e6,
    ("stacked, matrix products", "bfloat16"): 2e6,
    ("captured, a stream each", "bfloat16"): 4e6,
}


@pytest.mark.parametrize(
    ("streams", "fastest", "share", "met"),
    [(4e6, "captured, a stream each", 0.5, "NOT MET"), (2.05e6, "captured, a stream each", 0.976, "met"),
     (1e6, "stacked, matrix products", 1.0, "met")],
)  # fmt: skip
def test_what_a_run_does_is_compared_with_the_fastest_way(streams, fastest, share, met):
    speeds = WAYS | {("captured, a stream each", "bfloat16"): streams}
    rows = [
        Row("variants", what, speed, "images/s", batch=128, precision=precision)
        for (what, precision), speed in speeds.items()
    ]
    best, default = variants._fastest(rows)
    assert (best.what, best.note) == (variants.FASTEST, fastest)
    assert (default.what, default.met) == (variants.SHARE, met)
    assert default.value == pytest.approx(share, abs=1e-3)
    assert not default.wrong


@pytest.mark.parametrize(("device", "compared"), [("cpu", []), ("cuda", [variants.SHARE])])
def test_a_cpu_has_no_default_to_compare(work, monkeypatch, device, compared):
    monkeypatch.setattr(variants, "on_streams", lambda *_: 3e6)
    rows = [Row("variants", "stacked, matrix products", 2e6, "images/s", batch=64, precision="float32")]
    named = list(variants.time_streams(replace(work, device=device), rows, 60.0))[1:]
    assert [row.what for row in named] == [variants.FASTEST, *compared]


def test_the_default_is_the_fastest_way_that_was_measured():
    """gpu.csv decides: where the way of a run is over 5 % slower than another, that one is to become the way."""
    kept = read_rows(ROOT / "results" / "reference" / "speed")
    assert not [row.note for row in kept if row.what == variants.SHARE and row.met != "met"]


def test_nothing_is_timed_after_a_capture_that_failed(monkeypatch):
    monkeypatch.setattr(StepGraphs, "broken", False)

    def fails():
        StepGraphs.broken = True
        raise RuntimeError("cannot be captured")

    first = rates.timed(Row("variants", "one", None), fails)
    assert (first.failed, first.note) == (True, "RuntimeError: cannot be captured")
    second = rates.timed(Row("variants", "another", None), lambda: 1.0)
    assert (second.failed, second.value, second.note) == (False, None, "skipped: after a capture that failed")


# all parts on a CPU

NUMBERS = {  # rows with a number, those that need CUDA apart
    "versions": 4, "captured": 2, "stack": 2, "checks": 4, "profile": 10, "variants": 2, "streams": 0,
    "features": 1, "grid": 7, "others": 2, "target": 0, "study": 3, "scores": 0,
}  # fmt: skip


@pytest.fixture
def grid_here(monkeypatch):
    """A grid of one model and one score, in this process."""
    from benchmarks.cuda import grid

    def run(work, folder, place, seconds):
        benchmark = folder / "grid.toml"
        benchmark.write_text(grid._benchmark(work), encoding="utf-8")
        latentbench.run(read_benchmark(benchmark), place, workers=0, device="cpu")
        return True, ""

    monkeypatch.setattr(grid, "MODELS", ("ae",))
    monkeypatch.setattr(grid, "SCORES", {"scores": ["r2"]})
    monkeypatch.setattr(grid, "_run", run)


@pytest.mark.parametrize("name", NUMBERS)
def test_each_part_runs_on_a_cpu(work, name, grid_here):
    module, _, attribute = PARTS[name].function.partition(":")
    earlier = [replace(AIMED, what=variants.FASTEST, batch=64)]
    rows = list(getattr(import_module(module), attribute)(work, earlier, 60.0))
    assert not [row for row in rows if row.wrong]
    assert {row.part for row in rows} == {name}
    counted = [row for row in rows if row.value is not None]
    assert len(counted) == NUMBERS[name] + (name == "others")  # and the ratio to pythae
    assert all(row.note for row in rows if row.value is None)


def test_every_part_is_tried_here_or_with_them_all():
    assert NUMBERS.keys() == PARTS.keys() - {"processes"}


@pytest.mark.slow
def test_all_of_it_runs_on_a_cpu(tmp_path):
    done = [
        subprocess.run(
            [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--quick", "--out", tmp_path, "--call", call],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )
        for call in ("1", "2")
    ][-1]  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "gpu.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["part"] for row in rows} == PARTS.keys()
    assert not [row for row in rows if row["met"] == "FAILED"]
    skipped = {row["what"] for row in rows if row["note"] == "skipped: needs CUDA"}
    assert {"one trial, captured", "captured, a stream each"} <= skipped
    (whole,) = [row for row in rows if row["what"] == "whole grid"]
    assert "3 of 3 trials" in whole["note"]
    assert done.stdout.startswith((tmp_path / "gpu.txt").read_text(encoding="utf-8"))
