"""What the formulas need that are written afresh in NumPy."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch


def lively(tried):
    """A model whose posteriors differ from one another and from the prior, as those of a trained one do."""
    model = tried.gradient_model()
    with torch.no_grad():
        list(model.encoder_net.parameters())[-2].mul_(8)
    return model


@pytest.fixture(scope="session")
def parts():
    """A function that returns the losses of a model and, in float64, what a formula needs."""

    def look(tried, player=""):
        model, batch = lively(tried), tried.batch()
        noise = tried.noise(model)
        with torch.no_grad():
            chosen = {"player": player} if player else {}
            terms = {name: float(value) for name, value in model.loss(batch, noise, **chosen).items()}
            posterior = model.posterior(batch.inputs)
        mean, variance = (value.double().numpy() for value in (posterior.mean, posterior.variance))
        drawn_noise = {name: value.double().numpy() for name, value in noise.items()}
        codes = mean + np.sqrt(variance) * drawn_noise["eps"] if drawn_noise["eps"].ndim == 2 else None
        return SimpleNamespace(
            model=model, batch=batch, noise=drawn_noise, draws=noise, terms=terms,
            mean=mean, variance=variance, codes=codes,
        )  # fmt: skip

    return look


@pytest.fixture(scope="session")
def as_vae(parent_of):
    """A function that returns the losses of the VAE with the weights and the noise of another model."""
    from latentbench_models.vae import VAE

    def losses(tried, player=""):
        model, batch = lively(tried), tried.batch()
        noise = tried.noise(model)
        vae = parent_of(VAE, tried, model)
        with torch.no_grad():
            own = model.loss(batch, noise, **({"player": player} if player else {}))
            return own["total"], vae.loss(batch, noise)["total"]

    return losses
