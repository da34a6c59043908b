import errno
import os

import pytest

from latentbench.errors import RequestError


def failing(monkeypatch, error):
    """Let `latentbench table` fail with an error."""

    def fail(*_):
        raise error

    monkeypatch.setattr("latentbench.results.Results", fail)


SYSTEM = {
    "disk full": (OSError(errno.ENOSPC, "No space left", "x.csv"), 1, "x.csv: no space is left on the disk;"),
    "without a name": (OSError(errno.ENOSPC, "No space left"), 1, "no space is left on the disk; free some"),
    "read only": (
        OSError(errno.EROFS, "Read-only", "x"),
        2,
        "x: it lies on a file system that cannot be wr",
    ),
    "denied": (PermissionError(errno.EACCES, "Denied", "x"), 2, "x: permission denied; ask for the right"),
    "long": (
        OSError(errno.ENAMETOOLONG, "Too long", "x"),
        2,
        "x: the name is too long for the file system;",
    ),
    "renamed": (
        OSError(errno.EIO, "I/O", "a", None, "b"),
        1,
        "a and b: the device reports an error;",
    ),
    "bytes": (
        FileNotFoundError(errno.ENOENT, "No", b"a\xff"),
        2,
        "a\ufffd: there is no such file or folder;",
    ),
    "another": (
        OSError(errno.EXDEV, "Cross-device link", "x"),
        1,
        "x: Cross-device link; check it and run",
    ),
    "bare": (OSError("no number"), 1, "no number; check it"),
    "memory": (MemoryError(), 1, "this machine has not enough memory for it; ask for less"),
}


@pytest.mark.parametrize("case", SYSTEM)
def test_what_the_system_says_is_one_sentence(cli, monkeypatch, case):
    error, status, sentence = SYSTEM[case]
    failing(monkeypatch, error)
    ended, out, err = cli("table", "run")
    assert (ended, out) == (status, "")
    assert err.startswith(f"latentbench: {sentence}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "error", [TypeError("no luck"), RecursionError("deep"), SystemExit(7), ValueError("a\n\x1b")]
)
def test_an_error_of_ours_is_told_and_not_hidden(cli, monkeypatch, error):
    failing(monkeypatch, error)
    status, _, err = cli("table", "run")
    assert status == 1
    assert err.startswith(f"latentbench: internal error: {type(error).__name__}: ")
    assert err.endswith("; LATENTBENCH_DEBUG=1 in the environment shows where\n")
    assert "Traceback" not in err
    monkeypatch.setenv("LATENTBENCH_DEBUG", "1")
    assert "Traceback (most recent call last)" in cli("table", "run")[2]


def test_a_request_that_was_wrong_is_not_one_of_them(cli, monkeypatch):
    failing(monkeypatch, RequestError("give less"))
    assert cli("table", "run") == (2, "", "latentbench: give less\n")


def test_a_name_that_is_too_long_and_a_folder_that_is_a_file(cli, tmp_path):
    assert "is not a run folder" in cli("table", "x" * 300)[2]
    assert "nothing is there" in cli("run", "-d", "./" + "x" * 300)[2]
    (tmp_path / "file").write_text("")
    status, _, err = cli("table", tmp_path / "file" / "run")
    assert status == 2
    assert "is not a run folder" in err


def test_a_current_folder_that_is_gone(cli, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    status, _, err = cli("list", "models")
    monkeypatch.chdir(tmp_path)
    assert (status, err) == (2, "latentbench: the current folder is not there any more; change to another one\n")
    assert os.getcwd() == str(tmp_path)  # noqa: PTH109
