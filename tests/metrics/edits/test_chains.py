from __future__ import annotations

import pytest
import torch

import latentbench
from latentbench import NotApplicableError
from latentbench.execution.scoring import compute
from latentbench.testing import random_codes
from latentbench_metrics.edits.chains import EditChain, chain_error, order_error


def test_chain_and_order_errors():
    truth, start = torch.ones(2, 4), torch.zeros(2, 4)
    assert chain_error(truth, truth, truth, start) == 1
    assert chain_error(start, 0.5 * truth, truth, start) == pytest.approx(1.001 / 0.251)
    assert chain_error(start, start, start, start) == 0  # nothing to do, nothing done
    assert order_error(truth, truth, start) == 0
    assert order_error(truth, -truth, start) == 2
    assert order_error(start, start, start) == 0


def test_the_gallery_has_nearly_perfect_chains(spots, scores):
    chains = scores(spots, EditChain)
    assert chains["chain_error"] < 2
    assert chains["order_error"] < 0.05


def test_codes_that_know_nothing_have_no_chain(spots, scores):
    with pytest.raises(NotApplicableError, match="draws the true images hardly better"):
        scores(random_codes(spots), EditChain)


def test_chains_of_linear_attributes_are_perfect(scores, drawn, blocks):
    chains = scores(drawn(blocks()), EditChain)
    assert chains["chain_error"] == pytest.approx(1, abs=1e-3)
    assert chains["order_error"] == pytest.approx(0, abs=1e-4)


def test_a_model_that_always_draws_the_same_has_no_chain(scores, always_grey):
    with pytest.raises(NotApplicableError, match="draws the true images hardly better"):
        scores(always_grey, EditChain)
    frame = latentbench.score(always_grey, ["chain_error"])
    assert frame["status"].tolist() == ["not applicable"]


def test_a_chain_needs_two_attributes(scores, drawn, blocks):
    with pytest.raises(NotApplicableError, match="two attributes"):
        scores(drawn(blocks()), EditChain, attributes=("hat",))


def test_rows_say_what_was_edited_and_what_is_missing(spots):
    frame = latentbench.score(spots, ["chain_error"]).set_index("score")
    assert frame.loc["chain_error", "status"] == "ok"
    assert frame.loc["chain_error", "reason"].startswith(
        "directions by balanced_means, strengths by validation: x x"
    )
    bare = latentbench.score(spots.replaced(validation=None), ["chain_error"]).set_index("score")
    assert bare.loc["chain_error", "reason"] == "no validation split"
    with pytest.raises(NotApplicableError, match="no ground-truth factors"):
        compute(EditChain(EditChain.Params()), spots.replaced(factors=None))
