"""A part of a latent space holds the very values of the whole."""

import numpy as np
import torch

from latentbench.dataset import DataSpec, Split
from latentbench.latent.part import codes_at, part_of, some_rows
from latentbench.latent.space import LatentSpace
from latentbench.model import Posterior
from latentbench.testing import gallery
from latentbench_models.pca import PCA

ROWS = torch.tensor([7, 2, 90, 3])


def probabilistic(count=100, dim=3):
    generator = torch.Generator().manual_seed(0)
    mean, inputs = (torch.randn(count, dim, generator=generator) for _ in range(2))
    return LatentSpace.from_arrays(
        codes=mean, inputs=inputs, decode=torch.tanh, posterior=Posterior(mean, torch.ones_like(mean)),
        labels=torch.arange(count) % 3, prior=Posterior(torch.zeros(dim), torch.ones(dim)),
    )  # fmt: skip


def test_all_values_of_an_item_are_those_of_the_whole():
    for space in (probabilistic(), gallery()):
        part = part_of(space, ROWS)
        assert len(part) == len(ROWS)
        assert part.supplies == space.supplies
        needs = {"reconstructions": "decoder", "code_samples": "posterior"}
        for name in ("inputs", "labels", "factors", "reconstructions", "code_samples"):
            if needs.get(name, name) in space.supplies:
                assert torch.equal(getattr(part, name), getattr(space, name)[ROWS]), name
        assert torch.equal(part.codes, space.codes[ROWS])
        assert part.others is space.others


def test_noise_and_posterior_are_those_of_the_items():
    space = probabilistic()
    part = part_of(space, ROWS)
    noises = [one.noise(torch.Generator().manual_seed(3)) for one in (space, part)]
    assert torch.equal(noises[1], noises[0][ROWS])
    assert torch.equal(part.posterior.mean, space.posterior.mean[ROWS])


def test_each_part_of_a_part_and_a_changed_part():
    space = probabilistic()
    part = part_of(space, ROWS)
    assert torch.equal(part_of(part, torch.tensor([2, 0])).codes, space.codes[[90, 7]])
    assert torch.equal(part.take(torch.tensor([2])).inputs, space.inputs[[90]])
    doubled = part.replaced(codes=2 * part.codes)
    assert torch.equal(doubled.codes, 2 * space.codes[ROWS])
    assert torch.equal(doubled.reconstructions, torch.tanh(2 * space.codes[ROWS]))


def test_nothing_of_a_model_is_computed_before_it_is_used():
    calls = []
    space = LatentSpace.from_arrays(codes=torch.rand(9, 2), decode=lambda codes: calls.append(1) or codes)
    part = part_of(space, some_rows(9, 4))
    assert not calls
    assert torch.equal(part.reconstructions, space.reconstructions[some_rows(9, 4)])
    assert len(calls) == 1


def test_codes_of_a_few_items_are_those_of_the_whole_and_only_they_are_encoded(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (100, 1, 4, 4), dtype=np.uint8)
    split = Split(images)
    model = PCA(PCA.Params(latent_dim=3), DataSpec.of(split))
    model.fit(split, torch.Generator().manual_seed(0))
    encoded = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda inputs: encoded.append(len(inputs)) or encode(inputs))
    few = codes_at(LatentSpace.of_model(model, split), ROWS)
    assert encoded == [len(ROWS)]
    whole = LatentSpace.of_model(model, split)
    torch.testing.assert_close(few, whole.codes[ROWS], rtol=1e-5, atol=1e-6)
    assert torch.equal(codes_at(whole, ROWS), whole.codes[ROWS])  # which are there by now
    assert codes_at(LatentSpace.of_model(model, split), ROWS[:0]).shape == (0, 3)
