"""A forked process works, tells what it does and ends; whatever becomes of it, nobody waits for ever."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psutil
import pytest

from latentbench.execution.side_by_side import fork as forks
from latentbench.execution.side_by_side.fork import Fork
from latentbench.execution.side_by_side.turns import MOST, Turns


@contextmanager
def forked(work):
    fork = Fork(work)
    try:
        yield fork
    finally:
        fork.end()
        assert not psutil.pid_exists(fork.process)


def told_by(work):
    with forked(work) as fork:
        return list(fork.messages(to_the_end=True))


def test_it_tells_what_json_holds_in_order_and_ends():
    assert told_by(lambda tell: [tell({"begins": number}) for number in range(3)]) == [
        {"begins": number} for number in range(3)
    ]
    assert told_by(lambda tell: tell("x" * 200_000)) == ["x" * 200_000]


def test_what_it_does_shows_nowhere_else():
    here = []
    told_by(lambda _: here.append(1))
    assert here == []


def test_nobody_waits_for_what_it_has_not_told_yet():
    release, hold = os.pipe()
    with forked(lambda tell: (tell("first"), os.read(release, 1), tell("second"))) as fork:
        while not (first := list(fork.messages())):
            time.sleep(0.01)
        assert first == ["first"]
        assert list(fork.messages()) == []
        os.write(hold, b"!")
        assert list(fork.messages(to_the_end=True)) == ["second"]


@pytest.mark.parametrize("how", [lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: 1 / 0])
def test_one_that_dies_has_told_what_it_told(how, caplog):
    assert told_by(lambda tell: (tell("alive"), how())) == ["alive"]


def test_one_that_raises_goes_no_step_back():
    process = os.getpid()
    try:
        told_by(lambda _: sys.exit("never seen"))
    except SystemExit:
        pytest.fail(f"raised in {os.getpid()}, forked from {process}")


def test_what_it_has_started_may_outlive_it():
    started = []

    def work(tell):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
        os.set_inheritable(1, True)
        tell(child.pid)

    try:
        started = told_by(work)
        assert psutil.pid_exists(started[0])
    finally:
        for process in started:
            os.kill(process, signal.SIGKILL)


def test_one_that_waits_for_a_thread_it_does_not_have_is_ended(monkeypatch):
    monkeypatch.setattr(forks, "STUCK_SECONDS", 0.5)
    lock = threading.Lock()
    with lock:
        assert told_by(lambda tell: (tell("before"), lock.acquire())) == ["before"]


def test_one_that_works_is_waited_for(monkeypatch):
    monkeypatch.setattr(forks, "STUCK_SECONDS", 0.6)

    def work(tell):
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            sum(range(1000))
        tell("done")

    assert told_by(work) == ["done"]


def test_what_waits_to_be_printed_is_printed_once(capfd):
    sys.stdout.write("here, ")
    told_by(lambda _: sys.stdout.write("there"))
    sys.stdout.flush()
    assert capfd.readouterr().out == "here, there"


def test_a_system_without_a_process_more(monkeypatch):
    def refuse():
        raise BlockingIOError("no process more")

    open_before = psutil.Process().num_fds()
    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(OSError, match="no process more"):
        Fork(lambda _: None)
    assert psutil.Process().num_fds() == open_before


def test_each_number_is_taken_once():
    turns = Turns(200)

    def take(tell):
        for number in turns.taken():
            tell(number)
            time.sleep(0.0005)

    with forked(take) as one, forked(take) as other:
        mine = []
        for number in turns.taken():
            mine.append(number)
            time.sleep(0.0005)
        others = [list(fork.messages(to_the_end=True)) for fork in (one, other)]
    turns.close()
    assert sorted([*mine, *others[0], *others[1]]) == list(range(200))
    assert all(part == sorted(part) and part for part in (mine, *others))


def test_a_process_that_is_killed_keeps_its_own_number_alone():
    turns = Turns(5)
    told_by(lambda tell: (tell(next(turns.taken())), os.kill(os.getpid(), signal.SIGKILL)))
    assert list(turns.taken()) == [1, 2, 3, 4]
    turns.close()


def test_as_many_numbers_as_any_pipe_holds():
    turns = Turns(MOST)
    assert len(list(turns.taken())) == MOST
    turns.close()
    with pytest.raises(ValueError, match="at most 1000"):
        Turns(MOST + 1)
