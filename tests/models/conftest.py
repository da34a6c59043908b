"""Models of a few weights on drawn data, and what killed ones learn when they go on."""

import pytest
import torch

from latentbench.testing.specimens import drawn
from latentbench.testing.tried import TriedModel
from latentbench.training.engine import Training

SMALL = {"latent_dim": 3, "backbone": "mlp", "channels": 2}


@pytest.fixture(scope="session")
def tried():
    """A function that makes a model on images or vectors; keyword arguments are its parameters."""

    def make(cls, *, rows=24, shape=(1, 8, 8), dtype="uint8", **params):
        return TriedModel(cls, cls.Params(**{**SMALL, **params}), drawn(shape, dtype, rows))

    return make


@pytest.fixture(scope="session")
def parent_of():
    """A function that returns a model of another class with the parameters and the weights of one."""

    def make(cls, tried, model):
        params = {name: getattr(tried.params, name) for name in cls.Params.model_fields}
        parent = TriedModel(cls, cls.Params(**params), tried.split).gradient_model()
        weights = model.state_dict()
        parent.load_state_dict({name: weights[name] for name in parent.state_dict()})
        return parent

    return make


@pytest.fixture(scope="session")
def resumed_alike():
    """A function that kills a training after an epoch and holds what goes on to the bits of a whole one.

    `make(seed)` returns a model; the model of the whole training is returned.
    """

    def check(make, split, budget):
        whole = Training([make(0)], split, budget, [0])
        states = [whole.state(0) for _ in whole]
        resumed = Training([make(5)], split, budget, [0])
        resumed.resume(states[:1])
        assert [epoch for epoch, _ in resumed] == list(range(2, budget.epochs + 1))
        assert resumed.histories == whole.histories
        actual, expected = (training.models[0].state_dict() for training in (resumed, whole))
        assert all(torch.equal(actual[name], value) for name, value in expected.items())
        return whole.models[0]

    return check
