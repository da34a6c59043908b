"""The neighbor graph of codes: shortest paths that stay near the data, and means along them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentbench.latent.paths.curves import spaced_evenly

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["CodeGraph", "code_graph"]

ROWS = 1024  # rows whose distances to all codes are held at once
NEIGHBORS = 10

Decode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class CodeGraph:
    """Codes, each joined to its nearest neighbors; built by `code_graph`.

    Attributes:
        codes: `(n, d)`.
        edges: pairs of rows of `codes` `(e, 2)`, undirected, each listed once.
        lengths: length of each edge, `(e,)` in float64.
        neighbors: number of neighbors that each code was joined to.
        bridges: number of edges added between separate parts.
        decode: the decoder through which lengths are measured; None: between codes.
    """

    codes: Tensor
    edges: Tensor
    lengths: Tensor
    neighbors: int
    bridges: int
    decode: Decode | None = None

    def route(self, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shortest path between two codes `(d,)`: codes `(p, d)`, and lengths `(p - 1,)` of its steps.

        Each of the two is joined to its nearest codes in the graph, or to the other one if that is as near. Codes
        of another length, or not finite ones, raise ValueError.
        """
        from scipy.sparse.csgraph import dijkstra

        codes, edges, lengths = self._with(torch.stack([start, end]))
        source = len(self.codes)
        far, before = dijkstra(
            _matrix(edges, lengths, len(codes)), indices=np.array(source), return_predecessors=True
        )
        nodes = [source + 1]
        while nodes[-1] != source:
            nodes.append(int(before[nodes[-1]]))
        way = nodes[::-1]
        return codes[way], torch.from_numpy(np.diff(far[way])).to(codes.device)

    def path(self, start: Tensor, end: Tensor, points: int) -> Tensor:
        """Return codes `(points, d)` evenly spaced along the shortest path between two codes `(d,)`."""
        return spaced_evenly(*self.route(start, end), points)

    def mean(self, corners: Tensor, weights: Tensor) -> Tensor:
        """Return for each row of weights `(m, k)` the code with the least sum of squared distances, `(m, d)`.

        Distances run along the graph to the corners `(k, d)`, and the weights multiply their squares. The result
        is a code of the graph or a corner, as a graph has nothing in between.
        """
        from scipy.sparse.csgraph import dijkstra

        codes, edges, lengths = self._with(corners)
        sources = np.arange(len(self.codes), len(codes))
        far = torch.from_numpy(dijkstra(_matrix(edges, lengths, len(codes)), indices=sources)).to(codes.device)
        return codes[(weights.double() @ far.square()).argmin(1)]

    def _with(self, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return codes, edges and lengths of the graph extended by these codes `(k, d)`."""
        if anchors.ndim != 2 or anchors.shape[1] != self.codes.shape[1]:
            raise ValueError(f"needs codes (k, {self.codes.shape[1]}), got shape {tuple(anchors.shape)}")
        codes = torch.cat([self.codes, _finite(anchors).to(self.codes)])
        anchor_rows = torch.arange(len(self.codes), len(codes), device=codes.device)
        added = _edges(codes, anchor_rows, self.neighbors)
        lengths = torch.cat([self.lengths, _lengths(codes, added, self.decode)])
        return codes, torch.cat([self.edges, added]), lengths


def code_graph(codes: Tensor, neighbors: int = NEIGHBORS, decode: Decode | None = None) -> CodeGraph:
    """Join each code to its nearest neighbors by undirected edges.

    Separate parts are bridged by the shortest edges between them, so that a path joins any two codes; `bridges`
    counts these edges.

    Source: Chen 2019, "Fast Approximate Geodesics for Deep Generative Models"; the length of an edge through the
    decoder is that of the chord, |g(a) - g(b)|.

    Args:
        codes: `(n, d)`, at least one.
        neighbors: number of neighbors, at least 1; all other codes if there are fewer.
        decode: codes `(m, d)` to outputs `(m, *shape)`; without it lengths are measured between codes.

    Raises:
        ValueError: no codes, codes that are not finite, or no neighbors.

    >>> graph = code_graph(torch.tensor([[0.0], [1.0], [2.0], [7.0], [8.0]]), neighbors=1)
    >>> graph.edges.tolist(), graph.bridges
    ([[0, 1], [1, 2], [3, 4], [2, 3]], 1)
    >>> graph.path(torch.tensor([0.0]), torch.tensor([8.0]), 3).flatten()
    tensor([0., 4., 8.])
    """
    if codes.ndim != 2 or not len(codes) or neighbors < 1:
        raise ValueError(f"needs codes (n, d) and neighbors from 1, got {tuple(codes.shape)} and {neighbors}")
    codes = _finite(codes)
    joined = _edges(codes, torch.arange(len(codes), device=codes.device), neighbors)
    bridges = _bridges(codes, joined)
    edges = torch.cat([joined, bridges])
    return CodeGraph(codes, edges, _lengths(codes, edges, decode), neighbors, len(bridges), decode)


def _finite(codes: Tensor) -> Tensor:
    """Return codes without gradients, checked to be finite."""
    if not bool(codes.isfinite().all()):
        raise ValueError("codes must be finite, got NaN or infinity")
    return codes.detach()


def _edges(codes: Tensor, rows: Tensor, neighbors: int) -> Tensor:
    """Return the edges `(e, 2)` from these rows of codes to their nearest others, each once."""
    count = min(neighbors, len(codes) - 1)
    edges = [rows.new_zeros(0, 2)]
    for batch, far in _distances(codes, rows):
        far[torch.arange(len(batch)), batch] = torch.inf
        near = far.topk(count, largest=False).indices
        edges.append(torch.stack([batch[:, None].expand_as(near), near], 2).reshape(-1, 2))
    return _once(torch.cat(edges))


def _bridges(codes: Tensor, edges: Tensor) -> Tensor:
    """Return the shortest edges `(b, 2)` that join all parts (Borůvka 1926)."""
    from scipy.sparse.csgraph import connected_components

    added = edges.new_zeros(0, 2)
    while True:
        joined = torch.cat([edges, added])
        parts, part = connected_components(_matrix(joined, torch.ones(len(joined)), len(codes)), directed=False)
        if parts == 1:
            return added
        added = _once(torch.cat([added, _shortest_out(codes, torch.from_numpy(part).to(codes.device))]))


def _shortest_out(codes: Tensor, part: Tensor) -> Tensor:
    """Return the shortest edge out of each part, `(parts, 2)`."""
    rows = torch.arange(len(codes), device=codes.device)
    nearest = [
        far.masked_fill(part[batch, None] == part, torch.inf).min(1) for batch, far in _distances(codes, rows)
    ]
    far = torch.cat([minimum.values for minimum in nearest])
    partner = torch.cat([minimum.indices for minimum in nearest])
    order = far.argsort(stable=True)
    order = order[part[order].argsort(stable=True)]  # by part, in each the nearest first
    first = torch.cat([order[:1], order[1:][part[order].diff() > 0]])
    return torch.stack([first, partner[first]], 1)


def _distances(codes: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the rows in batches `(r,)` with their distances `(r, n)` to all codes."""
    bank = codes.double() - codes.double().mean(0)
    for batch in torch.split(rows, ROWS):
        yield batch, torch.cdist(bank[batch], bank)


def _once(edges: Tensor) -> Tensor:
    """Return each edge once, whichever way it runs."""
    sorted_edges: Tensor = torch.unique(edges.sort(1).values, dim=0)
    return sorted_edges


def _lengths(codes: Tensor, edges: Tensor, decode: Decode | None) -> Tensor:
    """Return the lengths `(e,)` of edges in float64, between codes or decoded outputs."""
    nodes, places = torch.unique(edges, return_inverse=True)
    ends = codes[nodes] if decode is None else decode(codes[nodes]).flatten(1)
    parts = [
        torch.linalg.vector_norm(ends[pair[:, 1]].double() - ends[pair[:, 0]].double(), dim=1)
        for pair in torch.split(places, ROWS)
    ]
    return torch.cat(parts)


def _matrix(edges: Tensor, lengths: Tensor, nodes: int) -> csr_array[Any]:
    """Return the lengths as a symmetric sparse matrix; edges of length 0 are kept."""
    from scipy.sparse import coo_array

    (rows, columns), values = edges.cpu().numpy().T, lengths.cpu().numpy()
    places: tuple[NDArray[np.int64], NDArray[np.int64]] = (
        np.concatenate([rows, columns]),
        np.concatenate([columns, rows]),
    )
    return coo_array((np.concatenate([values, values]), places), shape=(nodes, nodes)).tocsr()
