from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from latentbench import LatentSpace, NotApplicableError, Posterior
from latentbench.execution.scoring import compute
from latentbench.testing import reordered
from latentbench_metrics import matches
from latentbench_metrics._shared import sinkhorn
from latentbench_metrics._shared.features import new_features
from latentbench_metrics._shared.sinkhorn import sinkhorn_divergence
from latentbench_metrics.matches import (
    ClassTransport,
    PriorMatch,
    ReconstructionMatch,
    SampleMatch,
    SampleSinkhorn,
    SampleTransport,
)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def matching(count, width, mean=0.0):
    """A posterior whose samples are N(mean, 1) whatever `width` of it is noise."""
    means = math.sqrt(1 - width) * normal(count, 4).float() + mean
    posterior = Posterior(means, torch.full((count, 4), width))
    return LatentSpace.from_arrays(
        codes=means, posterior=posterior, prior=Posterior(torch.zeros(4), torch.ones(4))
    )


def test_prior_match_looks_at_samples():
    good = PriorMatch(PriorMatch.Params()).compute(matching(2000, 0.5))
    assert all(abs(value) < 0.02 for value in good.values())
    off = PriorMatch(PriorMatch.Params()).compute(matching(2000, 0.5, mean=1.0))
    assert off["sliced_w2_squared_prior"] == pytest.approx(1, abs=0.1)
    assert off["bures_w2_squared_prior"] == pytest.approx(4, abs=0.3)


def test_image_metrics_on_digits(make_space, space):
    samples = SampleMatch(SampleMatch.Params()).compute(space)
    assert set(samples) == set(SampleMatch.scores)
    kept = ReconstructionMatch(ReconstructionMatch.Params()).compute(space)
    assert 0 < kept["bures_w2_squared_reconstructions"] < samples["bures_w2_squared_samples"]
    blank = make_space(decode=lambda codes: torch.zeros(len(codes), 1, 8, 8))
    assert all(worse > samples[name] for name, worse in SampleMatch(SampleMatch.Params()).compute(blank).items())


def test_perfect_reconstructions_are_at_distance_zero(make_space, space):
    copy = make_space(reconstructions=space.inputs)
    kept = ReconstructionMatch(ReconstructionMatch.Params()).compute(copy)
    assert kept == dict.fromkeys(ReconstructionMatch.scores, 0.0)


def test_exact_transport_wants_a_thousand_items(monkeypatch, space):
    assert SampleTransport.min_items == 1000
    with pytest.raises(NotApplicableError, match="needs 1000 items, has 500"):
        SampleTransport(SampleTransport.Params()).compute(space)
    monkeypatch.setattr(SampleTransport, "min_items", 100)
    value = SampleTransport(SampleTransport.Params()).compute(space)["w2_squared_split_samples"]
    assert value > 0


def test_what_a_space_lacks_makes_scores_not_applicable(space):
    bare = LatentSpace.from_arrays(codes=normal(1200, 3))
    assert bare.missing(PriorMatch.needs) == "no posterior"
    for metric in (PriorMatch, SampleMatch, SampleTransport, ReconstructionMatch):
        with pytest.raises(NotApplicableError):
            metric(metric.Params()).compute(bare)


def test_sinkhorn_of_samples_subtracts_the_null(make_space, space):
    scores = SampleSinkhorn(SampleSinkhorn.Params()).compute(space)["sinkhorn_divergence_samples"]
    real, other = matches._real(space)
    new = new_features(space, len(real), matches.SEED)
    epsilon = sinkhorn.default_epsilon(real, other)
    expected = sinkhorn_divergence(new, real, epsilon) - sinkhorn_divergence(other, real, epsilon)
    assert scores == pytest.approx(expected, rel=1e-6)
    assert 0 < scores < SampleMatch(SampleMatch.Params()).compute(space)["bures_w2_squared_samples"]
    images = space.train.inputs
    alike = make_space(decode=lambda codes: images[torch.arange(len(codes))])
    assert (
        abs(SampleSinkhorn(SampleSinkhorn.Params()).compute(alike)["sinkhorn_divergence_samples"]) < 0.3 * scores
    )
    blank = make_space(decode=lambda codes: torch.zeros(len(codes), 1, 8, 8))
    assert SampleSinkhorn(SampleSinkhorn.Params()).compute(blank)["sinkhorn_divergence_samples"] > scores


def test_sinkhorn_of_samples_says_why_not(monkeypatch, space):
    codes = torch.zeros(500, 8)
    same = LatentSpace.from_arrays(
        codes=codes, inputs=space.inputs[:1].expand(500, 1, 8, 8), decode=space.decode, train=space.train
    )
    with pytest.raises(NotApplicableError, match="all real images have equal features"):
        SampleSinkhorn(SampleSinkhorn.Params()).compute(same)
    monkeypatch.setattr(sinkhorn, "STEPS", 1)
    with pytest.raises(NotApplicableError, match="too far from real ones: epsilon"):
        SampleSinkhorn(SampleSinkhorn.Params()).compute(space)


def classes_at(distance, spread=1.0, dim=4):
    labels = torch.arange(5).repeat_interleave(100)
    codes = spread * normal(500, dim) + distance * torch.nn.functional.one_hot(labels, dim + 1)[:, :dim]
    return LatentSpace.from_arrays(codes=codes, labels=labels)


def test_class_transport_score_is_distance_over_width():
    score = ClassTransport(ClassTransport.Params())
    scores = [score.compute(classes_at(distance))["class_transport"] for distance in (0.0, 4.0, 8.0)]
    assert scores[0] == pytest.approx(0, abs=0.03)
    # 6 of 10 pairs of classes are sqrt 2 apart, in units of `distance`, the other 4 one; 4 dimensions
    assert scores[1] == pytest.approx(4**2 * (6 * 2 + 4) / 10 / 4, rel=0.05)
    assert scores[2] == pytest.approx(4 * scores[1], rel=0.05)
    assert score.compute(classes_at(40.0, spread=10.0))["class_transport"] == pytest.approx(scores[1], rel=0.01)
    near = classes_at(4.0)
    space = LatentSpace.from_arrays(codes=near.codes, labels=near.labels, inputs=near.codes)
    again = compute(score, reordered(space, 3))["class_transport"]
    assert again == pytest.approx(compute(score, space)["class_transport"], rel=1e-9)


def test_class_transport_score_says_why_not():
    score = ClassTransport(ClassTransport.Params())
    labels = torch.arange(5).repeat_interleave(20)
    one = LatentSpace.from_arrays(codes=normal(100, 3), labels=torch.zeros(100))
    with pytest.raises(NotApplicableError, match="1 classes of four items or more: needs 2"):
        score.compute(one)
    for codes in (torch.ones(100, 3), labels[:, None].float() + 100):
        with pytest.raises(NotApplicableError, match="all codes of a class are equal"):
            score.compute(LatentSpace.from_arrays(codes=codes, labels=labels))
    few = LatentSpace.from_arrays(codes=normal(103, 3), labels=torch.cat([labels, torch.tensor([9, 9, 9])]))
    assert math.isfinite(score.compute(few)["class_transport"])
