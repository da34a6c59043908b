from __future__ import annotations

import math
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import DataSpec, LatentSpace, NotApplicableError
from latentbench.latent.parts import SpaceData, SpaceMaps
from latentbench.latent.paths.curves import linear_path, slerp, speed_squared
from latentbench.plugins import Plugins
from latentbench_metrics.interpolation import (
    PathEnergy,
    PathShape,
    difference_speed_squared,
    length_ratio,
    path_energy,
    second_difference,
    step_cv,
)
from latentbench_metrics.path_geometry import GeodesicRatio, JacobianSpectrum, geodesic_ratio, jacobian_spectrum
from latentbench_metrics.walk_realism import ClassSwitches, WalkRealism


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


MIX = normal(3, 6, seed=9, dtype=torch.float64)


def curved(codes):
    return torch.tanh(codes @ MIX.to(codes.dtype)) ** 2


def along(decode, starts, ends, points=16):
    path = linear_path(starts, ends, points)
    return decode(path.flatten(0, 1)).reshape(points, len(starts), -1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_decoder_moves_evenly(dtype):
    matrix = normal(5, 30, seed=1, dtype=dtype)
    starts, ends = normal(64, 5, seed=2, dtype=dtype), normal(64, 5, seed=3, dtype=dtype)
    assert path_energy(lambda z: z @ matrix, starts, ends) == pytest.approx(1, abs=1e-5)
    path = along(lambda z: z @ matrix, starts, ends)
    assert 1 / length_ratio(path) == pytest.approx(1, abs=1e-5)
    assert second_difference(path) == pytest.approx(0, abs=1e-5)
    assert step_cv(path) == pytest.approx(0, abs=1e-5)


def test_length_of_half_a_circle():
    t = torch.linspace(0, math.pi, 64)
    circle = torch.stack([t.cos(), t.sin()], 1).unsqueeze(1)
    assert length_ratio(circle) == pytest.approx(math.pi / 2, abs=1e-3)
    assert step_cv(circle) == pytest.approx(0, abs=1e-5)
    assert second_difference(circle) == pytest.approx(math.pi**4 / 4, rel=1e-2)
    decode = lambda z: torch.cat([z.cos(), z.sin()], 1)  # noqa: E731
    energy = path_energy(decode, torch.zeros(1, 1), torch.full((1, 1), math.pi))
    assert energy == pytest.approx(math.pi**2 / 4, rel=1e-5)


def test_slerp_halfway_and_between_equal_codes():
    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    torch.testing.assert_close(slerp(one, other, 0.5), torch.full((1, 2), 0.5**0.5))
    assert float(linear_path(one, other, 3)[1].norm()) == pytest.approx(0.70711, abs=1e-5)
    assert torch.equal(slerp(one, one, 0.3), one)
    assert slerp(one, -one, 0.5).isfinite().all()


@pytest.mark.parametrize(("factor", "dtype"), [(7, torch.float64), (1e-3, torch.float64), (8, torch.float32)])
def test_scaling_codes_and_decoder_together_changes_nothing(factor, dtype):
    starts, ends = normal(32, 3, seed=4, dtype=dtype), normal(32, 3, seed=5, dtype=dtype)

    def scaled(codes):
        return curved(codes / factor)

    for score in (path_energy, lambda *paths: geodesic_ratio(*paths, 8)):
        expected = score(curved, starts, ends)
        assert score(scaled, factor * starts, factor * ends) == pytest.approx(expected, abs=1e-5)
    for score in (length_ratio, second_difference, step_cv):
        expected = score(along(curved, starts, ends))
        assert score(along(scaled, factor * starts, factor * ends)) == pytest.approx(expected, abs=1e-5)


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


def curve(*parts):
    """A decoder of codes (n, 1): the coordinates of a curve as functions of t."""
    return lambda codes: torch.cat([part(codes) for part in parts], 1)


def unit_paths(decode, end=1.0, points=64):
    return along(
        decode, torch.zeros(1, 1, dtype=torch.float64), torch.full((1, 1), end, dtype=torch.float64), points
    )


ENERGIES = [
    (curve(lambda t: t, lambda t: t**2), 1.0, (1 + 4 / 3) / 2),
    (curve(lambda t: t**8), 1.0, 64 / 15),  # squared speed of degree 14: still exact
    (curve(lambda t: 3 * t**3 - t), 1.0, (81 / 5 - 18 / 3 + 1) / 4),
    (
        curve(lambda t: (2 * t).cos(), lambda t: (2 * t).sin(), lambda t: t / 2),
        1.0,
        4.25 / (4 * math.sin(1) ** 2 + 0.25),
    ),
    (curve(torch.sin), 2.0, 2 * (1 + math.sin(4) / 4) / math.sin(2) ** 2),
    (curve(torch.exp), 1.5, 1.5 * (math.e**3 - 1) / 2 / (math.e**1.5 - 1) ** 2),
]


@pytest.mark.parametrize(("decode", "end", "expected"), ENERGIES)
def test_energies_of_known_curves(decode, end, expected):
    ends = torch.full((1, 1), end, dtype=torch.float64)
    assert path_energy(decode, torch.zeros_like(ends), ends) == pytest.approx(expected, rel=1e-9)
    assert path_energy(decode, torch.zeros_like(ends).float(), ends.float()) == pytest.approx(expected, rel=1e-5)
    actual = path_energy(decode, torch.zeros_like(ends), ends, speed=difference_speed_squared)
    assert actual == pytest.approx(expected, rel=1e-3)


def test_energy_is_summed_over_pairs():
    decode, (starts, ends) = curve(lambda t: t**2), torch.tensor([[[0.0], [0.0], [1.0]], [[1.0], [2.0], [3.0]]])
    energies, chords = [4 / 3, 64 / 3, 4 * 26 / 3 * 2], [1, 16, 64]
    assert path_energy(decode, starts, ends) == pytest.approx(sum(energies) / sum(chords), rel=1e-6)


def test_the_order_of_pairs_does_not_matter():
    starts, ends = normal(64, 3, seed=10, dtype=torch.float64), normal(64, 3, seed=11, dtype=torch.float64)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    expected = path_energy(curved, starts, ends)
    assert path_energy(curved, starts[order], ends[order]) == pytest.approx(expected, rel=1e-12)
    assert path_energy(curved, ends, starts) == pytest.approx(expected, rel=1e-12)


def test_nodes_agree_with_many_even_points():
    starts, ends = normal(20, 3, seed=12, dtype=torch.float64), normal(20, 3, seed=13, dtype=torch.float64)
    dense = along(curved, starts, ends, 2001)
    energy = 2000 * dense.diff(dim=0).square().sum() / (dense[-1] - dense[0]).square().sum()
    assert path_energy(curved, starts, ends) == pytest.approx(float(energy), rel=2e-3)


@pytest.mark.parametrize("angle", [0.5, 2.0, 3.0, 5.0])
def test_arcs_of_circles(angle):
    arc = unit_paths(curve(torch.cos, torch.sin), angle, 200)
    chord, turn = 2 * math.sin(angle / 2), angle / 199
    assert length_ratio(arc) == pytest.approx(angle / chord, rel=1e-4)
    assert second_difference(arc) == pytest.approx((2 - 2 * math.cos(turn)) ** 2 * 199**4 / chord**2, rel=1e-6)
    assert step_cv(arc) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("rise", [0.3, 2.0])
def test_a_helix(rise):
    helix = unit_paths(curve(torch.cos, torch.sin, lambda t: rise * t), 7.0, 400)
    chord = math.hypot(2 * math.sin(3.5), 7 * rise)
    assert length_ratio(helix) == pytest.approx(7 * math.hypot(1, rise) / chord, rel=1e-4)
    assert step_cv(helix) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("points", [3, 16, 65])
def test_a_parabola(points):
    parabola = unit_paths(curve(lambda t: t, lambda t: t**2), 1.0, points)
    assert second_difference(parabola) == pytest.approx(4 / 2, rel=1e-6)
    steps = points - 1
    squares = unit_paths(curve(lambda t: t**2), 1.0, points)
    assert step_cv(squares) == pytest.approx(math.sqrt((steps**2 - 1) / 3) / steps, rel=1e-9)
    assert length_ratio(squares) == pytest.approx(1, rel=1e-12)


def test_scores_of_paths_in_float32_are_those_of_float64():
    starts, ends = normal(30, 3, seed=14, dtype=torch.float64), normal(30, 3, seed=15, dtype=torch.float64)
    path = along(curved, starts, ends)
    for score in (length_ratio, second_difference, step_cv):
        assert score(path.float()) == pytest.approx(score(path), rel=1e-4)


def test_callers_settings_have_no_influence():
    net = torch.nn.Sequential(torch.nn.Linear(4, 20), torch.nn.Tanh(), torch.nn.Linear(20, 30))
    starts, ends = normal(8, 4, seed=18), normal(8, 4, seed=19)

    def scores():
        path = along(net, starts, ends).detach()
        return [
            path_energy(net, starts, ends), path_energy(net, starts, ends, speed=difference_speed_squared),
            geodesic_ratio(net, starts, ends, 6), *jacobian_spectrum(net, starts).values(),
        ], [score(path) for score in (length_ratio, second_difference, step_cv)]  # fmt: skip

    expected = scores()[0]
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with torch.autocast("cpu", torch.bfloat16):
            assert scores()[0] == expected
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    assert all(weight.grad is None for weight in net.parameters())


def pixel_space(space):
    return LatentSpace.from_arrays(
        codes=space.inputs.flatten(1), inputs=space.inputs, labels=space.labels,
        decode=lambda z: z.reshape(-1, 1, 8, 8), train=space.train,
    )  # fmt: skip


def test_linear_spaces_are_flat(space):
    for flat in (space, pixel_space(space)):
        assert GeodesicRatio(GeodesicRatio.Params()).compute(flat)["geodesic_ratio"] == pytest.approx(1, abs=1e-6)
        assert PathEnergy(PathEnergy.Params()).compute(flat)["path_energy"] == pytest.approx(1, abs=1e-5)
    scores = JacobianSpectrum(JacobianSpectrum.Params()).compute(pixel_space(space))
    assert scores == {name: pytest.approx(s.ceiling, abs=1e-6) for name, s in JacobianSpectrum.scores.items()}
    wide = LatentSpace.from_arrays(codes=normal(9, 129), decode=lambda z: z)
    with pytest.raises(NotApplicableError, match="129 dimensions"):
        JacobianSpectrum(JacobianSpectrum.Params()).compute(wide)


def test_metrics_of_a_conv_decoder_are_quick_enough():
    vae = Plugins().load("model", "vae")
    model = vae(vae.Params(), DataSpec((1, 28, 28), "uint8", 1000))
    bent = LatentSpace(SpaceData(codes=2 * normal(300, model.params.latent_dim)), SpaceMaps(decode=model.decode))
    for metric, limit in ((GeodesicRatio, 5), (JacobianSpectrum, 3)):
        begin = time.process_time()
        values = metric(metric.Params()).compute(bent)
        assert time.process_time() - begin < limit
        assert all(map(math.isfinite, values.values()))


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
    assert WalkRealism(WalkRealism.Params()).compute(pixel_space(space))["walk_kd"] == pytest.approx(1, abs=1e-4)


def test_path_energy_works_with_784_dimensions():
    codes = normal(40, 784)
    pixels = LatentSpace.from_arrays(codes=codes, decode=lambda z: z.reshape(-1, 1, 28, 28))
    assert PathEnergy(PathEnergy.Params()).compute(pixels)["path_energy"] == pytest.approx(1, abs=1e-5)


def test_an_opaque_decoder_goes_by_differences(space, digits):
    def opaque(codes):
        return torch.from_numpy(space.decode(codes).numpy().copy())  # numpy: no derivatives

    blind = LatentSpace(SpaceData(codes=space.codes), SpaceMaps(decode=opaque, differentiable=False))
    assert "decoder_gradient" not in blind.supplies
    assert PathEnergy(PathEnergy.Params()).compute(blind)["path_energy"] == pytest.approx(1, abs=1e-3)


def test_what_a_space_lacks_makes_scores_not_applicable(space):
    bare = LatentSpace.from_arrays(codes=space.codes)
    assert bare.missing(PathEnergy.needs) == "no decoder"
    for metric in (PathEnergy, PathShape, WalkRealism, ClassSwitches, GeodesicRatio, JacobianSpectrum):
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
