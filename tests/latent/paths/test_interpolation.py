import itertools
import math

import pytest
import torch

from latentbench.errors import ContractError, NotApplicableError, UnknownNameError
from latentbench.latent.paths.graph import code_graph
from latentbench.latent.paths.interpolation import PATHS, blend, interpolate, leg_ends, simplex_weights
from latentbench.latent.paths.means import geodesic_mean, spherical_mean
from latentbench.latent.space import LatentSpace


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stereographic(codes):
    squared = codes.square().sum(1, keepdim=True)
    return torch.cat([2 * codes, squared - 1], 1) / (squared + 1)


def inverse(places):
    return places[:, :2] / (1 - places[:, 2:])


def circle(codes):
    return torch.stack([codes[:, 0].cos(), codes[:, 0].sin()], 1)


def angle(first, second):
    return (first * second).sum(-1).clamp(-1, 1).acos()


def space_of(codes, decode=None):
    space = LatentSpace.from_arrays(codes=codes, decode=decode)
    return space.replaced(codes=codes)  # keeps float64


@pytest.fixture
def sphere():
    return space_of(normal(200, 2, seed=5).clamp(-1.5, 1.5), stereographic)


# paths


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("points", [3, 4, 12])
def test_every_path_passes_through_its_anchors_unchanged(sphere, path, points):
    anchors = sphere.codes[[3, 14, 15]]
    path_codes = interpolate(sphere, anchors, points, path)
    assert path_codes.shape == (points, 2)
    assert path_codes.dtype == anchors.dtype
    assert torch.equal(path_codes[leg_ends(3, points)], anchors)
    assert path_codes.isfinite().all()


@pytest.mark.parametrize("path", PATHS)
def test_float32_ends_are_exact(path):
    codes = normal(40, 5, seed=1).float()
    space = LatentSpace.from_arrays(codes=codes, decode=torch.tanh)
    path_codes = interpolate(space, codes[:2], 7, path)
    assert path_codes.dtype == torch.float32
    assert torch.equal(path_codes[[0, -1]], codes[:2])


def test_steps_are_shared_out_evenly():
    assert leg_ends(2, 12) == [0, 11]
    assert leg_ends(4, 4) == [0, 1, 2, 3]
    for anchors in range(2, 7):
        for points in range(anchors, 30):
            ends = leg_ends(anchors, points)
            steps = {after - before for before, after in itertools.pairwise(ends)}
            assert ends[0] == 0
            assert ends[-1] == points - 1
            assert min(steps) >= 1
            assert max(steps) - min(steps) <= 1


def test_linear_is_straight():
    codes = normal(3, 4)
    path_codes = interpolate(space_of(codes), codes, 5)
    torch.testing.assert_close(path_codes[1], (codes[0] + codes[1]) / 2)
    torch.testing.assert_close(path_codes[3], (codes[1] + codes[2]) / 2)


def test_norm_has_linear_norms_and_the_direction_of_the_straight_path():
    codes = torch.stack([normal(64, seed=1), 3 * normal(64, seed=2)])
    space = space_of(codes)
    path_codes, straight = interpolate(space, codes, 9, "norm"), interpolate(space, codes, 9)
    norms = codes.norm(dim=1)
    expected = norms[0] + (norms[1] - norms[0]) * torch.linspace(0, 1, 9, dtype=torch.float64)
    torch.testing.assert_close(path_codes.norm(dim=1), expected)
    torch.testing.assert_close(torch.cosine_similarity(path_codes, straight), torch.ones(9, dtype=torch.float64))


def test_midpoints_between_draws_of_a_prior_have_the_norms_that_are_known():
    pairs = normal(200, 2, 64, seed=3)
    space = space_of(pairs[0])
    middles = {
        path: torch.stack([interpolate(space, pair, 3, path)[1] for pair in pairs]).norm(dim=1).mean()
        for path in ("linear", "slerp", "norm")
    }
    assert float(middles["linear"]) == pytest.approx(math.sqrt(32), abs=0.1)
    assert float(middles["slerp"]) == pytest.approx(8, abs=0.1)
    assert float(middles["norm"]) == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize("path", ["slerp", "norm"])
def test_equal_opposite_and_zero_codes_give_no_nan(path):
    code = normal(1, 6)
    for other in (code, -code, 2 * code, -3 * code, 0 * code):
        for ends in (torch.cat([code, other]), torch.cat([other, code])):
            path_codes = interpolate(space_of(ends), ends, 5, path)
            assert path_codes.isfinite().all()
            assert torch.equal(path_codes[[0, -1]], ends)
    torch.testing.assert_close(
        interpolate(space_of(code), code.repeat(2, 1), 5, path), code.repeat(5, 1), rtol=1e-12, atol=0
    )


