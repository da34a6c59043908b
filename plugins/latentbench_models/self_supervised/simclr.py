"""SimCLR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from latentbench import Batch, PerMember
from latentbench_models.self_supervised.two_views import TwoViews

__all__ = ["SimCLR", "nt_xent"]


class SimCLR(TwoViews):
    """SimCLR: codes that changes of the input leave alone and that tell different items apart.

    Two views of an input shall be nearer to each other than to the views of all others in the batch. Ours: the
    backbones of `ae`, without batch normalization; crops of 0.6 to 1 of the area, not 0.08; no change of colors.

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations".

    Loss: `-log(exp(cos(u, v) / temperature) / sum_w exp(cos(u, w) / temperature))`, where u and v are the
    projections of two views of an input and w runs over all others of the batch, v among them.
    """

    label_params: ClassVar[tuple[str, ...]] = ("temperature",)

    class Params(TwoViews.Params):
        """Parameters of SimCLR."""

        temperature: Annotated[float, PerMember] = Field(
            default=0.5, gt=0, description="divides the cosines; lower: nearest views count more"
        )

    params: Params

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the normalized cross-entropy of the pairs, in nats per view."""
        views = torch.cat(self.both_views(batch.inputs, noise))
        first, second = self.head_net(self.encoder_net(views)).chunk(2)
        return {"total": nt_xent(first, second, self.params.temperature)}


def nt_xent(first: Tensor, second: Tensor, temperature: float | Tensor) -> Tensor:
    """Return the mean of -log softmax of each view's partner among all other views, of projections `(n, k)`.

    Source: equation 1 of the paper.

    >>> nt_xent(torch.eye(2), torch.eye(2), 1.0)  # log(e + 2) - 1
    tensor(0.5514)
    """
    views = normalize(torch.cat([first, second]))
    cosines = views @ views.T / temperature
    count = len(first)
    partners = (views[:count] * views[count:]).sum(1) / temperature
    itself = torch.eye(2 * count, dtype=torch.bool, device=views.device)
    return cosines.masked_fill(itself, -torch.inf).logsumexp(1).mean() - partners.mean()
