"""The diffusion autoencoder."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from latentbench import Batch, DataSpec, Draw, GradientModel, Model
from latentbench_models.centering import Standard
from latentbench_models.diffusion.denoisers import make_denoiser
from latentbench_models.nets import NetworkParams, make_encoder

__all__ = ["DiffusionAE"]

START_SEED = 1_000_117  # of the noise that every decoding starts from


class DiffusionAE(GradientModel):
    """Diffusion autoencoder: a code of what an item is, from which a denoiser draws it in steps.

    Decoding is deterministic: DDIM in `steps` even steps from one noise, the same for all codes, trials and
    calls. Ours: that noise is not inferred for each item, so that a code is all that decoding knows; the denoiser
    finds the clean input, not the noise, at times of equal weight; the code enters where the image is smallest,
    not as scales; images lie in [-1, 1] inside. New codes come from a Gaussian fitted to those of the training
    items, not from a second diffusion.

    It learns late: on digits as the quick preset trains them, 880 steps of 128, it reconstructs as well as `ae`;
    of the same digits drawn at 28 x 28, after 110 steps, it draws nearly one picture for all (r2 -.11, `ae` .66),
    and a step takes about ten times as long as one of `ae`. It needs more epochs there than others.

    Source: Preechakul et al. 2022, "Diffusion Autoencoders: Toward a Meaningful and Decodable Representation";
    decoded as in Song et al. 2021, "Denoising Diffusion Implicit Models".

    Loss: `|x - f(cos(a) * x + sin(a) * e, t, z)|^2`, where f is the denoiser, z the code of x, e standard normal
    noise, t even on [0, 1) and a = pi * t / 2.
    """

    class Params(NetworkParams, Model.Params):
        """Parameters of the diffusion autoencoder."""

        steps: int = Field(default=10, ge=1, le=1000, description="of decoding; each runs the denoiser once")

    params: Params
    start: Tensor

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        network = params.backbone, data.shape, params.latent_dim, params.channels
        self.encoder_net = make_encoder(*network, params.hidden)
        self.denoiser_net = make_denoiser(*network)
        self.standard = Standard(data)
        self.register_buffer("start", torch.randn(data.shape, generator=torch.Generator().manual_seed(START_SEED)))

    def noise_spec(self) -> Mapping[str, Draw]:
        """A time and a noise for each input."""
        return {"time": Draw("uniform", ()), "noise": Draw("normal", self.data.shape)}

    def loss(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the squared error of clean inputs, the sum over the numbers of one."""
        clean = self._inward(batch.inputs)
        shape = (-1, *[1] * (clean.ndim - 1))
        angles = (noise["time"] * math.pi / 2).reshape(shape)
        noisy = angles.cos() * clean + angles.sin() * noise["noise"]
        found = self._cleaned(noisy, noise["time"], self.encode(batch.inputs))
        return {"total": (clean - found).square().flatten(1).sum(1).mean()}

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs to codes."""
        codes: Tensor = self.encoder_net(self.standard.inward(inputs))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Draw items from codes: at each time find the clean item, then keep the noise that is left over."""
        steps = self.params.steps
        noisy = self.start.expand(len(codes), *self.data.shape)
        clean = noisy
        for step in range(steps, 0, -1):
            now, then = (math.pi / 2 * place / steps for place in (step, step - 1))
            clean = self._cleaned(noisy, noisy.new_full((len(codes),), step / steps), codes)
            left = (noisy - math.cos(now) * clean) / math.sin(now)
            noisy = math.cos(then) * clean + math.sin(then) * left
        return self._outward(clean)

    def _cleaned(self, noisy: Tensor, times: Tensor, codes: Tensor) -> Tensor:
        found: Tensor = self.denoiser_net(noisy, times, codes)
        return torch.tanh(found) if self._images else found

    @property
    def _images(self) -> bool:
        return self.data.dtype == "uint8"

    def _inward(self, inputs: Tensor) -> Tensor:
        return 2 * inputs - 1 if self._images else self.standard.inward(inputs)

    def _outward(self, clean: Tensor) -> Tensor:
        return (clean + 1) / 2 if self._images else self.standard.outward(clean)
