from __future__ import annotations

import math

import pytest
import torch

from latentbench.latent.paths import curves as paths
from latentbench.latent.paths.curves import (
    geodesic,
    geodesic_lengths,
    linear_path,
    refined_path,
    slerp,
    speed_squared,
)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def uniform(low, high, *shape, seed=0):
    draws = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return low + (high - low) * draws


def network(width, dims=8, seed=0, activation=torch.nn.Tanh):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            torch.nn.Linear(dims, width), activation(), torch.nn.Linear(width, width), activation(),
            torch.nn.Linear(width, 50),
        )  # fmt: skip
    for layer in net[::2]:
        layer.weight.data *= 2
    return net


def polar(codes):
    radius, angle = codes.unbind(1)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def log_polar(codes):
    return polar(torch.stack([codes[:, 0].exp(), codes[:, 1]], 1))


def cylinder(codes):
    return torch.stack([codes[:, 0].cos(), codes[:, 0].sin(), codes[:, 1]], 1)


def latitude(codes):
    high, angle = codes.unbind(1)
    return torch.stack([high.cos() * angle.cos(), high.cos() * angle.sin(), high.sin()], 1)


def mercator(codes):
    return latitude(torch.stack([codes[:, 0].sinh().atan(), codes[:, 1]], 1))


def stereographic(codes):
    squared = codes.square().sum(1, keepdim=True)
    return torch.cat([2 * codes, squared - 1], 1) / (squared + 1)


def paraboloid(codes):
    return torch.cat([codes, codes.square().sum(1, keepdim=True)], 1)


def pseudosphere(codes):
    along, angle = codes.unbind(1)
    return torch.stack([angle.cos() / along.cosh(), angle.sin() / along.cosh(), along - along.tanh()], 1)


def great_circle(sphere, starts, ends):
    return (sphere(starts) * sphere(ends)).sum(1).clamp(-1, 1).acos()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dims", [1, 3])
