"""What `benchmarks/gpu.py` does with its parts, and all of it, smaller, on a CPU."""

import contextlib
import csv
import importlib.util
import itertools
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from latentbench import LatentSpace

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu", ROOT / "benchmarks" / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def work(gpu):
    return gpu.Work(
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


def rows_of(gpu, monkeypatch, work, **parts):
    monkeypatch.setattr(gpu, "PARTS", {name: (part, 1.0) for name, part in parts.items()})
    return gpu.measure(work, tuple(parts), minutes=1, keep=None)


def test_a_part_that_fails_keeps_its_lines_and_the_others_go_on(gpu, monkeypatch, work):
    def bad(work, rows, seconds):
        yield gpu.Row("bad", "first", 1.0)
        raise ValueError("no\nsuch luck")

    def good(work, rows, seconds):
        yield gpu.Row("good", "sum", sum(row.value or 0 for row in rows))

    first, failed, last = rows_of(gpu, monkeypatch, work, bad=bad, good=good)
    assert (first.value, first.wrong) == (1.0, False)
    assert (failed.met, failed.wrong, failed.note) == ("FAILED", True, "ValueError: no such luck")
    assert last.value == 1.0


def test_a_part_out_of_time_is_stopped_whatever_it_survives(gpu):
    rows = []

    def stubborn(work, rows, seconds):
        yield gpu.Row("part", "first", 1.0)
        while True:
            with contextlib.suppress(Exception):
                time.sleep(60)

    started = time.monotonic()
    gpu.do_part("part", stubborn, None, rows, 0.2)
    assert time.monotonic() - started < 10
    assert [row.note for row in rows] == ["", "stopped after 0 s: out of time"]


def test_a_missed_aim_is_an_error_for_checks_alone(gpu):
    from benchmarks.gpu_work import Aim

    most = Aim("<=", 1e-6)
    assert (gpu.Row("", "", 1e-7, aim=most).met, gpu.Row("", "", 1e-5, aim=most).met) == ("met", "NOT MET")
    assert not gpu.Row("", "", 1e-5, aim=most).wrong
    for value in (1e-5, float("nan"), None):
        assert gpu.Row("", "", value, aim=most, must=True).wrong
    assert not gpu.Row("", "", 1e-7, aim=most, must=True).wrong


@pytest.fixture
def no_streams(gpu, monkeypatch):
    from benchmarks import gpu_speed

    monkeypatch.setattr(gpu_speed.torch.cuda, "Stream", lambda: None)
    monkeypatch.setattr(gpu_speed.torch.cuda, "stream", contextlib.nullcontext)
    return gpu_speed


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


def test_images_are_counted_after_the_warm_up(gpu):
    from benchmarks.gpu_speed import rate

    def steps():
        yield time.sleep(0.3)
        while True:
            yield time.sleep(0.01)

    assert 2000 < rate(steps(), 100, 0.2, "cpu") <= 10_000


def test_ways_of_training_end_at_the_same_weights_and_others_do_not(work, monkeypatch):
    from benchmarks import gpu_checks

    monkeypatch.setitem(gpu_checks.STEPS, True, 3)
    expected = gpu_checks.train(work, gpu_checks.Way("cpu"))
    together = gpu_checks.train(work, gpu_checks.Way("cpu", together=True))
    assert max(map(gpu_checks.Trained.distance, together, expected)) < 1e-9
    assert expected[0].distance(expected[1]) > 1e-3
    monkeypatch.setitem(gpu_checks.STEPS, True, 4)
    assert gpu_checks.train(work, gpu_checks.Way("cpu"))[0].distance(expected[0]) > 1e-3


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
    from benchmarks.gpu_checks import _alike

    assert _alike(value, other, 1e-3) is alike


@pytest.mark.parametrize(
    ("changed", "seconds", "told"), [(0.0, 60.0, "equal"), (0.5, 60.0, "not"), (0.0, 0.0, "no time")]
)
def test_scores_of_two_spaces_are_compared_while_there_is_time(work, monkeypatch, changed, seconds, told):
    from benchmarks import gpu_checks

    codes = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    spaces = [LatentSpace.from_arrays(codes=codes), LatentSpace.from_arrays(codes=codes + changed * codes**2)]
    requests = [request for request in gpu_checks._requests() if request.metric == "intrinsic_dimension"]
    monkeypatch.setattr(gpu_checks, "_spaces", lambda _: spaces)
    monkeypatch.setattr(gpu_checks, "_requests", lambda: requests)
    (row,) = gpu_checks.check_scores(replace(work, device="cuda"), (), seconds)
    assert told in row.note
    assert row.wrong == (changed > 0)


def test_the_cost_of_the_study_follows_from_the_rate(work, monkeypatch):
    from benchmarks import gpu_speed

    monkeypatch.setattr(gpu_speed, "rate", lambda *_: 1e6)
    group, hours, times = gpu_speed.time_study(work, (), 60.0)
    assert (group.value, group.members) == (1e6, 2)
    assert hours.value == pytest.approx(67.2)
    assert times.value == pytest.approx(22_050 / 67.2)


def test_random_images_stand_in_for_missing_ones(gpu, tmp_path, monkeypatch):
    from benchmarks import gpu_work

    monkeypatch.setattr(gpu_work, "IMAGES", "no such file")
    monkeypatch.setattr(gpu_work, "RANDOM_TRAIN", 300)
    monkeypatch.setattr(gpu_work, "RANDOM_TEST", 100)
    dataset = gpu.find_data(None, tmp_path)
    assert dataset == f"arrays:path={tmp_path / 'random.npz'}"
    splits = gpu.Work("cpu", True, dataset, 2, (64,), 0.0, 1, (), ()).splits()
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


@pytest.mark.slow
def test_all_of_it_runs_on_a_cpu(tmp_path):
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--quick", "--out", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "gpu.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["part"] for row in rows} == {"checks", "variants", "others", "target", "study", "scores", "grid"}
    assert not [row for row in rows if row["met"] == "FAILED"]
    skipped = {row["what"] for row in rows if row["note"] == "skipped: needs CUDA"}
    assert {"one trial, captured", "captured, a stream each"} <= skipped
    (whole,) = [row for row in rows if row["what"] == "whole grid"]
    assert "3 of 3 trials" in whole["note"]
    assert done.stdout.startswith((tmp_path / "gpu.txt").read_text(encoding="utf-8"))
