from itertools import permutations

import numpy as np
import pytest

from latentbench.latent.maps.tour import round_trip, tour_path, tour_stops


def length(points, order):
    return float(np.linalg.norm(points[order] - points[np.roll(order, -1)], axis=1).sum())


def circle(n, seed=0):
    """Points on a circle in five dimensions, shuffled, and their order around it."""
    rng = np.random.default_rng(seed)
    angles = rng.permutation(n) * 2 * np.pi / n
    plane = np.linalg.qr(rng.normal(size=(5, 2)))[0]
    return np.stack([np.cos(angles), np.sin(angles)], 1) @ plane.T + 3, np.argsort(angles)


def clouds(kinds=6, n=30):
    rng = np.random.default_rng(1)
    kind = np.repeat(np.arange(kinds), n)
    return np.stack([np.cos(kind), np.sin(kind)], 1) * 30 + rng.normal(size=(len(kind), 2)), kind


# stops


def test_every_cluster_is_visited_once_at_the_code_nearest_its_center():
    places, kind = clouds()
    stops = tour_stops(places, kind % 3, clusters=6)
    assert sorted(kind[stops.rows]) == list(range(6))
    np.testing.assert_array_equal(stops.classes, kind[stops.rows] % 3)
    np.testing.assert_array_equal(stops.clusters[stops.rows], np.arange(6))
    for row in stops.rows:
        members = np.flatnonzero(kind == kind[row])
        distances = np.linalg.norm(places[members] - places[members].mean(0), axis=1)
        assert row == members[distances.argmin()]


def test_a_stop_is_of_the_class_of_most_codes_of_its_cluster():
    places = np.array([[0.0, 0], [0.1, 0], [1, 0], [1, 0.1], [1, -0.1]])
    assert tour_stops(places, [4, 4, 2, 2, 2], clusters=1).classes.tolist() == [2]
    assert tour_stops(places, [4, 4, 2, 4, 2], clusters=1).rows.tolist() == [3]
    without = tour_stops(places, clusters=1)
    assert without.classes is None
    assert without.rows.tolist() == [2]  # nearest of all to the center at 0.62


@pytest.mark.parametrize("clusters", [0, 3])
def test_more_clusters_than_places_are_refused(clusters):
    with pytest.raises(ValueError, match=f"from 1 to 2, the number of different places, got {clusters}"):
        tour_stops([[0, 0], [0, 0], [1, 1]], clusters=clusters)


# the round trip


@pytest.mark.parametrize("n", [4, 7, 30])
def test_stops_on_a_circle_are_visited_in_order(n):
    points, around = circle(n)
    order = round_trip(points)
    start = int(np.flatnonzero(around == 0)[0])
    forth, back = np.roll(around, -start), np.roll(np.roll(around, -start)[::-1], 1)
    assert order.tolist() in (forth.tolist(), back.tolist())
    assert length(points, order) == pytest.approx(2 * n * np.sin(np.pi / n))


@pytest.mark.parametrize("seed", range(5))
def test_eight_points_are_visited_on_the_shortest_way_of_all(seed):
    points = np.random.default_rng(seed).normal(size=(8, 3))
    shortest = min(length(points, np.array([0, *others])) for others in permutations(range(1, 8)))
    assert length(points, round_trip(points)) == pytest.approx(shortest)


@pytest.mark.parametrize("seed", range(3))
def test_no_exchange_of_two_legs_and_no_other_place_of_a_stop_is_shorter(seed):
    points = np.random.default_rng(seed).normal(size=(25, 4))
    order = round_trip(points)
    assert sorted(order) == list(range(25))
    assert order[0] == 0
    shortest = length(points, order) - 1e-9
    for i in range(25):
        for j in range(i + 2, 26):
            assert length(points, np.concatenate([order[:i], order[i:j][::-1], order[j:]])) >= shortest
        rest = np.delete(order, i)
        assert all(length(points, np.insert(rest, j, order[i])) >= shortest for j in range(24))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_and_equal_points_have_a_way_too(n):
    assert round_trip(np.ones((n, 2))).tolist() == list(range(n))
    assert sorted(round_trip(np.ones((n + 4, 2)))) == list(range(n + 4))


# the curve


def test_it_passes_exactly_through_the_stops_and_rests_there():
    stops = np.random.default_rng(0).normal(size=(7, 4))
    path = tour_path(stops, 10, 3)
    assert path.shape == (70, 4)
    for rest in range(3):
        np.testing.assert_array_equal(path[rest::10], stops)
    assert (np.linalg.norm(path[3::10] - stops, axis=1) > 0).all()


def test_it_is_periodic_wherever_it_begins():
    stops = np.random.default_rng(1).normal(size=(6, 2))
    np.testing.assert_allclose(
        tour_path(np.roll(stops, -2, 0), 9), np.roll(tour_path(stops, 9), -18, 0), atol=1e-9
    )


def test_it_is_smooth_at_the_stops_in_space_and_slow_in_time():
    angles = np.arange(12) * np.pi / 6
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    path = tour_path(circle, 50)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1, atol=1e-3)  # a spline through a circle is one
    speed = np.linalg.norm(np.roll(path, -1, 0) - path, axis=1).reshape(12, 50)
    assert (speed[:, 0] < 0.1 * speed[:, 25]).all()


def test_two_stops_and_equal_stops_and_one():
    path = tour_path([[0.0, 0], [4, 2]], 4)
    np.testing.assert_allclose(path[1:4], path[:4:-1], atol=1e-12)  # back the same way
    np.testing.assert_array_equal(path[::4], [[0, 0], [4, 2]])
    assert np.isfinite(tour_path(np.ones((4, 2)), 5)).all()
    assert np.isfinite(tour_path([[0.0], [0], [1], [5]], 5)).all()
    assert tour_path([[3.0, 4]], 3).tolist() == [[3, 4]] * 3


@pytest.mark.parametrize(
    ("stops", "steps", "rest"), [(np.ones((0, 2)), 3, 0), (np.ones(3), 3, 0), (np.ones((3, 2)), 3, 3)]
)
def test_a_tour_path_checks_its_stops(stops, steps, rest):
    with pytest.raises(ValueError, match="stops"):
        tour_path(stops, steps, rest)


def test_tours_check_labels_and_places():
    places = np.random.default_rng(0).normal(size=(9, 2))
    with pytest.raises(ValueError, match="a label for each of the 9 places, got 8"):
        tour_stops(places, np.zeros(8), 2)
    places[3] = np.nan
    for function in (tour_stops, round_trip, lambda points: tour_path(points, 3)):
        with pytest.raises(ValueError, match=r"must be finite, \(n, d\)"):
            function(places)
    with pytest.raises(ValueError, match=r"must be finite, \(n, d\), got shape \(4,\)"):
        round_trip([0.0, 1.0, 2.0, 3.0])
