import os
from pathlib import Path

import pytest

from latentbench import write_atomically
from latentbench.files.writing import open_to_append


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "numbers"
    write_atomically(path, b"old")
    write_atomically(path, lambda file: file.write(b"new"), durable=False)
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["numbers"]


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_litter(tmp_path):
    path = tmp_path / "numbers"
    write_atomically(path, b"old")

    def break_off(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, break_off)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["numbers"]


def test_a_folder_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "numbers", b"new")


OBSTACLES = {
    "nothing": lambda path: None,
    "a pipe": os.mkfifo,
    "a loop": lambda path: path.symlink_to(path),
    "a folder": lambda path: path.mkdir(),
    "a device": lambda path: path.symlink_to("/dev/null"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_lines_are_added_to_a_file_and_to_nothing_else(tmp_path, obstacle):
    path = tmp_path / "log.txt"
    OBSTACLES[obstacle](path)
    for line in ("first\n", "\udcff\n"):
        with open_to_append(path) as log:
            log.write(line)
    assert path.read_text() == "first\n\\udcff\n"
    assert Path("/dev/null").exists()
