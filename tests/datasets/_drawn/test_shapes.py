import numpy as np
import pytest

from latentbench_datasets._drawn.shapes import Canvas, box, capsule, coverage, ellipse, polygon, under

FINE = 0.02


def places(reach=6.0):
    """A fine grid around the origin, as x and y `(w, w)`."""
    along = np.arange(-reach, reach, FINE) + FINE / 2
    return np.meshgrid(along, along)


def area(distance):
    return (distance < 0).sum() * FINE**2


def canvas(count=1, channels=1, side=32, scale=1.0, x=16.0, y=16.0, turn=0.0):
    pixels = np.zeros((count, channels, side, side), np.float32)
    return Canvas.place(pixels, scale, *(np.full((count, 1, 1), value, np.float32) for value in (x, y, turn)))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (lambda x, y: ellipse(x, y, 3.0, 2.0), np.pi * 6),
        (lambda x, y: ellipse(x - 1, y, 1.5, 1.5), np.pi * 2.25),
        (lambda x, y: capsule(x, y, (-2.0, -1.0), (2.0, 2.0), 1.0), np.pi + 10),
        (lambda x, y: box(x, y, 3.0, 1.0), 12),
        (lambda x, y: box(x, y, 3.0, 2.0, 1.0), 24 - (4 - np.pi)),
        (lambda x, y: polygon(x, y, [(0.0, 0.0), (4.0, 0.0), (0.0, 3.0)]), 6),
        (lambda x, y: polygon(x, y, [(0.0, 3.0), (4.0, 0.0), (0.0, 0.0)]), 6),
        (lambda x, y: polygon(x, y, [(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (0.0, 0.0), (-3.0, 3.0)]), 27),
        (lambda x, y: under(y, 0.5 * x, 0.5), 72),
    ],
)
def test_a_shape_is_as_large_as_geometry_says(shape, expected):
    assert area(shape(*places())) == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(
    "shape",
    [
        lambda x, y: ellipse(x, y, 2.5, 2.5),
        lambda x, y: capsule(x, y, (-2.0, -1.0), (2.0, 2.0), 1.0),
        lambda x, y: box(x, y, 3.0, 2.0, 0.5),
        lambda x, y: polygon(x, y, [(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (0.0, 0.0), (-3.0, 3.0)]),
        lambda x, y: under(y, 0.5 * x, 0.5),
    ],
)
def test_outside_a_distance_is_that_to_the_nearest_point_of_the_shape(shape):
    x, y = places()
    distance = shape(x, y)
    inside = np.stack([x, y], -1)[distance < 0]
    for row, column in np.random.default_rng(0).integers(len(x) // 5, len(x) * 4 // 5, (60, 2)):
        if 0 < distance[row, column] < 2:
            nearest = np.linalg.norm(inside - [x[row, column], y[row, column]], axis=1).min()
            assert distance[row, column] == pytest.approx(nearest, abs=2 * FINE)


def test_the_distance_from_an_ellipse_is_right_near_its_edge():
    angles = np.linspace(0, 2 * np.pi, 50)
    normal = np.stack([np.cos(angles) / 5, np.sin(angles) / 2])
    normal /= np.linalg.norm(normal, axis=0)
    for away in (-0.1, 0.0, 0.1):
        x, y = np.stack([5 * np.cos(angles), 2 * np.sin(angles)]) + away * normal
        assert ellipse(x, y, 5.0, 2.0) == pytest.approx(away, abs=0.01)


def test_sizes_may_differ_between_pictures():
    x, y = (np.broadcast_to(place, (2, *place.shape)) for place in places())
    actual = ellipse(x, y, np.array([1.0, 2.0])[:, None, None], 1.0)
    np.testing.assert_array_equal(actual[1], ellipse(x[1], y[1], 2.0, 1.0))
    assert area(actual[0]) == pytest.approx(np.pi, rel=5e-3)


def test_coverage_falls_from_1_to_0_over_a_pixel():
    np.testing.assert_allclose(coverage(np.array([-9.0, -0.5, -0.2, 0.5, 9.0])), [1, 1, 0.7, 0, 0])


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_a_painted_disk_has_the_light_of_its_area_wherever_it_lies(scale):
    for x, y in ((16.0, 16.0), (15.3, 16.9)):
        board = canvas(side=round(32 * scale), scale=scale, x=x, y=y)
        board.paint(ellipse(board.x, board.y, 6.0, 6.0), [255.0])
        light = board.pixels[0, 0] / 255
        assert light.sum() == pytest.approx(np.pi * 36 * scale**2, rel=6e-3)
        middles = (np.arange(len(light)) + 0.5) / scale
        assert light.sum(0) @ middles / light.sum() == pytest.approx(x, abs=0.01)
        assert light.sum(1) @ middles / light.sum() == pytest.approx(y, abs=0.01)


def test_layers_hide_what_lies_under_them_as_far_as_they_are_opaque():
    board = canvas(count=2, channels=3)
    everywhere = np.full((2, 32, 32), -5.0, np.float32)
    board.paint(everywhere, (200, 100, 0))
    board.paint(everywhere, [[0, 0, 80], [40, 0, 0]], np.array([1.0, 0.25], np.float32)[:, None, None])
    np.testing.assert_allclose(board.pixels[0, :, 3, 3], [0, 0, 80])
    np.testing.assert_allclose(board.pixels[1, :, 3, 3], [160, 75, 0])
    before = board.pixels.copy()
    board.paint(everywhere, (9, 9, 9), 0.0)
    np.testing.assert_array_equal(board.pixels, before)


def test_a_quarter_turn_is_counterclockwise():
    upright, turned = canvas(), canvas(turn=np.pi / 2)
    for board in (upright, turned):
        board.paint(box(board.x - 5, board.y, 4.0, 1.5), [255])
        board.paint(box(board.x - 5, board.y - 3, 1.0, 1.0), [90])
    np.testing.assert_allclose(turned.pixels[0, 0], np.rot90(upright.pixels[0, 0]), atol=1e-2)


def test_a_window_holds_its_rectangle_in_every_picture_and_little_more():
    rng = np.random.default_rng(0)
    shifts = [
        rng.uniform(low, high, (20, 1, 1)).astype(np.float32) for low, high in ((14, 18), (14, 18), (-0.3, 0.3))
    ]
    pixels = np.zeros((20, 1, 32, 32), np.float32)
    board = Canvas.place(pixels, 1.0, *shifts)
    right = rng.uniform(3, 6, (20, 1, 1)).astype(np.float32)
    part = board.window(-5, -2, right, 2)
    held = coverage(box(board.x - (right - 5) / 2, board.y, (right + 5) / 2, 2.0)) > 0
    kept = np.zeros((32, 32), bool)
    rows, columns = part.y.shape[1:]
    part.pixels[:] = 1
    kept = pixels[:, 0] > 0
    assert not (held & ~kept).any()
    assert (rows, columns) == (kept[0].any(1).sum(), kept[0].any(0).sum())
    assert rows <= np.ptp(np.flatnonzero(held.any((0, 2)))) + 5
    assert columns <= np.ptp(np.flatnonzero(held.any((0, 1)))) + 5


def test_a_window_outside_the_picture_is_a_sliver_of_its_border():
    part = canvas().window(40, 40, 50, 50)
    assert part.pixels.shape == (1, 1, 1, 1)
    part.paint(box(part.x - 45, part.y - 45, 3.0, 3.0), [255])
    assert part.pixels.max() == 0