def test_slerp_follows_the_great_circle_at_even_speed():
    ends = torch.tensor([[3.0, 0, 0], [0, 3, 0]], dtype=torch.float64)
    path_codes = interpolate(space_of(ends), ends, 7, "slerp")
    torch.testing.assert_close(path_codes.norm(dim=1), torch.full((7,), 3.0, dtype=torch.float64))
    torch.testing.assert_close(
        angle(path_codes[:-1] / 3, path_codes[1:] / 3), torch.full((6,), math.pi / 12).double()
    )


@pytest.mark.parametrize("points", [2, 3, 12, 40])
def test_geodesics_of_a_sphere_are_great_circles(sphere, points):
    places = torch.nn.functional.normalize(normal(6, 3, seed=8), dim=1)
    places[:, 2] = -places[:, 2].abs()  # away from the pole that the chart lacks
    ends = inverse(places)
    for pair in ends.reshape(3, 2, 2):
        path_codes = stereographic(interpolate(sphere, pair, points, "geodesic"))
        steps = angle(path_codes[:-1], path_codes[1:])
        expected = angle(*stereographic(pair))
        assert float(steps.sum()) == pytest.approx(float(expected), rel=1e-3)
        torch.testing.assert_close(steps, (expected / (points - 1)).expand(points - 1), rtol=0.01, atol=0)


def test_geodesics_of_a_circle_are_its_arcs():
    ends = torch.tensor([[0.2], [2.9]], dtype=torch.float64)
    path_codes = interpolate(space_of(ends, circle), ends, 10, "geodesic")
    torch.testing.assert_close(
        path_codes[:, 0], torch.linspace(0.2, 2.9, 10, dtype=torch.float64), rtol=1e-3, atol=0
    )
    images = circle(interpolate(space_of(ends, lambda z: circle(z**3)), ends / 2, 10, "geodesic") ** 3)
    length = angle(images[:-1], images[1:])
    assert float(length.sum()) == pytest.approx((1.45**3) - (0.1**3), rel=1e-3)
    torch.testing.assert_close(length, length.mean().expand(9), rtol=0.01, atol=0)


def test_a_geodesic_of_a_still_decoder_is_straight():
    ends = normal(2, 3)
    still = space_of(ends, torch.zeros_like)
    torch.testing.assert_close(interpolate(still, ends, 6, "geodesic"), interpolate(still, ends, 6))
    assert torch.equal(interpolate(still, ends[[0, 0]], 4, "geodesic"), ends[[0, 0, 0, 0]])


def test_a_graph_path_goes_round_the_hole():
    turns = torch.linspace(0, 2 * math.pi, 201, dtype=torch.float64)[:-1, None]
    codes = circle(turns)
    path_codes = interpolate(space_of(codes), codes[[0, 100]], 51, "graph")
    torch.testing.assert_close(path_codes.norm(dim=1), torch.ones(51, dtype=torch.float64), rtol=4e-3, atol=0)
    steps = path_codes.diff(dim=0).norm(dim=1)
    torch.testing.assert_close(steps, steps.mean().expand(50), rtol=0.02, atol=0)
    assert float(steps.sum()) == pytest.approx(math.pi, rel=2e-3)


def test_a_graph_that_is_given_is_used():
    half = circle(torch.linspace(0, math.pi, 50, dtype=torch.float64)[:, None])
    ends = half[[0, -1]]
    around = interpolate(space_of(ends), ends, 9, "graph", graph=code_graph(half))
    assert float(around[4, 1]) > 0.9
    assert float(interpolate(space_of(ends), ends, 9, "graph")[4, 1].abs()) < 1e-9
    weights = torch.tensor([[0.5, 0.5]])
    assert float(blend(space_of(ends), ends, weights, "graph", graph=code_graph(half))[0, 1]) > 0.9


@pytest.mark.parametrize("call", [interpolate, blend], ids=["interpolate", "blend"])
def test_interpolation_checks_its_arguments_and_the_decoder(call):
    codes = normal(5, 2)
    what = 4 if call is interpolate else torch.ones(1, 2)
    with pytest.raises(UnknownNameError, match="there is no path 'geodesik'; did you mean 'geodesic'"):
        call(space_of(codes), codes[:2], what, "geodesik")
    with pytest.raises(NotApplicableError, match="no decoder with gradients"):
        call(space_of(codes), codes[:2], what, "geodesic")
    opaque = space_of(codes, torch.tanh).replaced(differentiable=False)
    with pytest.raises(NotApplicableError, match="no decoder with gradients"):
        call(opaque, codes[:2], what, "geodesic")
    with pytest.raises(ValueError, match=r"codes \(k, 2\), got shape \(2, 3\)"):
        call(space_of(codes), torch.zeros(2, 3), what)


