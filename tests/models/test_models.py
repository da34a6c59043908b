import math

import numpy as np
import pytest
import torch
from sklearn import decomposition
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from latentbench import (
    Batch,
    ContractError,
    DataSpec,
    GradientModel,
    LatentbenchError,
    Model,
    NotApplicableError,
    Split,
)
from latentbench.errors import RequestError
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench_models.likelihood import Likelihood, LikelihoodParams

PLUGINS = Plugins()
MODELS = [
    name for name in PLUGINS.names("model") if "latentbench-models" in PLUGINS.find("model", name).plugin.name
]
CLASSES = {name: PLUGINS.load("model", name) for name in MODELS}
RELOADED = [name for name in MODELS if CLASSES[name].get_state is not Model.get_state]
GRADIENT = [name for name, found in CLASSES.items() if issubclass(found, GradientModel)]
IMAGES = [(1, 8, 8), (1, 9, 9), (3, 64, 64)]  # besides those of test_contracts.py
SLOW = {"umap"}  # numba compiles for most of a minute
SHAPES_ONLY = {"deepsdf"}  # take signed distances and nothing else
OF_IMAGES = [name for name in MODELS if name not in SHAPES_ONLY]
GRADIENT_OF_IMAGES = [name for name in GRADIENT if name not in SHAPES_ONLY]
VECTORS = [(4, 6)]
NOT_NEGATIVE = {"nmf"}  # take no number below 0
few_rows = pytest.mark.filterwarnings("ignore:(ICA|NMF) had not converged:UserWarning")
SMALL = {"latent_dim": 3, "channels": 4, "n_neighbors": 5, "perplexity": 5, "iterations": 250, "dimensions": 3}
SMALL |= {
    "projection": 8,
    "source": "torch.nn:Flatten",
    "fit_steps": 5,
    "pipeline": "StandardScaler | GaussianRandomProjection",
}
DIGIT = (1, 8, 8)


def split_of(shape, rows=24, dtype=np.uint8):
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 256, size=(rows, *shape), dtype=np.uint8)
    inputs = whole if dtype == np.uint8 else (whole / 64 - 2).astype(np.float32)
    return Split(inputs, labels=np.arange(rows) % 3)


def suited_split(name):
    return split_of(DIGIT, dtype=np.float32 if name in SHAPES_ONLY else np.uint8)


def make(name, split, seed=0, **params):
    model_class = CLASSES[name]
    known = {key: value for key, value in {**SMALL, **params}.items() if key in model_class.Params.model_fields}
    torch.manual_seed(seed)
    return model_class(build_params(model_class.Params, known, name), DataSpec.of(split))


def fitted(name, split, seed=0, **params):
    model = make(name, split, seed, **params)
    if isinstance(model, GradientModel):
        train_model(model, split, Budget(epochs=1, batch_size=8), seed)
    else:
        model.fit(split, torch.Generator().manual_seed(seed))
    return model


def floats(split):
    inputs = torch.from_numpy(split.inputs)
    return inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs


def codes_of(model, inputs):
    return model.embed(inputs) if model.encoder == "none" else model.encode(inputs)


def some(names):
    """Mark the slow ones of these models."""
    return [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in names]


def batch_of(split):
    labels = torch.from_numpy(split.labels)
    return Batch(floats(split), torch.arange(len(split)), labels, None, torch.tensor(0.5))


def noise_of(model, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: draw.sample(rows, generator) for name, draw in model.noise_spec().items()}


def test_all_built_in_models_are_looked_at():
    assert {"ae", "vae", "beta_vae", "pca", "pixels", "random_projection", "untrained"} <= set(RELOADED)
    assert {"network", "tsne", "umap"} <= set(MODELS)
    assert {"ae", "vae", "beta_vae"} <= set(GRADIENT)


@pytest.mark.parametrize("name", [name for name, found in CLASSES.items() if found.encoder == "none"])
def test_what_has_no_encoder_says_so(name):
    with pytest.raises(NotApplicableError):
        make(name, split_of(DIGIT)).encode(floats(split_of(DIGIT)))


# shapes


