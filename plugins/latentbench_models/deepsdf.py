"""DeepSDF: a network that decodes a code and a point to the signed distance there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from latentbench import Batch, DataSpec, Draw, GradientModel, Model, NotApplicableError
from latentbench.latent.inversion import best_starts, fit_codes
from latentbench.latent.sampling import fit_gaussian

__all__ = ["DeepSDF"]

CODE_PACE = 10.0  # codes learn this many times as fast as a weight: each is in one batch of an epoch only
FIRST_SPREAD = 0.1  # standard deviation of codes before training
BAND = 0.05  # points are drawn e times as often for each such distance that they are nearer to the surface
FAR = 0.05  # how often the farthest are drawn, as a share of those on the surface
CANDIDATES = 64  # codes that a fit may start from
FIT_SEED = 1_000_081  # of these candidates and of the points that codes are fitted to
ROWS = 16  # shapes fitted together: what a layer makes of them stays in the caches
POINTS = 2**15  # decoded together


class DeepSDF(GradientModel):
    """Auto-decoder of shapes: from a code, the distance of any point to the surface of its shape.

    Each training shape has its own code, learned together with the weights; there is no encoder, so `encode` fits
    codes to any shapes by `fit_codes`. Points are drawn from the grid, more often near the surface. The code's
    term is its squared norm, as in the paper (the released code uses the norm). Two details are ours: f is only
    clamped on the side where s exceeds the limit too, because elsewhere its slope would be 0 and it could not
    return; and there is no tanh at the end.

    There is no `prior`: that penalty does not make codes follow the normal distribution it stands for, so new
    shapes are sampled from a Gaussian fitted to the codes, as for any model without a prior.

    Source: Park et al. 2019, "DeepSDF: Learning Continuous Signed Distance Functions for Shape Representation".

    Loss: `|clamp(f(z, p)) - clamp(s(p))| + code_penalty * |z|^2`, where z is the shape's own code, f the decoded
    and s the true distance, the first term a mean over points p.
    """

    encoder: ClassVar[Literal["amortized", "optimized", "none"]] = "optimized"

    class Params(Model.Params):
        """Parameters of the auto-decoder."""

        latent_dim: int = Field(default=16, ge=1, le=4096, description="length of a code")
        width: int = Field(default=96, ge=1, description="width of the decoder's four hidden layers")
        points: int = Field(default=128, ge=1, description="points of a shape used in a training step")
        clamp: float = Field(default=0.1, gt=0, description="larger distances are clamped to this one")
        code_penalty: float = Field(default=1e-4, ge=0, description="weight of a code's squared norm in the loss")
        fit_points: int = Field(default=128, ge=1, description="points of a shape that its code is fitted to")
        fit_steps: int = Field(default=60, ge=1, description="steps of gradient descent from each start")
        fit_starts: int = Field(
            default=1, ge=1, le=CANDIDATES, description="number of codes that a fit starts from"
        )
        fit_learning_rate: float = Field(
            default=0.1, gt=0, description="of a fit, in standard deviations of the training codes"
        )

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        if data.dtype != "float32" or len(data.shape) not in (3, 4) or data.shape[0] != 1:
            raise NotApplicableError(
                "deepsdf takes signed distances on a grid, float32 (1, h, w) or (1, d, h, w), got "
                f"{data.dtype} of shape {data.shape}"
            )
        self.code_table = nn.Embedding(data.n_train, params.latent_dim)
        nn.init.normal_(self.code_table.weight, std=FIRST_SPREAD / CODE_PACE)
        self.decoder_net = _Distances(params.latent_dim, len(data.shape) - 1, params.width)
        self.register_buffer("grid", _centers(data.shape[1:]), persistent=False)
        self.grid: Tensor

    def noise_spec(self) -> Mapping[str, Draw]:
        """One uniform number for each point, which says where it lies."""
        return {"points": Draw("uniform", (self.params.points,))}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the error of distances and the squared norm of codes."""
        codes = CODE_PACE * self.code_table(batch.rows)
        points, known = self._chosen(batch.inputs, noise["points"])
        error = self._error(self.decoder_net(codes, points), known).mean()
        size = codes.square().sum(1).mean()
        return {"total": error + self.params.code_penalty * size, "distortion": error, "code_size": size}

    def encode(self, inputs: Tensor) -> Tensor:
        """Fit codes `(n, d)` to grids of distances, with the same budget for each and no randomness.

        Raises:
            ValueError: grids of another shape than those of the training shapes.
        """
        if inputs.shape[1:] != self.data.shape:
            raise ValueError(
                f"inputs must be (n, {', '.join(map(str, self.data.shape))}), got {tuple(inputs.shape)}"
            )
        generator = torch.Generator().manual_seed(FIT_SEED)
        noise = torch.randn(CANDIDATES, self.params.latent_dim, generator=generator)
        offsets = torch.rand(self.params.fit_points, generator=generator).to(inputs)
        mean, root = (part.to(inputs) for part in fit_gaussian(CODE_PACE * self.code_table.weight.detach()))
        return torch.cat(
            [
                mean + self._fit(part, offsets, noise.to(inputs), mean, root) @ root.T
                for part in torch.split(inputs, ROWS)
            ]
        )

    def _fit(self, inputs: Tensor, offsets: Tensor, candidates: Tensor, mean: Tensor, root: Tensor) -> Tensor:
        """Fit codes in units of the spread of the training codes."""
        points, known = self._chosen(inputs, offsets.expand(len(inputs), -1))

        def decode(units: Tensor) -> Tensor:
            return self.decoder_net(mean + units @ root.T, points)  # type: ignore[no-any-return]

        def penalty(units: Tensor) -> Tensor:
            return self.params.code_penalty * (mean + units @ root.T).square().sum(1)

        settings = self.params
        starts = best_starts(decode, known, candidates, settings.fit_starts, error=self._error)
        return fit_codes(
            decode,
            known,
            starts,
            steps=settings.fit_steps,
            learning_rate=settings.fit_learning_rate,
            error=self._error,
            penalty=penalty,
        )

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes to grids of distances `(n, *shape)`."""
        return self.decode_at(codes, self.grid).reshape(len(codes), *self.data.shape)

    def decode_at(self, codes: Tensor, points: Tensor) -> Tensor:
        """Return the distances `(n, p)` of shapes at points `(p, dims)`, whose x, y (up) and z lie in [-1, 1]."""
        rows = max(1, POINTS // max(1, len(points)))
        return torch.cat(
            [
                torch.cat([self.decoder_net(some, part[None]) for part in torch.split(points, POINTS)], dim=1)
                for some in torch.split(codes, rows)
            ]
        )

    def _error(self, decoded: Tensor, known: Tensor) -> Tensor:
        """Return the mean error `(n,)` of clamped distances `(n, p)`, with a slope wherever it is not 0."""
        limit = self.params.clamp
        gap = decoded - known.clamp(-limit, limit)
        farther = (known.abs() >= limit) & (gap * known > 0)
        return torch.where(farther, 0, gap.abs()).mean(1)

    def _chosen(self, inputs: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Return points `(n, p, dims)` of the grid and their distances: one drawn from each p-th of all chances.

        Distances are taken at grid points, where they are known: between them they would have to be guessed.
        """
        flat = inputs.flatten(1)
        chances = ((-flat.abs() / BAND).exp() + FAR).cumsum(1)
        count = uniform.shape[-1]
        wanted = (torch.arange(count, device=flat.device) + uniform) / count * chances[:, -1:]
        rows = torch.searchsorted(chances, wanted).clamp_max(flat.shape[1] - 1)
        return self.grid[rows], flat.gather(1, rows)


