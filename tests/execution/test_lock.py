"""The lock of a run folder."""

import signal
import subprocess
import sys

import pytest

from latentbench.errors import RunFolderError
from latentbench.execution.run import _locked

HOLD = """
import sys, time
from pathlib import Path
from latentbench.execution.run import _locked
with _locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(200)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a run folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_killed_process_frees_its_lock(holder, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(RunFolderError) as refused, _locked(folder):
        pass
    assert str(refused.value) == (
        f"another run is at work in {folder}; wait for it, or choose another folder with -o"
    )
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with _locked(folder):
        assert (folder / "trials").is_dir()
    assert (folder / "run.lock").is_file()


def test_a_folder_is_locked_once_in_a_process(tmp_path):
    with _locked(tmp_path):
        with pytest.raises(RunFolderError, match=r"^another run is at work"), _locked(tmp_path):
            pass
        with pytest.raises(RunFolderError, match=r"^another run is at work"), _locked(tmp_path):
            pass
    with _locked(tmp_path):
        pass


def test_an_error_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), _locked(tmp_path):
        raise ZeroDivisionError
    with _locked(tmp_path):
        pass


def test_an_interrupted_run_is_no_locking_error(tmp_path):
    with pytest.raises(PermissionError, match="within"), _locked(tmp_path):
        raise PermissionError("within")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError) as refused, _locked(tmp_path / "file"):
        pass
    assert str(refused.value) == (
        f"the run folder {tmp_path / 'file'} cannot be written: a file stands where a folder is needed; "
        "choose another path"
    )


def test_a_lock_that_cannot_be_opened(tmp_path):
    (tmp_path / "run.lock").mkdir()
    refusal = r"cannot be written: it is a folder, not a file; choose another path$"
    with pytest.raises(RunFolderError, match=refusal), _locked(tmp_path):
        pass
