"""Rows that every comparison needs and that learn nothing: pixels, a random projection, an untrained network."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from latentbench import DataSpec, Model, NotApplicableError, Split
from latentbench_models.centering import Center, Standard
from latentbench_models.nets import Backbone, make_encoder

__all__ = ["Pixels", "RandomProjection", "Untrained"]


class Pixels(Model):
    """The inputs themselves as codes: no compression at all."""

    deterministic: ClassVar[bool] = True
    reference: ClassVar[Literal["", "floor", "yardstick", "ceiling"]] = "ceiling"

    def encode(self, inputs: Tensor) -> Tensor:
        """Flatten."""
        return inputs.flatten(1)

    def decode(self, codes: Tensor) -> Tensor:
        """Shape codes as inputs."""
        return codes.reshape(-1, *self.data.shape)

    def get_state(self) -> dict[str, Any]:
        """Nothing was learned."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""


class RandomProjection(Model):
    """Projection onto random orthonormal directions, whose transpose decodes: what needs no learning.

    Source: Johnson and Lindenstrauss 1984, "Extensions of Lipschitz Mappings into a Hilbert Space".
    """

    version: ClassVar[int] = 2  # since 2, the mean of inputs that are no images is taken in float64
    reference: ClassVar[Literal["", "floor", "yardstick", "ceiling"]] = "floor"

    class Params(Model.Params):
        """Parameters of the random projection."""

        latent_dim: int = Field(default=16, ge=1, le=4096, description="number of directions")

    params: Params
    directions: Tensor
    center: Center

    def fit(self, train: Split, generator: torch.Generator) -> None:
        """Draw the directions; only the mean of the data is used.

        Raises:
            NotApplicableError: more directions than the space has.
        """
        size, wanted = prod(self.data.shape), self.params.latent_dim
        if wanted > size:
            raise NotApplicableError(f"{size} numbers an input have no {wanted} orthonormal directions")
        gaussian = torch.randn(size, wanted, generator=generator, dtype=torch.float64)
        self.directions = torch.linalg.qr(gaussian).Q.float().contiguous()  # as they are reloaded
        self.center = Center.of(train)

    def encode(self, inputs: Tensor) -> Tensor:
        """Project the centered inputs."""
        return self.center.taken_off(inputs) @ self.directions

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes back to the plane of the directions."""
        return self.center.put_back(codes @ self.directions.T).reshape(-1, *self.data.shape)

    def get_state(self) -> dict[str, Any]:
        """Return directions `(D, d)` and mean `(D,)`."""
        return {"directions": self.directions.numpy(), "mean": self.center.mean.numpy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take directions and mean back."""
        self.directions = torch.from_numpy(np.array(state["directions"]))
        self.center = Center.of_state(state["mean"])


class Untrained(Model):
    """The autoencoder's encoder at initialization: what the architecture achieves without learning."""

    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"
    version: ClassVar[int] = 3  # as of AE
    reference: ClassVar[Literal["", "floor", "yardstick", "ceiling"]] = "floor"

    class Params(Model.Params):
        """Parameters of the untrained encoder; see `ae`."""

        latent_dim: int = Field(default=16, ge=1, le=4096, description="length of a code")
        backbone: Backbone = Field(default="auto", description="network, as for ae")
        channels: int = Field(default=32, ge=1, description="width, as for ae")
        hidden: int = Field(default=0, ge=0, description="width of a dense layer, as for ae")

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        sizes = params.latent_dim, params.channels, params.hidden
        self.net = make_encoder(params.backbone, data.shape, *sizes)
        self.standard = Standard(data)

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to codes."""
        codes: Tensor = self.net(self.standard.inward(inputs))
        return codes

    def get_state(self) -> dict[str, Any]:
        """Return the weights."""
        return {name: value.numpy() for name, value in self.net.state_dict().items()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take the weights back."""
        self.net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})
