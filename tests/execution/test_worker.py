"""The program of a worker process, without torch: its descriptors, its end, and what a spawned process finds."""

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from latentbench.execution.processes import MARK, end_marked
from latentbench.source.loading import module_name


def python(code, **options):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], **options)


STARTS = {
    "a fork": "os.fork() or time.sleep(700)",
    "a program": "subprocess.Popen(['sleep', '700'])",
    "a session of its own": "subprocess.Popen(['sleep', '700'], start_new_session=True)",
    "a daemon": "os.system('setsid sleep 700 &')",
}


@contextlib.contextmanager
def working(code, folder):
    """Run a process that reads jobs until they end; it makes the file "ready" when it has started what it will."""
    reading, writing = os.pipe()
    begin = f"""
import os, queue, subprocess, threading, time
from latentbench.execution import worker
worker._keep_to_itself([{reading}])
threading.Thread(target=worker._read, args=({reading}, queue.SimpleQueue(), os.environ["{MARK}"])).start()
"""
    mark = f"test-{os.getpid()}-{time.monotonic()}"
    environment = {**os.environ, MARK: mark}
    process = python(
        begin + textwrap.dedent(code), pass_fds=(reading,), cwd=folder, env=environment, start_new_session=True
    )
    os.close(reading)
    try:
        wait_until((folder / "ready").exists)
        assert len(marked(mark)) > 1
        yield
        os.close(writing)
        process.wait(20)
        wait_until(lambda: not marked(mark))
    finally:
        end_marked(mark)


@pytest.mark.parametrize("start", STARTS)
def test_when_the_jobs_end_the_worker_ends_with_all_that_it_has_started(start, tmp_path):
    code = f"""
        {STARTS[start]}
        open("ready", "w").close()
        time.sleep(700)
    """
    with working(code, tmp_path):
        pass


@pytest.mark.parametrize("look", ["wait()", "poll() or time.sleep(.001)"])
def test_what_waits_for_a_process_never_sees_it_end_by_the_end_of_the_jobs(look, tmp_path):
    """A training would fail by it, and the failed trial would be kept."""
    code = f"""
        child, *_ = [subprocess.Popen(["sleep", "700"], start_new_session=True) for _ in range(50)]
        open("ready", "w").close()
        while child.{look} is None:
            pass
        open("seen", "w").close()
    """
    with working(code, tmp_path):
        pass
    assert not (tmp_path / "seen").exists()


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def marked(mark):
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.parametrize("child", ["os.fork()", "os.fork() or os.fork()", "os.fork() or os.open(os.devnull, 0)"])
def test_forked_processes_do_not_have_the_descriptors(child):
    code = f"""
        import os, sys
        from latentbench.execution import worker
        ours = os.pipe()
        worker._keep_to_itself(ours)
        parent = os.getpid()

        def is_ours(number):
            try:
                return (os.fstat(number).st_mode & 0o170000) == 0o010000
            except OSError:
                return False

        {child}
        if os.getpid() != parent:
            os._exit(sum(map(is_ours, ours)))
        assert all(map(is_ours, ours))
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    assert python(code).wait() == 0


@pytest.mark.parametrize("name", ["mine.py", "two words.py", "日本.py"])
def test_a_spawned_process_finds_loose_plugin_files_by_their_modules(tmp_path, name):
    (tmp_path / name).write_text("VALUE = 7", encoding="utf-8")
    module = module_name((tmp_path / name).resolve())
    code = f"""
        import importlib, sys
        from latentbench.execution import worker
        sys.meta_path.append(worker._PluginFiles())
        assert importlib.import_module({module!r}).VALUE == 7
        assert worker._PluginFiles().find_spec("another", None) is None
    """
    files = json.dumps(["/nowhere.py", str(tmp_path / name)])
    assert python(code, env={**os.environ, "LATENTBENCH_WORKER_FILES": files}).wait() == 0