@pytest.mark.parametrize("call", [interpolate, blend], ids=["interpolate", "blend"])
@pytest.mark.parametrize("path", PATHS)
def test_codes_that_are_not_finite_are_refused_on_every_path(call, path):
    codes = normal(30, 3)
    broken = torch.stack([codes[0], torch.full((3,), math.nan, dtype=torch.float64)])
    with pytest.raises(ValueError, match="codes must be finite"):
        call(space_of(codes, torch.tanh), broken, 4 if call is interpolate else torch.ones(1, 2), path)


@pytest.mark.parametrize("path", PATHS)
def test_codes_of_other_types_go_the_same_way(path):
    space = LatentSpace.from_arrays(codes=normal(30, 2), decode=lambda z: z @ torch.ones(2, 3))
    ends = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    wanted = interpolate(space, ends, 5, path), blend(space, ends, torch.ones(1, 2), path)
    for kind in (torch.float64, torch.int64):
        other = ends.to(kind)
        results = interpolate(space, other, 5, path), blend(space, other, torch.ones(1, 2), path)
        assert {part.dtype for part in results} == {torch.float64 if kind == torch.float64 else torch.float32}
        torch.testing.assert_close([part.float() for part in results], list(wanted), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("call", [interpolate, blend], ids=["interpolate", "blend"])
def test_a_geodesic_says_what_its_decoder_lacks(call):
    codes, what = normal(5, 2), 4 if call is interpolate else torch.ones(1, 2)
    weight = torch.ones(2, requires_grad=True, dtype=torch.float64)
    for decode in (lambda z: z.detach() * 2, lambda z: z.detach() * weight):
        with pytest.raises(NotApplicableError, match="no decoder with gradients"):
            call(space_of(codes, decode), codes[:2], what, "geodesic")
    with pytest.raises(ContractError, match="NaN or infinity"):
        call(space_of(codes, lambda z: z * math.nan), codes[:2], what, "geodesic")


def test_too_few_points_or_anchors_are_refused():
    codes = normal(5, 2)
    with pytest.raises(ValueError, match="one point for each of 3 anchors, got 2"):
        interpolate(space_of(codes), codes[:3], 2)
    with pytest.raises(ValueError, match="at least 2 codes"):
        interpolate(space_of(codes), codes[:1], 2)


@pytest.mark.parametrize(
    "weights", [[[1.0, 1.0]], [[0.0, 0.0, 0.0]], [[-0.1, 0.6, 0.5]], [[math.nan, 1, 1]], [1.0, 0.0, 0.0]]
)
def test_weights_that_are_none_are_refused(weights):
    codes = normal(3, 2)
    with pytest.raises(ValueError, match="weights must be"):
        blend(space_of(codes), codes, torch.tensor(weights))


# blends


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("corners", [3, 4])
def test_every_blend_meets_its_corners_exactly(sphere, path, corners):
    codes = sphere.codes[:corners]
    blended = blend(sphere, codes, torch.eye(corners), path)
    assert torch.equal(blended, codes)
    middle = blend(sphere, codes, torch.ones(1, corners), path)
    assert middle.shape == (1, 2)
    assert middle.isfinite().all()


@pytest.mark.parametrize("path", PATHS)
def test_weights_need_not_sum_to_one(sphere, path):
    weights = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
    codes = sphere.codes[:3]
    torch.testing.assert_close(blend(sphere, codes, weights, path), blend(sphere, codes, 7 * weights, path))


@pytest.mark.parametrize("path", ["linear", "slerp", "norm", "geodesic"])
def test_two_corners_blend_as_their_path(sphere, path):
    codes = torch.tensor([[0.6, -0.8], [0.96, 0.28]], dtype=torch.float64)  # of equal length
    along = blend(sphere, codes, simplex_weights(2, 8), path)
    torch.testing.assert_close(along, interpolate(sphere, codes, 9, path), rtol=0, atol=2e-3)


def test_the_geodesic_blend_on_a_sphere_is_the_spherical_mean(sphere):
    corners = torch.tensor([[0.9, 0.1], [-0.4, 0.7], [-0.3, -0.8]], dtype=torch.float64)
    weights = simplex_weights(3, 4)
    expected = spherical_mean(stereographic(corners), weights)
    blended = stereographic(blend(sphere, corners, weights, "geodesic"))
    assert float(angle(blended, expected).max()) < 1e-3
    straight = stereographic(blend(sphere, corners, weights))
    assert float(angle(straight, expected).max()) > 0.03


def test_the_spherical_mean_has_no_slope():
    corners = torch.nn.functional.normalize(torch.eye(3).double() + 0.3 * normal(3, 3), dim=1)
    weights = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    mean = spherical_mean(corners, weights)

    def spread(place):
        return float((weights[0] * angle(place, corners) ** 2).sum())

    assert float(mean.norm()) == pytest.approx(1)
    for seed in range(8):
        nearby = torch.nn.functional.normalize(mean + 1e-3 * normal(1, 3, seed=seed), dim=1)
        assert spread(nearby) > spread(mean)


def test_spherical_means_of_opposites_zeros_and_equals_are_finite():
    code = normal(1, 4)
    half = torch.tensor([[0.5, 0.5], [0.3, 0.7]], dtype=torch.float64)
    for other in (code, -code, 0 * code):
        assert spherical_mean(torch.cat([code, other]), half).isfinite().all()
    torch.testing.assert_close(spherical_mean(torch.cat([code, code]), half), code.repeat(2, 1))
    torch.testing.assert_close(spherical_mean(torch.cat([code, -code]), half)[0], 0 * code[0], atol=1e-12, rtol=0)


def test_geodesic_means_of_a_plane_are_straight_and_rows_do_not_disturb_each_other():
    matrix, corners = normal(3, 7), normal(4, 3, seed=2)
    weights = simplex_weights(4, 3)
    means = geodesic_mean(lambda z: z @ matrix, corners, weights)
    torch.testing.assert_close(means, weights @ corners, rtol=0, atol=1e-9)
    bent = geodesic_mean(lambda z: torch.tanh(z @ matrix), corners, weights)
    alone = geodesic_mean(lambda z: torch.tanh(z @ matrix), corners, weights[5:6])
    torch.testing.assert_close(bent[5:6], alone, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="steps must be at least 2"):
        geodesic_mean(torch.tanh, corners, weights, steps=1)


def test_paths_without_weight_are_not_decoded():
    decoded = []

    def decode(codes):
        decoded.append(len(codes))
        return codes

    corners = normal(4, 3, seed=2)
    blend(
        space_of(corners).replaced(decode=decode, differentiable=True), corners, simplex_weights(4, 1), "geodesic"
    )
    assert not decoded  # a corner alone is returned as it is
    means = geodesic_mean(
        decode, corners, torch.tensor([[0.5, 0.5, 0, 0], [0.3, 0, 0.3, 0.4]]), steps=4, iterations=1
    )
    assert decoded[0] == (2 + 3) * 5  # paths with weight, of five codes each
    torch.testing.assert_close(means[0], corners[:2].mean(0))


def test_the_norm_blend_has_weighted_norms():
    corners, weights = normal(3, 16), simplex_weights(3, 3)
    blended = blend(space_of(corners), corners, weights, "norm")
    torch.testing.assert_close(blended.norm(dim=1), weights @ corners.norm(dim=1))


def test_the_graph_blend_is_an_item_of_the_data():
    line = torch.arange(11, dtype=torch.float64)[:, None]
    blended = blend(space_of(line), line[[0, 10]], simplex_weights(2, 5), "graph")
    torch.testing.assert_close(blended[:, 0], torch.tensor([0, 2, 4, 6, 8, 10], dtype=torch.float64))


# weights


@pytest.mark.parametrize(("k", "steps", "rows"), [(2, 4, 5), (3, 4, 15), (3, 1, 3), (4, 3, 16)])
def test_simplex_weights_cover_the_corners(k, steps, rows):
    weights = simplex_weights(k, steps)
    assert weights.shape == (rows, k)
    torch.testing.assert_close(weights.sum(1), torch.ones(rows, dtype=torch.float64))
    assert (weights >= 0).all()
    assert len(weights.unique(dim=0)) == rows
    for corner in torch.eye(k, dtype=torch.float64):
        assert (weights == corner).all(1).sum() == 1


def test_simplex_weights_lie_as_they_are_drawn():
    triangle = simplex_weights(3, 2)
    assert triangle[0].tolist() == [1, 0, 0]
    assert triangle[1].tolist() == [0.5, 0.5, 0]
    assert triangle[-1].tolist() == [0, 0, 1]
    square = simplex_weights(4, 2)
    assert square[[0, 2, 6, 8]].tolist() == torch.eye(4).tolist()
    assert square[4].tolist() == [0.25] * 4
    for k, steps in ((1, 3), (5, 3), (3, 0)):
        with pytest.raises(ValueError, match="k must be 2, 3 or 4"):
            simplex_weights(k, steps)
