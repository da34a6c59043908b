"""A finished run of four trials, and copies of it to be damaged."""

import shutil
import warnings
from pathlib import Path

import pytest

import latentbench
from latentbench.plugins import Plugins


@pytest.fixture(scope="package")
def plugins():
    return Plugins()


@pytest.fixture(scope="package")
def make_run(tiny, plugins, tmp_path_factory):
    """A function that runs a tiny benchmark and returns its folder."""

    def make(folder=None, **changes):
        asked = tiny(**{"models": ("pca", "vae"), "seeds": 2, "scores": ("r2", "knn10", "rate"), **changes})
        place = folder or tmp_path_factory.mktemp("runs") / "run"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is damaged and made again
            return latentbench.run(asked, place, plugins=plugins, workers=0, progress=False).path

    return make


@pytest.fixture(scope="package")
def whole(make_run):
    return make_run()


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "run"))
