"""Choose the built-in autoencoders' network and budget: `python benchmarks/defaults.py DATASET SEEDS [steps]`.

Every setting is trained on the training split and judged on the validation split; the test split is not looked at.
Printed: mean squared error of `ae`, `vae` and `beta_vae`, the ratio of the first two, the sum that `vae` minimizes
(distortion + rate, nats), the largest share of the loss's fall that was left to the last tenth of the epochs, and
the processor time of one training of `vae`; means over seeds. With `steps` batch sizes and learning rates are
compared instead of networks.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from latentbench.benchmark import Benchmark
from latentbench.dataset import DataSpec, Splits
from latentbench.latent.space import LatentSpace
from latentbench.machine import limited_threads
from latentbench.model import GradientModel
from latentbench.opening import build_model, load_splits
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.training.convergence import late_fall
from latentbench.training.engine import train_model

SETTINGS = {
    "digits": {"hidden": (0, 128, 256), "learning_rate": (2e-3, 5e-3), "batch_size": (64,)},
    "fashion_mnist": {"hidden": (0, 128, 256), "learning_rate": (3e-3, 2e-3)},
}
STEPS = {  # backbone, batch size, learning rate, epochs
    "digits": (
        ("conv", 64, 5e-3, 80),
        ("conv", 64, 1e-2, 40),
        ("conv", 128, 5e-3, 80),
        ("conv", 128, 1e-2, 80),
        ("conv", 128, 1.2e-2, 80),
        ("conv", 128, 1.5e-2, 80),
        ("conv", 256, 2e-2, 80),
        ("mlp", 64, 3e-3, 80),
        ("mlp", 128, 5e-3, 80),
    ),
    "fashion_mnist": (
        ("conv", 128, 3e-3, 12),
        ("conv", 128, 3e-3, 8),
        ("conv", 256, 4e-3, 12),
        ("conv", 256, 4e-3, 8),
        ("conv", 256, 6e-3, 8),
    ),
}
OF_BUDGET = "learning_rate", "batch_size", "epochs"
MODELS = "ae", "vae", "beta_vae"


class Measured(NamedTuple):
    """What one training gave, on the validation split.

    Attributes:
        mse: mean squared error.
        bound: the negative lower bound, nats; NaN without a posterior.
        late: share of the loss's fall in the last tenth of the epochs.
        seconds: processor time of the training.
    """

    mse: float
    bound: float
    late: float
    seconds: float


def settings(dataset: str, *, steps: bool) -> Iterator[dict[str, Any]]:
    """Return what is compared."""
    names = ("backbone", "batch_size", "learning_rate", "epochs") if steps else tuple(SETTINGS[dataset])
    rows = STEPS[dataset] if steps else itertools.product(*SETTINGS[dataset].values())
    return (dict(zip(names, row, strict=True)) for row in rows)


def measure(dataset: str, model: str, seeds: int, setting: dict[str, Any]) -> list[Measured]:
    """Train with one setting, once a seed."""
    plugins = Plugins()
    budget = {name: setting[name] for name in OF_BUDGET if name in setting}
    if dataset == "fashion_mnist" and "epochs" not in setting:
        budget["train_limit"] = 20_000  # for networks; budgets are for all images
    asked = Benchmark(
        datasets=(dataset,),
        models=(model,),
        references=(),
        seeds=seeds,
        budget=budget,
        params={name: value for name, value in setting.items() if name not in OF_BUDGET},
    )
    return [_trained(trial, plugins, load_splits(plugins, trial)) for trial in make_plan(asked, plugins).trials]


def _trained(trial: Any, plugins: Plugins, splits: Splits) -> Measured:
    budget = trial.budget
    train = splits.train
    if budget.train_limit:
        train = train.take(np.arange(budget.train_limit))
    model = cast(GradientModel, build_model(trial, plugins, DataSpec.of(train)))
    with limited_threads(1):
        begun = time.process_time()
        late = late_fall(train_model(model, train, budget, trial.seed))
        seconds = time.process_time() - begun
        with torch.no_grad():
            space = LatentSpace.of_model(model, splits.validation)
            mse = float((space.reconstructions - space.inputs).square().mean())
            if "posterior" not in space.supplies:
                return Measured(mse, math.nan, late, seconds)
            likelihood = cast(Tensor, model.log_likelihood(space.inputs, space.code_samples))
            bound = float(space.posterior.kl(space.prior).mean() - likelihood.mean())
            return Measured(mse, bound, late, seconds)


def main() -> None:
    """Print one line a setting."""
    dataset, seeds, *more = sys.argv[1:]
    print(f"{dataset}, validation split, {seeds} seeds")
    for setting in settings(dataset, steps=more == ["steps"]):
        rows = {model: np.array(measure(dataset, model, int(seeds), setting)) for model in MODELS}
        ae, vae, beta = (each.mean(0) for each in rows.values())
        late = max(each[:, 2].max() for each in rows.values())
        print(
            f"{setting}  ae {ae[0]:.5f}  vae {vae[0]:.5f}  beta_vae {beta[0]:.5f}  ratio {vae[0] / ae[0]:.2f}  "
            f"bound {vae[1]:.2f}  late {late:.4f}  seconds {vae[3]:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
