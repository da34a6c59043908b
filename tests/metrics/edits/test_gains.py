from __future__ import annotations

import math

import pytest
import torch

import latentbench
from latentbench import LatentSpace, NotApplicableError
from latentbench.execution.scoring import compute
from latentbench.latent.edits.attributes import find_attribute
from latentbench.testing import blurred, gallery, random_codes
from latentbench_metrics.edits._choices import EditParams, scored_attributes
from latentbench_metrics.edits.chains import EditChain, chain_error, order_error
from latentbench_metrics.edits.flips import FlipRate, attribute_judge, flip_rate
from latentbench_metrics.edits.gains import EditGain, edit_gain, edit_gains, edit_leak

METRICS = (EditGain, EditChain, FlipRate)
SIDE = 6


@pytest.fixture(scope="module", autouse=True)
def _quick_judge():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentbench_metrics._shared.features.ITEMS", 15_000)
        yield


@pytest.fixture(scope="module")
def spots():
    return gallery(300, 1500)


def scores(space, metric, **params):
    found = compute(metric(metric.Params(**params)), space)
    return {name: float(value.mean()) for name, value in found.items()}


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(pattern, count=400, decode=None, encode=None, correlated=False):
    """Images that are sums of patterns `(k, ...)`, each there or not; codes are PCA's unless others are given."""

    def factors_of(seed):
        values = (normal(count, len(pattern), seed=seed) > 0).double()
        if correlated and seed != 1:
            same = normal(count, seed=9 + seed) > -1
            values[:, 1] = torch.where(same, values[:, 0], values[:, 1])
        return values

    def render(factors):
        return (0.1 + torch.tensordot(factors, pattern.double(), 1)).float()

    train_images = render(factors_of(0))
    mean, axes = (
        train_images.mean(0),
        torch.linalg.svd((train_images - train_images.mean(0)).flatten(1), full_matrices=False).Vh[: len(pattern)],
    )
    encode = encode or (lambda images: (images - mean).flatten(1) @ axes.T)
    decode = decode or (lambda codes: (codes @ axes).reshape(-1, *mean.shape) + mean)
    names = ("hat", "glasses", "beard")[: len(pattern)]

    def look(seed, **more):
        factors = factors_of(seed)
        inputs = render(factors)
        seen = {"inputs": inputs, "codes": encode(inputs), "factors": factors, "render": render, **more}
        sizes = (2,) * len(names)
        return LatentSpace(encode=encode, decode=decode, factor_names=names, factor_sizes=sizes, **seen)

    return look(1, train=look(0), validation=look(2))


def blocks(count=3):
    """Patterns in places of their own."""
    pattern = torch.zeros(count, 1, SIDE, SIDE)
    for number in range(count):
        pattern[number, 0, 2 * number : 2 * number + 2] = 0.5
    return pattern


# functions, against loops


