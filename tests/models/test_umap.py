"""UMAP; what fits one is slow, as numba compiles for most of a minute first."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import latentbench
from latentbench import DataSpec, LatentSpace, Model, NotApplicableError, Split
from latentbench.errors import RequestError
from latentbench.params import build_params
from latentbench_models.umap import UMAP


def made(rows, **params):
    return UMAP(build_params(UMAP.Params, params, "model 'umap'"), DataSpec((1, 8, 8), "uint8", rows))


def fitted(split, seed=0, **params):
    model = made(len(split), **params)
    model.fit(split, torch.Generator().manual_seed(seed))
    return model


@pytest.fixture(scope="module")
def digits():
    """Digits 0, 1 and 2: 300 to fit, 100 others as inputs, and what these are."""
    data = load_digits(n_class=3)
    images = np.round(data.images[:400, None] * 255 / 16).astype(np.uint8)
    return (
        Split(images[:300], data.target[:300]),
        torch.from_numpy(images[300:]).float() / 255,
        data.target[300:400],
    )


def test_what_cannot_be_fitted_says_so_at_once(digits):
    with pytest.raises(NotApplicableError) as caught:
        fitted(digits[0].take(np.arange(15)))
    assert str(caught.value) == (
        "umap with n_neighbors=15 and latent_dim=2 needs more than 15 training items, there are 15"
    )
    with pytest.raises(NotApplicableError, match="needs more than 31 training items, there are 20"):
        fitted(digits[0].take(np.arange(20)), latent_dim=30)


@pytest.mark.parametrize("wrong", [{"n_neighbors": 1}, {"min_dist": 1.0}, {"latent_dim": 0}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(RequestError, match=f"^model 'umap': {next(iter(wrong))} should be "):
        made(100, **wrong)


def test_it_encodes_and_does_not_decode():
    assert (UMAP.encoder, UMAP.decoder) == ("amortized", "none")
    assert UMAP.get_state is Model.get_state


@pytest.mark.slow
def test_other_items_are_placed_among_their_kind(digits):
    train, others, kinds = digits
    model = fitted(train)
    bank = model.encode(torch.from_numpy(train.inputs).float() / 255)
    codes = model.encode(others)
    assert codes.shape == (100, 2)
    assert codes.dtype == torch.float32
    assert torch.isfinite(codes).all()
    assert (train.labels[torch.cdist(codes, bank).argmin(1)] == kinds).mean() > 0.97
    assert torch.equal(codes, model.encode(others))


@pytest.mark.slow
def test_a_space_places_all_its_items_in_one_call(digits):
    train, _, _ = digits
    model = fitted(train)
    space = LatentSpace.of_model(model, train)
    assert torch.equal(space.codes, model.encode(space.inputs))


@pytest.mark.slow
def test_the_seed_decides(digits):
    train, others, _ = digits
    first, again, other = (fitted(train, seed, latent_dim=3).encode(others) for seed in (0, 0, 1))
    assert first.shape == (100, 3)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.slow
def test_a_trial_is_scored_at_once_and_later_scores_say_why_they_are_missing(tiny, tmp_path):
    def run(*scores):
        asked = tiny(models=("umap",), scores=scores, budget={"epochs": 1, "train_limit": 300})
        return latentbench.run(asked, tmp_path / "run", workers=0)

    def outcomes(results, score):
        return results.scores.set_index("score").loc[score, ["status", "reason"]].tolist()

    results = run("knn10", "r2")
    assert outcomes(results, "knn10") == ["ok", ""]
    assert results.scores.set_index("score").loc["knn10", "value"] > 0.8
    assert outcomes(results, "r2") == ["not applicable", "no decoder"]
    late = "umap cannot be reloaded; its scores come with its training"
    assert outcomes(run("knn10", "silhouette"), "silhouette") == ["not applicable", late]
