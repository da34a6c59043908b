import pytest

from latentbench import write_atomically


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
