"""Choose the built-in autoencoders' network and learning rate: `python benchmarks/defaults.py DATASET SEEDS`.

Every setting is trained on the training split and judged on the validation split; the test split is not looked at.
Printed for each setting: mean squared error of `ae` and `vae`, their ratio, and the sum that `vae` minimizes
(distortion + rate, nats), means over seeds.
"""

from __future__ import annotations

import itertools
import math
import sys
from typing import Any, cast

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
from latentbench.training.engine import train_model

SETTINGS = {
    "digits": {"hidden": (0, 128, 256), "learning_rate": (2e-3, 5e-3)},
    "fashion_mnist": {"hidden": (0, 128, 256), "learning_rate": (3e-3, 2e-3)},
}


def measure(dataset: str, model: str, seeds: int, setting: dict[str, Any]) -> list[tuple[float, float]]:
    """Return (mse, negative lower bound in nats) on the validation split, one a seed."""
    plugins = Plugins()
    budget = {"learning_rate": setting["learning_rate"]}
    if dataset == "fashion_mnist":
        budget["train_limit"] = 20_000
    asked = Benchmark(
        datasets=(dataset,),
        models=(model,),
        references=(),
        seeds=seeds,
        budget=budget,
        on={},
        params={"hidden": setting["hidden"]},
    )
    found = []
    for trial in make_plan(asked, plugins).trials:
        splits = load_splits(plugins, trial)
        found.append(_trained(trial, plugins, splits))
    return found


def _trained(trial: Any, plugins: Plugins, splits: Splits) -> tuple[float, float]:
    budget = trial.budget
    train = splits.train
    if budget.train_limit:
        train = train.take(np.arange(budget.train_limit))
    model = cast(GradientModel, build_model(trial, plugins, DataSpec.of(train)))
    with limited_threads(1):
        train_model(model, train, budget, trial.seed)
        with torch.no_grad():
            space = LatentSpace.of_model(model, splits.validation)
            mse = float((space.reconstructions - space.inputs).square().mean())
            if "posterior" not in space.supplies:
                return mse, math.nan
            likelihood = cast(Tensor, model.log_likelihood(space.inputs, space.code_samples))
            return mse, float(space.posterior.kl(space.prior).mean() - likelihood.mean())


def main() -> None:
    """Print one line a setting."""
    dataset, seeds = sys.argv[1], int(sys.argv[2])
    print(f"{dataset}, validation split, {seeds} seeds")
    names = list(SETTINGS[dataset])
    for values in itertools.product(*SETTINGS[dataset].values()):
        setting = dict(zip(names, values, strict=True))
        ae = np.mean(measure(dataset, "ae", seeds, setting), axis=0)
        vae = np.mean(measure(dataset, "vae", seeds, setting), axis=0)
        print(
            f"{setting}  ae {ae[0]:.5f}  vae {vae[0]:.5f}  ratio {vae[0] / ae[0]:.2f}  bound {vae[1]:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
