"""Claims: one holder at a time, whoever dies and however many try at once."""

import json
import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

from latentbench.execution.executors import claims as module
from latentbench.execution.executors.claims import Claims, Holder

KEY = "a" * 64
HOLDS = """
import sys, time
from pathlib import Path
from latentbench.execution.executors.claims import Claims
claims = Claims(Path(sys.argv[1]))
print(claims.take(sys.argv[2], int(sys.argv[3])) is not None, flush=True)
time.sleep(600)
"""


@pytest.fixture
def hold(tmp_path):
    """A function that has another process take a claim, and returns the process and whether it got it."""
    processes = []

    def take(progress=0):
        words = [sys.executable, "-c", HOLDS, str(tmp_path), KEY, str(progress)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process, process.stdout.readline().strip() == "True"

    yield take
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_claim_has_one_holder(tmp_path):
    first, second = Claims(tmp_path), Claims(tmp_path)
    assert first.take(KEY) is not None
    assert second.take(KEY) is None
    assert second.take("b" * 64) is not None
    assert set(first.alive()) == {KEY, "b" * 64}
    first.release(KEY)
    assert second.take(KEY).deaths == 0


def test_the_claim_of_a_killed_process_is_taken_over_at_once(tmp_path, hold):
    process, got = hold()
    assert got
    claims = Claims(tmp_path)
    assert claims.take(KEY) is None
    process.kill()
    process.wait()
    assert claims.take(KEY).deaths == 1
    assert Claims(tmp_path).take(KEY) is None
    claims.release(KEY)
    assert list(tmp_path.glob("*.*")) == []


def test_deaths_in_a_row_are_counted_and_progress_starts_anew(tmp_path, hold):
    for progress in (0, 0, 0, 7, 7):
        process, got = hold(progress)
        assert got
        process.kill()
        process.wait()
    claims = Claims(tmp_path)
    assert claims.take(KEY, 7).deaths == 3  # the last three, since it was saved at 7
    claims.release(KEY)
    assert claims.take(KEY, 7).deaths == 0


def test_a_holder_on_another_machine_is_dead_when_it_is_silent(tmp_path):
    path = tmp_path / f"{KEY}.0"
    holder = Holder("elsewhere", "another boot", 1, 0.0)
    path.write_text(holder.to_json())
    claims = Claims(tmp_path)
    assert claims.take(KEY) is None
    long_ago = time.time() - module.SILENT_SECONDS - 1
    os.utime(path, (long_ago, long_ago))
    assert claims.take(KEY).deaths == 1


def test_signs_of_life_keep_a_claim(tmp_path):
    claims = Claims(tmp_path)
    claims.take(KEY)
    (path,) = tmp_path.glob(f"{KEY}.*")
    os.utime(path, (0, 0))
    assert not Claims(tmp_path).alive()
    claims.beat()
    assert set(Claims(tmp_path).alive()) == {KEY}


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"node": 3}', "x" * 20_000, "\udcff"])
def test_a_claim_that_cannot_be_read_is_held_until_it_is_silent(tmp_path, content):
    path = tmp_path / f"{KEY}.0"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert Claims(tmp_path).take(KEY) is None
    os.utime(path, (0, 0))
    assert Claims(tmp_path).take(KEY).deaths == 1


def test_another_process_of_the_same_number_is_another(tmp_path):
    here = Holder.here()
    assert not here.known_dead
    values = {**json.loads(here.to_json()), "began": here.began - 100}
    (tmp_path / f"{KEY}.0").write_text(json.dumps(values))
    assert Claims(tmp_path).take(KEY).deaths == 1


def test_a_process_that_cannot_be_seen_may_live(monkeypatch):
    def denied(number):
        raise psutil.AccessDenied(number)

    here = Holder.here()
    monkeypatch.setattr(module.psutil, "Process", denied)
    assert not here.known_dead


def test_of_many_at_once_one_gets_it(tmp_path):
    """And again after its death is seen by all at the same time."""
    for generation in range(20):
        together, got = threading.Barrier(8), []

        def take():
            together.wait()  # noqa: B023 - the threads end within the turn
            got.append(Claims(tmp_path).take(KEY))  # noqa: B023 - likewise

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        holders = [holder for holder in got if holder is not None]
        assert len(holders) <= 1  # all may step back when two are at it at once
        if holders:
            assert set(Claims(tmp_path).alive()) == {KEY}
        for path in tmp_path.glob(f"{KEY}.*"):
            os.utime(path, (0, 0))
        assert generation < 20


def test_two_that_take_over_at_once_do_not_both_hold_it(tmp_path, monkeypatch):
    """One sees the dead claim, is stopped, and goes on when the other has done the work and given it back."""
    (tmp_path / f"{KEY}.0").write_text(Holder("elsewhere", "boot", 1, 0.0).to_json())
    os.utime(tmp_path / f"{KEY}.0", (0, 0))
    slow, quick, third = Claims(tmp_path), Claims(tmp_path), Claims(tmp_path)
    created = module._created

    def stopped(path, text):
        monkeypatch.setattr(module, "_created", created)
        assert quick.take(KEY) is not None
        quick.release(KEY)
        assert third.take(KEY) is not None
        return created(path, text)

    monkeypatch.setattr(module, "_created", stopped)
    assert slow.take(KEY) is None
    assert third.alive().keys() == {KEY}


def test_the_dead_are_cleared_and_the_living_stay(tmp_path):
    claims = Claims(tmp_path)
    claims.take(KEY)
    dead = tmp_path / f"{'b' * 64}.0"
    dead.write_text(Holder("elsewhere", "boot", 1, 0.0).to_json())
    os.utime(dead, (0, 0))
    claims.clear()
    assert not dead.exists()
    assert set(claims.alive()) == {KEY}
