import numpy as np
import pytest
import torch

from latentbench import ContractError, DataSpec, Model, Posterior, Split
from latentbench.latent.parts import SpaceData, SpaceMaps, check_codes

SPLIT = Split(np.full((6, 1, 4, 4), 51, np.uint8), np.arange(6), np.ones((6, 2)), ("a", "b"), (2, 0))


class Mean(Model):
    """The mean of an image as its code; neither posterior nor decoder."""

    decoder = "none"

    def encode(self, inputs):
        return inputs.flatten(1).mean(1, keepdim=True)


class Probabilistic(Mean):
    def posterior(self, inputs):
        mean = self.encode(inputs)
        return Posterior(mean, torch.ones_like(mean))


class Declines(Mean):
    def posterior(self, inputs):
        return None


def built(kind):
    return kind(kind.Params(), DataSpec.of(SPLIT))


def test_data_of_a_split_are_loaded_when_used():
    data = SpaceData.of_split(SPLIT, built(Mean))
    assert callable(data.inputs)
    torch.testing.assert_close(data.inputs(), torch.full((6, 1, 4, 4), 0.2))
    assert data.codes is None
    assert (data.labels.tolist(), data.factors.shape) == (list(range(6)), (6, 2))
    assert (data.factor_names, data.factor_sizes) == (("a", "b"), (2, 0))


def test_arrays_become_tensors_of_the_types_of_a_space():
    data = SpaceData.of_arrays(
        codes=[[0, 1]],
        labels=[3.0],
        inputs=np.full((1, 2), 255, np.uint8),
        factors=[[1, 2, 3]],
        reconstructions=None,
    )
    assert (data.codes.dtype, data.labels.dtype, data.factors.dtype) == (torch.float32, torch.int64, torch.float64)
    assert data.inputs.tolist() == [[1, 1]]
    assert data.reconstructions is None
    assert (data.factor_names, data.factor_sizes) == (("factor 0", "factor 1", "factor 2"), (0, 0, 0))


def test_arrays_must_have_equally_many_rows():
    with pytest.raises(ContractError, match=r"equally many rows, got \{'codes': 2, 'labels': 3\}$"):
        SpaceData.of_arrays(codes=np.ones((2, 1)), labels=[0, 1, 2])


@pytest.mark.parametrize(("kind", "has_posterior"), [(Mean, False), (Declines, False), (Probabilistic, True)])
def test_maps_hold_what_a_model_implements(kind, has_posterior):
    maps = SpaceMaps.of_model(built(kind), SPLIT)
    assert (maps.posterior is not None) == has_posterior
    assert maps.encode(torch.ones(2, 1, 4, 4)).tolist() == [[1], [1]]
    assert (maps.decode, maps.differentiable, maps.likelihood, maps.render) == (None, False, None, None)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.ones(3), r"codes must be \(n, d\) and floats, got torch.float32 of \(3,\)"),
        (torch.ones(3, 1).long(), "got torch.int64"),
        (torch.tensor([[1.0], [torch.nan], [torch.inf]]), "2 of 3 codes hold NaN or infinity"),
    ],
)
def test_codes_are_checked(codes, message):
    with pytest.raises(ContractError, match=f"^mine: .*{message}"):
        check_codes(codes, "mine")
    check_codes(torch.ones(3, 2), "mine")
