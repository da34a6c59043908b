"""What a run shows while it goes on: on a terminal of eighty columns, and as lines."""

import re
from types import SimpleNamespace

import pytest

from latentbench.terminal.progress import LineProgress
from latentbench.trial import TrialResult
from tests.terminal.conftest import Screen, typed_on_a_terminal

SLOW_METRIC = """
import time
from latentbench import Metric, Score, hookimpl

class Slow(Metric):
    scores = {"slow": Score("up", "how long it takes", headline=True)}
    def compute(self, space):
        time.sleep(1.5)
        return {"slow": 1.0}

class Broken(Metric):
    scores = {"broken": Score("up", "nothing", headline=True)}
    def compute(self, space): raise RuntimeError("a sentence that is longer than one line of a terminal " * 2)

@hookimpl
def register_metrics(register):
    register("slow", Slow)
    register("broken", Broken)
"""
TINY = """
models = ["ae"]
references = []
seeds = 1
scores = ["slow", "broken", "r2"]
[budget]
epochs = 2
train_limit = 100
[params]
latent_dim = 2
"""
TRIAL = SimpleNamespace(label="vae", seed=3, dataset="digits", key="k", budget=SimpleNamespace(trained_epochs=80))


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """All frames that a run of one trial with a slow and a broken metric shows."""
    place = tmp_path_factory.mktemp("watched")
    (place / "slow.py").write_text(SLOW_METRIC)
    (place / "tiny.toml").write_text(TINY)
    words = ["run", place / "tiny.toml", "--plugin", place / "slow.py", "--workers", "1", "-o", place / "run"]
    return typed_on_a_terminal(words, columns=80, status=1)


def test_the_display_names_the_metric_and_moves_while_it_is_computed(shown):
    frames = [
        frame for frame in shown.frames if re.search(r"^ae seed 0 .* scoring \d/3: slow", frame, re.MULTILINE)
    ]
    assert len(frames) >= 2  # its clock moves
    assert all(re.search(r"^trials .* 0/1 done", frame, re.MULTILINE) for frame in frames)


def test_nothing_is_torn_and_nothing_is_left_of_the_bars(shown):
    for frame in shown.frames[:-1]:
        assert len(re.findall("^trials ", frame, re.MULTILINE)) <= 1
        assert len(re.findall("^ae seed 0 ", frame, re.MULTILINE)) <= 1
    last = shown.frames[-1]
    assert "\u2501" not in last
    assert not re.search("^(trials|ae seed 0|writing|planning) ", last, re.MULTILINE)
    assert "finished in " in last


def test_the_writing_of_the_report_is_announced(shown):
    assert any(re.search(r"^writing \S", frame, re.MULTILINE) for frame in shown.frames)


def test_what_fails_is_told_above_the_bars_as_it_is(shown):
    last = shown.frames[-1]
    sentence = "score broken failed: RuntimeError: " + "a sentence that is longer than one line of a terminal " * 2
    assert sentence.strip() in " ".join(last.split())
    assert re.search(r"log: +/\S+/log\.txt", last.replace("\n", ""))  # a path is broken by the terminal alone


def test_a_log_hears_of_a_long_trial_now_and_then(capsys):
    clock = Clock()
    lines = LineProgress(clock)
    lines.expect(2)
    for epoch in (1, 2):
        lines.epoch_finished(TRIAL, epoch, {"total": 23.1})
        clock.now += 20
    lines.metric_started(TRIAL, "knn", 4, 22)
    clock.now += 20
    lines.metric_started(TRIAL, "walk_kd", 5, 22)
    lines.trial_finished(TRIAL, TrialResult("ok", seconds=60.0))
    assert capsys.readouterr().err.splitlines() == [
        "vae seed 3 on digits: scoring 5/22: knn",
        "[1/2] vae on digits, seed 3: ok in 60.0 s",
    ]


def test_the_epoch_is_told_with_its_loss(capsys):
    clock = Clock()
    lines = LineProgress(clock)
    clock.now += 31
    lines.epoch_finished(TRIAL, 7, {"total": 23.1})
    lines.epoch_finished(TRIAL, 8, {"total": 22.0})
    assert capsys.readouterr().err.splitlines() == ["vae seed 3 on digits: epoch 7/80, loss 23.1"]


def test_a_screen_overwrites_and_keeps_what_it_showed():
    screen = Screen(10)
    screen.feed("one\r\ntwo\x1b")
    screen.feed("[33m!\r\x1b[2K\x1b[1A\x1b[2Kmore than 10\r\nlast")
    assert screen.text == "more than\n10\nlast"
    assert screen.frames == ["one\ntwo!"]
