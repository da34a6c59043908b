"""What the formulas need that are written afresh in NumPy."""

from types import SimpleNamespace

import pytest
import torch


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
def as_ae(parent_of):
    """A function that returns the losses of a model and of the autoencoder with its weights."""
    from latentbench_models.ae import AE

    def losses(tried):
        model, batch = tried.gradient_model(), tried.batch()
        ae = parent_of(AE, tried, model)
        with torch.no_grad():
            return model.loss(batch, tried.noise(model))["total"], ae.loss(batch, {})["total"]

    return losses
