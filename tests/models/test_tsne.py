import numpy as np
import pytest
import torch
from sklearn import manifold
from sklearn.datasets import load_digits

from latentbench import DataSpec, NotApplicableError
from latentbench.errors import RequestError
from latentbench.params import build_params
from latentbench_models.tsne import TSNE


@pytest.fixture(scope="module")
def digits():
    """The first 150 digits 0, 1 and 2, and what they are."""
    data = load_digits(n_class=3)
    return torch.from_numpy(data.images[:150, None]).float() / 16, data.target[:150]


def made(shape=(1, 8, 8), **params):
    checked = build_params(TSNE.Params, {"iterations": 250, **params}, "model 'tsne'")
    return TSNE(checked, DataSpec(shape, "float32", 9))


def test_it_is_that_of_scikit_learn(digits):
    model = made(perplexity=20)
    rows = digits[0].flatten(1).numpy()
    centered = (rows - rows.mean(0, dtype=np.float64)).astype(np.float32)  # as inputs that are no images are
    expected = manifold.TSNE(
        2, perplexity=20, init="pca", learning_rate="auto", max_iter=250, random_state=0
    ).fit_transform(centered)
    assert np.array_equal(model.embed(digits[0]).numpy(), expected)


def test_three_kinds_of_digits_are_three_groups(digits):
    places = made(iterations=500).embed(digits[0])
    distances = torch.cdist(places, places).fill_diagonal_(float("inf"))
    actual = digits[1][distances.argmin(1)]
    assert (actual == digits[1]).mean() > 0.97


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_map_has_one_to_three_dimensions(digits, dimensions):
    places = made(dimensions=dimensions, perplexity=5).embed(digits[0][:40])
    assert places.shape == (40, dimensions)
    assert places.dtype == torch.float32
    assert torch.isfinite(places).all()


def test_no_seed_changes_a_map(digits):
    """So one trial is enough, and an interval over seeds would be one over nothing."""
    assert TSNE.deterministic
    torch.manual_seed(1)
    first = made().embed(digits[0])
    torch.manual_seed(2)
    assert torch.equal(first, made().embed(digits[0]))
    assert made().get_state() == {}


def test_what_else_is_shown_changes_a_map(digits):
    """Which is why it is marked, and why there is no code of one item."""
    assert not torch.allclose(made().embed(digits[0])[:100], made().embed(digits[0][:100]), atol=1e-2)


def test_there_is_no_encoder_and_no_decoder(digits):
    assert (TSNE.encoder, TSNE.decoder) == ("none", "none")
    with pytest.raises(NotApplicableError, match=r"^t-SNE has no encoder$"):
        made().encode(digits[0])


def test_too_few_items_say_so(digits):
    with pytest.raises(NotApplicableError) as caught:
        made().embed(digits[0][:30])
    assert str(caught.value) == "t-SNE of perplexity 30 needs more items than that, there are 30"


def test_too_few_numbers_an_input_say_so():
    with pytest.raises(NotApplicableError, match=r"^a map of 3 dimensions needs as many numbers an input, got 2$"):
        made(dimensions=3, shape=(2,)).embed(torch.rand(50, 2))


def test_more_dimensions_are_refused():
    with pytest.raises(RequestError, match=r"^model 'tsne': dimensions .*less than or equal to 3, got 4$"):
        made(dimensions=4)


def test_inputs_that_are_all_equal_lie_in_one_place():
    model = TSNE(TSNE.Params(perplexity=5), DataSpec((4,), "float32", 20))
    assert model.embed(torch.full((20, 4), 0.3)).tolist() == [[0.0, 0.0]] * 20
