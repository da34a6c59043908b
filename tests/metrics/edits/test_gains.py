from __future__ import annotations

import pytest
import torch

import latentbench
from latentbench import NotApplicableError
from latentbench.execution.scoring import compute
from latentbench.testing import blurred, gallery, random_codes
from latentbench_metrics.edits.gains import EditGain, edit_gain, edit_gains, edit_leak


def test_gain_and_leak_against_plain_loops(normal):
    plain, edited, ideal, truth, inputs = (normal(7, 1, 4, 4, seed=seed) for seed in range(5))
    changed = normal(7, 1, 4, 4, seed=9) > 0.3
    ideal = truth + 0.1 * ideal

    def error(images):
        return sum(float((images[i] - truth[i])[changed[i]].square().mean()) for i in range(7)) / 7

    gain = (error(plain) - error(edited)) / (error(plain) - error(ideal))
    assert edit_gain(plain, edited, ideal, truth, changed) == pytest.approx(gain)
    change, wanted = edited - plain, truth - inputs
    outside = float((change - wanted)[~changed].square().sum())
    assert edit_leak(plain, edited, inputs, truth, changed) == pytest.approx(
        outside / (outside + float(change[changed].square().sum()))
    )


def test_known_edits():
    truth, plain = torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2)
    everywhere = torch.ones(3, 1, 2, 2, dtype=torch.bool)
    assert edit_gain(plain, truth, truth, truth, everywhere) == 1
    assert edit_gain(plain, plain, truth, truth, everywhere) == 0
    assert edit_gain(plain, -truth, truth, truth, everywhere) == -3
    assert edit_leak(plain, truth, plain, truth, everywhere) == 0
    assert edit_leak(plain, plain, plain, truth, everywhere) == 1, "nothing done is no merit"
    assert edit_leak(plain, truth, plain, plain, ~everywhere) == 1
    with pytest.raises(NotApplicableError, match="changes no pixel"):
        edit_gain(plain, truth, truth, truth, ~everywhere)


def test_a_model_without_room_is_measured_by_a_share_of_its_error():
    """A model that draws the truth no better than the item scores finitely, and 0 for doing nothing."""
    truth, plain = torch.ones(2, 4), torch.zeros(2, 4)
    everywhere = torch.ones(2, 4, dtype=torch.bool)
    assert edit_gain(plain, plain, plain, truth, everywhere) == 0
    assert edit_gain(plain, 0.1 * truth, plain, truth, everywhere) == pytest.approx((1 - 0.81) / 0.05)
    assert edit_gain(truth, truth, truth, truth, everywhere) == 0


def test_the_gallery_gains_all(spots, scores):
    gains = scores(spots, EditGain)
    assert gains["edit_gain"] == pytest.approx(1, abs=0.03)
    assert gains["edit_leak"] < 0.02
    assert gains["edit_gain_random"] < 0.3


def test_codes_that_know_nothing_gain_nothing(spots, scores):
    gains = scores(random_codes(spots), EditGain)
    assert abs(gains["edit_gain"]) < 0.1
    assert gains["edit_leak"] > 0.3


def test_linear_attributes_gain_all(scores, drawn, blocks):
    gains = scores(drawn(blocks()), EditGain)
    assert gains["edit_gain"] == pytest.approx(1, abs=1e-4)
    assert gains["edit_leak"] == pytest.approx(0, abs=1e-6)
    assert gains["edit_gain_random"] < 0.7  # three dimensions: chance finds much


def test_a_model_that_always_draws_the_same_gains_nothing(scores, always_grey):
    assert scores(always_grey, EditGain) == {"edit_gain": 0, "edit_leak": 1, "edit_gain_random": 0}


def test_correlated_training_data_spoil_mean_differences_only(scores, drawn, blocks):
    space = drawn(blocks(2), correlated=True)
    balanced, plain = (scores(space, EditGain, how=how) for how in ("balanced_means", "mean_difference"))
    assert balanced["edit_leak"] < 1e-6
    assert plain["edit_leak"] > 0.2
    assert plain["edit_gain"] == pytest.approx(balanced["edit_gain"], abs=1e-3)  # it looks where it should change


def test_blurring_the_decoder_gains_nothing(spots, scores):
    assert scores(blurred(spots), EditGain)["edit_gain"] < scores(spots, EditGain)["edit_gain"] + 0.05


def test_attributes_can_be_named(scores, drawn, blocks):
    space = drawn(blocks())
    alone = scores(space, EditGain, attributes=("hat",))
    table = edit_gains(space, ["hat"])
    assert alone["edit_gain"] == pytest.approx(float(table["gain"][0]), abs=1e-6)


def test_the_table_of_attributes_averages_to_the_score(spots, scores):
    table = edit_gains(spots.arranged)
    gains = scores(spots, EditGain)
    assert table["attribute"].tolist() == list(spots.factor_names)
    assert float(table["gain"].mean()) == pytest.approx(gains["edit_gain"], abs=1e-6)
    assert float(table["leak"].mean()) == pytest.approx(gains["edit_leak"], abs=1e-6)
    assert (table["strength"] > 0).all()
    assert (table["se"] > 0).all()
    assert (table["error"] < 0.01).all()
    assert table["room"].between(0.95, 1).all()


def test_nothing_is_chosen_on_test():
    """Other test items leave direction and strength alone."""
    first = gallery(100, 500)
    second = first.take(torch.arange(50))
    strengths = [edit_gains(space)["strength"].tolist() for space in (first, second)]
    assert strengths[0] == strengths[1]
    fewer = {name: getattr(first, name).take(torch.arange(30)) for name in ("train", "validation")}
    other = first.replaced(**fewer)
    assert edit_gains(other)["strength"].tolist() != strengths[0]


def test_rows_say_what_was_edited_and_what_is_missing(spots):
    frame = latentbench.score(spots, ["edit_gain"]).set_index("score")
    assert (frame["status"] == "ok").all()
    assert frame.loc["edit_gain", "reason"].startswith(
        "directions by balanced_means, strengths by validation: x x"
    )
    assert frame.loc["edit_gain", "se"] > 0
    bare = latentbench.score(spots.replaced(validation=None), ["edit_gain"]).set_index("score")
    assert bare.loc["edit_gain", "reason"] == "no validation split"
    with pytest.raises(NotApplicableError, match="no ground-truth factors"):
        compute(EditGain(EditGain.Params()), spots.replaced(factors=None))
