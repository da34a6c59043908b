"""Interpolation between two or more codes under a chosen metric: along paths, and by weights."""

from __future__ import annotations

import torch
from torch import Tensor

from latentbench.errors import UnknownNameError, near_matches
from latentbench.latent.paths.curves import geodesic, linear_path, refined_path, slerp, spaced_evenly
from latentbench.latent.paths.graph import CodeGraph, code_graph
from latentbench.latent.paths.means import geodesic_mean, spherical_mean
from latentbench.latent.space import LatentSpace

__all__ = ["PATHS", "blend", "check_path", "interpolate", "leg_ends", "simplex_weights"]

PATHS = ("linear", "slerp", "norm", "geodesic", "graph")
FINE = 16  # least number of steps with which a geodesic is found
FINER = 8  # points per step at which it is measured


def interpolate(
    space: LatentSpace, anchors: Tensor, points: int, path: str = "linear", *, graph: CodeGraph | None = None
) -> Tensor:
    """Return codes `(points, d)` on a path through all anchors in order; the anchors are among them, unchanged.

    - `linear`: the straight path.
    - `slerp`: on the sphere about the origin (White 2016), see `curves.slerp`; straight between parallel codes.
    - `norm`: the straight path with each code rescaled, so that norms are linear between the two ends; a code at
      the origin, which has no direction, stays there.
    - `geodesic`: the shortest path under the decoder's pull-back metric, at even speed; see `curves.geodesic`.
    - `graph`: the shortest path along edges between neighboring codes of the data, at even speed.

    `slerp` and `norm` are meant for priors N(0, I); they mean nothing for codes that are not centered at the
    origin.

    Args:
        space: the space whose decoder and codes are used.
        anchors: `(k, d)`, k at least 2.
        points: at least k. The k - 1 legs get as equal numbers of steps as possible.
        path: one of `PATHS`.
        graph: the graph for `graph`; default: `code_graph(space.codes)`.

    Raises:
        UnknownNameError: there is no such path.
        NotApplicableError: `geodesic` without a decoder with gradients.
        ContractError: `geodesic` with a decoder that returns NaN or infinity.
        ValueError: anchors that are not `(k, d)` or not finite, or fewer points than anchors.

    >>> space = LatentSpace.from_arrays(codes=torch.eye(2))
    >>> interpolate(space, space.codes, 3, "norm")
    tensor([[1.0000, 0.0000],
            [0.7071, 0.7071],
            [0.0000, 1.0000]])
    """
    check_path(path)
    anchors = _checked(space, anchors, 2)
    if points < len(anchors):
        raise ValueError(f"needs at least one point for each of {len(anchors)} anchors, got {points}")
    if path == "graph" and graph is None:
        graph = code_graph(space.codes)
    ends = leg_ends(len(anchors), points)
    legs = [
        _leg(space, anchors[leg], anchors[leg + 1], ends[leg + 1] - ends[leg], path, graph)[1:]
        for leg in range(len(anchors) - 1)
    ]
    return torch.cat([anchors[:1], *legs])


