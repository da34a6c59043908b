from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench.execution.scoring import compute
from latentbench.latent.sampling import sample_codes
from latentbench_metrics import generation
from latentbench_metrics._shared import distances
from latentbench_metrics._shared.features import in_domain_features
from latentbench_metrics._shared.prdc import expected_coverage, precision_recall_density_coverage
from latentbench_metrics.generation import OutOfBounds, Samples, kernel_distance, out_of_bounds

NAMES = ["precision", "recall", "density", "coverage"]


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def by_definition(real, fake, k):
    """Kynkäänniemi 2019, equations 1 and 2; Naeem 2020, equations 3 and 5: loops over points."""
    real, fake = real.numpy(), fake.numpy()

    def reach(points):
        return [np.sort([np.linalg.norm(p - q) for j, q in enumerate(points) if j != i])[k - 1]
                for i, p in enumerate(points)]  # fmt: skip

    reach_real, reach_fake = reach(real), reach(fake)
    between = np.array([[np.linalg.norm(r - f) for f in fake] for r in real])
    in_real = [[between[i, j] < reach_real[i] for i in range(len(real))] for j in range(len(fake))]
    return {
        "precision": np.mean([any(balls) for balls in in_real]),
        "recall": np.mean(
            [any(between[i, j] < reach_fake[j] for j in range(len(fake))) for i in range(len(real))]
        ),
        "density": np.sum(in_real) / (k * len(fake)),
        "coverage": np.mean([between[i].min() < reach_real[i] for i in range(len(real))]),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0, 1e3])
def test_a_sample_against_itself(dtype, offset, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 5000)
    points = (normal(300, 16) + offset).to(dtype)
    assert precision_recall_density_coverage(points, points) == dict.fromkeys(NAMES, 1.0)
    assert precision_recall_density_coverage(points, points.clone().requires_grad_()) == dict.fromkeys(NAMES, 1.0)
    assert precision_recall_density_coverage(points, points + 100) == dict.fromkeys(NAMES, 0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_fakes_at_one_real_point(dtype):
    real = normal(1000, 8).to(dtype)
    shares = precision_recall_density_coverage(real, real[:1].repeat(1000, 1))
    assert shares["precision"] == 1
    assert shares["recall"] == 0
    assert shares["coverage"] <= 0.01
    assert precision_recall_density_coverage(real[:300], real[:1].repeat(300, 1))["recall"] == 0


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("spread", "shift"), [(1.0, 0.0), (0.3, 0.5), (2.5, -1.0)])
def test_agrees_with_the_definition(k, spread, shift, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 700)
    real, fake = normal(60, 4), spread * normal(60, 4, seed=1) + shift
    shares = precision_recall_density_coverage(real, fake, k)
    assert list(shares) == NAMES
    assert shares == pytest.approx(by_definition(real, fake, k), abs=1e-12)


@pytest.mark.parametrize("k", [1, 4])
def test_points_on_the_edge_of_a_ball_are_outside(k):
    """On a grid most distances are equal, and off the origin none is exact."""
    whole = torch.randint(0, 4, (50, 2), generator=torch.Generator().manual_seed(k)).double()
    real, fake = whole, whole.flip(1)[torch.randperm(50, generator=torch.Generator().manual_seed(k))]
    expected = by_definition(real, fake, k)
    assert precision_recall_density_coverage(real, fake, k) == pytest.approx(expected, abs=1e-12)
    far = precision_recall_density_coverage((real + 4096).float(), (fake + 4096).float(), k)
    assert far == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("dim", "spread"), [(3, 1.0), (64, 1.2)])
def test_agrees_with_the_package_of_its_authors(dim, spread, capsys):
    compute = pytest.importorskip("prdc").compute_prdc
    real, fake = normal(300, dim), spread * normal(300, dim, seed=1)
    expected = compute(real.numpy(), fake.numpy(), 5)
    capsys.readouterr()
    assert precision_recall_density_coverage(real, fake) == pytest.approx(expected, abs=1e-12)


def test_duplicates_have_empty_balls():
    real = torch.cat([normal(30, 3), normal(1, 3, seed=1).repeat(6, 1)]) + 1000
    assert precision_recall_density_coverage(real, real, k=5)["coverage"] == pytest.approx(30 / 36)


def test_coverage_of_equal_distributions_is_what_theory_says():
    assert expected_coverage(200) == pytest.approx(
        1 - (199 * 198 * 197 * 196 * 195) / (399 * 398 * 397 * 396 * 395), abs=1e-12
    )
    assert expected_coverage(10**7) == pytest.approx(1 - 2**-5, abs=1e-6)
    for k in (1, 5):
        draws = [
            precision_recall_density_coverage(normal(200, 6, seed=2 * i), normal(200, 6, seed=2 * i + 1), k)
            for i in range(60)
        ]
        assert np.mean([d["coverage"] for d in draws]) == pytest.approx(expected_coverage(200, k), abs=0.008)
        assert np.mean([d["density"] for d in draws]) == pytest.approx(1, abs=0.03)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=10, deadline=None)
