"""What is remembered of a run's trials: never anything else than the files hold."""

import json
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import latentbench
from latentbench import load_results
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect
from latentbench.files import signatures
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.remembered.memory import Memory, memory_folder

LATER = -60.0  # every file counts as old


@pytest.fixture(scope="module")
def plugins():
    return Plugins()


@pytest.fixture(scope="module")
def wanted(tiny):
    return tiny(models=("pca",), scores=("knn10", "r2"))


@pytest.fixture(scope="module")
def whole(wanted, plugins, tmp_path_factory):
    return latentbench.run(wanted, tmp_path_factory.mktemp("runs") / "whole", plugins=plugins, workers=0)


@pytest.fixture
def folder(whole, tmp_path, monkeypatch):
    """A copy of a finished run of which nothing is remembered yet, and in which all files count as old."""
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(signatures, "YOUNG", LATER)
    return shutil.copytree(whole.path, tmp_path / "run")


def values(folder):
    return {row.score: row.value for row in load_results(folder).rows}


def scores_file(folder):
    return min(path for path in folder.rglob("r2-*.json"))


def changed(path, **numbers):
    """Put other numbers into a score file, sealed and of the same size and date."""
    before = path.stat()
    text = path.read_text()
    for old, new in numbers.values():
        text = text.replace(old, new)
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_is_remembered_is_what_the_files_hold(folder, whole):
    first = load_results(folder)
    for results in (first, load_results(folder), load_results(folder)):
        pd.testing.assert_frame_equal(results.scores, whole.scores, check_exact=True)
        assert results.trials == whole.trials
        assert results.trials[0].outcome == whole.trials[0].outcome
    (key,) = (trial.key for trial in first.trials)
    known = Memory(folder).trial(key)
    assert known.trial is not None
    assert len(known.scores) == len(first.requests)


def test_a_remembered_file_is_not_read_again(folder, monkeypatch):
    before = values(folder)
    monkeypatch.setattr("latentbench.records.read_score_file", None)
    monkeypatch.setattr("latentbench.records.read_sealed", None)
    assert values(folder) == before


def test_a_digit_that_changed_under_the_old_date_is_told(folder):
    before = values(folder)
    path = scores_file(folder)
    digits = str(before["r2"])[:6]
    changed(path, value=(digits, digits[::-1] if digits[::-1] != digits else "0.1234"))
    with pytest.warns(UserWarning, match=f"{path.name} is damaged"):
        after = values(folder)
    assert np.isnan(after["r2"])
    assert after["knn10"] == before["knn10"]


def test_a_damaged_model_is_found_after_it_was_remembered_whole(folder, wanted, plugins):
    plan = make_plan(wanted, plugins, "cpu")
    for _ in range(2):
        (state,) = inspect(plan, folder, Execution())
        assert not state.pending
    (path,) = folder.rglob("model.safetensors")
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (state,) = inspect(plan, folder, Execution())
    assert state.damage == f"{path} is not the file that was written"


def test_items_that_changed_are_found_after_they_were_remembered_whole(folder, wanted, plugins):
    plan = make_plan(wanted, plugins, "cpu")
    inspect(plan, folder, Execution())
    path = min(folder.rglob("*.items.npz"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.warns(UserWarning, match="is not the file that was written"):
        (state,) = inspect(plan, folder, Execution())
    assert state.stale


def test_young_files_are_not_remembered(folder, monkeypatch):
    monkeypatch.setattr(signatures, "YOUNG", 1000.0)
    values(folder)
    assert not memory_folder().exists()


def test_another_run_at_the_same_place_is_read(folder, whole):
    before = values(folder)
    shutil.rmtree(folder)
    shutil.copytree(whole.path, folder)
    path = scores_file(folder)
    path.unlink()
    with pytest.warns(UserWarning, match="score files are missing"):
        after = values(folder)
    assert np.isnan(after["r2"])
    assert after["knn10"] == before["knn10"]


DAMAGES = [
    lambda text: "",
    lambda text: text[: len(text) // 2],
    lambda text: text.replace("trials", "x").replace("0.", "1.", 1),
    lambda text: text.replace("latentbench remembers", "latentbench recalls", 1),
    lambda text: "[" * 10_000,
    lambda text: text + "more",
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_memory_is_ignored_and_made_again(damage, folder):
    before = values(folder)
    path = Memory(folder).path
    sound = path.read_text()
    path.write_text(damage(sound))
    assert values(folder) == before
    assert path.read_text() == sound


def test_the_memory_of_another_run_is_ignored(folder, whole, tmp_path):
    before = values(folder)
    other = shutil.copytree(folder, tmp_path / "other")
    shutil.copy(Memory(folder).path, Memory(other).path)
    path = scores_file(other)
    changed(path, value=(str(before["r2"])[:6], "0.1234"))
    with pytest.warns(UserWarning, match="is damaged"):
        assert np.isnan(values(other)["r2"])


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "file"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert values(folder) == values(folder)
    assert (tmp_path / "file").read_text() == "no folder"


def test_what_is_remembered_of_a_run_that_is_gone_is_removed(folder, tmp_path):
    values(folder)
    gone = Memory(folder).path
    other = shutil.copytree(folder, tmp_path / "other")
    shutil.rmtree(folder)
    values(other)
    assert Memory(other).path.exists()
    assert not gone.exists()


READER = """
import sys
from latentbench import load_results
from latentbench.files import signatures
signatures.YOUNG = -60.0
for _ in range(20):
    print(sorted((row.score, row.value) for row in load_results(sys.argv[1]).rows))
    from latentbench.remembered.memory import Memory
    Memory(sys.argv[1]).path.unlink(missing_ok=True)
"""


def test_two_processes_may_write_it_at_once(folder):
    command = [sys.executable, "-c", READER, str(folder)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    lines = [line for reader in readers for line in reader.communicate()[0].splitlines()]
    assert [reader.returncode for reader in readers] == [0, 0]
    assert len(lines) == 40
    assert len(set(lines)) == 1


def test_the_file_says_what_it_is(folder):
    values(folder)
    title, head, *lines = Memory(folder).path.read_text().split("\n")
    assert title.startswith("latentbench remembers")
    assert json.loads(head)["run"] == str(folder)
    assert len(lines) == 1
