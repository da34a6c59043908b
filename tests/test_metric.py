"""Every mistake in what a metric class declares is an error when the class is made."""

from __future__ import annotations

from typing import get_args

import pytest

from latentbench.cli import main
from latentbench.errors import ContractError
from latentbench.latent.space import REASONS
from latentbench.metric import Metric, Need
from latentbench.scores import Score

SOUND = {"scores": {"spread": Score("none", "mean distance")}, "compute": lambda self, space: {"spread": 1.0}}


def declare(**traits):
    return type("Spread", (Metric,), {**SOUND, **traits})


def test_needs_are_what_a_space_can_lack():
    assert set(get_args(Need)) == REASONS.keys()


def test_a_sound_metric_is_made():
    metric = declare(needs=("labels", "train"), invariances=("shift",), tier="full", version=3, max_items=None)
    assert metric(metric.Params()).needs == ("labels", "train")


def test_a_class_between_needs_no_scores():
    class Between(Metric):
        needs = ("labels",)

    assert not hasattr(Between, "scores")


def test_what_is_inherited_is_checked_with_what_is_declared():
    parent = declare(max_items=100)
    with pytest.raises(ContractError, match=r"Narrow\.max_items"):
        type("Narrow", (parent,), {"min_items": 200})


def test_a_metric_with_one_score_may_leave_the_words_to_its_summary():
    assert declare(scores={"spread": Score("up")}).scores["spread"].description == ""


def test_the_explanation_is_the_summary_and_what_the_docstring_adds():
    metric = declare(__doc__="Over all pairs.\n\n    Slow.\n    ")
    assert metric.explain("mean distance of codes") == "Mean distance of codes.\n\nOver all pairs.\n\nSlow."
    assert metric.explain("") == "Over all pairs.\n\nSlow."


def test_the_explanation_of_a_metric_without_docstring_is_its_summary():
    assert declare().explain("mean distance of codes") == "Mean distance of codes."


MISTAKES = {
    "need": ({"needs": ("lables",)}, "Spread.needs: .*'labels'.*got 'lables'; did you mean 'labels'"),
    "need without a comma": ({"needs": ("labels")}, r"Spread.needs: expected a tuple.*, got 'labels'"),
    "needs in a list": ({"needs": ["labels"]}, r"Spread.needs: expected a tuple.*, got \['labels'\]"),
    "a need that is no word": ({"needs": (3,)}, r"Spread.needs: .*got 3$"),
    "invariance": ({"invariances": ("rotations",)}, "Spread.invariances: .*; did you mean 'rotation'"),
    "tier": ({"tier": "slow"}, "Spread.tier: expected one of 'quick', 'full', got 'slow'"),
    "version": ({"version": "2"}, "Spread.version: expected a whole number of at least 1, got '2'"),
    "version zero": ({"version": 0}, "Spread.version: .*at least 1, got 0"),
    "version true": ({"version": True}, "Spread.version: .*got True"),
    "tolerance": ({"tolerance": -0.1}, "Spread.tolerance: expected a finite number of at least 0, got -0.1"),
    "tolerance nan": ({"tolerance": float("nan")}, "Spread.tolerance: .*got nan"),
    "min_items": ({"min_items": 0}, "Spread.min_items: .*at least 1, got 0"),
    "max_items": ({"max_items": 10, "min_items": 20}, "Spread.max_items: .*at least 20, got 10"),
    "no scores": ({"scores": {}}, r"Spread.scores: .*got \{\}"),
    "scores in a list": ({"scores": ["spread"]}, r"Spread.scores: expected a mapping .*, got \['spread'\]"),
    "score": ({"scores": {"spread": "up"}}, r"Spread.scores: .*'spread'.*Score.*got 'up'"),
    "name": ({"scores": {"mean spread": SOUND["scores"]["spread"]}}, "Spread.scores: .*name.*got 'mean spread'"),
    "no description": ({"scores": {"near": Score("up"), "far": Score("up")}}, r"Spread.scores: .*'near'.*got ''"),
    "control character": (
        {"scores": {"spread\x1b[31m": SOUND["scores"]["spread"]}},
        "Spread.scores: .*no control character",
    ),
    "empty name": ({"scores": {"": SOUND["scores"]["spread"]}}, "Spread.scores: .*name.*got ''"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(mistake):
    traits, sentence = MISTAKES[mistake]
    with pytest.raises(ContractError, match=f"^correct {sentence}"):
        declare(**traits)


def test_a_misspelled_need_in_a_plugin_file_stops_the_request(tmp_path, capsys):
    file = tmp_path / "typo.py"
    file.write_text(
        "from latentbench import Metric, Score\n\n\n"
        "class Spread(Metric):\n"
        "    scores = {'spread': Score('none', 'mean distance')}\n"
        "    needs = ('lables',)\n"
    )
    with pytest.raises(SystemExit) as stop:
        main(["list", "metrics", "--plugin", str(file)])
    assert stop.value.code == 2
    assert "correct Spread.needs" in (sentence := capsys.readouterr().err)
    assert "did you mean 'labels'?" in sentence
