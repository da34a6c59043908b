"""`latentbench log`, `run --debug`, and what a failure line names."""

import contextlib
import io
import os
import pty
import subprocess
import sys

import pytest

from latentbench.cli import main

FAILS = '''
from latentbench import Metric, Model, Score, hookimpl

class Fails(Model):
    """Prints a word and raises."""
    deterministic = True
    def fit(self, train, generator):
        print("just before")
        raise KeyError("mean")
    def encode(self, inputs): return inputs.flatten(1)

class Stops(Model):
    """Stops at a breakpoint."""
    deterministic = True
    decoder = "none"
    def fit(self, train, generator):
        secret = 6 * 7
        breakpoint()
    def encode(self, inputs): return inputs.flatten(1)

class Bad(Metric):
    """Raises."""
    scores = {"bad": Score("up")}
    def compute(self, space): raise ZeroDivisionError("nothing")

@hookimpl
def register_models(register):
    register("fails", Fails)
    register("stops", Stops)

@hookimpl
def register_metrics(register):
    register("bad_metric", Bad)
'''
SHORT = ("-d", "digits", "--seeds", "1", "-p", "latent_dim=2")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "mine.py"
    path.write_text(FAILS)
    return path


def told(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments)])
    shown = capsys.readouterr()
    return stop.value.code, shown.out, shown.err


@pytest.fixture(scope="module")
def run(file, typed, tmp_path_factory):
    """A run with a model and a score that fail, and what its command printed on standard error."""
    folder = tmp_path_factory.mktemp("run") / "run"
    words = ["run", *SHORT, "-m", "fails", "-m", "pca", "-s", "r2,bad", "--workers", "1"]
    messages = io.StringIO()
    with contextlib.redirect_stderr(messages), contextlib.redirect_stdout(io.StringIO()):
        assert typed(*words, "--plugin", file, "-o", folder) == 1
    return folder, messages.getvalue()


def test_a_failure_line_names_the_line_of_the_plugin_the_error_and_the_log(run):
    stderr = run[1]
    assert "fails on digits, seed 0: failed in " in stderr
    assert "KeyError: 'mean' (mine.py:9)" in stderr
    assert "score bad failed: ZeroDivisionError: nothing (mine.py:24)" in stderr
    logs = [line.strip().removeprefix("log: ") for line in stderr.splitlines() if line.strip().startswith("log: ")]
    assert len(logs) == 5  # of the model that fails, and of four whose score does
    assert all(os.path.isfile(log) for log in logs)  # noqa: PTH113 - as it is printed


def test_log_prints_what_failed_with_tracebacks(run, capsys):
    status, out, _ = told(capsys, "log", run[0])
    assert status == 0
    assert "== fails on digits, seed 0: failed" in out
    assert "just before\n" in out
    assert "KeyError: 'mean'" in out
    assert "== pca on digits, seed 0: ok" in out  # for its score
    assert "ZeroDivisionError: nothing" in out


def test_log_prints_the_trials_that_are_chosen(run, capsys):
    status, out, _ = told(capsys, "log", run[0], "--model", "fails", "--seed", "0")
    assert status == 0
    assert out.count("== ") == 1
    status, _, err = told(capsys, "log", run[0], "--model", "fals")
    assert status == 2
    assert "did you mean 'fails'?" in err
    status, _, err = told(capsys, "log", run[0], "--seed", "7")
    assert status == 2
    assert "no trial has seed 7" in err


def test_a_run_remembers_its_plugin_file_until_it_changes(run, file, capsys, monkeypatch):
    def scored(*more):
        monkeypatch.setattr("latentbench.source.trust._NAMED", {})  # as in another process
        for name in [name for name, each in sys.modules.items() if getattr(each, "__file__", "") == str(file)]:
            del sys.modules[name]
        status, _, err = told(capsys, "score", run[0], "-s", "bad", "--workers", "0", *more)
        return status, err

    assert scored()[0] == 1  # it needs the metric of the file, which fails
    text = file.read_text()
    try:
        file.write_text(f"{text}\n# changed\n")
        status, err = scored()
        assert status == 2
        assert f"the run used the plugin file {file}" in err
        assert f"give --plugin {file}" in err
        assert scored("--plugin", file)[0] == 1
    finally:
        file.write_text(text)


def test_debug_runs_one_trial_here_and_breakpoint_works(file, tmp_path):
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "latentbench",
        "run",
        *SHORT,
        "-s",
        "r2",
        "-m",
        "stops",
        "-m",
        "pca",
        "--debug",
    ]
    command += ["--plugin", str(file), "-o", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    os.write(ours, b"p secret\nc\n")
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    assert process.wait(60) == 0
    text = shown.decode()
    assert "42" in text
    assert "[1/1] stops on digits, seed 0: ok" in text


def test_a_breakpoint_in_a_worker_says_where_it_would_work(file, tmp_path, capsys):
    arguments = (
        "run",
        *SHORT,
        "-s",
        "r2",
        "-m",
        "stops",
        "--workers",
        "1",
        "--plugin",
        file,
        "-o",
        tmp_path / "run",
    )
    _, _, err = told(capsys, *arguments)
    assert "`latentbench run --debug` runs one trial where there is one" in err


@pytest.mark.parametrize(
    ("more", "words"),
    [(("--workers", "2"), "leave out --workers"), (("--timeout", "3"), "leave out --debug")],
)
def test_debug_refuses_what_needs_another_process(more, words, tmp_path, capsys):
    status, _, err = told(capsys, "run", *SHORT, "-s", "r2", "-m", "pca", "--debug", *more, "-o", tmp_path / "run")
    assert status == 2
    assert words in err


@pytest.mark.parametrize(("source", "words"), [("x = 1\nimport nowhere\n", "(broken.py:2)"), ("x = (", "line 1")])
def test_an_import_error_names_file_and_line(source, words, tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text(source)
    status, _, err = told(capsys, "list", "models", "--plugin", path)
    assert status == 2
    assert words in err
