"""Training, encoding and decoding of every model found, on 4,096 images of 28 x 28."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor

from latentbench import Benchmark
from latentbench.dataset import DataSpec, Split
from latentbench.errors import NotApplicableError
from latentbench.latent.space import LatentSpace
from latentbench.model import GradientModel, Model
from latentbench.opening import build_model
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.training.engine import train_model
from latentbench.training.trainer import derive_seed
from latentbench.trial import Trial

if TYPE_CHECKING:
    from benchmarks.conftest import Stopwatch

FEW = 512  # images of a warm-up
FITTED = 2000  # images that models without gradients are fitted on


@pytest.mark.benchmark(group="training, one epoch of 28 x 28 images")
@pytest.mark.parametrize("batch_size", [64, 256])
def test_training(
    stopwatch: Stopwatch, plugins: Plugins, images: Split, gradient_model: str, batch_size: int
) -> None:
    trial = planned(plugins, gradient_model, batch_size)
    budget = trial.budget
    name = f"{trial.label}, batch {batch_size}, {budget.precision}"
    try:
        model = build_model(trial, plugins, DataSpec.of(images))
    except NotApplicableError as error:
        stopwatch.skip(name, str(error))
    assert isinstance(model, GradientModel)
    history = stopwatch(
        name,
        lambda fresh: train_model(fresh, images, budget, 0),
        warm_up=lambda: train_model(copy.deepcopy(model), images.take(np.arange(FEW)), budget, 0),
        setup=lambda: ((copy.deepcopy(model),), {}),
        amount=(len(images), "images"),
        model=gradient_model,
        batch_size=batch_size,
        precision=budget.precision,
        threads=torch.get_num_threads(),
    )
    assert np.isfinite(history[-1]["total"])


@pytest.mark.benchmark(group="encoding")
def test_encode(stopwatch: Stopwatch, plugins: Plugins, images: Split, model: str) -> None:
    name = f"{model}, encode"
    space = seen(stopwatch, name, plugins, images, model, "encoder")
    codes = stopwatch(
        name,
        lambda: space.encode(space.inputs),
        warm_up=lambda: space.encode(space.inputs[:FEW]),
        amount=(len(images), "images"),
        model=model,
    )
    assert len(codes) == len(images)


@pytest.mark.benchmark(group="decoding")
def test_decode(stopwatch: Stopwatch, plugins: Plugins, images: Split, model: str) -> None:
    name = f"{model}, decode"
    space = seen(stopwatch, name, plugins, images, model, "decoder")
    codes = some_codes(space)
    decoded = stopwatch(
        name,
        lambda: space.decode(codes),
        warm_up=lambda: space.decode(codes[:FEW]),
        amount=(len(codes), "images"),
        model=model,
    )
    assert decoded.shape == space.inputs.shape


def planned(plugins: Plugins, model: str, batch_size: int = 64) -> Trial:
    """Return the trial of one epoch on one thread that `latentbench run` would make of this model."""
    budget = {"epochs": 1, "batch_size": batch_size, "threads": 1}
    plan = make_plan(Benchmark(datasets=("sprites",), models=(model,), seeds=1, budget=budget), plugins, "cpu")
    return next(trial for trial in plan.trials if trial.model == model)


def seen(stopwatch: Stopwatch, name: str, plugins: Plugins, images: Split, model: str, need: str) -> LatentSpace:
    """Look at the images through a model; gradient models stay untrained, which costs the same."""
    try:
        built = ready(build_model(planned(plugins, model), plugins, DataSpec.of(images)), images)
    except NotApplicableError as error:
        stopwatch.skip(name, str(error))
    space = LatentSpace.of_model(built, images, name=model)
    if reason := space.missing((need,)):
        stopwatch.skip(name, reason)
    return space


def ready(model: Model, images: Split) -> Model:
    """Make a model fit to encode."""
    if isinstance(model, GradientModel):
        return model.eval()
    model.fit(images.take(np.arange(FITTED)), torch.Generator().manual_seed(derive_seed(0, "fit")))
    return model


def some_codes(space: LatentSpace) -> Tensor:
    """Return as many codes as there are images: encoded ones, or draws from the prior of a mere generator."""
    if "encoder" in space.supplies:
        return space.encode(space.inputs)
    mean = space.prior.mean
    noise = torch.randn(len(space.inputs), len(mean), generator=torch.Generator().manual_seed(0))
    return space.prior.sample(noise)
