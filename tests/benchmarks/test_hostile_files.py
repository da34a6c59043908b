"""Hostile data files are refused in one sentence or read right; none hangs, none takes memory by its size."""

import time

import numpy as np
import pytest

from benchmarks.robust import hostile_files
from latentbench import DataError
from latentbench_datasets.arrays import Arrays

SECONDS = 5


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


def load(folder, name):
    (folder / "given").mkdir()
    dataset = Arrays(Arrays.Params(path=hostile_files.HOSTILE[name].write(folder / "given")))
    started = time.perf_counter()
    try:
        return dataset.load(), dataset.remarks()
    finally:
        assert time.perf_counter() - started < SECONDS


@pytest.mark.parametrize("name", [name for name, case in hostile_files.HOSTILE.items() if case.says is not None])
def test_what_cannot_be_used_is_refused_in_one_sentence(tmp_path, name):
    with pytest.raises(DataError) as caught:
        load(tmp_path, name)
    sentence = str(caught.value)
    assert hostile_files.HOSTILE[name].says in sentence
    assert "\n" not in sentence
    assert len(sentence) < 700 or name == "a long name"


@pytest.mark.parametrize("name", [name for name, case in hostile_files.HOSTILE.items() if case.says is None])
def test_what_is_easily_misread_is_read_right(tmp_path, name):
    case = hostile_files.HOSTILE[name]
    (train, test), remarks = load(tmp_path, name)
    assert len(train) + len(test) == hostile_files.ROWS
    if case.classes is not None:
        known = train.class_names or tuple(map(str, range(max(*train.labels, *test.labels) + 1)))
        assert known == case.classes
        assert set(train.labels) == set(range(len(known)))
    if case.width is not None:
        assert np.prod(train.inputs.shape[1:]) == case.width
    assert any(case.remark in remark for remark in remarks) or not case.remark


def test_there_are_many_kinds():
    assert len(hostile_files.HOSTILE) >= 60