def test_geodesics_of_a_plane_are_straight(dims, dtype):
    matrix, starts = normal(dims, 9, dtype=dtype), normal(5, dims, seed=1, dtype=dtype)
    ends = normal(5, dims, seed=2, dtype=dtype)
    path = geodesic(lambda z: z @ matrix, starts, ends, 8)
    assert path.dtype == dtype
    torch.testing.assert_close(path, linear_path(starts, ends, 9), atol=1e-5, rtol=0)
    straight, short = geodesic_lengths(lambda z: z @ matrix, starts, ends, 8)
    torch.testing.assert_close(straight, ((ends - starts) @ matrix).double().norm(dim=1), rtol=1e-6, atol=0)
    torch.testing.assert_close(short, straight, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rolled_up_plane_is_flat(dtype):
    starts, ends = uniform(-1, 1, 6, 2, seed=1).to(dtype), uniform(2, 3, 6, 2, seed=2).to(dtype)
    straight, short = geodesic_lengths(cylinder, starts, ends, 32)
    torch.testing.assert_close(straight, (ends - starts).double().norm(dim=1), rtol=1e-4, atol=0)
    torch.testing.assert_close(short, straight, rtol=1e-6, atol=0)


@pytest.mark.parametrize("chart", [polar, log_polar])
def test_the_plane_in_curved_coordinates(chart):
    starts = torch.stack([uniform(1, 2, 8, seed=3), uniform(0, 1, 8, seed=4)], 1)
    ends = torch.stack([uniform(1, 2, 8, seed=5), uniform(1.5, 3, 8, seed=6)], 1)
    short = geodesic_lengths(chart, starts, ends, 32)[1]
    torch.testing.assert_close(short, (chart(ends) - chart(starts)).norm(dim=1), rtol=1e-3, atol=0)


@pytest.mark.parametrize("angle", [0.5, 1.5, 2.5])
def test_a_circle_about_the_origin_in_polar_coordinates(angle):
    straight, short = geodesic_lengths(polar, torch.tensor([[2.0, 0]]), torch.tensor([[2.0, angle]]), 32)
    assert float(straight) == pytest.approx(2 * angle, rel=1e-4)
    assert float(straight / short) == pytest.approx(angle / 2 / math.sin(angle / 2), rel=2e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("high", [0.2, 0.7, 1.2])
def test_parallels_of_the_sphere(high, dtype):
    starts, ends = (torch.tensor([[high, 0.0]], dtype=dtype), torch.tensor([[high, 2.2]], dtype=dtype))
    straight, short = geodesic_lengths(latitude, starts, ends, 32)
    assert float(straight) == pytest.approx(2.2 * math.cos(high), rel=1e-4)
    assert float(short) == pytest.approx(float(great_circle(latitude, starts, ends)), rel=1e-3)


@pytest.mark.parametrize("chart", [latitude, mercator, stereographic])
def test_great_circles_in_any_chart(chart):
    starts, ends = uniform(-0.9, 0.9, 8, 2, seed=7), uniform(-0.9, 0.9, 8, 2, seed=8)
    short = geodesic_lengths(chart, starts, ends, 32)[1]
    torch.testing.assert_close(short, great_circle(chart, starts, ends), rtol=1e-3, atol=0)


def test_hyperbolic_distance_on_the_pseudosphere():
    starts = torch.stack([uniform(1, 2, 6, seed=9), uniform(0, 1, 6, seed=10)], 1)
    ends = torch.stack([uniform(1, 2, 6, seed=11), uniform(2, 3, 6, seed=12)], 1)
    short = geodesic_lengths(pseudosphere, starts, ends, 32)[1]
    height = starts[:, 0].cosh(), ends[:, 0].cosh()  # in the upper half plane
    apart = (height[1] - height[0]) ** 2 + (ends[:, 1] - starts[:, 1]) ** 2
    torch.testing.assert_close(short, (1 + apart / (2 * height[0] * height[1])).acosh(), rtol=1e-3, atol=0)


def test_clairaut_on_a_paraboloid():
    starts, ends = (
        torch.tensor([[1.0, 0.2]], dtype=torch.float64),
        torch.tensor([[-0.6, 0.9]], dtype=torch.float64),
    )
    images = paraboloid(geodesic(paraboloid, starts, ends, 64)[:, 0])
    middle, moved = (images[1:] + images[:-1]) / 2, images.diff(dim=0)
    momentum = middle[:, 0] * moved[:, 1] - middle[:, 1] * moved[:, 0]
    assert float(momentum.std() / momentum.mean().abs()) < 2e-3
    assert float(moved.norm(dim=1).std() / moved.norm(dim=1).mean()) < 1e-3
    straight = paraboloid(linear_path(starts, ends, 65)[:, 0])
    assert float(moved.norm(dim=1).sum()) < 0.99 * float(straight.diff(dim=0).norm(dim=1).sum())
    outward = geodesic_lengths(paraboloid, starts, 3 * starts, 32)
    assert float(outward[1]) == pytest.approx(float(outward[0]), rel=1e-6)  # meridians are geodesics


@pytest.mark.parametrize("activation", [torch.nn.Tanh, torch.nn.ReLU])
def test_no_pair_disturbs_another(activation, monkeypatch):
    net = network(40, activation=activation)
    starts, ends = normal(10, 8, seed=1, dtype=torch.float32), normal(10, 8, seed=2, dtype=torch.float32)
    expected = geodesic_lengths(net, starts, ends, 10)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    shuffled = geodesic_lengths(net, starts[order], ends[order], 10)
    alone = geodesic_lengths(net, starts[3:4], ends[3:4], 10)
    monkeypatch.setattr(paths, "CODES", 25)
    chunked = geodesic_lengths(net, starts, ends, 10)
    for i in range(2):
        torch.testing.assert_close(shuffled[i], expected[i][order], rtol=1e-4, atol=0)
        torch.testing.assert_close(alone[i], expected[i][3:4], rtol=1e-4, atol=0)
        torch.testing.assert_close(chunked[i], expected[i], rtol=1e-4, atol=0)


@pytest.mark.parametrize("seed", range(4))
def test_a_geodesic_is_never_longer_than_the_straight_path(seed):
    net = network(30, seed=seed, activation=torch.nn.ReLU)
    starts, ends = normal(12, 8, seed=seed, dtype=torch.float32), normal(12, 8, seed=seed + 9, dtype=torch.float32)
    straight, short = geodesic_lengths(net, starts, ends, 6)
    assert (short <= straight).all()
    assert float(straight.sum() / short.sum()) > 1.02
    path = geodesic(net, starts, ends, 6)
    assert torch.equal(path[0], starts)
    assert torch.equal(path[-1], ends)
    assert torch.equal(geodesic(net, starts, ends, 6, iterations=0), linear_path(starts, ends, 7))


def test_zigzags_between_the_points_do_not_count_as_short():
    def ripples(codes):  # of the length of a step: chords of 8 steps see none of them
        return torch.cat([codes, torch.sin(2 * math.pi * 8 * codes)], 1)

    straight, short = geodesic_lengths(ripples, torch.zeros(1, 1), torch.ones(1, 1), 8)
    assert float(straight) > 10
    assert float(short) > 10


def test_a_still_decoder_and_equal_ends_stay_finite():
    codes = normal(3, 2)
    for decode, ends in ((torch.zeros_like, normal(3, 2, seed=1)), (latitude, codes)):
        assert torch.equal(geodesic(decode, codes, ends, 4), linear_path(codes, ends, 5))
        assert [float(length.sum()) for length in geodesic_lengths(decode, codes, ends, 4)] == pytest.approx(
            [0, 0]
        )


def test_scaling_codes_and_decoder_together_changes_nothing():
    starts, ends = uniform(0.2, 1.2, 5, 2, seed=1), uniform(1.5, 2.5, 5, 2, seed=2)
    expected = geodesic_lengths(polar, starts, ends, 16)
    for factor in (1e-4, 7, 1e5):
        lengths = geodesic_lengths(lambda z, by=factor: polar(z / by), factor * starts, factor * ends, 16)
        torch.testing.assert_close(lengths[0], expected[0], rtol=1e-9, atol=0)
        torch.testing.assert_close(lengths[1], expected[1], rtol=1e-5, atol=0)


def test_float32_gives_what_float64_gives():
    starts, ends = uniform(-0.9, 0.9, 8, 2, seed=7), uniform(-0.9, 0.9, 8, 2, seed=8)
    exact = geodesic_lengths(stereographic, starts, ends, 16)
    rough = geodesic_lengths(stereographic, starts.float(), ends.float(), 16)
    for i in range(2):
        torch.testing.assert_close(rough[i], exact[i], rtol=1e-4, atol=0)


def test_callers_settings_have_no_influence_and_nothing_of_theirs_changes():
    net = network(16)
    starts, ends = normal(4, 8, seed=1, dtype=torch.float32), normal(4, 8, seed=2, dtype=torch.float32)
    copies = starts.clone(), ends.clone()
    expected, speed = geodesic(net, starts, ends, 6), speed_squared(net, starts, ends)
    assert not expected.requires_grad
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            assert torch.equal(geodesic(net, starts, ends, 6), expected)
            assert torch.equal(speed_squared(net, starts, ends), speed)
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    assert all(weight.grad is None for weight in net.parameters())
    assert torch.equal(starts, copies[0])
    assert torch.equal(ends, copies[1])


@pytest.mark.parametrize(
    ("starts", "ends", "steps"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 3), 4),
        (torch.zeros(3), torch.zeros(3), 4),
        (torch.zeros(1, 2), torch.zeros(1, 2), 1),
    ],
)
def test_what_is_no_pair_of_codes_is_refused(starts, ends, steps):
    with pytest.raises(ValueError, match="needs starts and ends"):
        geodesic(torch.tanh, starts, ends, steps)


