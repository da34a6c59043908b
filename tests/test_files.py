import sys
from pathlib import Path

import platformdirs.macos
import pytest

from latentbench import cache_dir, files, write_atomically


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


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A user's empty home, without any setting for caches."""
    for name in ("LATENTBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folder of Linux")
def test_the_cache_of_linux(home, monkeypatch):
    assert cache_dir() == home / ".cache" / "latentbench"
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_dir() == Path("/caches/latentbench")
    assert not (home / ".cache").exists()


def test_the_cache_of_macos(home, monkeypatch):
    def user_cache_path(*args, **kwargs):
        return platformdirs.macos.MacOS(*args, **kwargs).user_cache_path

    monkeypatch.setattr(files.platformdirs, "user_cache_path", user_cache_path)
    assert cache_dir() == home / "Library" / "Caches" / "latentbench"


def test_a_setting_wins(home, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(home / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_dir() == home / "mine"
