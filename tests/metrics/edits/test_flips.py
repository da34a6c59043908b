from __future__ import annotations

import math

import pytest
import torch

import latentbench
from latentbench import NotApplicableError
from latentbench.execution.scoring import compute
from latentbench.latent.edits.attributes import find_attribute
from latentbench.testing import random_codes
from latentbench_metrics.edits.flips import FlipRate, attribute_judge, flip_rate


def test_flip_rate_counts_items_that_change_sides():
    assert flip_rate(torch.tensor([0, 0, 1, 1]) > 0, torch.tensor([0, 1, 0, 1]) > 0, torch.ones(4) > 0) == 0.25


def test_edits_of_the_gallery_are_seen(spots, scores):
    flips = scores(spots, FlipRate)
    assert flips["flip_rate"] > flips["flip_rate_random"] + 0.3


def test_edits_of_codes_that_know_nothing_are_not_seen(spots, scores):
    assert scores(random_codes(spots), FlipRate)["flip_rate"] < 0.4


def test_edits_of_linear_attributes_are_seen(scores, drawn, blocks):
    assert scores(drawn(blocks()), FlipRate)["flip_rate"] > 0.95


def test_edits_of_a_model_that_always_draws_the_same_are_not_seen(scores, always_grey):
    assert scores(always_grey, FlipRate)["flip_rate"] == 0


def test_the_judge_sees_images_not_codes(spots):
    attributes = [find_attribute(spots, name) for name in ("x", "tone")]
    judge, other = attribute_judge(spots, attributes), attribute_judge(random_codes(spots), attributes)
    seen = judge(spots.inputs)
    assert torch.equal(seen, other(spots.inputs))
    truth = torch.stack([attribute.is_high(spots.factors[:, attribute.column]) for attribute in attributes], 1)
    assert float((seen == truth).double().mean()) > 0.9


def test_rows_say_how_good_the_judge_is_and_need_no_validation_split(spots):
    for space in (spots, spots.replaced(validation=None)):
        frame = latentbench.score(space, ["flip_rate"]).set_index("score")
        assert frame.loc["flip_rate", "status"] == "ok"
        assert "the judge is right of real images: x " in frame.loc["flip_rate", "reason"]
        assert math.isfinite(frame.loc["flip_rate", "value"])
    with pytest.raises(NotApplicableError, match="no ground-truth factors"):
        compute(FlipRate(FlipRate.Params()), spots.replaced(factors=None))