def check_shapes(name, split, **params):
    model = fitted(name, split, **params)
    inputs, shape = floats(split), split.inputs.shape[1:]
    width = 3 if {"latent_dim", "dimensions"} & set(CLASSES[name].Params.model_fields) else math.prod(shape)
    with torch.no_grad():
        codes = codes_of(model, inputs)
        assert codes.shape == (len(split), width)
        assert codes.dtype == torch.float32
        assert torch.isfinite(codes).all()
        if model.decoder != "none":
            decoded = model.decode(codes)
            assert decoded.shape == inputs.shape
            assert decoded.dtype == torch.float32
            assert torch.isfinite(decoded).all()
        likelihood = model.log_likelihood(inputs, codes)
        assert likelihood is None or likelihood.shape == (len(split),)
        posterior = model.posterior(inputs)
        if posterior is not None:
            assert posterior.mean.shape == posterior.variance.shape == codes.shape
            assert torch.equal(posterior.mean, codes)
            assert (posterior.variance > 0).all()
            assert model.prior.mean.shape == model.prior.variance.shape == (3,)


@few_rows
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param(name, shape, marks=pytest.mark.slow if name in SLOW else ())
        for name in OF_IMAGES
        for shape in IMAGES
    ],
    ids=str,
)
def test_shapes_of_images(name, shape):
    check_shapes(name, split_of(shape))


@few_rows
@pytest.mark.parametrize("shape", VECTORS, ids=str)
@pytest.mark.parametrize("name", some(name for name in OF_IMAGES if name not in NOT_NEGATIVE))
def test_shapes_of_float_arrays(name, shape):
    check_shapes(name, split_of(shape, dtype=np.float32), backbone="mlp")


@pytest.mark.parametrize("name", GRADIENT_OF_IMAGES)
def test_images_go_through_the_mlp_too(name):
    check_shapes(name, split_of(DIGIT), backbone="mlp")


@pytest.mark.parametrize("shape", [(1, 7, 7), (1, 28, 7), (12,)], ids=str)
@pytest.mark.parametrize("name", [*GRADIENT_OF_IMAGES, "untrained"])
def test_what_is_too_small_for_convolutions_says_so(name, shape):
    with pytest.raises(LatentbenchError) as caught:
        make(name, split_of(shape, dtype=np.float32), backbone="conv")
    assert str(caught.value) == (
        "the conv backbone takes images (c, h, w) with sides of at least 8, "
        f"got inputs of shape {shape}; choose backbone=mlp"
    )


@pytest.mark.parametrize("name", [name for name in GRADIENT_OF_IMAGES if CLASSES[name].decoder != "none"])
def test_reconstructions_of_images_lie_between_0_and_1(name):
    model = fitted(name, split_of(DIGIT))
    with torch.no_grad():
        decoded = model.decode(50 * torch.randn(8, 3))
    assert decoded.min() >= 0
    assert decoded.max() <= 1


# state and seeds


@few_rows
@pytest.mark.parametrize("name", RELOADED)
def test_a_state_does_not_change_with_the_model_it_was_loaded_into(name):
    split = suited_split(name)
    state = {key: value.copy() for key, value in fitted(name, split).get_state().items()}
    kept = {key: value.copy() for key, value in state.items()}
    model = make(name, split)
    model.set_state(state)
    if isinstance(model, GradientModel):
        train_model(model, split, Budget(epochs=1, batch_size=8), 0)
    assert all(np.array_equal(state[key], kept[key]) for key in kept)


# loss


@pytest.mark.parametrize("name", GRADIENT)
def test_the_loss_is_a_pure_function_of_bernoulli_models_too(name):
    split = suited_split(name)
    model = make(name, split, likelihood="bernoulli")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    batch, noise = batch_of(split), noise_of(model, len(split))
    torch.manual_seed(1)
    first = model.loss(batch, noise)
    torch.manual_seed(2)
    second = model.loss(batch, noise)
    assert all(torch.equal(first[term], second[term]) for term in first)
    assert all(value.shape == () for value in first.values())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_parts_of_the_losses_add_up():
    split = split_of(DIGIT)
    batch = batch_of(split)
    ae, vae, beta = make("ae", split), make("vae", split), make("beta_vae", split, beta=7.0)
    beta.load_state_dict(vae.state_dict())
    noise = noise_of(vae, len(split))
    with torch.no_grad():
        losses = [model.loss(batch, noise) for model in (ae, vae, beta)]
        codes = ae.encode(batch.inputs)
        assert losses[0]["total"] == losses[0]["distortion"]
        torch.testing.assert_close(losses[0]["total"], -ae.log_likelihood(batch.inputs, codes).mean())
        torch.testing.assert_close(losses[1]["total"], losses[1]["distortion"] + losses[1]["rate"])
        torch.testing.assert_close(losses[2]["total"], losses[2]["distortion"] + 7 * losses[2]["rate"])
        assert losses[1]["rate"] == losses[2]["rate"]
        torch.testing.assert_close(losses[1]["rate"], vae.posterior(batch.inputs).kl(vae.prior).mean())


