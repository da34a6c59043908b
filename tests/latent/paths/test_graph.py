import math

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import shortest_path
from sklearn.neighbors import NearestNeighbors

from latentbench.latent.paths import graph as graph_module
from latentbench.latent.paths.graph import code_graph


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def circle(count):
    turns = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return torch.stack([turns.cos(), turns.sin()], 1)


def doubled(codes):
    return torch.cat([codes, codes], 1)


@pytest.mark.parametrize("rows", [7, 1024])
def test_edges_are_those_to_the_nearest_neighbors(rows, monkeypatch):
    monkeypatch.setattr(graph_module, "ROWS", rows)
    codes = 100 + normal(60, 3)
    graph = code_graph(codes, 4)
    nearest = NearestNeighbors(n_neighbors=5).fit(codes.numpy()).kneighbors(return_distance=False)[:, :4]
    expected = {tuple(sorted((row, int(second)))) for row, others in enumerate(nearest) for second in others}
    assert graph.bridges == 0
    assert set(map(tuple, graph.edges.tolist())) == expected
    assert len(graph.edges) == len(expected)
    ends = codes[graph.edges]
    torch.testing.assert_close(graph.lengths, (ends[:, 0] - ends[:, 1]).norm(dim=1))


@pytest.mark.parametrize("count", [12, 60, 300])
def test_the_path_between_points_of_a_circle_follows_it(count):
    codes = circle(count)
    _, lengths = code_graph(codes, 2).route(codes[0], codes[count // 2])
    chords = count // 2 * 2 * math.sin(math.pi / count)  # tends to pi
    assert float(lengths.sum()) == pytest.approx(chords)
    assert abs(float(lengths.sum()) - math.pi) < 6 / count**2 * math.pi


def test_routes_are_the_shortest_that_another_program_finds():
    codes = normal(80, 2, seed=1)
    graph = code_graph(codes, 3)
    weights = np.full((80, 80), np.inf)
    rows, columns = graph.edges.T.numpy()
    weights[rows, columns] = weights[columns, rows] = graph.lengths.numpy()
    expected = shortest_path(weights, method="FW", directed=False)
    for start, end in ((0, 1), (5, 70), (33, 34)):
        route, lengths = graph.route(codes[start], codes[end])
        assert float(lengths.sum()) == pytest.approx(expected[start, end])
        assert torch.equal(route[0], codes[start])
        assert torch.equal(route[-1], codes[end])
        torch.testing.assert_close(lengths, route.diff(dim=0).norm(dim=1))


def test_parts_that_lie_apart_are_bridged_by_the_shortest_edges():
    parts = [normal(20, 2, seed=seed) / 9 + torch.tensor([10.0 * seed, 0]) for seed in range(4)]
    graph = code_graph(torch.cat(parts), 3)
    assert graph.bridges == 3
    part = torch.arange(80) // 20
    across = graph.edges[part[graph.edges[:, 0]] != part[graph.edges[:, 1]]]
    assert len(across) == 3
    for left, right in across.tolist():
        first, second = parts[left // 20], parts[right // 20]
        assert right // 20 - left // 20 == 1
        gap = float((graph.codes[left] - graph.codes[right]).norm())
        assert gap == pytest.approx(float(torch.cdist(first, second).min()))
    path = graph.path(parts[0][0], parts[3][0], 20)
    assert path.isfinite().all()


def test_equal_codes_are_neighbors_at_no_distance():
    codes = torch.cat([torch.zeros(30, 2), torch.ones(30, 2)]).double()
    graph = code_graph(codes, 3)
    route, lengths = graph.route(codes[0], codes[-1])
    assert float(lengths.sum()) == pytest.approx(math.sqrt(2))
    assert route.isfinite().all()
    path = graph.path(codes[0], codes[-1], 5)
    torch.testing.assert_close(path, torch.linspace(0, 1, 5, dtype=torch.float64)[:, None].expand(5, 2))
    assert torch.equal(graph.path(codes[0], codes[1], 4), codes[:4])


def test_codes_beside_the_graph_are_joined_to_it():
    codes = circle(100)
    start, end = 1.1 * codes[0], 1.1 * codes[50]
    route, lengths = code_graph(codes, 4).route(start, end)
    assert torch.equal(route[0], start)
    assert torch.equal(route[-1], end)
    assert math.pi < float(lengths.sum()) < math.pi + 0.2
    near = start + torch.tensor([0.0, 1e-3], dtype=torch.float64)
    assert len(code_graph(codes, 4).route(start, near)[0]) == 2  # no detour through others


def test_lengths_may_be_those_of_what_is_decoded():
    codes = normal(50, 2)
    plain, graph = code_graph(codes, 4), code_graph(codes, 4, doubled)
    assert torch.equal(plain.edges, graph.edges)
    torch.testing.assert_close(graph.lengths, math.sqrt(2) * plain.lengths)

    def ridge(some):  # high in the middle: the way over it is long
        return torch.cat([some, 20 * torch.exp(-8 * some[:, :1] ** 2 - 2 * some[:, 1:] ** 2)], 1)

    axis = torch.linspace(-2, 2, 21, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    ends = torch.tensor([[-2.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    assert float(code_graph(grid, 8).path(*ends, 30)[:, 1].abs().max()) < 1e-9
    around = code_graph(grid, 8, ridge).path(*ends, 30)
    assert float(around[:, 1].abs().max()) > 1


def test_a_path_is_even_by_the_length_that_counts():
    def uneven(codes):
        return codes**3

    codes = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None]
    path = code_graph(codes, 2, uneven).path(codes[0], codes[-1], 6)
    torch.testing.assert_close(path[:, 0] ** 3, torch.linspace(0, 1, 6, dtype=torch.float64), rtol=0, atol=1e-3)


def test_the_mean_is_the_middle_of_a_line_and_follows_weights():
    codes = torch.arange(9, dtype=torch.float64)[:, None]
    graph = code_graph(codes, 2)
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]], dtype=torch.float64)
    assert graph.mean(codes[[0, 8]], weights)[:, 0].tolist() == [0, 4, 6]


def test_one_code_is_a_graph():
    graph = code_graph(torch.zeros(1, 2))
    start, end = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert len(graph.edges) == graph.bridges == 0
    torch.testing.assert_close(graph.path(start, end, 3), torch.tensor([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]))


@pytest.mark.parametrize(("codes", "neighbors"), [(torch.zeros(0, 2), 3), (torch.zeros(4), 3), (torch.eye(2), 0)])
def test_what_has_no_neighbors_is_refused(codes, neighbors):
    with pytest.raises(ValueError, match="needs codes"):
        code_graph(codes, neighbors)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_what_is_no_place_is_refused(wrong):
    broken = torch.eye(3).index_fill(0, torch.tensor([1]), wrong)
    with pytest.raises(ValueError, match="codes must be finite"):
        code_graph(broken)
    with pytest.raises(ValueError, match="codes must be finite"):
        code_graph(torch.eye(3)).path(broken[1], torch.zeros(3), 3)
    with pytest.raises(ValueError, match=r"codes \(k, 3\), got shape \(2, 2\)"):
        code_graph(torch.eye(3)).path(torch.zeros(2), torch.ones(2), 3)


def test_codes_that_need_gradients_have_a_graph():
    codes = torch.arange(4.0)[:, None].requires_grad_()
    graph = code_graph(codes, 1)
    torch.testing.assert_close(graph.path(codes[0], codes[3], 3)[:, 0], torch.tensor([0.0, 1.5, 3.0]))
