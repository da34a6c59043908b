import numpy as np
import pytest
import torch

from latentbench.drawing.bodies import DARKEST, LIGHT, REACH, SIDE, TILT, TURN, shaded

TOWARD = np.array([np.sin(TURN) * np.cos(TILT), np.sin(TILT), np.cos(TURN) * np.cos(TILT)])
RIGHT = np.array([np.cos(TURN), 0, -np.sin(TURN)])
UP = np.cross(TOWARD, RIGHT)


def places(*shape):
    """x, y (up) and z (front) of the centers of voxels, `(3, d, h, w)`."""
    z, down, x = np.meshgrid(*[(2 * np.arange(size) + 1) / size - 1 for size in shape], indexing="ij")
    return np.stack([x, -down, z])


def ball(center, radius, shape=(32, 32, 32)):
    far = np.sqrt(((places(*shape) - np.reshape(center, (3, 1, 1, 1))) ** 2).sum(0))
    return torch.tensor(far - radius, dtype=torch.float32)[None, None]


def box(center, half, size=48):
    beyond = abs(places(size, size, size) - np.reshape(center, (3, 1, 1, 1))) - half
    far = np.sqrt((beyond.clip(0) ** 2).sum(0)) + beyond.max(0).clip(None, 0)
    return torch.tensor(far, dtype=torch.float32)[None, None]


def expected_ball(center, radius):
    """What parallel rays and the angle to the light give, worked out for a sphere; nan beside it."""
    along = ((2 * np.arange(SIDE) + 1) / SIDE - 1) * REACH
    across, upward = along[None] - RIGHT @ center, -along[:, None] - UP @ center
    inner = radius**2 - across**2 - upward**2
    lift = np.sqrt(np.where(inner > 0, inner, np.nan))
    normal = (across[..., None] * RIGHT + upward[..., None] * UP + lift[..., None] * TOWARD) / radius
    return DARKEST + (1 - DARKEST) * (normal @ LIGHT).clip(0)


@pytest.mark.parametrize(
    ("center", "radius", "shape"),
    [
        ([0, 0, 0], 0.6, (32, 32, 32)),
        ([0.3, -0.2, 0.1], 0.5, (32, 32, 32)),
        ([-0.2, 0.3, -0.3], 0.5, (32, 40, 28)),
    ],
)
def test_a_ball_is_where_and_as_bright_as_geometry_says(center, radius, shape):
    picture = shaded(ball(center, radius, shape))
    assert picture.shape == (1, 1, SIDE, SIDE)
    assert picture.dtype == np.float32
    wanted = expected_ball(np.array(center), radius)
    lit = picture[0, 0] > 0
    assert (lit != np.isfinite(wanted)).sum() < 0.03 * lit.sum()  # but for the rim
    assert (picture[0, 0][lit] >= DARKEST - 1e-6).all()
    middle = expected_ball(np.array(center), 0.85 * radius)
    seen = np.isfinite(middle)
    assert abs(picture[0, 0] - wanted)[seen].max() < 0.06


def test_light_comes_from_above_and_every_side_of_a_box_differs():
    assert np.linalg.norm(LIGHT) == pytest.approx(1, abs=0.01)
    picture = shaded(box([0, 0, 0], 0.5))[0, 0]
    for normal in np.eye(3):
        middle = normal * 0.5
        column = round(((RIGHT @ middle / REACH) + 1) / 2 * SIDE - 0.5)
        row = round(((-UP @ middle / REACH) + 1) / 2 * SIDE - 0.5)
        assert picture[row, column] == pytest.approx(DARKEST + (1 - DARKEST) * normal @ LIGHT, abs=0.02)
    assert LIGHT[1] > LIGHT[2] > LIGHT[0]


def test_what_is_nearer_hides_what_is_farther():
    near, far = ball(0.5 * TOWARD, 0.3), ball(-0.5 * TOWARD, 0.3)
    both = shaded(torch.minimum(near, far))
    lit = shaded(near)[0, 0] > 0
    assert abs(both - shaded(near))[0, 0][lit].mean() < 0.01
    assert (both[0, 0][~lit] > 0).sum() < 0.05 * lit.sum()


def test_nothing_of_the_scene_is_cut_and_nothing_beyond_it_is_drawn():
    full = shaded(torch.full((1, 1, 48, 48, 48), -1.0))[0, 0] > 0
    assert not full[[0, -1]].any()
    assert not full[:, [0, -1]].any()
    area = 4 * abs(TOWARD).sum() / (2 * REACH / SIDE) ** 2  # the shadow of a cube along its rays
    assert full.sum() == pytest.approx(area, rel=0.02)


def test_without_inside_all_is_black_and_no_bodies_give_no_pictures():
    assert (shaded(torch.full((2, 1, 8, 8, 8), 0.3)) == 0).all()
    assert (shaded(torch.zeros(1, 1, 8, 8, 8)) == 0).all()
    assert shaded(torch.zeros(0, 1, 8, 8, 8)).shape == (0, 1, SIDE, SIDE)


def test_each_body_is_drawn_as_it_is_alone():
    many = torch.cat([ball([0, 0, 0], 0.3), ball([0.2, 0.1, 0], 0.6)])
    np.testing.assert_array_equal(shaded(many), np.concatenate([shaded(grid[None]) for grid in many]))
