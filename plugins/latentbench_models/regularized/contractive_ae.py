"""The contractive autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor
from torch.func import grad

from latentbench import Batch, Draw, PerMember
from latentbench_models.ae import AE

__all__ = ["ContractiveAE"]


class ContractiveAE(AE):
    """Contractive autoencoder: codes that change little where the input changes little.

    Ours: the slope of the encoder is taken along one random direction per image, whose mean is the paper's norm,
    for any backbone; and weights are not tied, so that small codes before large weights escape a part of it.

    Source: Rifai et al. 2011, "Contractive Auto-Encoders: Explicit Invariance During Feature Extraction".

    Loss: `-log p(x | z) + strength * |v^T dz/dx|^2`, where z is the code of x and v a normal direction, so that
    the mean of the second term is the squared norm of the encoder's Jacobian.
    """

    label_params: ClassVar[tuple[str, ...]] = ("strength",)

    class Params(AE.Params):
        """Parameters of the contractive autoencoder."""

        strength: Annotated[float, PerMember] = Field(
            default=0.1, ge=0, description="weight of the squared norm of the encoder's Jacobian"
        )

    params: Params

    def noise_spec(self) -> Mapping[str, Draw]:
        """A direction in the space of codes per image, for the slope."""
        return {"direction": Draw("normal", (self.params.latent_dim,))}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:  # type: ignore[override]
        """Return distortion + strength * squared norm of the encoder's Jacobian, and both terms."""
        distortion = -self.log_likelihood(batch.inputs, self.encode(batch.inputs)).mean()
        slope = self._slope(batch.inputs, noise["direction"])
        return {"total": distortion + self.params.strength * slope, "distortion": distortion, "slope": slope}

    def _slope(self, inputs: Tensor, directions: Tensor) -> Tensor:
        """Return the mean squared slope, of pixels in [0, 1] or numbers over their spread."""

        def along(inputs: Tensor) -> Tensor:
            return (self.encode(inputs) * directions).sum()

        slope: Tensor = grad(along)(inputs) * self.data.spread
        return slope.square().flatten(1).sum(1).mean()
