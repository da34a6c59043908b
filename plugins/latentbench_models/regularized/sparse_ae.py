"""The k-sparse autoencoder."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from latentbench_models.ae import AE

__all__ = ["SparseAE"]


class SparseAE(AE):
    """k-sparse autoencoder: codes of which few numbers are not 0.

    Only the largest numbers of a code are kept, all others are 0; a penalty on codes could be escaped by small
    codes and large weights. Ours: any backbone, and as many numbers are kept in tests as in training.

    Source: Makhzani and Frey 2014, "k-Sparse Autoencoders".

    Loss: `-log p(x | z)`, where z holds the `active` largest numbers of the encoder's output.
    """

    label_params: ClassVar[tuple[str, ...]] = ("active",)

    class Params(AE.Params):
        """Parameters of the k-sparse autoencoder."""

        active: int = Field(
            default=4, ge=1, description="numbers of a code that are kept; latent_dim or more: all, the ae"
        )

    params: Params

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to codes with at most `active` numbers that are not 0."""
        codes = super().encode(inputs)
        if self.params.active >= self.params.latent_dim:
            return codes
        least = codes.topk(self.params.active, dim=1).values[:, -1:]
        return codes * (codes >= least)
