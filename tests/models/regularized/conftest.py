"""A model of a few weights on drawn images or vectors, for formulas written afresh in NumPy."""

from types import SimpleNamespace

import pytest
import torch

from latentbench.testing.specimens import drawn
from latentbench.testing.tried import TriedModel

SMALL = {"latent_dim": 3, "backbone": "mlp", "channels": 2}


@pytest.fixture(scope="session")
def tried():
    """A function that makes a model on images or vectors; keyword arguments are its parameters."""

    def make(cls, *, rows=24, shape=(1, 8, 8), dtype="uint8", **params):
        return TriedModel(cls, cls.Params(**{**SMALL, **params}), drawn(shape, dtype, rows))

    return make


@pytest.fixture(scope="session")
def parts():
    """A function that returns the losses of a model and, in float64, its codes, inputs and noise."""

    def look(tried):
        model, batch = tried.gradient_model(), tried.batch()
        with torch.no_grad():
            list(model.encoder_net.parameters())[-2].mul_(8)  # codes that differ, as those of a trained one do
            noise = tried.noise(model)
            terms = {name: value.item() for name, value in model.loss(batch, noise).items()}
            codes = model.encode(batch.inputs)
        return SimpleNamespace(
            model=model, batch=batch, draws=noise, terms=terms, codes=codes.double().numpy(),
            inputs=batch.inputs.double().numpy(),
            noise={name: value.double().numpy() for name, value in noise.items()},
        )  # fmt: skip

    return look


@pytest.fixture(scope="session")
def as_ae():
    """A function that returns the losses of a model and of the autoencoder with its weights."""
    from latentbench_models.ae import AE

    def losses(tried):
        model, batch = tried.gradient_model(), tried.batch()
        ae = TriedModel(AE, AE.Params(**SMALL), tried.split).gradient_model()
        ae.load_state_dict(model.state_dict())
        with torch.no_grad():
            return model.loss(batch, tried.noise(model))["total"], ae.loss(batch, {})["total"]

    return losses
