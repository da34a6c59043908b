"""What encoders share that learn from two views of each input: parameters, heads, projections."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from latentbench import DataSpec, Draw, GradientModel, Model
from latentbench_models.centering import Standard
from latentbench_models.nets import NetworkParams, make_encoder
from latentbench_models.self_supervised.views import VIEWS, Views

__all__ = ["BatchStandard", "TwoViews", "ViewParams", "make_head"]

TINY = 1e-5  # added to variances, as batch normalization does


class ViewParams(NetworkParams):
    """Parameters of every encoder that learns from two views."""

    views: str = Field(
        default="auto",
        description=f"what changes a view: {', '.join(VIEWS)}, joined by +; auto: what suits the data",
    )
    projection: int = Field(
        default=256, ge=1, description="width of the head between codes and loss, which encode leaves out"
    )

    @field_validator("views")
    @classmethod
    def _in_order(cls, text: str) -> str:
        """Write the same views in the same way."""
        names = {name.strip() for name in text.split("+")}
        if names == {"auto"}:
            return "auto"
        if unknown := names - set(VIEWS):
            raise ValueError(f"must be auto or some of {', '.join(VIEWS)} joined by +, not {sorted(unknown)[0]!r}")
        return "+".join(name for name in VIEWS if name in names)


class BatchStandard(nn.Module):
    """Batch normalization `(n, k)` by the batch at hand, with learned scale and offset.

    It keeps no running statistics, so the loss stays pure: heads are used by the loss alone, never by `encode`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, rows: Tensor) -> Tensor:
        """Bring each column to mean 0 and variance 1, then scale and move it."""
        centered = rows - rows.mean(0)
        return self.weight * centered / (centered.square().mean(0) + TINY).sqrt() + self.bias


def make_head(*widths: int) -> nn.Sequential:
    """Return dense layers of these widths, with batch normalization and ReLU between them.

    No layer has an offset of its own: the next normalization, or the loss, would take it off again.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after, bias=False), BatchStandard(after), nn.ReLU()]
    return nn.Sequential(*layers[:-2])


class TwoViews(GradientModel):
    """Base of encoders that learn from two views: a backbone gives codes, a head what the loss compares."""

    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"

    class Params(ViewParams, Model.Params):
        """Parameters of the encoder."""

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        sizes = params.latent_dim, params.channels, params.hidden
        self.encoder_net = _without_last_offset(make_encoder(params.backbone, data.shape, *sizes))
        self.head_net = make_head(params.latent_dim, *self.head_widths(params.projection))
        self.standard = Standard(data)
        self.views = Views(params.views, data)

    def head_widths(self, width: int) -> tuple[int, ...]:
        """Return the widths of the head's layers."""
        return width, width

    def noise_spec(self) -> Mapping[str, Draw]:
        """Uniform numbers for both views."""
        return self.views.draws("first") | self.views.draws("second")

    def both_views(self, inputs: Tensor, noise: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return two views of inputs, as the backbone takes them."""
        inner = self.standard.inward(inputs)
        return self.views.seen(inner, noise, "first"), self.views.seen(inner, noise, "second")

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to codes: the representation before the head."""
        codes: Tensor = self.encoder_net(self.standard.inward(inputs))
        return codes


def _without_last_offset(encoder: nn.Module) -> nn.Module:
    """Leave out the offset of the codes, which the head's normalization would hide from the loss."""
    assert isinstance(encoder, nn.Sequential)  # noqa: S101 - for the type checker: make_encoder returns no other
    last = encoder[-1]
    encoder[-1] = nn.Linear(int(last.in_features), int(last.out_features), bias=False)  # type: ignore[arg-type]
    return encoder
