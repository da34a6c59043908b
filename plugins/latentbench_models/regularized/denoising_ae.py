"""The denoising autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from latentbench import Batch, Draw, PerMember
from latentbench_models.ae import AE

__all__ = ["DenoisingAE"]


class DenoisingAE(AE):
    """Denoising autoencoder: codes that withstand corrupted inputs.

    Reconstructs an input from a corrupted copy; `encode` gets clean inputs. Ours: any backbone, and of inputs that
    are no images, masked numbers take the mean of the training data and noise is in units of their spread.

    Source: Vincent et al. 2008, "Extracting and Composing Robust Features with Denoising Autoencoders".

    Loss: `-log p(x | z)`, where z is the code of a corrupted copy of x.
    """

    label_params: ClassVar[tuple[str, ...]] = ("corruption", "level")

    class Params(AE.Params):
        """Parameters of the denoising autoencoder."""

        corruption: Literal["masking", "gaussian"] = Field(
            default="masking", description="masking: numbers are set to 0; gaussian: noise is added"
        )
        level: Annotated[float, PerMember] = Field(
            default=0.25, ge=0, le=1, description="share of the numbers masked, or the noise's standard deviation"
        )

    params: Params

    def noise_spec(self) -> Mapping[str, Draw]:
        """One number for each of an input's."""
        kind: Literal["normal", "uniform"] = "uniform" if self.params.corruption == "masking" else "normal"
        return {"corruption": Draw(kind, self.data.shape)}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the reconstruction term of the clean inputs from the codes of corrupted ones."""
        codes = self.encode(self.corrupt(batch.inputs, noise["corruption"]))
        distortion = -self.log_likelihood(batch.inputs, codes).mean()
        return {"total": distortion, "distortion": distortion}

    def corrupt(self, inputs: Tensor, noise: Tensor) -> Tensor:
        """Return corrupted inputs, from as many numbers of noise."""
        if self.params.corruption == "gaussian":
            return inputs + self.params.level * self.data.spread * noise
        blank = self.likelihood.standard.outward(torch.zeros_like(inputs))
        return torch.where(noise < self.params.level, blank, inputs)
