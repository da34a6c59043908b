from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace, NotApplicableError
from latentbench.latent.paths import linear_path, slerp, speed_squared
from latentbench_metrics.generation import kernel_distance
from latentbench_metrics.interpolation import (
    PathEnergy,
    PathShape,
    WalkRealism,
    difference_speed_squared,
    length_ratio,
    path_energy,
    second_difference,
    step_cv,
    walk_kd,
)


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


MIX = normal(3, 6, seed=9, dtype=torch.float64)


def curved(codes):
    return torch.tanh(codes @ MIX.to(codes.dtype)) ** 2


def along(decode, starts, ends, points=16):
    path = linear_path(starts, ends, points)
    return decode(path.flatten(0, 1)).reshape(points, len(starts), -1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_i1_a_linear_decoder_moves_evenly(dtype):
    matrix = normal(5, 30, seed=1, dtype=dtype)
    starts, ends = normal(64, 5, seed=2, dtype=dtype), normal(64, 5, seed=3, dtype=dtype)
    assert path_energy(lambda z: z @ matrix, starts, ends) == pytest.approx(1, abs=1e-5)
    path = along(lambda z: z @ matrix, starts, ends)
    assert 1 / length_ratio(path) == pytest.approx(1, abs=1e-5)
    assert second_difference(path) == pytest.approx(0, abs=1e-5)
    assert step_cv(path) == pytest.approx(0, abs=1e-5)


def test_i2_half_a_circle():
    t = torch.linspace(0, math.pi, 64)
    circle = torch.stack([t.cos(), t.sin()], 1).unsqueeze(1)
    assert length_ratio(circle) == pytest.approx(math.pi / 2, abs=1e-3)
    assert step_cv(circle) == pytest.approx(0, abs=1e-5)
    assert second_difference(circle) == pytest.approx(math.pi**4 / 4, rel=1e-2)
    decode = lambda z: torch.cat([z.cos(), z.sin()], 1)  # noqa: E731
    energy = path_energy(decode, torch.zeros(1, 1), torch.full((1, 1), math.pi))
    assert energy == pytest.approx(math.pi**2 / 4, rel=1e-5)


def test_i5_slerp():
    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    torch.testing.assert_close(slerp(one, other, 0.5), torch.full((1, 2), 0.5**0.5))
    assert float(linear_path(one, other, 3)[1].norm()) == pytest.approx(0.70711, abs=1e-5)
    assert torch.equal(slerp(one, one, 0.3), one)
    assert slerp(one, -one, 0.5).isfinite().all()


def test_i8_scaling_codes_and_decoder_together_changes_nothing():
    starts, ends = normal(32, 3, seed=4), normal(32, 3, seed=5)

    def scaled(codes):
        return curved(codes / 7)

    assert path_energy(scaled, 7 * starts, 7 * ends) == pytest.approx(path_energy(curved, starts, ends), rel=1e-5)
    for score in (length_ratio, second_difference, step_cv):
        expected = score(along(curved, starts, ends))
        assert score(along(scaled, 7 * starts, 7 * ends)) == pytest.approx(expected, rel=1e-3)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_declared_invariances(seed):
    starts, ends = normal(16, 3, seed=seed, dtype=torch.float64), normal(16, 3, seed=seed + 1, dtype=torch.float64)
    turn = torch.linalg.qr(normal(3, 3, seed=seed + 2, dtype=torch.float64))[0]

    def there(codes):
        return (3 * codes + 1) @ turn

    def decode(codes):
        return curved((codes @ turn.T - 1) / 3)

    expected = path_energy(curved, starts, ends)
    assert expected >= 0.9
    assert path_energy(decode, there(starts), there(ends)) == pytest.approx(expected, rel=1e-9)
    path, moved = along(curved, starts, ends), along(decode, there(starts), there(ends))
    order = torch.randperm(16)
    for score in (length_ratio, second_difference, step_cv):
        assert score(moved) == pytest.approx(score(path), rel=1e-6)
        assert score(path[:, order]) == pytest.approx(score(path), rel=1e-9)
        assert score(path.flip(0)) == pytest.approx(score(path), rel=1e-9)


def test_central_differences_agree_with_derivatives():
    starts, ends = normal(64, 3, seed=6), normal(64, 3, seed=7)
    exact = path_energy(curved, starts, ends)
    assert path_energy(curved, starts, ends, speed=difference_speed_squared) == pytest.approx(exact, rel=1e-3)
    torch.testing.assert_close(
        difference_speed_squared(curved, starts.double(), ends.double()),
        speed_squared(curved, starts.double(), ends.double()), rtol=2e-3, atol=1e-5,
    )  # fmt: skip


def test_attention_decoders_have_derivatives():
    def attend(codes):
        tokens = codes.unsqueeze(1).unsqueeze(1).expand(-1, 1, 4, -1) * torch.arange(1.0, 5)[:, None]
        return torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).flatten(1)

    assert path_energy(attend, normal(8, 16, seed=1), normal(8, 16, seed=2)) > 0