def test_gain_and_leak_against_plain_loops():
    plain, edited, ideal, truth, inputs = (normal(7, 1, 4, 4, seed=seed) for seed in range(5))
    changed = normal(7, 1, 4, 4, seed=9) > 0.3
    ideal = truth + 0.1 * ideal

    def error(images):
        return sum(float((images[i] - truth[i])[changed[i]].square().mean()) for i in range(7)) / 7

    gain = (error(plain) - error(edited)) / (error(plain) - error(ideal))
    assert edit_gain(plain, edited, ideal, truth, changed) == pytest.approx(gain)
    made, wanted = edited - plain, truth - inputs
    outside = float((made - wanted)[~changed].square().sum())
    assert edit_leak(plain, edited, inputs, truth, changed) == pytest.approx(
        outside / (outside + float(made[changed].square().sum()))
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


def test_chain_and_order_errors():
    truth, start = torch.ones(2, 4), torch.zeros(2, 4)
    assert chain_error(truth, truth, truth, start) == 1
    assert chain_error(start, 0.5 * truth, truth, start) == pytest.approx(1.001 / 0.251)
    assert chain_error(start, start, start, start) == 0  # nothing to do, nothing done
    assert order_error(truth, truth, start) == 0
    assert order_error(truth, -truth, start) == 2
    assert order_error(start, start, start) == 0
    assert flip_rate(torch.tensor([0, 0, 1, 1]) > 0, torch.tensor([0, 1, 0, 1]) > 0, torch.ones(4) > 0) == 0.25


# known answers


def test_the_gallery_is_perfect(spots):
    found = scores(spots, EditGain)
    assert found["edit_gain"] == pytest.approx(1, abs=0.03)
    assert found["edit_leak"] < 0.02
    assert found["edit_gain_random"] < 0.3
    chains = scores(spots, EditChain)
    assert chains["chain_error"] < 2
    assert chains["order_error"] < 0.05
    flips = scores(spots, FlipRate)
    assert flips["flip_rate"] > flips["flip_rate_random"] + 0.3


def test_codes_that_know_nothing_gain_nothing(spots):
    lost = random_codes(spots)
    found = scores(lost, EditGain)
    assert abs(found["edit_gain"]) < 0.1
    assert found["edit_leak"] > 0.3
    assert scores(lost, FlipRate)["flip_rate"] < 0.4
    with pytest.raises(NotApplicableError, match="draws the true images hardly better"):
        scores(lost, EditChain)


def test_pca_of_images_where_attributes_are_linear_is_perfect():
    space = drawn(blocks())
    found = scores(space, EditGain)
    assert found["edit_gain"] == pytest.approx(1, abs=1e-4)
    assert found["edit_leak"] == pytest.approx(0, abs=1e-6)
    assert found["edit_gain_random"] < 0.7  # three dimensions: chance finds much
    chains = scores(space, EditChain)
    assert chains["chain_error"] == pytest.approx(1, abs=1e-3)
    assert chains["order_error"] == pytest.approx(0, abs=1e-4)
    assert scores(space, FlipRate)["flip_rate"] > 0.95


def test_a_model_that_always_draws_the_same_gains_nothing_and_has_no_chain():
    space = drawn(blocks(), decode=lambda codes: torch.full((len(codes), 1, SIDE, SIDE), 0.3))
    assert scores(space, EditGain) == {"edit_gain": 0, "edit_leak": 1, "edit_gain_random": 0}
    with pytest.raises(NotApplicableError, match="draws the true images hardly better"):
        scores(space, EditChain)
    assert scores(space, FlipRate)["flip_rate"] == 0
    frame = latentbench.score(space, ["chain_error"])
    assert frame["status"].tolist() == ["not applicable"]


def test_correlated_training_data_spoil_mean_differences_only():
    space = drawn(blocks(2), correlated=True)
    balanced, plain = (scores(space, EditGain, how=how) for how in ("balanced_means", "mean_difference"))
    assert balanced["edit_leak"] < 1e-6
    assert plain["edit_leak"] > 0.2
    assert plain["edit_gain"] == pytest.approx(balanced["edit_gain"], abs=1e-3)  # it looks where it should change


def test_blurring_the_decoder_gains_nothing(spots):
    assert scores(blurred(spots), EditGain)["edit_gain"] < scores(spots, EditGain)["edit_gain"] + 0.05


# what is edited, and on which split what is chosen


def test_binary_factors_are_edited_where_there_are_any_and_six_at_most(spots):
    assert [one.name for one in scored_attributes(spots)] == ["x", "y", "size", "aspect", "tone"]
    assert [one.name for one in scored_attributes(spots, ["tone"])] == ["tone"]
    factors = torch.cat([normal(50, 2), (normal(50, 8, seed=1) > 0).double(), torch.ones(50, 1)], 1)
    names = tuple(f"f{number}" for number in range(11))
    train = LatentSpace.from_arrays(codes=normal(50, 2), factors=factors, factor_names=names)
    found = [one.name for one in scored_attributes(train.replaced(train=train))]
    assert found == ["f2", "f3", "f4", "f5", "f6", "f7"]
    with pytest.raises(NotApplicableError, match="no ground-truth factors in the training split"):
        scored_attributes(LatentSpace.from_arrays(codes=normal(5, 2)))


def test_parameters_name_attributes():
    assert EditParams(attributes="smile").attributes == ("smile",)
    space = drawn(blocks())
    alone = scores(space, EditGain, attributes=("hat",))
    table = edit_gains(space, ["hat"])
    assert alone["edit_gain"] == pytest.approx(float(table["gain"][0]), abs=1e-6)
    with pytest.raises(NotApplicableError, match="two attributes"):
        scores(space, EditChain, attributes=("hat",))


def test_the_table_of_attributes_averages_to_the_score(spots):
    table = edit_gains(spots.arranged)
    found = scores(spots, EditGain)
    assert table["attribute"].tolist() == list(spots.factor_names)
    assert float(table["gain"].mean()) == pytest.approx(found["edit_gain"], abs=1e-6)
    assert float(table["leak"].mean()) == pytest.approx(found["edit_leak"], abs=1e-6)
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


def test_rows_say_how_they_came_about(spots):
    frame = latentbench.score(spots, ["edit_gain", "flip_rate", "chain_error"]).set_index("score")
    assert (frame["status"] == "ok").all()
    for name in ("edit_gain", "chain_error"):
        assert frame.loc[name, "reason"].startswith("directions by balanced_means, strengths by validation: x x")
    assert "the judge is right of real images: x " in frame.loc["flip_rate", "reason"]
    assert frame.loc["edit_gain", "se"] > 0


def test_the_judge_sees_images_not_codes(spots):
    attributes = [find_attribute(spots, name) for name in ("x", "tone")]
    judge, other = attribute_judge(spots, attributes), attribute_judge(random_codes(spots), attributes)
    seen = judge(spots.inputs)
    assert torch.equal(seen, other(spots.inputs))
    truth = torch.stack([one.is_high(spots.factors[:, one.column]) for one in attributes], 1)
    assert float((seen == truth).double().mean()) > 0.9


def test_what_is_missing_is_said(spots):
    bare = spots.replaced(validation=None)
    frame = latentbench.score(bare, ["edit_gain", "chain_error", "flip_rate"]).set_index("score")
    assert frame.loc[["edit_gain", "chain_error"], "reason"].tolist() == ["no validation split"] * 2
    assert frame.loc["flip_rate", "status"] == "ok"
    assert all(math.isfinite(value) for value in frame.loc[["flip_rate"], "value"])
    for metric in METRICS:
        with pytest.raises(NotApplicableError, match="no ground-truth factors"):
            compute(metric(metric.Params()), spots.replaced(factors=None))