def leg_ends(anchors: int, points: int) -> list[int]:
    """Return the numbers of the points on a path that are its anchors.

    >>> leg_ends(3, 12)
    [0, 5, 11]
    """
    return [number * (points - 1) // (anchors - 1) for number in range(anchors)]


def blend(
    space: LatentSpace, corners: Tensor, weights: Tensor, path: str = "linear", *, graph: CodeGraph | None = None
) -> Tensor:
    """Return codes `(m, d)` between corners by barycentric weights; full weight on a corner gives that corner.

    - `linear`: the weighted mean.
    - `slerp`: the Fréchet mean on the sphere about the origin, see `means.spherical_mean`.
    - `norm`: the weighted mean, brought to the weighted mean of the norms.
    - `geodesic`: the Fréchet mean under the decoder's pull-back metric, see `means.geodesic_mean`.
    - `graph`: the Fréchet mean among the codes of the data along the neighbor graph, see `graph.CodeGraph.mean`;
      it jumps from item to item.

    Args:
        space: the space whose decoder and codes are used.
        corners: `(k, d)`.
        weights: `(m, k)`, at least 0; each row is scaled to sum 1.
        path: one of `PATHS`.
        graph: as for `interpolate`.

    Raises:
        UnknownNameError: there is no such path.
        NotApplicableError: `geodesic` without a decoder with gradients.
        ContractError: `geodesic` with a decoder that returns NaN or infinity.
        ValueError: corners that are not `(k, d)` or not finite; weights that are not `(m, k)`, below 0, or a row
            of zeros.

    >>> space = LatentSpace.from_arrays(codes=torch.eye(3))
    >>> blend(space, space.codes, simplex_weights(3, 1), "slerp")
    tensor([[1., 0., 0.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """
    check_path(path)
    corners = _checked(space, corners, 1)
    shares = _shares(weights, len(corners)).to(corners.device)
    alone = shares.max(1)
    if path == "geodesic":
        mixed = alone.values < 1
        means = _straight(corners, shares, keep_norm=False)
        if bool(mixed.any()):
            means[mixed] = geodesic_mean(space.decoder, corners.to(space.codes), shares[mixed]).to(corners)
    elif path == "graph":
        means = (graph or code_graph(space.codes)).mean(corners, shares).to(corners)
    elif path == "slerp":
        means = spherical_mean(corners, shares)
    else:
        means = _straight(corners, shares, keep_norm=path == "norm")
    return torch.where(alone.values[:, None] == 1, corners[alone.indices], means)


def simplex_weights(k: int, steps: int) -> Tensor:
    """Return weights `(m, k)` in float64, each row of sum 1, that cover the region between k corners evenly.

    - k = 2: a line of `steps` steps, m = steps + 1.
    - k = 3: a triangle, row by row from the first corner down to the edge between the second (left) and the third;
      row i has i + 1 points, m = (steps + 1)(steps + 2) / 2.
    - k = 4: a square, bilinear, in reading order; so are its corners. m = (steps + 1)².

    Raises:
        ValueError: another k, or no steps.

    >>> simplex_weights(3, 2).tolist()[3:]
    [[0.0, 1.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]
    """
    if k not in (2, 3, 4) or steps < 1:
        raise ValueError(f"k must be 2, 3 or 4 and steps at least 1, got {k} and {steps}")
    t = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    line = torch.stack([1 - t, t], 1)
    if k == 2:
        return line
    if k == 4:
        return (line[:, None, :, None] * line[None, :, None, :]).reshape(-1, 4)
    rows = [torch.tensor([steps - i, i - j, j]) for i in range(steps + 1) for j in range(i + 1)]
    return torch.stack(rows).double() / steps


def check_path(path: str) -> None:
    """Raise UnknownNameError if there is no such path."""
    if path not in PATHS:
        raise UnknownNameError(
            f"there is no path {path!r}{near_matches(path, PATHS)}; there are {', '.join(PATHS)}"
        )


def _leg(space: LatentSpace, start: Tensor, end: Tensor, steps: int, path: str, graph: CodeGraph | None) -> Tensor:
    """Return a path `(steps + 1, d)` between two codes, the last of them exact."""
    ends, t = torch.stack([start, end]), torch.linspace(0, 1, steps + 1, dtype=torch.float64, device=start.device)
    if path == "geodesic":
        codes = _geodesic(space, start, end, steps + 1)
    elif path == "graph" and graph is not None:
        codes = graph.path(start, end, steps + 1)
    elif path == "slerp":
        first, last = start[None].double(), end[None].double()
        codes = torch.cat([slerp(first, last, float(share)) for share in t]).to(start)
    elif path == "norm":
        codes = _straight(ends, torch.stack([1 - t, t], 1), keep_norm=True)
    else:
        codes = linear_path(start[None], end[None], steps + 1)[:, 0]
    return torch.cat([start[None], codes[1:-1].to(start), end[None]])


def _geodesic(space: LatentSpace, start: Tensor, end: Tensor, points: int) -> Tensor:
    ends = torch.stack([start, end]).to(space.codes)  # the type that decoders expect
    path = refined_path(geodesic(space.decoder, ends[:1], ends[1:], max(FINE, points - 1)), FINER)[:, 0]
    images = space.decode(path).flatten(1).double()
    return spaced_evenly(path, torch.linalg.vector_norm(images.diff(dim=0), dim=1), points)


def _straight(corners: Tensor, shares: Tensor, *, keep_norm: bool) -> Tensor:
    """Return weighted means `(m, d)`, rescaled to the weighted means of the norms if `keep_norm`."""
    codes = corners.double()
    mean = shares @ codes
    if not keep_norm:
        return mean.to(corners)
    norm = torch.linalg.vector_norm(mean, dim=1, keepdim=True)
    mean_norm = shares @ torch.linalg.vector_norm(codes, dim=1, keepdim=True)
    return torch.where(norm > 0, mean * (mean_norm / norm), 0).to(corners)


def _checked(space: LatentSpace, codes: Tensor, least: int) -> Tensor:
    """Return codes `(k, d)` as floats."""
    if codes.ndim != 2 or len(codes) < least or codes.shape[1] != space.dim:
        raise ValueError(f"needs at least {least} codes (k, {space.dim}), got shape {tuple(codes.shape)}")
    if not bool(codes.isfinite().all()):
        raise ValueError("codes must be finite, got NaN or infinity")
    return codes if codes.is_floating_point() else codes.to(space.codes)


def _shares(weights: Tensor, corners: int) -> Tensor:
    """Return weights `(m, k)` of sum 1 in float64."""
    shares = weights.double()
    if shares.ndim != 2 or shares.shape[1] != corners:
        raise ValueError(f"weights must be (m, {corners}), one for each corner, got {tuple(weights.shape)}")
    total = shares.sum(1, keepdim=True)
    if not bool((shares >= 0).all()) or not bool((total > 0).all()) or not bool(total.isfinite().all()):
        raise ValueError("weights must be finite and nothing below 0, and no row all 0")
    return shares / total