class _Distances(nn.Module):
    """The decoder: four hidden layers; code and point enter the first and, beside its features, the third."""

    def __init__(self, latent_dim: int, dims: int, width: int) -> None:
        super().__init__()
        self.codes = nn.ModuleList([nn.Linear(latent_dim, width) for _ in range(2)])
        self.points = nn.ModuleList([nn.Linear(dims, width, bias=False) for _ in range(2)])
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.last = nn.Linear(width, 1)

    def forward(self, codes: Tensor, points: Tensor) -> Tensor:
        """Map codes `(n, d)` and points `(n or 1, p, dims)` to distances `(n, p)`.

        The contributions of codes and points to a layer are added: equal to concatenating both, but the code is
        processed once instead of once per point.
        """
        first, third = (
            of_codes(codes)[:, None] + of_points(points)
            for of_codes, of_points in zip(self.codes, self.points, strict=True)
        )
        inner = self.hidden[0](first.relu()).relu()
        inner = self.hidden[2]((self.hidden[1](inner) + third).relu()).relu()
        distances: Tensor = self.last(inner)[..., 0]
        return distances


def _centers(shape: tuple[int, ...]) -> Tensor:
    """Return the centers `(p, dims)` of a grid's pixels or voxels as x, y (up) and z, in [-1, 1]."""
    axes = [(2 * torch.arange(size) + 1) / size - 1 for size in shape]
    axes[-2] = -axes[-2]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1).reshape(-1, len(shape))
