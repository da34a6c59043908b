import errno

import pytest

from latentbench.errors import LatentbenchError, RunFolderError
from latentbench.files.failures import FAILURES, failure_status, refusal
from latentbench.files.json_files import read_json
from latentbench.files.writing import write_atomically


@pytest.mark.parametrize("number", FAILURES)
def test_every_failure_says_what_happened_and_what_to_do(number):
    error = refusal(OSError(number, "x"), "y cannot be written", RunFolderError)
    assert str(error).startswith("y cannot be written: ")
    assert "; " in str(error)
    assert error.exit_status == failure_status(OSError(number, "x"))
    assert isinstance(error, RunFolderError) == (error.exit_status == 2)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO])
def test_what_may_not_be_read_is_not_to_be_removed(tmp_path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, "no")

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    with pytest.raises(LatentbenchError) as refused:
        read_json(tmp_path / "run.json")
    assert str(refused.value).startswith(f"{tmp_path / 'run.json'} cannot be read: ")
    assert "remove" not in str(refused.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_file_that_finds_no_room_is_named_and_the_old_one_stays(tmp_path, number):
    (tmp_path / "x").write_text("before")

    def content(file):
        file.write(b"half")
        raise OSError(number, "no room")

    with pytest.raises(OSError, match="no room") as failed:
        write_atomically(tmp_path / "x", content)
    assert failed.value.filename == str(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "before"
