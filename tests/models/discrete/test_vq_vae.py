import numpy as np
import pytest
import torch

from latentbench import RequestError
from latentbench.params import build_params
from latentbench.testing.specimens import drawn
from latentbench.testing.tried import TriedModel
from latentbench.training.budget import Budget
from latentbench_models.ae import AE
from latentbench_models.discrete.vq_vae import VQVAE


def tried(**params):
    small = {"latent_dim": 4, "backbone": "mlp", "channels": 2, "codewords": 5, "pieces": 2, **params}
    return TriedModel(VQVAE, VQVAE.Params(**small), drawn((1, 8, 8), "uint8"))


def lively(shown):
    model = shown.gradient_model()
    with torch.no_grad():
        list(model.encoder_net.parameters())[-2].mul_(20)
    return model


def pieces_of(model, inputs):
    with torch.no_grad():
        return AE.encode(model, inputs).double().numpy().reshape(-1, 2)


def nearest_of(pieces, codebook):
    return ((pieces[:, None] - codebook[None]) ** 2).sum(-1).argmin(1)


@pytest.mark.parametrize("codebook", ["ema", "gradient"])
def test_codes_and_loss_are_those_of_the_paper(codebook):
    shown = tried(codebook=codebook, commitment=0.3, pull=7.0)
    model, batch = lively(shown), shown.batch()
    words, pieces = model.codebook.detach().double().numpy(), pieces_of(model, batch.inputs)
    nearest = nearest_of(pieces, words)
    codes = words[nearest].reshape(24, 4)
    with torch.no_grad():
        terms = {name: value.item() for name, value in model.loss(batch, {}).items()}
        nll = -model.log_likelihood(batch.inputs, torch.from_numpy(codes).float()).double().mean().item()
        np.testing.assert_array_equal(model.encode(batch.inputs).numpy(), codes.astype(np.float32))
    distance = ((pieces - words[nearest]) ** 2).sum() / 24
    pulled = 0.3 * distance + (distance if codebook == "gradient" else 0)
    shares = np.bincount(nearest, minlength=5) / len(nearest)
    entropy = -sum(share * np.log(share) for share in shares if share)
    assert terms["total"] == pytest.approx(nll + 7 * pulled, rel=1e-5)
    assert terms["commitment"] == pytest.approx(distance, rel=1e-5)
    assert terms["perplexity"] == pytest.approx(np.exp(entropy), rel=1e-5)


def test_the_codebook_learns_by_the_loss_or_by_averages_alone():
    by_loss, by_averages = tried(codebook="gradient").gradient_model(), tried().gradient_model()
    assert "codebook" in dict(by_loss.named_parameters())
    assert "codebook" in dict(by_averages.named_buffers())


def test_averages_are_those_of_the_papers_appendix():
    shown = tried(decay=0.9)
    model, batch = lively(shown), shown.batch()
    pieces = pieces_of(model, batch.inputs)
    state = dict(model.named_buffers())
    state |= {"counts": torch.full((5,), 9.6), "sums": 9.6 * model.codebook}
    counts, sums = np.full(5, 9.6), 9.6 * model.codebook.double().numpy()
    nearest = nearest_of(pieces, model.codebook.double().numpy())
    for word in range(5):
        counts[word] = 0.9 * counts[word] + 0.1 * (nearest == word).sum()
        sums[word] = 0.9 * sums[word] + 0.1 * pieces[nearest == word].sum(0)
    smoothed = (counts + 1e-5) / (counts.sum() + 5e-5) * counts.sum()
    with torch.no_grad():
        renewed = model.update(state, batch, {})
    np.testing.assert_allclose(renewed["counts"].numpy(), counts, rtol=1e-5)
    np.testing.assert_allclose(renewed["codebook"].numpy(), sums / smoothed[:, None], rtol=1e-5, atol=1e-6)
    assert renewed.keys() == state.keys()


def test_a_forgotten_codeword_moves_to_a_piece_of_the_batch():
    shown = tried(decay=0.5)
    model, batch = lively(shown), shown.batch()
    with torch.no_grad():
        model.codebook[3] = 1e6
        renewed = model.update(dict(model.named_buffers()), batch, {})
    np.testing.assert_allclose(renewed["codebook"][3].numpy(), pieces_of(model, batch.inputs)[3], rtol=1e-4)


def test_gradients_pass_straight_through():
    shown = tried()
    model, batch = lively(shown), shown.batch()
    outputs = AE.encode(model, batch.inputs).detach().requires_grad_()
    model.encoder_net = torch.nn.Identity()
    codes = model.encode(outputs)
    codes.square().sum().backward()
    torch.testing.assert_close(outputs.grad, 2 * codes.detach())


def test_pieces_that_do_not_fit_are_refused_in_a_sentence():
    with pytest.raises(RequestError) as caught:
        build_params(VQVAE.Params, {"latent_dim": 16, "pieces": 3}, "vq_vae")
    assert str(caught.value) == (
        "vq_vae.pieces must divide latent_dim, got pieces=3 and latent_dim=16; leave pieces out for pieces of "
        "up to 4 numbers"
    )


def test_killed_and_resumed_it_learns_the_same_bit_for_bit(resumed_alike):
    shown = tried()
    resumed_alike(shown.gradient_model, shown.split, Budget(epochs=2, batch_size=8))