def test_the_rate_is_the_divergence_of_torch():
    split = split_of(DIGIT)
    vae = make("vae", split)
    with torch.no_grad():
        posterior, prior = vae.posterior(floats(split)), vae.prior
        expected = kl_divergence(
            Independent(Normal(posterior.mean, posterior.variance.sqrt()), 1),
            Independent(Normal(prior.mean, prior.variance.sqrt()), 1),
        )
        torch.testing.assert_close(posterior.kl(prior), expected)
        closed = 0.5 * (posterior.mean**2 + posterior.variance - 1 - posterior.variance.log()).sum(1)
        torch.testing.assert_close(posterior.kl(prior), closed)
        codes = posterior.sample(torch.randn(len(split), 3))
        density = Independent(Normal(posterior.mean, posterior.variance.sqrt()), 1).log_prob(codes)
        torch.testing.assert_close(posterior.log_prob(codes), density)


# likelihood


def likelihood_of(shape, dtype="uint8", **params):
    return Likelihood(LikelihoodParams(**params), DataSpec(shape=shape, dtype=dtype, n_train=1))


@pytest.mark.parametrize("sigma", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_gaussian_is_that_of_torch(dtype, sigma):
    logits, inputs = torch.randn(6, *DIGIT), torch.rand(6, *DIGIT)
    mean = torch.sigmoid(logits) if dtype == "uint8" else logits
    expected = -Normal(mean, sigma).log_prob(inputs).flatten(1).sum(1)
    torch.testing.assert_close(likelihood_of(DIGIT, dtype, sigma=sigma).nll(logits, inputs), expected)


def test_the_bernoulli_is_that_of_torch():
    logits, inputs = torch.randn(6, *DIGIT), (torch.rand(6, *DIGIT) > 0.5).float()
    expected = -Bernoulli(logits=logits).log_prob(inputs).flatten(1).sum(1)
    torch.testing.assert_close(likelihood_of(DIGIT, likelihood="bernoulli").nll(logits, inputs), expected)


def test_known_values_of_28_by_28_pixels():
    half, logits = torch.full((1, 1, 28, 28), 0.5), torch.zeros(1, 1, 28, 28)
    gaussian = likelihood_of((1, 28, 28), sigma=1.0).nll(logits, half)
    assert gaussian.item() == pytest.approx(720.448, abs=1e-3)  # 784 / 2 * log(2 pi)
    bernoulli = likelihood_of((1, 28, 28), likelihood="bernoulli").nll(logits, half)
    assert bernoulli.item() == pytest.approx(543.4274, abs=1e-3)  # 784 * log 2


def test_sigma_is_learned_up_to_the_root_of_the_mean_squared_error():
    likelihood = likelihood_of((100,), "float32")
    errors = 0.2 * torch.randn(50, 100, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=1e-3)
    for _ in range(300):
        optimizer.zero_grad()
        likelihood.nll(errors, torch.zeros(50, 100)).mean().backward()
        optimizer.step()
    sigma = (10 * likelihood.scaled_log_sigma).exp().item()
    assert sigma == pytest.approx(errors.square().mean().sqrt().item(), rel=1e-3)


def test_a_fixed_sigma_is_no_parameter():
    assert list(likelihood_of(DIGIT, sigma=1.0).parameters()) == []
    assert len(list(likelihood_of(DIGIT).parameters())) == 1
    assert list(likelihood_of(DIGIT, likelihood="bernoulli").parameters()) == []


def test_a_bernoulli_of_floats_says_that_it_cannot_be():
    with pytest.raises(LatentbenchError) as caught:
        likelihood_of((5,), "float32", likelihood="bernoulli")
    assert str(caught.value) == "likelihood=bernoulli needs images in [0, 1], got float32 inputs"


@pytest.mark.parametrize("sigma", [0.0, -1.0])
def test_sigma_must_be_positive(sigma):
    with pytest.raises(RequestError, match=r"^vae: sigma .*greater than 0, got "):
        make("vae", split_of(DIGIT), sigma=sigma)


# reference rows


@pytest.fixture(scope="module")
def digits():
    data = PLUGINS.load("dataset", "digits")
    return data(data.Params()).load()


def test_pca_is_that_of_scikit_learn(digits):
    train, test = digits
    model = fitted("pca", train, latent_dim=5)
    flat = train.inputs.reshape(len(train), -1) / 255
    other = decomposition.PCA(5, svd_solver="full").fit(flat)
    inputs = floats(test)
    expected = torch.from_numpy(other.transform(inputs.flatten(1).double().numpy())).float()
    codes = model.encode(inputs)
    signs = torch.sign((codes * expected).sum(0))
    torch.testing.assert_close(codes * signs, expected, rtol=1e-3, atol=1e-4)
    rebuilt = other.inverse_transform(other.transform(inputs.flatten(1).double().numpy()))
    error = np.square(rebuilt - inputs.flatten(1).numpy()).mean()
    assert (model.decode(codes) - inputs).square().mean().item() == pytest.approx(error, rel=1e-5)


def test_pca_of_large_inputs_is_quick_and_right():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5000)) + 0.1 * rng.normal(size=(60, 5000))
    split = Split(rows.astype(np.float32))
    model = fitted("pca", split, latent_dim=5)
    other = decomposition.PCA(5, svd_solver="full").fit(rows)
    best = np.square(other.inverse_transform(other.transform(rows)) - rows).mean()
    inputs = floats(split)
    assert (model.decode(model.encode(inputs)) - inputs).square().mean().item() == pytest.approx(best, rel=1e-3)


