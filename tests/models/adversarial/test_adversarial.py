"""Losses of adversarial models beside their formulas, written out in NumPy, for each player."""

import numpy as np
import pytest
import torch

from latentbench import Batch, DataSpec
from latentbench.testing.specimens import drawn
from latentbench.training.budget import Budget
from latentbench_models.adversarial.aae import AAE
from latentbench_models.adversarial.acai import ACAI
from latentbench_models.adversarial.gan import GAN
from latentbench_models.adversarial.vae_gan import VAEGAN
from latentbench_models.ae import AE

SPLIT = drawn((1, 8, 8), "uint8", rows=10)
ALL = [AAE, ACAI, GAN, VAEGAN]


def make(cls, seed=0, **params):
    torch.manual_seed(seed)
    return cls(cls.Params(**{"latent_dim": 3, "channels": 4, **params}), DataSpec.of(SPLIT))


def numbers(tensor):
    return tensor.detach().double().numpy()


@pytest.fixture
def look():
    """A function that returns a model in float64, its batch, its noise, and the loss of each player."""

    def looked_at(cls, **params):
        model = make(cls, **params).double()
        inputs = torch.from_numpy(SPLIT.inputs / np.float32(255)).double()
        batch = Batch(inputs, torch.arange(10), None, None, torch.tensor(0.5))
        generator = torch.Generator().manual_seed(0)
        noise = {name: draw.sample(10, generator).double() for name, draw in model.noise_spec().items()}
        terms = {
            player: {name: value.item() for name, value in model.loss(batch, noise, player=player).items()}
            for player in model.players
        }
        return model, batch.inputs, noise, terms

    return looked_at


def close(value):
    return pytest.approx(value, rel=1e-9)


def wrong(odds):
    """Mean of -log(sigmoid) of log odds."""
    return np.mean([np.log(1 + np.exp(-one)) for one in numbers(odds)[:, 0]])


def slopes(net, inputs, step=1e-6):
    """How the log odds of each input change with each of its numbers, by differences."""
    steps = step * torch.eye(inputs[0].numel(), dtype=torch.float64).reshape(-1, *inputs.shape[1:])
    around = [[numbers(net(each + sign * steps))[:, 0] for sign in (1, -1)] for each in inputs]
    return np.array([(up - down) / (2 * step) for up, down in around])


def nats(model, logits, inputs):
    """Mean of -log density of the Gaussian around sigmoids."""
    sigma = np.exp(10 * model.likelihood.scaled_log_sigma.item())
    errors = np.square(numbers(inputs) - 1 / (1 + np.exp(-numbers(logits)))).reshape(10, -1)
    return np.mean(64 * (np.log(sigma) + 0.5 * np.log(2 * np.pi)) + 0.5 * errors.sum(1) / sigma**2)


def test_aae_holds_codes_to_the_prior(look):
    model, inputs, noise, terms = look(AAE, strength=3)
    codes = model.encode(inputs)
    distortion, fooling = nats(model, model.decoder_net(codes), inputs), wrong(model.critic_net(codes))
    assert terms["autoencoder"] == {
        "total": close(distortion + 3 * fooling),
        "distortion": close(distortion),
        "fooling": close(fooling),
    }
    critic = wrong(model.critic_net(noise["prior"])) + wrong(-model.critic_net(codes))
    assert terms["critic"] == {"total": close(critic)}
    assert torch.equal(model.prior.variance, torch.ones(3))


@pytest.mark.parametrize(("cls", "name"), [(AAE, "strength"), (ACAI, "strength")])
def test_without_strength_the_autoencoder_is_the_plain_one(look, cls, name):
    model, _, _, terms = look(cls, **{name: 0})
    plain = make(AE, seed=1).double()
    plain.load_state_dict({key: value for key, value in model.state_dict().items() if "critic" not in key})
    inputs = torch.from_numpy(SPLIT.inputs / np.float32(255)).double()
    batch = Batch(inputs, torch.arange(10), None, None, torch.tensor(0.5))
    assert plain.loss(batch, {})["total"].item() == terms["autoencoder"]["total"]


