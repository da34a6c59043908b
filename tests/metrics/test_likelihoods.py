from __future__ import annotations

import inspect
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from latentbench import DataSpec, LatentSpace, NotApplicableError, Posterior, Split
from latentbench.execution.scoring import compute, given_to
from latentbench.latent import arithmetic
from latentbench.latent.space import SAMPLE_SEED
from latentbench.testing.changes import CHANGES, moved, reordered
from latentbench.testing.gallery import gallery
from latentbench_metrics.likelihoods import (
    ImportanceWeighted,
    Likelihoods,
    bernoulli_excess,
    bernoulli_nll,
    elbo,
    gaussian_nll,
    iwae,
    log_weights,
    rate,
)
from latentbench_models.ae import AE
from latentbench_models.vae import VAE

MODELS = {"gaussian": {"sigma": 0.3}, "bernoulli": {"likelihood": "bernoulli"}}


def uniform(*shape, seed=0, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# likelihoods of reconstructions


@pytest.mark.parametrize("shape", [(3, 784), (2, 1, 28, 28)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_half_everywhere_is_a_bit_an_element(shape, dtype):
    half = torch.full(shape, 0.5, dtype=dtype)
    for inputs in (half, torch.ones_like(half), uniform(*shape, dtype=dtype)):
        nats = bernoulli_nll(inputs, half)
        assert nats == pytest.approx(543.4274, abs=1e-3)
        assert nats / 784 / math.log(2) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gaussian_nll_of_a_copy(dtype):
    x = uniform(4, 1, 28, 28, dtype=dtype)
    assert gaussian_nll(x, x, 1.0) == pytest.approx(720.448, abs=1e-3)
    assert gaussian_nll(x, x, 0.1) == pytest.approx(720.448 + 784 * math.log(0.1), abs=1e-3)


@pytest.mark.parametrize(("shape", "sigma"), [((5, 7), 0.3), ((3, 2, 4, 6), 2.0)])
def test_gaussian_nll_agrees_with_torch_distributions(shape, sigma):
    x, y = uniform(*shape), 3 * uniform(*shape, seed=1) - 1
    expected = -torch.distributions.Normal(y, sigma).log_prob(x).flatten(1).sum(1).mean()
    assert gaussian_nll(x, y, sigma) == pytest.approx(float(expected), rel=1e-12)
    assert gaussian_nll(x.float(), y.float(), sigma) == pytest.approx(float(expected), rel=1e-5)


def test_bernoulli_nll_agrees_with_torch():
    x, p = uniform(6, 3, 5, 5), uniform(6, 3, 5, 5, seed=1)
    p[0], p[1], x[2], x[3] = 0, 1, 0, 1
    expected = torch.nn.functional.binary_cross_entropy(p, x, reduction="none").flatten(1).sum(1).mean()
    assert bernoulli_nll(x, p) == pytest.approx(float(expected), rel=1e-12)
    order = torch.tensor([3, 5, 0, 1, 4, 2])
    assert bernoulli_nll(x[order], p[order]) == pytest.approx(float(expected), rel=1e-12)
    assert bernoulli_nll(x.float(), p.float()) == pytest.approx(float(expected), rel=1e-6)


def test_certain_probabilities_are_free_where_right_and_finite_where_wrong():
    x = torch.tensor([[0.0, 1.0, 1.0]])
    assert bernoulli_nll(x, x) == bernoulli_excess(x, x) == 0
    assert bernoulli_nll(x, 1 - x) == bernoulli_excess(x, 1 - x) == 300
    near = torch.sigmoid(torch.tensor([[-200.0, 200.0, 17.0]]))
    assert bernoulli_nll(x, near) == pytest.approx(0, abs=1e-6)


def test_bernoulli_excess_is_the_divergence_from_the_inputs():
    x, p = uniform(50, 8), uniform(50, 8, seed=1)
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Bernoulli(x), torch.distributions.Bernoulli(p)
    )
    assert bernoulli_excess(x, p) == pytest.approx(float(divergence.sum(1).mean()), rel=1e-9)
    assert bernoulli_excess(x, p) == pytest.approx(bernoulli_nll(x, p) - bernoulli_nll(x, x), rel=1e-9)
    assert bernoulli_excess(x, x) == 0
    assert 0 <= bernoulli_excess(x, x + 1e-9 * (0.5 - x)) < 1e-12


def test_nats_of_fashion_mnist(fashion_mnist):
    train, _, images, _ = fashion_mnist
    mean = train.mean(0).expand_as(images)
    assert bernoulli_nll(images, images) == pytest.approx(189.86, abs=0.01)
    assert bernoulli_nll(images, mean) == pytest.approx(385.02, abs=0.01)
    assert bernoulli_excess(images, mean) == pytest.approx(195.16, abs=0.02)


def test_bad_arguments_are_refused():
    x = torch.full((2, 3), 0.5)
    for function in (bernoulli_nll, bernoulli_excess):
        with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\], got values from 0.5 to 1.5"):
            function(x, x + torch.tensor([0.0, 0.5, 1.0]))
        with pytest.raises(ValueError, match=r"inputs must lie in \[0, 1\]"):
            function(-x, x)
        with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\]"):
            function(x, x * math.nan)
        with pytest.raises(ValueError, match="differ"):
            function(x, x[:1])
    with pytest.raises(ValueError, match="differ"):
        gaussian_nll(x, x[:, :2], 1.0)
    for sigma in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="sigma must be above 0"):
            gaussian_nll(x, x, sigma)


