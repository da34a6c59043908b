"""The classic methods beside their formulas, written out in NumPy."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from latentbench import DataSpec, NotApplicableError, Split
from latentbench_models.classic.factor_analysis import FactorAnalysis
from latentbench_models.classic.ica import ICA
from latentbench_models.classic.isomap import Isomap
from latentbench_models.classic.kernel_pca import KernelPCA
from latentbench_models.classic.lle import LLE
from latentbench_models.classic.mds import MDS
from latentbench_models.classic.nmf import NMF

RNG = np.random.default_rng(0)
SOURCES = RNG.uniform(-1, 1, (400, 2)) * [1, 3]
MIXED = (SOURCES @ RNG.normal(size=(2, 5)) + 7 + 0.001 * RNG.normal(size=(400, 5))).astype(np.float32)
PLANE = (RNG.uniform(-1, 1, (120, 2)) @ np.linalg.qr(RNG.normal(size=(4, 2)))[0].T).astype(np.float32)
COUNTS = (RNG.gamma(1, 1, (60, 3)) @ RNG.gamma(1, 1, (3, 8)) + RNG.gamma(1, 0.3, (60, 8))).astype(np.float32)


def fitted(cls, inputs, seed=0, **params):
    split = Split(inputs)
    model = cls(cls.Params(**params), DataSpec.of(split))
    model.fit(split, torch.Generator().manual_seed(seed))
    return model


def codes_of(model, inputs):
    return model.encode(torch.from_numpy(inputs)).numpy().astype(np.float64)


def explained(codes, wanted):
    """Share of the variance of `wanted` that is affine in the codes."""
    design = np.column_stack([codes, np.ones(len(codes))])
    left = wanted - design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
    return 1 - left.var(0).sum() / wanted.var(0).sum()


def test_ica_finds_the_sources_that_were_mixed():
    model = fitted(ICA, MIXED, latent_dim=2)
    codes = codes_of(model, MIXED)
    alike = np.abs(np.corrcoef(codes.T, SOURCES.T)[:2, 2:])
    assert sorted(alike.argmax(1)) == [0, 1]
    assert alike.max(1).min() > 0.99
    np.testing.assert_allclose(np.cov(codes.T, bias=True), np.eye(2), atol=1e-3)


def test_ica_rebuilds_what_as_many_principal_components_do():
    model = fitted(ICA, MIXED, latent_dim=2)
    centered = MIXED - MIXED.mean(0, dtype=np.float64)
    axes = np.linalg.svd(centered, full_matrices=False)[2][:2]
    expected = centered @ axes.T @ axes + MIXED.mean(0, dtype=np.float64)
    np.testing.assert_allclose(model.decode(model.encode(torch.from_numpy(MIXED))), expected, atol=1e-4)


def test_ica_keeps_all_components_where_the_first_pixel_never_varies():
    """FastICA's own whitening turns axes by the sign of their first number, which is 0 there."""
    still = np.column_stack([np.full(len(MIXED), 3.0), MIXED]).astype(np.float32)
    codes = codes_of(fitted(ICA, still, latent_dim=2), still)
    np.testing.assert_allclose(np.cov(codes.T, bias=True), np.eye(2), atol=1e-3)
    assert explained(codes, SOURCES) > 0.99


def test_ica_says_that_it_stopped_early():
    with pytest.warns(UserWarning, match="ICA had not converged after iterations=1; its codes are"):
        fitted(ICA, MIXED, latent_dim=2, iterations=1)


@pytest.mark.parametrize("cls", [ICA, FactorAnalysis])
def test_linear_methods_say_when_there_are_too_few_items(cls):
    with pytest.raises(NotApplicableError, match=rf"^{cls.__name__} can have at most 2 components here"):
        fitted(cls, MIXED[:3], latent_dim=3)


def test_ica_says_when_inputs_vary_in_fewer_directions():
    for inputs in (np.repeat(np.eye(2, 5, dtype=np.float32), 20, axis=0), PLANE):
        with pytest.raises(NotApplicableError, match="ICA finds no 3 components: the inputs vary in fewer dir"):
            fitted(ICA, inputs, latent_dim=3)


