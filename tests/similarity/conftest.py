"""Models whose spaces are arrays, and pair scores made for tests."""

from functools import partial

import pytest
import torch

from latentbench import LatentSpace, NotApplicableError, PairMetric, Score
from latentbench.similarity import measuring
from latentbench.similarity.requests import PairRequest
from latentbench.similarity.spaces import ComparedModel, ComparedSpace

PERMUTATIONS = 40


class Shared(PairMetric):
    """The correlation of the first dimensions; counts what is computed."""

    score = Score("up", range=(-1, 1))
    computed = 0

    def compute(self, a, b):
        type(self).computed += 1
        first, second = (space.codes[:, 0].double() for space in (a, b))
        if first.std() == 0 or second.std() == 0:
            raise NotApplicableError("the first dimension is constant")
        return float(torch.corrcoef(torch.stack([first, second]))[0, 1])


class Explained(Shared):
    """Not symmetric: the correlation, times the share of items that are above 0 in the first space."""

    symmetric = False

    def compute(self, a, b):
        return super().compute(a, b) * float((a.codes[:, 0] > 0).float().mean())


class Apart(Shared):
    """Better the lower it is."""

    score = Score("down", range=(0, 2))

    def compute(self, a, b):
        return 1 - super().compute(a, b)


class Turned(Shared):
    """Neither more nor less of it is better."""

    score = Score("none")


def asked(cls):
    return PairRequest(cls.__name__.lower(), "what two spaces share", cls(cls.Params()), cls.__name__)


def model_of(label, arrays, reference="", items="same"):
    spaces = [
        ComparedSpace(seed, f"{label}-{seed}", partial(LatentSpace.from_arrays, codes=codes, name=label))
        for seed, codes in enumerate(arrays)
    ]
    return ComparedModel(label, reference, items, tuple(spaces))


def seeds_of(signal, noise, count, generator):
    """Codes `(n, 2)` of seeds of a model that finds a signal `(n,)`, each with noise of its own."""
    drawn = (torch.randn(len(signal), 2, generator=generator) for _ in range(count))
    return [torch.stack([signal + noise * each[:, 0], each[:, 1]], 1) for each in drawn]


@pytest.fixture
def models():
    """Two models that find one signal, and one that finds another."""
    generator = torch.Generator().manual_seed(0)
    signal, other = torch.randn(2, 60, generator=generator)
    return [
        model_of("ae", seeds_of(signal, 0.1, 3, generator)),
        model_of("vae", seeds_of(signal, 0.1, 3, generator)),
        model_of("network", seeds_of(other, 0.1, 3, generator)),
    ]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Begin with nothing computed, and take few permutations."""
    monkeypatch.setattr(measuring, "PERMUTATIONS", PERMUTATIONS)
    for cls in (Shared, Explained, Apart, Turned):
        cls.computed = 0
