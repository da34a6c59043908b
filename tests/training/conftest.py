"""Models and data for tests of the training engine."""

from pathlib import Path

import numpy as np
import pytest

from latentbench import Split
from latentbench.plugins import Plugins

SAMPLES = Path(__file__).parent / "samples.py"
THIRD_PARTY = Path(__file__).parents[1] / "third_party" / "latentbench_thirdparty" / "latentbench_thirdparty.py"


@pytest.fixture(scope="session")
def models():
    """A function that returns the class of a model, built in, of the third party or from samples.py."""
    plugins = Plugins(files=(str(SAMPLES), str(THIRD_PARTY)))
    return lambda name: plugins.load("model", name)


@pytest.fixture(scope="session")
def make_split():
    """A function that returns random images with labels and factors."""

    def make(shape=(3, 4, 4), count=44):
        rng = np.random.default_rng(0)
        return Split(
            rng.integers(0, 256, (count, *shape), dtype=np.uint8),
            labels=rng.integers(0, 4, count),
            factors=rng.normal(size=(count, 2)),
            factor_names=("one", "two"),
            factor_sizes=(0, 0),
        )

    return make
