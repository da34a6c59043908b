"""The vector quantized autoencoder."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from latentbench import Batch, DataSpec, PerMember, RequestError
from latentbench_models.ae import AE
from latentbench_models.terms import squared_distances

__all__ = ["VQVAE"]

SMOOTHING = 1e-5  # added to the counts, as in the authors' code
FORGOTTEN = 0.01  # of the count of an even use, below which a codeword is placed anew


class VQVAE(AE):
    """VQ-VAE: codes made of learned codewords, to be stored in few bits or modeled as words.

    Pieces of a code are replaced by the nearest of some learned codewords; gradients pass straight through. Ours:
    a code is one vector cut into pieces, not a grid; averages are renewed from the encoder after its step; and a
    codeword that they have all but forgotten moves to a piece of the batch.

    Source: van den Oord et al. 2017, "Neural Discrete Representation Learning", with its appendix A.1 for EMA.

    Loss: `-log p(x | z) + pull * commitment * |e - z|^2`, where z is made of the codewords nearest to the
    encoder's output e and held still in the distance; with codebook = gradient also `+ pull * |e - z|^2`, with e
    held still.
    """

    label_params: ClassVar[tuple[str, ...]] = ("codebook", "codewords")

    class Params(AE.Params):
        """Parameters of the vector quantized autoencoder."""

        codewords: int = Field(default=256, ge=2, le=8192, description="size of the codebook that pieces share")
        pieces: int = Field(
            default=0,
            ge=0,
            description="of a code; must divide latent_dim. 0: of 4 numbers each, else 3, 2 or 1",
        )
        codebook: Literal["ema", "gradient"] = Field(
            default="ema", description="how codewords learn: moving averages of their pieces, or the loss"
        )
        commitment: Annotated[float, PerMember] = Field(
            default=0.25, ge=0, description="weight of the pieces' distances to their codewords, over `pull`"
        )
        pull: Annotated[float, PerMember] = Field(
            default=50.0, ge=0, description="weight of squared distances in codes, in nats per image"
        )
        decay: float = Field(default=0.99, ge=0, lt=1, description="share of an average kept at each step (ema)")

        @model_validator(mode="after")
        def _cut_evenly(self) -> Self:
            """Refuse pieces of unequal length.

            Raises:
                RequestError: the number of pieces does not divide the length of a code.
            """
            if self.pieces and self.latent_dim % self.pieces:
                raise RequestError(
                    f"vq_vae.pieces must divide latent_dim, got pieces={self.pieces} and "
                    f"latent_dim={self.latent_dim}; leave pieces out for pieces of up to 4 numbers"
                )
            return self

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        self.width = params.latent_dim // (params.pieces or _pieces(params.latent_dim))
        start = torch.randn(params.codewords, self.width)
        if params.codebook == "gradient":
            self.codebook: Tensor = nn.Parameter(start)
            return
        self.register_buffer("codebook", start)
        self.register_buffer("counts", torch.zeros(params.codewords))
        self.register_buffer("sums", torch.zeros_like(start))

    def loss(self, batch: Batch, noise: object) -> dict[str, Tensor]:  # noqa: ARG002 - draws nothing
        """Return distortion + pull * (commitment * distance [+ distance of codewords]), terms and perplexity."""
        outputs = super().encode(batch.inputs)
        nearest, quantized = self._quantized(outputs)
        distortion = -self.log_likelihood(batch.inputs, _straight(quantized, outputs)).mean()
        commitment = (outputs - quantized.detach()).square().sum(1).mean()
        pulled = self.params.commitment * commitment
        if self.params.codebook == "gradient":
            pulled = pulled + (outputs.detach() - quantized).square().sum(1).mean()
        shares = _chosen(nearest, self.codebook).mean(0)
        perplexity = torch.exp(-torch.xlogy(shares, shares).sum())
        total = distortion + self.params.pull * pulled
        return {"total": total, "distortion": distortion, "commitment": commitment, "perplexity": perplexity}

    def update(self, state: dict[str, Tensor], batch: Batch, noise: object) -> dict[str, Tensor]:  # noqa: ARG002
        """Renew the moving averages that codewords are, from the pieces of a batch."""
        if self.params.codebook == "gradient":
            return state
        outputs = super().encode(batch.inputs)
        nearest, _ = self._quantized(outputs)
        pieces, chosen = outputs.reshape(-1, self.width), _chosen(nearest, self.codebook)
        kept = self.params.decay
        counts = kept * state["counts"] + (1 - kept) * chosen.sum(0)
        sums = kept * state["sums"] + (1 - kept) * chosen.T @ pieces
        whole, size = counts.sum(), len(counts)
        forgotten = counts < FORGOTTEN * whole / size
        counts = torch.where(forgotten, whole / size, counts)
        replaced = pieces[torch.arange(size, device=pieces.device) % len(pieces)]
        sums = torch.where(forgotten[:, None], replaced * counts[:, None], sums)
        smoothed = (counts + SMOOTHING) / (counts.sum() + size * SMOOTHING) * counts.sum()
        return {**state, "codebook": sums / smoothed[:, None], "counts": counts, "sums": sums}

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to codes whose pieces are codewords."""
        outputs = super().encode(inputs)
        return _straight(self._quantized(outputs)[1], outputs)

    def _quantized(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the number of the codeword nearest to each piece, and codes `(n, d)` made of these."""
        nearest = squared_distances(outputs.reshape(-1, self.width), self.codebook).argmin(1)
        return nearest, self.codebook[nearest].reshape(outputs.shape)


def _pieces(latent_dim: int) -> int:
    """Return how many pieces of 4, else 3, 2 or 1 numbers a code has.

    >>> [_pieces(dim) for dim in (16, 6, 2, 5)]
    [4, 2, 1, 5]
    """
    return next(latent_dim // width for width in (4, 3, 2, 1) if latent_dim % width == 0)


def _straight(quantized: Tensor, outputs: Tensor) -> Tensor:
    """Return `quantized`, with the gradient of `outputs`."""
    return quantized.detach() + (outputs - outputs.detach())


def _chosen(nearest: Tensor, codebook: Tensor) -> Tensor:
    """Return for each piece a row with a 1 at its codeword, `(pieces, codewords)`."""
    return (nearest[:, None] == torch.arange(len(codebook), device=nearest.device)).to(codebook.dtype)
