"""Every mistake in what a metric class declares is an error when the class is made."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from latentbench.cli import main
from latentbench.errors import ContractError
from latentbench.latent.space import REASONS, LatentSpace
from latentbench.metric import Metric, Need, PairMetric
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


# two spaces

ALIKE = {"score": Score("up", "how alike", range=(0, 1)), "compute": lambda self, a, b: 1.0}


def declare_pair(**traits):
    return type("Alike", (PairMetric,), {**ALIKE, **traits})


def test_a_sound_pair_metric_is_made():
    metric = declare_pair(needs=("train",), needs_second=("decoder",), symmetric=False, tier="full", max_items=300)
    made = metric(metric.Params())
    assert (made.needs, made.needs_second, made.symmetric, made.has_null) == (
        ("train",),
        ("decoder",),
        False,
        True,
    )


def test_a_pair_metric_between_needs_no_score():
    class BetweenPairs(PairMetric):
        needs = ("train",)

    assert not hasattr(BetweenPairs, "score")


def test_the_explanation_of_a_pair_metric_is_its_summary_and_its_docstring():
    metric = declare_pair(__doc__="Over all pairs.")
    assert metric.explain("how alike") == "How alike.\n\nOver all pairs."


PAIR_MISTAKES = {
    "need": ({"needs": ("tran",)}, "correct Alike.needs: .*got 'tran'; did you mean 'train'"),
    "need of the second": (
        {"needs_second": ("decodr",)},
        "correct Alike.needs_second: .*got 'decodr'; did you mean 'decoder'",
    ),
    "needs of the second in a list": (
        {"needs_second": ["decoder"]},
        "correct Alike.needs_second: expected a tuple",
    ),
    "invariance": ({"invariances": ("scales",)}, "correct Alike.invariances: .*did you mean 'scale'"),
    "tier": ({"tier": "slow"}, "correct Alike.tier: expected one of 'quick', 'full', got 'slow'"),
    "version": ({"version": 0}, "correct Alike.version: .*at least 1, got 0"),
    "max_items": ({"max_items": 2}, "correct Alike.max_items: .*at least 3, got 2"),
    "symmetric": ({"symmetric": "yes"}, "correct Alike.symmetric: expected True or False, got 'yes'"),
    "has_null": ({"has_null": 0}, "correct Alike.has_null: expected True or False, got 0"),
    "score": ({"score": "up"}, "correct Alike.score: expected a Score, got 'up'"),
    "scores": ({"score": {"alike": Score("up")}}, "correct Alike.score: expected a Score, got {'alike'"),
    "prepare as a property": (
        {"prepare": property(lambda self: 1)},
        "correct Alike.prepare: .*leave out @property",
    ),
    "prepare alone": (
        {"prepare": lambda self, space: space.codes},
        "add reordered to Alike: its prepare returns something of its own, which the null puts in another order; "
        "without a null, declare has_null = False",
    ),
}


@pytest.mark.parametrize("mistake", PAIR_MISTAKES)
def test_a_mistake_of_a_pair_metric_is_one_sentence(mistake):
    traits, sentence = PAIR_MISTAKES[mistake]
    with pytest.raises(ContractError, match=f"^{sentence}"):
        declare_pair(**traits)


def test_prepare_of_its_own_needs_no_order_without_a_null():
    assert not declare_pair(prepare=lambda self, space: space.codes, has_null=False).has_null


def test_an_inherited_order_goes_with_prepare():
    parent = declare_pair(
        prepare=lambda self, space: space.codes, reordered=lambda self, ready, order, train_order: ready[order]
    )
    assert type("Child", (parent,), {"prepare": lambda self, space: 2 * space.codes}).has_null


def test_a_space_is_reordered_with_its_training_split():
    train = LatentSpace.from_arrays(codes=[[5.0], [6.0], [7.0]])
    space = LatentSpace.from_arrays(codes=[[1.0], [2.0]], labels=[0, 1], train=train)
    metric = (cls := declare_pair())(cls.Params())
    both = metric.reordered(metric.prepare(space), torch.tensor([1, 0]), torch.tensor([2, 0, 1]))
    assert (both.codes.flatten().tolist(), both.labels.tolist()) == ([2.0, 1.0], [1, 0])
    assert both.train.codes.flatten().tolist() == [7.0, 5.0, 6.0]
    test_alone = metric.reordered(metric.prepare(space), torch.tensor([1, 0]), None)
    assert test_alone.train.codes.flatten().tolist() == [5.0, 6.0, 7.0]