def test_factor_analysis_gives_posterior_means_of_its_model():
    model = fitted(FactorAnalysis, MIXED, latent_dim=2)
    loadings, noise = model.estimator.components_, np.diag(model.estimator.noise_variance_)
    centered = MIXED - MIXED.mean(0, dtype=np.float64)
    expected = centered @ np.linalg.inv(loadings.T @ loadings + noise) @ loadings.T  # E[c | x] by conditioning
    np.testing.assert_allclose(codes_of(model, MIXED), expected, atol=1e-3)
    decoded = model.decode(torch.tensor([[1.0, 0.0]]))[0]
    np.testing.assert_allclose(decoded, loadings[0] + MIXED.mean(0), atol=1e-4)


def test_factor_analysis_models_the_covariance():
    model = fitted(FactorAnalysis, MIXED, latent_dim=2)
    loadings = model.estimator.components_
    covariance = loadings.T @ loadings + np.diag(model.estimator.noise_variance_)
    np.testing.assert_allclose(covariance, np.cov(MIXED.T.astype(np.float64), bias=True), atol=0.02)


def test_codes_of_nmf_are_the_best_that_are_not_negative():
    """Kuhn and Tucker: the slope is 0 where a code is above 0, and not below 0 where it is 0."""
    model = fitted(NMF, COUNTS, latent_dim=3)
    codes, parts = codes_of(model, COUNTS), model.parts.double().numpy()
    slopes = (codes @ parts - COUNTS) @ parts.T
    assert (codes >= 0).all()
    assert (parts >= 0).all()
    assert (codes == 0).any()
    assert np.abs(slopes[codes > 0]).max() < 1e-4
    assert slopes[codes == 0].min() > -1e-4
    np.testing.assert_allclose(np.linalg.norm(parts, axis=1), 1, atol=1e-6)
    theirs = model.estimator.inverse_transform(model.estimator.transform(COUNTS))
    error = np.square(codes @ parts - COUNTS).sum()
    assert error <= np.square(theirs - COUNTS).sum() * (1 + 1e-6)


def test_nmf_refuses_negative_inputs():
    with pytest.raises(NotApplicableError, match=r"^NMF takes inputs of at least 0, the least is -"):
        fitted(NMF, PLANE, latent_dim=2)
    with pytest.raises(NotApplicableError, match="NMF can have at most 8 parts here, got latent_dim=9"):
        fitted(NMF, COUNTS, latent_dim=9)


def test_kernel_pca_is_that_of_the_paper():
    model = fitted(KernelPCA, MIXED, latent_dim=2, items=400, gamma=0.3)
    centered = MIXED - MIXED.mean(0, dtype=np.float64)
    kernel = np.exp(-0.3 / centered.var(0).sum() * cdist(centered, centered, "sqeuclidean"))
    middle = np.eye(400) - 1 / 400
    values, vectors = np.linalg.eigh(middle @ kernel @ middle)
    expected = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :2]
    codes = codes_of(model, MIXED)
    np.testing.assert_allclose(codes * np.sign((codes * expected).sum(0)), expected, atol=1e-4)


def test_kernel_pca_decodes_by_ridge_regression():
    model = fitted(KernelPCA, MIXED, latent_dim=2, items=400, gamma=0.3, ridge=0.1)
    codes, mean = codes_of(model, MIXED), MIXED.mean(0, dtype=np.float64)
    kernel = np.exp(-0.3 / codes.var(0).sum() * cdist(codes, codes, "sqeuclidean"))
    expected = kernel @ np.linalg.solve(kernel + 0.1 * np.eye(400), MIXED - mean) + mean
    np.testing.assert_allclose(model.decode(torch.from_numpy(codes).float()), expected, atol=2e-3)
    assert np.square(expected - MIXED).mean() < 0.05 * MIXED.var(0).mean()


def test_kernel_pca_of_equal_inputs_says_so():
    with pytest.raises(NotApplicableError, match="KernelPCA needs inputs that differ, these are all equal"):
        fitted(KernelPCA, np.ones((9, 5), dtype=np.float32), latent_dim=2)


def test_isomap_straightens_a_bent_line():
    angles = np.linspace(0, 1.5 * np.pi, 150)[:, None]
    arc = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    model = fitted(Isomap, arc[::2], latent_dim=1, n_neighbors=2)
    assert explained(codes_of(model, arc), angles) > 0.999  # every other item is new to it
    assert explained(arc[:, :1], angles) < 0.7