def test_acai_has_a_critic_that_guesses_how_much_was_mixed(look):
    model, inputs, noise, terms = look(ACAI, strength=0.7)
    codes, shares = numbers(model.encode(inputs)), numbers(noise["share"]) / 2
    mixed = [share * codes[row] + (1 - share) * codes[row - 1] for row, share in enumerate(shares)]
    guesses = numbers(model.critic_net(model.decode(torch.tensor(np.array(mixed)))))[:, 0]
    rebuilt = model.decode(model.encode(inputs))
    plain = numbers(model.critic_net(0.2 * inputs + 0.8 * rebuilt))[:, 0]
    distortion = nats(model, model.decoder_net(model.encode(inputs)), inputs)
    assert terms["autoencoder"]["distortion"] == close(distortion)
    assert terms["autoencoder"]["total"] == close(distortion + 0.7 * 64 * np.mean(guesses**2))
    assert terms["critic"]["total"] == close(np.mean((guesses - shares) ** 2) + np.mean(plain**2))


def test_vae_gan_compares_features_of_its_critic(look):
    model, inputs, noise, terms = look(VAEGAN, similarity=0.5, slope_penalty=0.7)
    mean, log_variance = (numbers(part) for part in model.encoder_net(inputs).chunk(2, dim=1))
    rate = np.mean(0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(1))
    codes = torch.tensor(mean + np.exp(log_variance / 2) * numbers(noise["eps"]))
    images = [inputs, model.decode(codes), model.decode(noise["prior"])]
    features = [model.features_net(some) for some in images]
    apart = 0.5 * np.square(numbers(features[0]) - numbers(features[1])).sum(1).mean()
    apart /= numbers(features[0]).var(0).mean()
    odds = [model.critic_net(some) for some in features]
    assert terms["encoder"] == {"total": close(apart + rate), "features": close(apart), "rate": close(rate)}
    fooling, distortion = (wrong(odds[1]) + wrong(odds[2])) / 2, nats(model, model.decoder_net(codes), inputs)
    assert terms["decoder"]["total"] == close(0.5 * apart + fooling + distortion)
    told = wrong(odds[0]) + wrong(-odds[1]) + wrong(-odds[2])
    assert terms["critic"]["told"] == close(told)
    slope = np.square(slopes(lambda shown: model.critic_net(model.features_net(shown)), inputs)).sum(1).mean()
    assert terms["critic"]["total"] == pytest.approx(told + 0.35 * slope, rel=1e-6)


def test_pixels_teach_the_decoder_of_vae_gan_nothing():
    """Its sigma alone learns from the distortion."""
    model = make(VAEGAN)
    logits = model.decoder_net(torch.zeros(10, 3))
    inputs = torch.from_numpy(SPLIT.inputs / np.float32(255))
    model.likelihood.nll(logits.detach(), inputs).mean().backward()
    assert model.likelihood.scaled_log_sigma.grad != 0
    assert all(weight.grad is None for weight in model.decoder_net.parameters())


def test_gan_is_a_critic_and_a_generator(look):
    model, inputs, noise, terms = look(GAN, slope_penalty=0.7)
    real, made = model.critic_net(inputs), model.critic_net(model.decode(noise["prior"]))
    told, slope = wrong(real) + wrong(-made), np.square(slopes(model.critic_net, inputs)).sum(1).mean()
    assert terms["critic"]["told"] == close(told)
    assert terms["critic"]["slope"] == pytest.approx(slope, rel=1e-5)
    assert terms["critic"]["total"] == pytest.approx(told + 0.35 * slope, rel=1e-6)
    assert terms["generator"] == {"total": close(wrong(made))}


def test_codes_of_gan_are_fitted_to_images():
    small = {"backbone": "mlp", "fit_steps": 60}
    model = make(GAN, **small, fit_penalty=0.0).eval()
    wanted = model.decode(torch.randn(4, 3, generator=torch.Generator().manual_seed(1))).detach()
    with torch.no_grad():
        codes = model.encode(wanted)
        found = (model.decode(codes) - wanted).square().mean()
        assert found < 0.01 * wanted.var(0).mean()
        torch.testing.assert_close(model.encode(wanted[2:]), codes[2:], atol=1e-4, rtol=0)
        nearer = make(GAN, **small, fit_penalty=10.0).eval().encode(wanted)
    assert nearer.norm(dim=1).mean() < 0.2 * codes.norm(dim=1).mean()


@pytest.mark.parametrize("cls", ALL)
def test_each_weight_belongs_to_one_player(cls):
    prefixes = [prefix for several in cls.players.values() for prefix in several]
    for name, _ in make(cls).named_parameters():
        assert sum(name.startswith(prefix) for prefix in prefixes) == 1


@pytest.mark.parametrize("cls", ALL)
def test_killed_and_resumed_players_learn_the_same_bits(cls, resumed_alike):
    resumed_alike(lambda seed: make(cls, seed=seed), SPLIT, Budget(epochs=2, batch_size=5))
