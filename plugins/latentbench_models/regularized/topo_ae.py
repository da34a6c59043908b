"""The topological autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from latentbench import Batch, DataSpec, PerMember
from latentbench_models.ae import AE
from latentbench_models.terms import squared_distances

__all__ = ["TopoAE", "spanning_trees"]

SHORTEST = 1e-12  # squared distance below which an edge has no slope


class TopoAE(AE):
    """Topological autoencoder: codes that keep which items hang together, and how closely.

    Persistent homology of dimension 0: the edges of a batch's minimum spanning tree. As in the authors' code,
    distances of inputs are over the largest of the batch, those of codes over a learned scale, and the term is
    divided by the rows of the batch. Ours: the reconstruction term is that of `ae`, in nats per image.

    Source: Moor et al. 2020, "Topological Autoencoders".

    Loss: `-log p(x | z) + strength * sum_ij (|x_i - x_j| / m - |z_i - z_j| / s)^2 / (2 * n)`, where z is the code
    of x, the sum is over the edges ij of the trees of the inputs and of the codes, m is the largest distance of
    two inputs, s is learned, and n is the number of rows.
    """

    label_params: ClassVar[tuple[str, ...]] = ("strength",)

    class Params(AE.Params):
        """Parameters of the topological autoencoder."""

        strength: Annotated[float, PerMember] = Field(
            default=1000.0, ge=0, description="weight of the differences between the edges' lengths"
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        self.code_scale = nn.Parameter(torch.ones(()))

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:  # type: ignore[override]  # noqa: ARG002
        """Return distortion + strength * topological term, and both."""
        codes = self.encode(batch.inputs)
        distortion = -self.log_likelihood(batch.inputs, codes).mean()
        topology = self._topology(self.likelihood.standard.inward(batch.inputs).flatten(1), codes)
        return {
            "total": distortion + self.params.strength * topology,
            "distortion": distortion,
            "topology": topology,
        }

    def _topology(self, inputs: Tensor, codes: Tensor) -> Tensor:
        """Return half the squared differences of lengths, over the edges of both trees."""
        between_codes = squared_distances(codes, codes)
        between_inputs = torch.cdist(inputs, inputs, compute_mode="donot_use_mm_for_euclid_dist").square()
        between_inputs = between_inputs / between_inputs.amax().clamp_min(SHORTEST)
        edges = spanning_trees(torch.stack([between_inputs, between_codes]).detach())
        of_inputs = _at(between_inputs, edges).sqrt()
        of_codes = _at(between_codes, edges).clamp_min(SHORTEST).sqrt() / self.code_scale
        return 0.5 * (of_inputs - of_codes).square().sum() / len(inputs)


def spanning_trees(lengths: Tensor) -> Tensor:
    """Return the edges of minimum spanning trees by Prim's algorithm.

    It does the same work for all lengths, so that it can be captured and stacked.

    Args:
        lengths: symmetric, `(k, n, n)`, of k complete graphs.

    Returns:
        The two ends of each edge, `(k, 2, n - 1)`.
    """
    graphs, count, _ = lengths.shape
    numbers = torch.arange(count, device=lengths.device)
    nearest, parents = lengths[:, 0], torch.zeros_like(lengths[:, 0], dtype=torch.int64)
    outside = (numbers > 0).expand(graphs, count)
    edges = []
    for _ in range(count - 1):
        joined = torch.where(outside, nearest, torch.inf).argmin(1, keepdim=True)
        edges.append(torch.cat([parents.gather(1, joined), joined], dim=1))
        outside = outside & (numbers != joined)
        row = lengths.gather(1, joined[:, :, None].expand(graphs, 1, count))[:, 0]
        parents = torch.where(row < nearest, joined, parents)
        nearest = torch.minimum(row, nearest)
    return torch.stack(edges, dim=2) if edges else parents.new_zeros(graphs, 2, 0)


def _at(matrix: Tensor, edges: Tensor) -> Tensor:
    """Return the numbers of a matrix at the edges of all trees, `(k, n - 1)`."""
    places = edges[:, 0] * len(matrix) + edges[:, 1]
    return matrix.flatten()[places.flatten()].reshape(places.shape)
