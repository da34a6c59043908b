"""The regularized autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.func import grad

from latentbench import Batch, Draw, PerMember
from latentbench_models.ae import AE

__all__ = ["RAE"]


class RAE(AE):
    """RAE: a VAE's smooth space without its noise, by short codes and a smooth decoder.

    New codes come from a Gaussian fitted to those of the training images, as in the paper, so there is no `prior`.
    Ours: the slope of the decoder is taken along one random direction per image, whose mean is the paper's norm.

    Source: Ghosh et al. 2020, "From Variational to Deterministic Autoencoders".

    Loss: `-log p(x | z) + beta * |z|^2 / 2 + strength * S`, where z is the code of x and S is the sum of the
    decoder's squared weights (l2), or half the squared slope of the decoder at z along a normal direction (gp).
    """

    label_params: ClassVar[tuple[str, ...]] = ("regularizer", "strength")

    class Params(AE.Params):
        """Parameters of the regularized autoencoder."""

        regularizer: Literal["l2", "gp"] = Field(
            default="l2",
            description="of the decoder. l2: squared weights; gp: its squared slope (gradient penalty)",
        )
        strength: Annotated[float, PerMember] = Field(
            default=0.1, ge=0, description="lambda, weight of the decoder's term, in nats per image"
        )
        beta: Annotated[float, PerMember] = Field(
            default=1.0, ge=0, description="weight of half the squared length of a code, in nats per image"
        )

    params: Params

    def noise_spec(self) -> Mapping[str, Draw]:
        """For the slope, a direction in the space of inputs per image."""
        return {"direction": Draw("normal", self.data.shape)} if self.params.regularizer == "gp" else {}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:  # type: ignore[override]
        """Return distortion + beta * length + strength * the decoder's term, and the three."""
        codes = self.encode(batch.inputs)
        distortion = -self.log_likelihood(batch.inputs, codes).mean()
        length = 0.5 * codes.square().sum(1).mean()
        slopes = self.params.regularizer == "gp"
        of_decoder = self._slope(codes, noise["direction"]) if slopes else self._weights()
        total = distortion + self.params.beta * length + self.params.strength * of_decoder
        return {"total": total, "distortion": distortion, "length": length, self.params.regularizer: of_decoder}

    def _weights(self) -> Tensor:
        """Return the sum of the decoder's squared weights."""
        return torch.stack([weight.square().sum() for weight in self.decoder_net.parameters()]).sum()

    def _slope(self, codes: Tensor, directions: Tensor) -> Tensor:
        """Return half the squared norm of the decoder's Jacobian, in units of [0, 1] or of the inputs' spread."""

        def along(codes: Tensor) -> Tensor:
            return (self.decode(codes) * directions).sum()

        slope: Tensor = grad(along)(codes) / self.data.spread
        return 0.5 * slope.square().sum(1).mean()