def test_isomap_joins_a_graph_in_pieces():
    apart = np.concatenate([PLANE, PLANE + 100]).astype(np.float32)
    codes = codes_of(fitted(Isomap, apart, latent_dim=2, n_neighbors=4), apart)
    assert explained(codes, (apart[:, :1] > 50).astype(float)) > 0.95


def test_lle_finds_the_plane_and_scales_as_in_the_paper():
    model = fitted(LLE, PLANE, latent_dim=2, n_neighbors=8)
    codes = codes_of(model, PLANE)
    assert explained(codes, PLANE.astype(np.float64)) > 0.95
    learned = model.estimator.embedding_ * 120**0.5
    np.testing.assert_allclose(learned.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(learned.T @ learned / 120, np.eye(2), atol=1e-6)


def test_lle_places_an_item_by_the_weights_of_its_neighbors():
    model = fitted(LLE, PLANE, latent_dim=2, n_neighbors=8)
    new, centered = np.float32([[0.1, 0.2, 0, 0.1]]), PLANE - PLANE.mean(0, dtype=np.float64)
    item = new[0] - PLANE.mean(0, dtype=np.float64)
    near = np.argsort(np.square(centered - item).sum(1))[:8]
    gram = (centered[near] - item) @ (centered[near] - item).T
    weights = np.linalg.solve(gram + 1e-3 * np.trace(gram) * np.eye(8), np.ones(8))
    expected = weights / weights.sum() @ model.estimator.embedding_[near] * 120**0.5
    np.testing.assert_allclose(codes_of(model, new)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", [KernelPCA, Isomap, LLE])
def test_they_are_fitted_to_items_at_equal_steps_and_place_the_others(cls):
    some = fitted(cls, PLANE, latent_dim=2, items=40)
    rows = np.linspace(0, 119, 40).round().astype(int)
    shifted = PLANE[rows] - PLANE.mean(0) + PLANE[rows].mean(0)  # each takes off the mean of all that it is given
    alone = fitted(cls, shifted.astype(np.float32), latent_dim=2)
    moved = PLANE - PLANE.mean(0) + PLANE[rows].mean(0) - (PLANE[rows].mean(0) - shifted.mean(0))
    codes, expected = codes_of(some, PLANE), codes_of(alone, moved.astype(np.float32))
    assert codes.shape == (120, 2)
    assert some.get_state() is None
    assert explained(codes, expected) > 0.99


@pytest.mark.parametrize("cls", [KernelPCA, Isomap, LLE])
def test_they_say_what_they_cannot_give(cls):
    with pytest.raises(NotApplicableError, match=rf"^{cls.__name__} can give codes of at most 4 numbers here"):
        fitted(cls, PLANE, latent_dim=5)


@pytest.mark.parametrize("cls", [Isomap, LLE])
def test_they_need_more_items_than_neighbors(cls):
    with pytest.raises(NotApplicableError, match=rf"^{cls.__name__} with n_neighbors=20 needs more items, got 20"):
        fitted(cls, PLANE[:20], latent_dim=2, n_neighbors=20)


def test_mds_keeps_the_distances_of_a_plane():
    places = fitted(MDS, PLANE).embed(torch.from_numpy(PLANE)).numpy()
    np.testing.assert_allclose(pdist(places), pdist(PLANE), atol=1e-3)


def test_mds_lowers_the_stress_of_classical_scaling():
    inputs = RNG.normal(size=(50, 6)).astype(np.float32)
    centered = inputs - inputs.mean(0)
    classical = centered @ np.linalg.svd(centered, full_matrices=False)[2][:2].T
    places = fitted(MDS, inputs).embed(torch.from_numpy(inputs)).numpy()
    stress = [np.square(pdist(some) - pdist(inputs)).sum() for some in (places, classical)]
    assert stress[0] < 0.9 * stress[1]


def test_mds_says_how_many_items_it_maps():
    model = fitted(MDS, PLANE, items=100)
    with pytest.raises(NotApplicableError) as caught:
        model.embed(torch.from_numpy(PLANE))
    assert str(caught.value) == (
        "MDS maps at most items=100 at once, got 120; give mds.items=120, or score fewer items"
    )
    with pytest.raises(NotApplicableError, match="MDS can give codes of at most 1 numbers here, got latent_dim=2"):
        model.embed(torch.from_numpy(PLANE[:2]))
