import sys
from pathlib import Path

import platformdirs.macos
import pytest

from latentbench import cache_dir
from latentbench.files import cache


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

    monkeypatch.setattr(cache.platformdirs, "user_cache_path", user_cache_path)
    assert cache_dir() == home / "Library" / "Caches" / "latentbench"


def test_a_setting_wins(home, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(home / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_dir() == home / "mine"