def test_a_refined_path_goes_through_the_points():
    path = normal(7, 3, 2)
    fine = refined_path(path, 5)
    assert fine.shape == (31, 3, 2)
    torch.testing.assert_close(fine[::5], path)
    t = torch.linspace(0, 1, 13, dtype=torch.float64)
    arc = torch.stack([t, (math.pi * t).sin()], 1).unsqueeze(1)
    torch.testing.assert_close(refined_path(arc[::4], 4), arc)  # one wave is exact


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_straight_paths_end_where_they_should(dtype):
    starts, ends = 1e3 + normal(20, 3, dtype=dtype), normal(20, 3, seed=1, dtype=dtype)
    path = linear_path(starts, ends, 7)
    assert torch.equal(path[0], starts)
    assert torch.equal(path[-1], ends)
    torch.testing.assert_close(path.diff(dim=0), ((ends - starts) / 6).expand(6, 20, 3), rtol=1e-4, atol=1e-4)
    assert torch.equal(linear_path(starts, starts, 5), starts.expand(5, 20, 3))  # no motion by rounding


@pytest.mark.parametrize("angle", [0.3, 1.0, 3.0])
def test_slerp_turns_evenly(angle):
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    other = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    for t in (0.0, 0.25, 0.5, 1.0):
        expected = torch.tensor([[math.cos(t * angle), math.sin(t * angle)]], dtype=torch.float64)
        torch.testing.assert_close(slerp(start, other, t), expected)


def test_speed_is_the_norm_of_the_jacobian_times_the_direction():
    net = network(16).double()
    codes, directions = normal(5, 8, seed=1), normal(5, 8, seed=2)
    jacobians = torch.stack([torch.autograd.functional.jacobian(net, code) for code in codes])
    expected = (jacobians @ directions[:, :, None])[:, :, 0].square().sum(1)
    torch.testing.assert_close(speed_squared(net, codes, directions), expected)


def test_a_saturating_decoder_is_not_jumped_across():
    mix = normal(3, 6, seed=9)
    starts, ends = normal(16, 3, seed=16), normal(16, 3, seed=17)
    ratios = []
    for steps in (16, 64):
        straight, short = geodesic_lengths(lambda z: torch.tanh(z @ mix) ** 2, starts, ends, steps)
        ratios.append(float(straight.sum() / short.sum()))
    assert ratios[1] == pytest.approx(1.0325, abs=1e-3)  # of 256 steps
    assert ratios[0] == pytest.approx(ratios[1], abs=5e-3)
