"""BYOL: bootstrap your own latent."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from latentbench import Batch, DataSpec
from latentbench_models.self_supervised.two_views import TwoViews, make_head

__all__ = ["BYOL"]

TARGET = "target_"


class BYOL(TwoViews):
    """BYOL: codes that changes of the input leave alone, learned without comparing different items.

    From one view, encoder, head and a predictor predict what a slow copy of encoder and head makes of the other.
    The copy lies in buffers; `update` moves it to the encoder after each step. Ours: the backbones of `ae`, and a
    first momentum of 0.99 (the paper's 0.996 is for a hundred times as many steps).

    Source: Grill et al. 2020, "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning".

    Loss: `2 - 2 * cos(f(u), t(v)) + 2 - 2 * cos(f(v), t(u))`, where u and v are two views, f the predictor's
    output and t the slow copy's.
    """

    label_params: ClassVar[tuple[str, ...]] = ("momentum",)

    class Params(TwoViews.Params):
        """Parameters of BYOL."""

        momentum: float = Field(
            default=0.99, ge=0, le=1, description="share of the copy that stays in the first step; it rises to 1"
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        self.predictor_net = make_head(params.projection, params.projection, params.projection)
        self.target_encoder_net, self.target_head_net = (
            _in_buffers(network) for network in (self.encoder_net, self.head_net)
        )

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the squared distances of normalized predictions from targets, the sum of both ways round."""
        views = self.both_views(batch.inputs, noise)
        predicted = [self.predictor_net(self.head_net(self.encoder_net(view))) for view in views]
        targets = [self.target_head_net(self.target_encoder_net(view)) for view in views]
        ways = zip(predicted, reversed(targets), strict=True)
        total = torch.stack([(2 - 2 * cosine_similarity(one, other)).mean() for one, other in ways]).sum()
        return {"total": total}

    def update(self, state: dict[str, Tensor], batch: Batch, noise: object) -> dict[str, Tensor]:  # noqa: ARG002
        """Move the copy to the encoder; its momentum rises from the first to 1 along half a cosine."""
        online = dict(self.named_parameters())
        moved = (1 - self.params.momentum) * (1 + torch.cos(math.pi * batch.progress)) / 2
        return {
            name: value + moved * (online[name.removeprefix(TARGET)] - value) if name.startswith(TARGET) else value
            for name, value in state.items()
        }


def _in_buffers(network: nn.Module) -> nn.Module:
    """Return a copy whose weights are buffers, which no gradient reaches."""
    twin = copy.deepcopy(network)
    for layer in twin.modules():
        for name, weight in list(layer.named_parameters(recurse=False)):
            delattr(layer, name)
            layer.register_buffer(name, weight.detach())
    return twin
