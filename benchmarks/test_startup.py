"""What a command costs before it does anything, each time in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from benchmarks.conftest import Stopwatch

AT_ONCE = 0.3  # seconds of processor time: other work on the machine does not add to it
WORKER = (
    "import latentbench.execution.worker, latentbench.execution.job"  # what a worker imports before its first job
)


@pytest.mark.benchmark(group="start-up, a fresh process")
@pytest.mark.parametrize("arguments", ["--help", "list models", "list metrics", "list plugins"])
def test_command_that_answers_at_once(stopwatch: Stopwatch, arguments: str) -> None:
    command = [sys.executable, "-m", "latentbench", *arguments.split()]
    finished = stopwatch(f"latentbench {arguments}", lambda: run(command))
    assert finished.stdout
    assert processor_seconds(command) < AT_ONCE


@pytest.mark.benchmark(group="start-up, a fresh process")
def test_worker(stopwatch: Stopwatch) -> None:
    stopwatch("imports of a worker", lambda: run([sys.executable, "-c", WORKER]), rounds=1)


def run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, check=True)


def processor_seconds(command: list[str]) -> float:
    before = os.times()
    run(command)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
