"""Pair metrics as a kind of plugins: listed, explained, checked, and refused with a cure."""

import re

import pytest

from latentbench.errors import LatentbenchError, PluginError, UnknownNameError
from latentbench.plugins import PluginInfo, Plugins, Registration
from latentbench.registrations import conflict

ALIKE = """
import torch
from latentbench import PairMetric, Score, hookimpl


class Alike(PairMetric):
    \"\"\"Source: a test.\"\"\"

    class Params(PairMetric.Params):
        power: float = 1.0

    score = Score("up", range=(0, 1))
    needs = ("train",)
    needs_second = ("decoder",)
    symmetric = False
    invariances = ("shift", "scale")
    max_items = 300
    version = 3

    def compute(self, a, b):
        x, y = (space.codes[:, 0].double() - space.codes[:, 0].double().mean() for space in (a, b))
        return float((x @ y).square() / (x @ x * (y @ y)))


@hookimpl
def register_pair_metrics(register):
    register("alike", Alike, summary="squared correlation of the first dimensions")
"""


@pytest.fixture
def file(plugin_file):
    return plugin_file(ALIKE, "alike.py")


def test_pair_metrics_are_listed_with_their_plugin(cli, file):
    status, out, _ = cli("list", "pair_metrics", "--plugin", file)
    assert status == 0
    (line,) = [line for line in out.splitlines() if line.startswith("alike ")]
    assert "squared correlation of the first dimensions" in line
    supplied = cli("list", "plugins", "--plugin", file)[1]
    assert re.search(r"^  pair_metrics  alike$", supplied, re.MULTILINE)
    assert "alike" not in cli("list", "metrics", "--plugin", file)[1]


def test_info_explains_a_pair_metric(cli, file):
    status, out, _ = cli("info", "alike", "--plugin", file)
    assert status == 0
    assert out.startswith(f"pair metric alike, version 3, from {file}")
    assert "Squared correlation of the first dimensions.\n\nSource: a test." in out
    rows = {tuple(re.split(r"  +", line.strip())) for line in out.splitlines()}
    assert {
        ("power", "1.0", "number"),
        ("symmetric", "no: compares a with b and b with a"),
        ("needs", "train, of both spaces; decoder, of the second"),
        ("null", "items of one space permuted"),
        ("tier", "quick"),
        ("test items", "at least 3, at most 300 are used"),
        ("invariant to", "shift, scale"),
        ("better", "up", "purpose", "use"),
        ("range", "0 to 1", "kind", "quality"),
    } <= rows


def test_info_explains_every_pair_metric(cli):
    for name in Plugins().names("pair_metric"):
        status, out, _ = cli("info", name)
        assert status == 0
        assert f"pair metric {name}, version " in out


def test_check_has_a_line_a_rule_and_the_exit_status_of_a_broken_one(cli, plugin_file):
    source = ALIKE.replace('("train",)', "()").replace('("decoder",)', "()").replace('"shift",', '"rotation",')
    file = plugin_file(source, "wrong.py")
    status, out, told = cli("check", f"{file}:Alike")
    assert status == 1
    assert out.startswith(f"{file}:Alike, version 3: pair metric")
    assert re.search(r"^reordered +ok$", out, re.MULTILINE)
    assert re.search(r"^invariances +FAILED$", out, re.MULTILINE)
    assert "breaks invariances on images, codes with a training split, codes: rotation of the first space" in told
    assert "leave 'rotation' out of its invariances" in told


def test_check_takes_parameters_of_a_pair_metric(cli, file):
    assert cli("check", "alike", "--plugin", file, "-p", "power=2")[0] == 1  # constant codes are NaN
    status, _, told = cli("check", "alike", "--plugin", file, "-p", "powr=2")
    assert status == 2
    assert "pair metric 'alike' has no parameter 'powr'; did you mean 'power'?" in told


@pytest.mark.parametrize("verb", ["info", "check"])
def test_a_near_name_is_suggested(cli, file, verb):
    status, _, told = cli(verb, "alik", "--plugin", file)
    assert status == 2
    assert "'alik'; did you mean 'alike'" in told
    assert "`list pair_metrics`" in told


