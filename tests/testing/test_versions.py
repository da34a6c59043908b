from __future__ import annotations

import importlib
import sys
import textwrap

import pytest

from latentbench.testing import code_digest
from latentbench.testing.versions import entries, forgotten, main, metrics_of, stale

HELPER = '''
FACTOR = 2


def twice(value):
    """Return twice the value."""
    return FACTOR * value


def unused(value):
    return value
'''
METRIC = '''
from latentbench import Metric, Score
from digest_sample{number}.helper import twice


class Sample(Metric):
    """What it is."""

    scores = {{"sample": Score("up", "words")}}
    version = 1

    def compute(self, space):
        return {{"sample": twice(1.0)}}
'''


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """A function that writes the sample package anew, with replacements, and returns its digest."""
    monkeypatch.syspath_prepend(str(tmp_path))
    numbers = iter(range(100))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def write(old="", new=""):
        name = f"digest_sample{next(numbers)}"
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").touch()
        for file, text in (("helper.py", HELPER), ("metric.py", METRIC.format(number=name[13:]))):
            assert not old or old in HELPER + METRIC
            (package / file).write_text(textwrap.dedent(text).replace(old, new) if old else text)
        __import__(f"{name}.metric")
        actual = code_digest(sys.modules[f"{name}.metric"].Sample)
        return actual, name

    return lambda old="", new="": named_alike(*write(old, new))


def named_alike(digest, name):
    return digest


def test_words_change_no_digest(digest, monkeypatch):
    monkeypatch.setattr("latentbench.testing.sources._key", lambda module, name: name)
    first = digest()
    assert digest("What it is.", "What it was.") == first
    assert digest("Return twice the value.", "Give it twice.") == first
    assert digest('"words"', '"other words"') == first
    assert digest("def unused(value):", "def forgotten(value):") == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FACTOR = 2", "FACTOR = 3"),
        ("return FACTOR * value", "return FACTOR + value"),
        ("twice(1.0)", "twice(2.0)"),
    ],
)
def test_code_changes_the_digest(digest, monkeypatch, old, new):
    monkeypatch.setattr("latentbench.testing.sources._key", lambda module, name: name)
    assert digest(old, new) != digest()


def test_what_is_forgotten_and_what_is_stale():
    locked = {"a": {"version": 1, "code": "x"}, "b": {"version": 1, "code": "x"}, "c": {"version": 1, "code": "x"}}
    now = {"a": {"version": 1, "code": "y"}, "b": {"version": 2, "code": "y"}, "d": {"version": 1, "code": "z"}}
    assert forgotten(locked, now) == ["a"]
    assert stale(locked, now) == ["b", "c", "d"]


def test_the_lock_is_not_renewed_over_a_forgotten_version(tmp_path, monkeypatch):
    metrics = {"a": {"version": 1, "code": "x"}}
    monkeypatch.setattr("latentbench.testing.versions.metrics_of", lambda plugin: metrics)
    monkeypatch.setattr("latentbench.testing.versions.entries", dict)
    lock = tmp_path / "lock.json"
    main(str(lock), "any", [])
    metrics["a"] = {"version": 1, "code": "y"}
    with pytest.raises(SystemExit, match="raise the version of a"):
        main(str(lock), "any", [])
    before = lock.read_text()
    main(str(lock), "any", ["a"])
    assert lock.read_text() != before


PAIR = """
from latentbench import PairMetric, Score, hookimpl


class Alike(PairMetric):
    score = Score("up", "words")
    symmetric = True

    def compute(self, a, b):
        return self.score_of(1.0)

    def score_of(self, value):
        return value


@hookimpl
def register_pair_metrics(register):
    register("alike", Alike, summary="nothing")
"""


def test_pair_metrics_are_locked_under_names_of_their_own(install):
    install("pairs", {"pairs.py": PAIR})
    assert entries(metrics_of("pairs:pairs")).keys() == {"pair_metric:alike"}


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ('"words"', '"other words"', False),
        ("symmetric = True", "symmetric = False", False),
        ("return value", "return 2 * value", True),
    ],
)
def test_code_alone_changes_the_lock_of_a_pair_metric(tmp_path, monkeypatch, old, new, changes):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr("latentbench.testing.sources._key", lambda module, name: name)
    digests = []
    for name, text in (("before", PAIR), ("after", PAIR.replace(old, new))):
        (tmp_path / f"pairs_{name}.py").write_text(text)
        digests.append(code_digest(importlib.import_module(f"pairs_{name}").Alike))
    assert (digests[0] != digests[1]) == changes


def test_a_method_named_as_a_declaration_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr("latentbench.testing.sources._key", lambda module, name: name)
    text = PAIR.replace("class Alike", "class Ruler:\n    def score(self):\n        return 1\n\n\nclass Alike")
    text = text.replace("return value", "return Ruler().score()")
    digests = []
    for name, number in (("one", "1"), ("two", "2")):
        (tmp_path / f"ruler_{name}.py").write_text(text.replace("return 1\n", f"return {number}\n"))
        digests.append(code_digest(importlib.import_module(f"ruler_{name}").Alike))
    assert digests[0] != digests[1]


def test_a_plugin_without_metrics_is_named():
    with pytest.raises(KeyError, match="no plugin 'nobody' supplies metrics"):
        metrics_of("nobody")
