"""Shared by the tests of verbs: to type a command in this process, and to make a finished run with one."""

import warnings

import pytest

from latentbench.cli import main


def typed(*words):
    """Type a command and return its status; the process's own way to show warnings comes back afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # main sets it for its process
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
    return ended.value.code


@pytest.fixture(scope="session", name="typed")
def _typed():
    """A function that types a command and returns its status alone."""
    return typed


@pytest.fixture
def cli(capsys):
    """A function that types a command and returns its status, output and messages."""

    def call(*words):
        status = typed(*words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return call


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """A function that makes a run of a benchmark, given as TOML or as options, and returns its folder.

    The text of a plugin, where there is one, lies beside the run as plugin.py.
    """

    def make(toml=None, *options, plugin=None):
        place = tmp_path_factory.mktemp("finished")
        words = ["run", *options, "--workers", 0, "-o", place / "run"]
        if toml is not None:
            (place / "mine.toml").write_text(toml)
            words.insert(1, place / "mine.toml")
        if plugin is not None:
            (place / "plugin.py").write_text(plugin)
            words += ["--plugin", place / "plugin.py"]
        assert typed(*words) == 0
        return place / "run"

    return make
