from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from latentbench import LatentSpace, NotApplicableError
from latentbench.latent.paths.curves import linear_path
from latentbench_datasets.lines import draw_lines
from latentbench_metrics import acai
from latentbench_metrics.acai import AcaiLines, acai_angles, acai_mean_distance, acai_smoothness

TURN = 2 * math.pi


def angles(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * TURN


def drawn(at):
    return torch.from_numpy(draw_lines(at.flatten().numpy())).reshape(*at.shape, 1, 32, 32)


def rotations(starts, ends, points=16):
    shorter = torch.remainder(ends - starts + math.pi, TURN) - math.pi
    return starts + torch.linspace(0, 1, points, dtype=torch.float64)[:, None] * shorter


def fades(starts, ends, points=16):
    return linear_path(drawn(starts).flatten(1), drawn(ends).flatten(1), points).reshape(points, -1, 1, 32, 32)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("begin", [0.0, 1.0, 340.0])
def test_even_turning_is_smooth(begin, dtype):
    even = torch.deg2rad(torch.linspace(begin, begin + 90, 16, dtype=torch.float64)).to(dtype)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-6
    assert acai_smoothness(even) == pytest.approx(0, abs=tolerance)
    assert acai_smoothness(torch.remainder(even, TURN)) == pytest.approx(0, abs=tolerance)
    assert acai_smoothness(even.flip(0)) == pytest.approx(0, abs=tolerance)


@pytest.mark.parametrize("place", [1, 8, 15])
@pytest.mark.parametrize("height", [1.0, -2.0, 3.1])
def test_smoothness_of_one_jump(place, height):
    jump = torch.zeros(16, 1, dtype=torch.float64)
    jump[place:] = height
    assert acai_smoothness(jump) == pytest.approx(14 / 15, abs=1e-12)


def test_angles_are_unwrapped():
    path = torch.deg2rad(torch.tensor([350.0, 355, 5, 10], dtype=torch.float64))
    assert acai_smoothness(path) == pytest.approx(10 / 20 - 1 / 3, abs=1e-12)
    assert acai_smoothness(path + 7 * TURN) == pytest.approx(10 / 20 - 1 / 3, abs=1e-9)


def test_smoothness_is_that_of_numpy_unwrap():
    walks = angles(12, 40, seed=1)
    flat = np.unwrap(walks.numpy(), axis=0)
    steps, total = np.abs(np.diff(flat, axis=0)).max(0), np.abs(flat[-1] - flat[0])
    assert acai_smoothness(walks) == pytest.approx((steps / total).mean() - 1 / 11, rel=1e-9)
    assert acai_smoothness(walks[:, torch.randperm(40)]) == pytest.approx(acai_smoothness(walks), rel=1e-12)


def test_paths_that_do_not_turn_are_left_out():
    moving = torch.tensor([0.0, 0.1, 0.4], dtype=torch.float64)
    still = torch.full((3,), 2.0, dtype=torch.float64)
    assert acai_smoothness(torch.stack([moving, still, still], 1)) == acai_smoothness(moving)
    with pytest.raises(NotApplicableError, match="turns"):
        acai_smoothness(torch.stack([still, still], 1))


@pytest.mark.parametrize("shape", [(1, 3), (0, 2), (3, 2, 2), ()])
def test_what_is_no_path_of_angles_is_refused(shape):
    with pytest.raises(ValueError, match="angles must be"):
        acai_smoothness(torch.zeros(shape))


def test_true_rotations_beat_pixel_fades():
    starts, ends = angles(64, seed=2), angles(64, seed=3)
    turned, faded = drawn(rotations(starts, ends)), fades(starts, ends)
    assert acai_mean_distance(turned) < 1e-6
    assert acai_smoothness(acai_angles(turned)) < 0.02
    assert acai_mean_distance(faded) == pytest.approx(6.2e-3, abs=1e-3)
    assert acai_smoothness(acai_angles(faded)) > 0.8


def test_distances_agree_with_all_pairs_in_float64(monkeypatch):
    monkeypatch.setattr(acai, "LINES", 500)
    acai._lines.cache_clear()
    images = torch.rand(3, 4, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * drawn(angles(3, 4))
    try:
        every = torch.arange(500, dtype=torch.float64) * (TURN / 500)
        signed, lines = 2 * images.double().flatten(2) - 1, 2 * drawn(every).double().flatten(1) - 1
        cosines = torch.cosine_similarity(signed[:, :, None], lines, dim=3)
        assert acai_mean_distance(images) == pytest.approx(float((1 - cosines.amax(2)).mean()), abs=1e-9)
        torch.testing.assert_close(acai_angles(images), every[cosines.argmax(2)])
        assert acai_mean_distance(images.double()) == pytest.approx(acai_mean_distance(images), abs=1e-12)
    finally:
        acai._lines.cache_clear()


def test_distances_of_lines_and_blanks():
    one, other = drawn(angles(200, seed=4)).flatten(1), drawn(angles(200, seed=5)).flatten(1)
    apart = 1 - torch.cosine_similarity(2 * one - 1, 2 * other - 1)
    assert float(apart.mean()) == pytest.approx(0.082, abs=0.01)
    blank = acai_mean_distance(torch.zeros(1, 1, 32, 32))
    assert 0.02 < blank < 0.06
    assert acai_mean_distance(torch.full((2, 1, 32, 32), 0.5)) == 1  # no direction at all: finite
    assert acai_mean_distance(
        torch.cat([torch.zeros(1, 1, 32, 32), one[:1].reshape(1, 1, 32, 32)])
    ) == pytest.approx(blank / 2, abs=1e-6)


def test_angles_are_found_to_a_fraction_of_a_degree():
    at = angles(50, seed=6)
    actual = acai_angles(drawn(at))
    assert actual.shape == (50,)
    error = torch.remainder(actual - at + math.pi, TURN) - math.pi
    assert float(error.abs().max()) < 0.002


def test_neither_chunks_nor_callers_settings_matter(monkeypatch):
    images = fades(angles(5, seed=7), angles(5, seed=8), 6)
    copy = images.clone()
    distance, actual = acai_mean_distance(images), acai_angles(images)
    monkeypatch.setattr(acai, "CHUNK", 7)
    with torch.autocast("cpu", torch.bfloat16):
        assert acai_mean_distance(images) == pytest.approx(distance, rel=1e-9)
        assert torch.equal(acai_angles(images), actual)
    assert torch.equal(images, copy)


@pytest.mark.parametrize("shape", [(4, 1, 28, 28), (4, 32, 32), (0, 1, 32, 32)])
def test_what_is_no_image_of_a_line_is_refused(shape):
    with pytest.raises(ValueError, match="images must be"):
        acai_mean_distance(torch.zeros(shape))


def lines_space(codes, decode, at, **changes):
    return LatentSpace().replaced(
        **{
            "codes": codes, "inputs": drawn(at), "decode": decode, "factors": at[:, None],
            "factor_names": ("angle",), "factor_sizes": (0,), **changes,
        }
    )  # fmt: skip


def test_the_metric_tells_a_code_of_the_angle_from_pixels(monkeypatch):
    monkeypatch.setattr(acai, "PAIRS", 60)
    metric = AcaiLines(AcaiLines.Params())
    half = angles(120, seed=9) / 2.5  # no way round the back: a straight path is the short one
    perfect = metric.compute(lines_space(half[:, None].float(), lambda z: drawn(z[:, 0].double()), half))
    at = angles(120, seed=9)
    pixels = metric.compute(lines_space(drawn(at).flatten(1), lambda z: z.reshape(-1, 1, 32, 32), at))
    assert set(perfect) == set(AcaiLines.scores)
    assert perfect["acai_mean_distance"] < 1e-6
    assert perfect["acai_smoothness"] < 0.02
    for name, score in AcaiLines.scores.items():
        assert pixels[name] == pytest.approx(score.floor, rel=0.15)
        assert perfect[name] == pytest.approx(score.ceiling, abs=0.02)


def test_the_metric_is_for_lines_only(space):
    at = angles(20)
    pixels = drawn(at).flatten(1), lambda z: z.reshape(-1, 1, 32, 32), at
    metric = AcaiLines(AcaiLines.Params())
    with pytest.raises(NotApplicableError, match="not the lines data set"):
        metric.compute(space)
    with pytest.raises(NotApplicableError, match="not the lines data set"):
        metric.compute(lines_space(*pixels, factor_names=("length",)))
    with pytest.raises(NotApplicableError, match="not the lines data set"):
        metric.compute(lines_space(*pixels, inputs=torch.zeros(20, 1, 28, 28)))
    blank = lines_space(drawn(at).flatten(1), lambda z: torch.zeros(len(z), 1, 32, 32), at)
    with pytest.raises(NotApplicableError, match="turns the line"):
        metric.compute(blank)
