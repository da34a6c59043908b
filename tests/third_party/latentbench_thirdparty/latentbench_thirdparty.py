"""A third party's plugin: a VAE that pays for its code's length, and a score of that length."""

from typing import ClassVar

from latentbench import Metric, Score, hookimpl
from latentbench_models.vae import VAE


class ShortVAE(VAE):
    """A VAE whose codes are also pulled to the origin."""

    def loss(self, batch, noise):
        losses = super().loss(batch, noise)
        length = self.encode(batch.inputs).square().sum(1).mean()
        return {**losses, "total": losses["total"] + length, "length": length}


class CodeLength(Metric):
    """The mean length of a code."""

    scores: ClassVar = {"code_length": Score("none", "mean length of a code", purpose="use", headline=True)}

    def compute(self, space):
        return {"code_length": space.codes.norm(dim=1)}


@hookimpl
def register_models(register):
    register("short_vae", ShortVAE, summary="VAE with short codes")


@hookimpl
def register_metrics(register):
    register("code_length", CodeLength, summary="how long codes are")