# bounds, on probabilistic PCA, where log p(x) is known


@dataclass(frozen=True)
class Full(Posterior):
    """A normal with the same full covariance for each row."""

    root: torch.Tensor

    def take(self, rows):
        return Full(self.mean[rows], self.variance[rows], self.root)

    def sample(self, noise):
        return self.mean + noise @ self.root.T

    def _normal(self):
        return torch.distributions.MultivariateNormal(self.mean, scale_tril=self.root)

    def log_prob(self, codes):
        return self._normal().log_prob(codes)

    def kl(self, prior):
        other = torch.distributions.MultivariateNormal(prior.mean, torch.diag(prior.variance))
        return torch.distributions.kl_divergence(self._normal(), other)


def ppca(width=2, size=5, *, sigma=0.4, orthogonal=True, count=40, seed=0, dtype=torch.float64):
    """Space with the exact posterior, and log p(x) of each row."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    weights = normal(size, width)
    if orthogonal:
        weights = torch.linalg.qr(weights).Q * (0.5 + torch.arange(width))
    shift = normal(size)
    inputs = normal(count, width) @ weights.T + shift + sigma * normal(count, size)
    inner = torch.linalg.inv(weights.T @ weights + sigma**2 * torch.eye(width, dtype=torch.float64))
    mean, covariance = (inputs - shift) @ weights @ inner, sigma**2 * inner
    if orthogonal:
        posterior = Posterior(mean.to(dtype), covariance.diag().expand_as(mean).to(dtype))
    else:
        posterior = Full(mean, covariance.diag().expand_as(mean), torch.linalg.cholesky(covariance))

    def log_likelihood(x, z):
        return torch.distributions.Normal(z @ weights.T.to(z) + shift.to(z), sigma).log_prob(x).sum(1)

    space = LatentSpace().replaced(
        inputs=inputs.to(dtype),
        codes=mean.to(dtype),
        posterior=posterior,
        prior=Posterior(torch.zeros(width, dtype=dtype), torch.ones(width, dtype=dtype)),
        likelihood=log_likelihood,
    )
    noise = sigma**2 * torch.eye(size, dtype=torch.float64)
    marginal = torch.distributions.MultivariateNormal(shift, weights @ weights.T + noise)
    return space, marginal.log_prob(inputs)


def wrong(space, by=0.15, wider=1.5):
    """The same with a posterior aside and too wide, and its divergence from the exact one."""
    exact = space.posterior
    q = Posterior(exact.mean + by, exact.variance * wider)
    gap = torch.distributions.kl_divergence(
        *(torch.distributions.Normal(p.mean, p.variance.sqrt()) for p in (q, exact))
    )
    return space.replaced(posterior=q), gap.sum(1)


@pytest.mark.parametrize("orthogonal", [True, False])
@pytest.mark.parametrize(("width", "size", "sigma"), [(2, 5, 0.4), (1, 6, 1.3), (4, 4, 0.05)])
def test_bounds_are_tight_for_the_exact_posterior(width, size, sigma, orthogonal):
    space, evidence = ppca(width, size, sigma=sigma, orthogonal=orthogonal)
    expected = float(evidence.mean())
    for seed in (0, 7):
        assert elbo(space, seed=seed) == pytest.approx(expected, abs=1e-9)
        for k in (1, 2, 50):
            assert iwae(space, k, seed=seed) == pytest.approx(expected, abs=1e-9)
    for bound in (elbo(space, samples=20), iwae(space, 500)):
        assert bound == pytest.approx(expected, abs=1e-9)


def test_elbo_lies_below_by_the_divergence_from_the_true_posterior():
    space, gap = wrong(ppca(3, 6, count=400)[0])
    evidence = ppca(3, 6, count=400)[1]
    values = log_weights(space, 400).mean(0)
    error = float((values - (evidence - gap)).std() / 20)
    assert error < 0.01
    assert elbo(space, samples=400) == pytest.approx(float((evidence - gap).mean()), abs=5 * error)
    distortion = -space.log_likelihood(space.inputs, space.code_samples).mean()
    assert elbo(space, samples=400) == pytest.approx(
        float(-distortion) - rate(space.posterior, space.prior), abs=0.3
    )


def test_iwae_rises_with_k_toward_the_evidence():
    space, gap = wrong(ppca(2, 5, count=500)[0], wider=2.0)
    evidence = float(ppca(2, 5, count=500)[1].mean())
    bounds = [iwae(space, k) for k in (1, 4, 20, 500)]
    assert bounds == sorted(bounds)
    assert bounds[0] < evidence - 0.5 * float(gap.mean())
    assert bounds[-1] == pytest.approx(evidence, abs=0.01)
    assert iwae(space, 1) == elbo(space)
    narrow, _ = wrong(ppca(2, 5, count=500)[0], wider=0.05)  # importance sampling cannot make up for that
    assert iwae(narrow, 500) < evidence - 0.05


@pytest.mark.parametrize(("by", "wider"), [(0.15, 1.5), (0.05, 1.2), (0.0, 2.0)])
def test_default_bound_lies_below_the_evidence_by_its_first_order_bias(by, wider):
    """By the variance of the weights p(z|x) / q(z) over 2 k, which has a closed form for normals."""
    space, evidence = wrong_and_evidence(by, wider)
    assert inspect.signature(iwae).parameters["k"].default == 50
    exact, q = ppca(2, 5, count=500)[0].posterior, space.posterior
    precision = 2 / exact.variance - 1 / q.variance  # of p² / q, again a normal
    tilt = 2 * exact.mean / exact.variance - q.mean / q.variance
    constant = 2 * exact.mean**2 / exact.variance - q.mean**2 / q.variance - tilt**2 / precision
    second = (q.variance.sqrt() / exact.variance / precision.sqrt() * (-constant / 2).exp()).prod(1)
    bias = float((second - 1).mean()) / (2 * 50)
    values = log_weights(space, 50).logsumexp(0) - math.log(50)
    error = float((values - evidence).std() / len(values) ** 0.5)
    assert iwae(space) == pytest.approx(float(evidence.mean()) - bias, abs=4 * error + 0.2 * bias)
    assert error < 0.02


def wrong_and_evidence(by, wider):
    space, evidence = ppca(2, 5, count=500)
    return wrong(space, by=by, wider=wider)[0], evidence


def test_bounds_agree_with_a_plain_loop():
    space, _ = wrong(ppca(2, 5, count=6)[0])
    generator = torch.Generator().manual_seed(SAMPLE_SEED + 3)
    noise = [torch.randn(6, 2, generator=generator).double() for _ in range(4)]
    q, normal = space.posterior, torch.distributions.Normal
    expected = []
    for i in range(6):
        weights = []
        for eps in noise:
            z = q.mean[i] + q.variance[i].sqrt() * eps[i]
            density = normal(q.mean[i], q.variance[i].sqrt()).log_prob(z).sum()
            fit = float(space.log_likelihood(space.inputs[i : i + 1], z[None]))
            weights.append(math.exp(fit + float(normal(0, 1).log_prob(z).sum() - density)))
        expected.append(math.log(np.mean(weights)))
    assert iwae(space, 4, seed=3) == pytest.approx(np.mean(expected), abs=1e-10)


def test_the_first_sample_is_that_of_the_space():
    space, _ = wrong(ppca()[0])
    z = space.code_samples
    expected = space.log_likelihood(space.inputs, z) + space.prior.log_prob(z) - space.posterior.log_prob(z)
    assert elbo(space) == pytest.approx(float(expected.mean()), abs=1e-9)
    assert elbo(space) == elbo(space)
    assert elbo(space, seed=1) != elbo(space)


def test_batches_and_precision_do_not_matter(monkeypatch):
    space, _ = wrong(ppca(count=600)[0])
    expected = elbo(space), iwae(space, 20)
    single, _ = wrong(ppca(count=600, dtype=torch.float32)[0])
    assert (elbo(single), iwae(single, 20)) == pytest.approx(expected, rel=1e-4)
    monkeypatch.setattr(arithmetic, "BATCH", 7)
    assert (elbo(space), iwae(space, 20)) == pytest.approx(expected, abs=1e-12)


def test_improbable_inputs_stay_finite():
    space, evidence = ppca(sigma=0.01)
    far = space.replaced(posterior=Posterior(space.posterior.mean + 50, space.posterior.variance))
    assert -1e9 < iwae(far, 10) < float(evidence.mean()) - 1e5


def test_a_collapsed_posterior_gives_the_likelihood_of_the_decoder():
    space = ppca()[0]
    nothing = Posterior(torch.zeros(40, 2).double(), torch.ones(40, 2).double())
    fit = space.inputs.sum(1)
    blind = space.replaced(posterior=nothing, likelihood=lambda x, z: x.sum(1))
    assert elbo(blind) == pytest.approx(float(fit.mean()), abs=1e-9)
    assert iwae(blind, 30) == pytest.approx(float(fit.mean()), abs=1e-9)


def test_a_posterior_without_width_is_not_applicable():
    space = ppca()[0]
    still = space.replaced(posterior=Posterior(space.codes, torch.zeros_like(space.codes)))
    for bound in (elbo, iwae):
        with pytest.raises(NotApplicableError, match="40 of 40 items have no finite"):
            bound(still)


@pytest.mark.parametrize(
    ("lacking", "reason"), [("posterior", "no posterior"), ("prior", "no prior"), ("likelihood", "no likelihood")]
)
def test_what_a_space_lacks_is_said(lacking, reason):
    space = ppca()[0].replaced(**{lacking: None})
    for bound in (elbo, iwae):
        with pytest.raises(NotApplicableError, match=reason):
            bound(space)
    assert space.missing(Likelihoods.needs) == space.missing(ImportanceWeighted.needs) == reason


def test_no_samples_are_refused():
    for bound in (lambda space: elbo(space, samples=0), lambda space: iwae(space, 0)):
        with pytest.raises(ValueError, match="at least 1 posterior sample"):
            bound(ppca()[0])


# metrics


@pytest.mark.parametrize("change", CHANGES)
def test_bounds_do_not_depend_on_coordinates(change):
    start = gallery(60, 60)
    there = moved(start, change)
    assert elbo(there) == pytest.approx(elbo(start), rel=1e-4)
    assert iwae(there, 10) == pytest.approx(iwae(start, 10), rel=1e-4)
    assert rate(there.posterior, there.prior) == pytest.approx(rate(start.posterior, start.prior), rel=1e-6)


def test_metrics_give_a_bound_for_each_of_their_fixed_items():
    space, _ = wrong(ppca(count=2100)[0])
    bound = compute(Likelihoods(Likelihoods.Params()), space)["elbo"]
    assert bound.shape == (2000,)
    assert float(bound.mean()) == pytest.approx(elbo(space), abs=0.1)
    metric = ImportanceWeighted(ImportanceWeighted.Params())
    tighter = compute(metric, space)["iwae_k50"]
    assert tighter.shape == (500,)
    assert float(tighter.mean()) == pytest.approx(iwae(given_to(metric, space)), rel=1e-12)
    few = ppca(count=30)[0]
    assert Likelihoods(Likelihoods.Params()).compute(few)["elbo"].shape == (30,)
    assert ImportanceWeighted(ImportanceWeighted.Params()).compute(few)["iwae_k50"].shape == (30,)


def test_items_in_another_order_meet_other_noise_which_changes_little():
    space = wrong(ppca(count=600)[0])[0]
    other = reordered(space)
    assert elbo(other) == pytest.approx(elbo(space), rel=0.05)
    assert iwae(other, 50) == pytest.approx(iwae(space, 50), rel=0.05)


def test_a_reader_is_told_what_cannot_be_compared():
    for metric in (Likelihoods, ImportanceWeighted):
        note = metric(metric.Params()).note(ppca()[0])
        assert "cannot be compared" in note
        assert "Gaussian" in note
        assert "Bernoulli" in note


# models


def look(kind, **params):
    split = Split(np.random.default_rng(0).integers(0, 256, (70, 1, 8, 8)).astype(np.uint8))
    torch.manual_seed(0)
    model = kind(kind.Params(latent_dim=3, channels=4, **params), DataSpec.of(split)).eval()
    return model, split, LatentSpace.of_model(model, split)


@pytest.mark.parametrize("likelihood", MODELS)
def test_the_bound_of_a_vae_is_its_loss_but_for_the_noise_of_sampling(likelihood):
    model, _, space = look(VAE, **MODELS[likelihood])
    spread = float(log_weights(space, 100).std(0).mean()) / (70 * 100) ** 0.5
    with torch.no_grad():
        nll = torch.stack(
            [
                model.likelihood.nll(model.decoder_net(space.posterior.sample(torch.randn(70, 3))), space.inputs)
                for _ in range(100)
            ]
        )
    expected = -float(nll.mean()) - rate(space.posterior, space.prior)
    assert elbo(space, samples=100) == pytest.approx(expected, abs=0.01 + 6 * spread)
    assert iwae(space, 100) >= elbo(space, samples=100)


def test_a_deterministic_model_has_no_bound():
    space = look(AE)[2]
    for bound in (elbo, iwae):
        with pytest.raises(NotApplicableError, match="no posterior"):
            bound(space)


def test_codes_of_a_model_are_its_posterior_means_and_inputs_are_seen_once():
    model, split, _ = look(VAE)
    seen = []
    layer = model.encoder_net
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    space = LatentSpace.of_model(model, split)
    seen.clear()
    codes = space.codes
    assert torch.equal(codes, space.posterior.mean)
    assert torch.equal(space.code_samples, space.code_samples)
    assert sum(seen) == 70
    handle.remove()
    torch.testing.assert_close(codes, space.encode(space.inputs), rtol=0, atol=0)


def test_likelihoods_are_computed_in_batches_without_gradients(monkeypatch):
    model, _, space = look(VAE)
    whole = space.log_likelihood(space.inputs, space.codes)
    sizes = []
    plain = type(model).log_likelihood
    monkeypatch.setattr(arithmetic, "BATCH", 32)
    counted = space.replaced(likelihood=lambda x, z: sizes.append((len(x), len(z))) or plain(model, x, z))
    batched = counted.log_likelihood(space.inputs, space.codes)
    assert sizes == [(32, 32), (32, 32), (6, 6)]
    assert not batched.requires_grad
    torch.testing.assert_close(batched, whole, rtol=1e-5, atol=1e-4)
    with pytest.raises(ValueError, match="equally many rows, got 70 and 69"):
        space.log_likelihood(space.inputs, space.codes[1:])


def test_a_likelihood_that_a_model_declines_is_missing():
    space = ppca()[0].replaced(likelihood=lambda x, z: None)
    with pytest.raises(NotApplicableError, match="no likelihood"):
        space.log_likelihood(space.inputs, space.codes)
