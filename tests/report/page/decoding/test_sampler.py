import base64

import numpy as np
import pytest
import torch

from latentbench.latent.space import LatentSpace
from latentbench.model import Posterior
from latentbench.report.page.decoding.sampler import sampler_data

ALL = """([sampler, dim, seed, count]) => LatentDraws.draws(sampler, dim, seed, count).map((code) => [...code])"""


class Narrow(Posterior):
    """Another family: all its codes lie at one place."""

    def sample(self, noise):
        return self.mean.expand_as(noise)


@pytest.fixture(scope="module")
def codes():
    generator = torch.Generator().manual_seed(2)
    mixing = torch.tensor([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [0.0, 0.0, 0.1]])
    return torch.randn(4000, 3, generator=generator) @ mixing.T + torch.tensor([5.0, 0.0, -1.0])


def space(codes, prior=None):
    return LatentSpace.from_arrays(codes=codes, prior=prior)


def drawn(page, sampler, seed=0, count=6000):
    return np.array(page.evaluate(ALL, [sampler, 3, seed, count]))


def loaded(page, page_file, section_of, tmp_path):
    page.goto(page_file(section_of(), tmp_path / "empty.html"))
    return page


def test_codes_are_drawn_from_what_the_model_has(page, page_file, section_of, tmp_path, codes):
    loaded(page, page_file, section_of, tmp_path)
    fitted = sampler_data(space(codes), codes, "4,000 test codes")
    assert fitted["words"] == "a Gaussian fitted to 4,000 test codes, as the model has no prior"
    made = drawn(page, fitted)
    assert np.allclose(made.mean(0), codes.mean(0), atol=0.1)
    assert np.allclose(np.cov(made.T), np.cov(codes.numpy().T), atol=0.25)

    standard = sampler_data(space(codes, Posterior(torch.zeros(3), torch.ones(3))), codes, "")
    assert standard["words"] == "its prior, a standard normal distribution"
    assert np.allclose(np.cov(drawn(page, standard).T), np.eye(3), atol=0.1)

    wide = sampler_data(space(codes, Posterior(torch.ones(3), 4 * torch.ones(3))), codes, "")
    assert wide["words"] == "its prior, a normal distribution"
    assert np.allclose(drawn(page, wide).std(0), 2, atol=0.1)

    pool = sampler_data(space(codes, Narrow(torch.arange(3.0), torch.ones(3))), codes, "")
    assert pool["words"] == "its prior: 256 codes drawn when the page was made"
    assert len(base64.b64decode(pool["pool"])) == 256 * 3 * 4
    assert (drawn(page, pool, count=5) == np.arange(3)).all()


def test_a_seed_gives_the_same_codes_again(page, page_file, section_of, tmp_path, codes):
    loaded(page, page_file, section_of, tmp_path)
    sampler = sampler_data(space(codes), codes, "")
    assert (drawn(page, sampler, 3, 8) == drawn(page, sampler, 3, 8)).all()
    assert (drawn(page, sampler, 3, 8) != drawn(page, sampler, 4, 8)).any()
