from dataclasses import replace

import pytest
import torch

from latentbench_models.variational.annealed_vae import AnnealedVAE


@pytest.mark.parametrize(("progress", "capacity"), [(0.0, 0.0), (0.1, 3.0), (0.4, 12.0), (0.99, 12.0)])
def test_the_rate_is_held_at_a_capacity_that_rises(tried, progress, capacity):
    shown = tried(AnnealedVAE, capacity=12.0, gamma=7.0, rise=0.4)
    model = shown.gradient_model()
    batch = replace(shown.batch(), progress=torch.tensor(progress))
    with torch.no_grad():
        terms = {name: value.item() for name, value in model.loss(batch, shown.noise(model)).items()}
        rate = model.posterior(batch.inputs).kl(model.prior).mean().item()
    assert terms["capacity"] == pytest.approx(capacity, rel=1e-6)
    assert terms["total"] == pytest.approx(terms["distortion"] + 7 * abs(rate - capacity), rel=1e-5)


def test_a_capacity_of_0_and_a_weight_of_1_is_the_vae(tried, as_vae):
    own, other = as_vae(tried(AnnealedVAE, capacity=0.0, gamma=1.0))
    assert torch.equal(own, other)