def test_an_unknown_pair_metric_is_told_with_near_matches(file):
    with pytest.raises(UnknownNameError) as caught:
        Plugins(files=(file,)).load("pair_metric", "alik")
    assert str(caught.value) == (
        "there is no pair metric 'alik'; did you mean 'alike'? (`latentbench list pair_metrics` shows all)"
    )


def test_two_plugins_with_one_pair_metric(install):
    install("one", {"one.py": ALIKE})
    install("two", {"two.py": ALIKE})
    expected = (
        "pair metric 'alike' is registered by one:one 1.0 and two:two 1.0; leave one out with --no-plugin two:two"
    )
    plugins = Plugins()
    assert plugins.conflicts() == [expected]
    with pytest.raises(PluginError, match=expected):
        plugins.find("pair_metric", "alike")
    assert Plugins(blocked=("two:two",)).load("pair_metric", "alike").version == 3


def test_one_name_for_a_metric_and_a_pair_metric_is_no_conflict(cli, plugin_file):
    file = plugin_file(ALIKE.replace('"alike"', '"knn"'), "knn_too.py")
    assert Plugins(files=(file,)).conflicts() == []
    out = cli("info", "knn", "--plugin", file)[1]
    assert out.startswith("metric knn, version ")
    assert "pair metric knn, version 3" in out


HEAD = "from latentbench import Metric, PairMetric, Score, hookimpl\n"
WRONG = {
    "no pair metric": (
        "class Bad(Metric):\n    scores = {'bad': Score('up')}\n    def compute(self, space): return {}\n",
        "pair metric 'bad' of {file} must be a subclass of latentbench.PairMetric",
    ),
    "no compute": (
        "class Bad(PairMetric):\n    score = Score('up')\n",
        "pair metric 'bad' of {file} lacks compute, which every PairMetric has",
    ),
    "no score": (
        "class Bad(PairMetric):\n    def compute(self, a, b): return 1.0\n",
        "pair metric 'bad' of {file} declares no score; add score = Score(\"up\")",
    ),
}
OFFER = "\n\n@hookimpl\ndef register_pair_metrics(register):\n    register('bad', Bad)\n"


@pytest.mark.parametrize("case", WRONG)
def test_a_pair_metric_that_cannot_be_used_is_told_with_its_plugin(cli, plugin_file, case):
    body, sentence = WRONG[case]
    file = plugin_file(HEAD + body + OFFER)
    for verb in ("info", "check"):
        status, _, told = cli(verb, "bad", "--plugin", file)
        assert (status, told.strip()) == (2, f"latentbench: {sentence.format(file=file)}")


def test_a_mistake_in_its_declaration_stops_the_request(cli, plugin_file):
    file = plugin_file(HEAD + "class Bad(PairMetric):\n    needs = ('trian',)\n" + OFFER)
    status, _, told = cli("list", "pair_metrics", "--plugin", file)
    assert status == 2
    assert "correct Bad.needs: " in told
    assert "did you mean 'train'?" in told


def test_a_name_that_no_command_line_takes_is_refused(plugin_file):
    file = plugin_file(ALIKE.replace('"alike"', '"a like"'))
    with pytest.raises(LatentbenchError, match=r"correct the name of a pair metric: expected .*, got 'a like'"):
        Plugins(files=(file,))


def test_a_class_of_a_session_is_named_in_a_file():
    with pytest.raises(UnknownNameError) as caught:
        Plugins().find("pair_metric", "__main__:Alike")
    assert str(caught.value) == "there is no pair metric '__main__:Alike' here; name one in a file as mine.py:Mine"


def test_a_pair_metric_of_latentbench_keeps_its_name():
    own, other = (
        Registration("pair_metric", "alike", "module:Alike", "", PluginInfo(f"{distribution}:pairs", distribution))
        for distribution in ("latentbench", "other")
    )
    assert conflict([other, own]) == (
        "pair metric 'alike' of other:pairs is left out, as latentbench has one of that name; register it under "
        "another"
    )