def test_order_position_scale_and_precision_do_not_matter(seed, scale, shift):
    real, fake = normal(40, 4, seed=seed), 1.3 * normal(40, 4, seed=seed + 1) + 0.3
    value = precision_recall_density_coverage(real, fake)
    turn = torch.linalg.qr(normal(4, 4, seed=seed))[0]
    order = torch.from_numpy(np.random.default_rng(seed).permutation(40))
    moved = (scale * points @ turn + shift for points in (real[order], fake[order.flip(0)]))
    assert precision_recall_density_coverage(*moved) == pytest.approx(value, abs=1e-12)
    assert precision_recall_density_coverage(real.float(), fake.float()) == pytest.approx(value, abs=0.03)
    swapped = precision_recall_density_coverage(fake, real)
    assert (swapped["precision"], swapped["recall"]) == (value["recall"], value["precision"])


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"real \(5, 3\) and fake \(6, 3\).*take equally many"):
        precision_recall_density_coverage(normal(5, 3), normal(6, 3), 2)
    with pytest.raises(ValueError, match=r"k \(=5\) must be at least 1 and less than .* \(=5\)"):
        precision_recall_density_coverage(normal(5, 3), normal(5, 3))
    with pytest.raises(ValueError, match="none empty"):
        out_of_bounds(normal(5, 3), normal(5, 3), normal(0, 3))
    with pytest.raises(ValueError, match=r"got \(5, 3\), \(5, 3\), \(5, 2\)"):
        out_of_bounds(normal(5, 3), normal(5, 3), normal(5, 2))


def test_out_of_bounds_agrees_with_the_definition(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 700)
    train, test, fake = normal(80, 3), normal(50, 3, seed=1), 2 * normal(70, 3, seed=2)

    def nearest(points):
        return np.linalg.norm(points.numpy()[:, None] - train.numpy(), axis=2).min(1)

    limit = np.quantile(nearest(test), 0.95)
    assert out_of_bounds(train, test, fake) == np.mean(nearest(fake) > limit) > 0.2
    assert out_of_bounds(train.float(), test.float(), fake.float()) == pytest.approx(
        np.mean(nearest(fake) > limit), abs=0.03
    )


def test_out_of_bounds_of_the_real_the_copied_and_the_far():
    train, test = normal(2000, 5), normal(1000, 5, seed=1)
    assert out_of_bounds(train, test, test) == pytest.approx(0.05, abs=1e-3)
    assert out_of_bounds(train, test, normal(1000, 5, seed=2)) == pytest.approx(0.05, abs=0.025)
    assert out_of_bounds(train, test, train) == 0
    assert out_of_bounds(train, test, test + 50) == 1


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=10, deadline=None)
def test_out_of_bounds_is_invariant(seed, scale, shift):
    sets = [normal(count, 3, seed=seed + count) for count in (60, 40, 41)]
    turn = torch.linalg.qr(normal(3, 3, seed=seed))[0]
    moved = [(scale * points @ turn + shift).flip(0) for points in sets]
    assert out_of_bounds(*moved) == pytest.approx(out_of_bounds(*sets), abs=1e-12)


def arrays(space, decode=None, **changes):
    train = LatentSpace.from_arrays(codes=space.train.codes, inputs=space.train.inputs, labels=space.train.labels)
    given = {"codes": space.codes, "inputs": space.inputs, "labels": space.labels, "train": train, **changes}
    return LatentSpace.from_arrays(decode=decode or space.decode, **given)


def values(space):
    return Samples(Samples.Params()).compute(space) | OutOfBounds(OutOfBounds.Params()).compute(space)


def test_samples_of_arrays(space):
    actual = values(arrays(space))
    assert values(arrays(space)) == actual
    features = in_domain_features(space)
    plain = arrays(space)
    codes = sample_codes(plain, len(space), 0)
    new, real = features(space.decode(codes)), features(space.inputs)
    expected = precision_recall_density_coverage(real, new)
    assert {name: actual[f"sample_{name}"] for name in NAMES} == expected
    assert actual["kernel_distance_samples"] == kernel_distance(real, new)
    assert actual["out_of_bounds"] == out_of_bounds(features(space.train.inputs), real, new)
    assert 0.05 < actual["out_of_bounds"] < 1


def test_real_images_are_the_best_samples(space):
    """A "decoder" that gives other real images, one that gives a single image, one that gives noise."""
    images, rows = space.train.inputs, count()

    def recall(codes):
        return images[[next(rows) % len(images) for _ in codes]]

    real = values(arrays(space, decode=recall))
    assert real["sample_coverage"] == pytest.approx(expected_coverage(len(space)), abs=0.06)
    assert real["out_of_bounds"] <= 0.05  # they are the training images themselves
    one = values(arrays(space, decode=lambda codes: images[:1].expand(len(codes), 1, 8, 8)))
    assert one["sample_precision"] == 1
    assert one["sample_coverage"] < 0.05
    noise = torch.rand(512, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    wild = values(arrays(space, decode=lambda codes: noise[: len(codes)]))
    assert wild["out_of_bounds"] > 0.5
    assert wild["sample_coverage"] < 0.2
    assert real["kernel_distance_samples"] < min(one["kernel_distance_samples"], wild["kernel_distance_samples"])


def test_large_spaces_are_scored_on_equally_many(space, monkeypatch):
    monkeypatch.setattr(Samples, "max_items", 120)
    monkeypatch.setattr(generation, "BANK", 300)
    coverage = compute(Samples(Samples.Params()), arrays(space))["sample_coverage"]
    assert round(120 * coverage, 9) == round(120 * coverage)
    assert 0 < coverage < 1


def test_the_row_says_where_samples_come_from_and_what_real_ones_cover(space):
    note = Samples(Samples.Params()).note(space)
    assert note == "new codes drawn from: the prior; as many real images would cover 0.969"
    assert "a full Gaussian fitted to the training codes" in Samples(Samples.Params()).note(arrays(space))


@pytest.mark.parametrize("missing", ["inputs", "train"])
def test_not_applicable_without(space, missing):
    poor = arrays(space, **{missing: None})
    assert poor.missing(Samples.needs) == {"inputs": "no inputs", "train": "no training split"}[missing]
    with pytest.raises(NotApplicableError):
        Samples(Samples.Params()).compute(poor)