def test_pca_with_more_components_than_there_can_be_says_so():
    with pytest.raises(NotApplicableError) as caught:
        fitted("pca", split_of(DIGIT, rows=24), latent_dim=25)
    assert str(caught.value) == "pca can have at most 24 components here, got latent_dim=25"


def test_more_random_directions_than_pixels_say_so():
    with pytest.raises(NotApplicableError, match="64 numbers an input have no 65 orthonormal directions"):
        fitted("random_projection", split_of(DIGIT, rows=24), latent_dim=65)


def test_directions_of_the_random_projection_are_orthonormal(digits):
    model = fitted("random_projection", digits[0], latent_dim=7)
    torch.testing.assert_close(model.directions.T @ model.directions, torch.eye(7), atol=1e-6, rtol=0)
    torch.testing.assert_close(model.center.mean, floats(digits[0]).flatten(1).mean(0))


def test_a_random_projection_keeps_its_share_of_the_variance(digits):
    kept = []
    inputs = floats(digits[0])
    for seed in range(20):
        codes = fitted("random_projection", digits[0], seed, latent_dim=16).encode(inputs)
        kept.append(codes.var(0).sum() / inputs.flatten(1).var(0).sum())
    assert np.mean(kept) == pytest.approx(16 / 64, rel=0.1)


def test_a_random_projection_onto_everything_loses_nothing():
    split = split_of(DIGIT)
    model = fitted("random_projection", split, latent_dim=64)
    inputs = floats(split)
    assert model.encode(inputs).shape == (24, 64)
    torch.testing.assert_close(model.decode(model.encode(inputs)), inputs, atol=1e-5, rtol=0)


def test_pixels_are_kept_exactly():
    split = split_of((3, 32, 32))
    model = fitted("pixels", split)
    inputs = floats(split)
    assert torch.equal(model.encode(inputs), inputs.flatten(1))
    assert torch.equal(model.decode(model.encode(inputs)), inputs)


def test_untrained_is_the_autoencoder_before_training():
    split = split_of(DIGIT)
    untrained, ae = make("untrained", split, seed=4), make("ae", split, seed=4)
    with torch.no_grad():
        assert torch.equal(untrained.encode(floats(split)), ae.encode(floats(split)))


def test_a_network_may_not_take_the_name_of_a_trait():
    class Confused(GradientModel):
        def __init__(self, params, data):
            super().__init__(params, data)
            self.encoder = torch.nn.Linear(2, 2)

        def encode(self, inputs):
            return inputs

        def loss(self, batch, noise):
            return {"total": batch.inputs.sum()}

    with pytest.raises(ContractError, match="call the network encoder_net"):
        Confused(Confused.Params(), DataSpec((2,), "float32", 4))