def test_step_cv_leaves_still_paths_out():
    moving = torch.tensor([0.0, 1, 4])
    paths = torch.stack([moving, torch.zeros(3)], 1).unsqueeze(2)
    assert step_cv(paths) == step_cv(moving.reshape(3, 1, 1)) == 0.5


def test_a_constant_decoder_is_not_applicable():
    still = torch.ones(16, 4, 3)
    for score in (length_ratio, second_difference, step_cv):
        with pytest.raises(NotApplicableError, match="one output for all codes"):
            score(still)
    with pytest.raises(NotApplicableError, match="one output for all codes"):
        path_energy(torch.zeros_like, normal(4, 2), normal(4, 2, seed=1))


def test_the_seed_of_draws_matters_little_and_repeats():
    starts, ends = normal(256, 3, seed=10), normal(256, 3, seed=11)
    assert path_energy(curved, starts, ends, seed=1) == path_energy(curved, starts, ends, seed=1)
    assert path_energy(curved, starts, ends, seed=1) == pytest.approx(path_energy(curved, starts, ends), rel=0.05)


def test_walk_kd_orders_images_as_people_do(space, digits):
    from latentbench_metrics.features import in_domain_features

    images = digits[2]
    features = in_domain_features(space)
    labels = digits[3]
    order = labels.argsort(stable=True)
    starts, ends = order[:240], order.flip(0)[:240]  # far apart in the order of classes
    keep = labels[starts] != labels[ends]
    fades = features(((images[starts] + images[ends]) / 2)[keep])
    real, mean = features(images), features(images.mean(0).expand(int(keep.sum()), -1, -1, -1))
    blurred = features(torch.nn.functional.avg_pool2d(images, 5, 1, 2, count_include_pad=False))
    assert walk_kd(fades, fades, real) == 1
    assert walk_kd(mean, fades, real) > 1
    half, other = real[::2], real[1::2]
    assert abs(kernel_distance(half, other)) < 0.05 * kernel_distance(half, fades)
    assert walk_kd(blurred[1::2], fades, half) > walk_kd(other, fades, half) + 0.1
    with pytest.raises(NotApplicableError, match="cannot be told from real"):
        walk_kd(fades, torch.ones(4, 3), torch.ones(4, 3))


def test_metrics_on_digits(space):
    assert PathEnergy(PathEnergy.Params()).compute(space)["path_energy"] == pytest.approx(1, abs=1e-5)
    shape = PathShape(PathShape.Params()).compute(space)
    assert shape == {
        "length_ratio": pytest.approx(1, abs=1e-5),
        "second_difference": pytest.approx(0, abs=1e-5),
        "step_cv": pytest.approx(0, abs=1e-5),
    }
    assert 0 < WalkRealism(WalkRealism.Params()).compute(space)["walk_kd"] < 5


def test_pixels_as_codes_walk_like_fades(space):
    images, train = space.inputs, space.train
    pixels = LatentSpace.from_arrays(
        codes=images.flatten(1), inputs=images, labels=space.labels, decode=lambda z: z.reshape(-1, 1, 8, 8),
        train=train,
    )  # fmt: skip
    assert WalkRealism(WalkRealism.Params()).compute(pixels)["walk_kd"] == pytest.approx(1, abs=1e-4)
    assert PathEnergy(PathEnergy.Params()).compute(pixels)["path_energy"] == pytest.approx(1, abs=1e-5)


def test_path_energy_works_with_784_dimensions():
    codes = normal(40, 784)
    pixels = LatentSpace.from_arrays(codes=codes, decode=lambda z: z.reshape(-1, 1, 28, 28))
    assert PathEnergy(PathEnergy.Params()).compute(pixels)["path_energy"] == pytest.approx(1, abs=1e-5)


def test_an_opaque_decoder_goes_by_differences(space, digits):
    def opaque(codes):
        return torch.from_numpy(space.decode(codes).numpy().copy())  # numpy: no derivatives

    blind = LatentSpace(codes=space.codes, decode=opaque, differentiable=False)
    assert "decoder_gradient" not in blind.supplies
    assert PathEnergy(PathEnergy.Params()).compute(blind)["path_energy"] == pytest.approx(1, abs=1e-3)


def test_what_a_space_lacks_makes_scores_not_applicable(space):
    bare = LatentSpace.from_arrays(codes=space.codes)
    assert bare.missing(PathEnergy.needs) == "no decoder"
    for metric in (PathEnergy, PathShape, WalkRealism):
        with pytest.raises(NotApplicableError):
            metric(metric.Params()).compute(bare)
    given_only = LatentSpace.from_arrays(codes=space.codes, reconstructions=space.inputs)
    with pytest.raises(NotApplicableError, match="no decoder"):
        PathEnergy(PathEnergy.Params()).compute(given_only)


def test_a_single_path_may_come_without_an_axis_for_paths():
    t = torch.linspace(0, torch.pi, 64, dtype=torch.float64)
    half_circle = torch.stack([t.cos(), t.sin()], dim=1)
    assert length_ratio(half_circle) == pytest.approx(torch.pi / 2, abs=1e-3)
    assert step_cv(half_circle) == pytest.approx(0, abs=1e-9)
    assert second_difference(half_circle) == second_difference(half_circle.unsqueeze(1))
