"""Kills at random moments change no bit, and a trial that does nothing costs next to nothing."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(name, *words):
    command = [sys.executable, str(BENCHMARKS / name), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_loses_nothing_and_changes_no_bit():
    printed = run("execution/kills.py", "--kills", "4")
    assert re.search(r"have the \d+ scores of the undisturbed one$", printed)


def test_a_step_and_a_map_are_timed_in_a_process_with_its_own_variables():
    waiting = runpy.run_path(str(BENCHMARKS / "execution" / "waiting.py"))
    assert all(seconds > 0 for seconds in waiting["taken"](waiting["SETTINGS"]["latentbench"]))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_trial_that_does_nothing_takes_less_than_50_ms_of_processor_time():
    printed = run("execution/overhead.py", "--trials", "220")
    assert float(re.search(r"(-?[\d.]+) ms of processor time each", printed)[1]) < 50
