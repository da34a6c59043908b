"""A folder's signature changes with every change of its files, and there is none where one could be missed."""

import os
import shutil

import pytest

from latentbench.files import signatures
from latentbench.files.signatures import signature


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "trial"
    (place / "scores").mkdir(parents=True)
    (place / "trial.json").write_text("abc")
    (place / "scores" / "r2.json").write_text("def")
    return place


@pytest.fixture
def later(monkeypatch):
    """The time is far enough from every change."""
    monkeypatch.setattr(signatures, "YOUNG", -60.0)


def state(folder):
    return signature(folder, "scores")


def same_size_and_date(path):
    """Another content of the same length, under the old date."""
    before = path.stat()
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def renamed_over(path):
    """Another file in its place, of the same length and date."""
    before = path.stat()
    other = path.with_name("other")
    other.write_text(path.read_text()[::-1])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def through_a_link(path):
    """A second name of the same file, outside the folder, through which it is changed."""
    second = path.parent.parent.parent / "second"
    os.link(path, second)
    same_size_and_date(second)
    second.unlink()


def copied_back(path):
    """Moved away and copied back with its date."""
    away = path.parent.parent.parent / "away"
    path.rename(away)
    shutil.copy2(away, path)


CHANGES = [
    same_size_and_date,
    renamed_over,
    through_a_link,
    copied_back,
    lambda path: path.chmod(0),
    lambda path: path.unlink(),
    lambda path: path.rename(path.with_name("another")),
    lambda path: (path.parent / "new").write_text(""),
]


def test_an_unchanged_folder_keeps_its_signature(folder, later):
    before = state(folder)
    (folder / "scores" / "r2.json").read_text()
    assert state(folder) == before != ""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["trial.json", "scores/r2.json"])
def test_every_change_is_noticed(change, name, folder, later):
    before = state(folder)
    change(folder / name)
    assert state(folder) != before != ""


def test_two_names_with_the_same_letters_are_told_apart(folder, later):
    before = state(folder)
    (folder / "scores" / "r2.json").rename(folder / "r2.json")
    assert state(folder) != before


def test_of_what_has_just_changed_there_is_no_signature(folder):
    assert state(folder) == ""


@pytest.mark.parametrize(
    "put",
    [
        lambda path: path.symlink_to(path.with_name("trial.json")),
        os.mkfifo,
        lambda path: (shutil.rmtree(path.parent / "scores"), (path.parent / "scores").symlink_to(path.parent)),
        lambda path: (path.parent / "scores" / "inner").mkdir(),
        lambda path: shutil.rmtree(path.parent),
    ],
)
def test_of_links_pipes_and_nothing_there_is_no_signature(put, folder, later):
    put(folder / "put")
    assert state(folder) == ""


def test_other_folders_do_not_count(folder, later):
    before = state(folder)
    (folder / "maps").mkdir()
    (folder / "maps" / "map.npz").write_text("x")
    assert state(folder) == before
