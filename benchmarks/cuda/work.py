"""What the parts of gpu.py share: data, trials and models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from latentbench import Benchmark
from latentbench.dataset import DataSpec, Splits
from latentbench.errors import RequestError
from latentbench.model import GradientModel
from latentbench.opening import build_model, load_splits
from latentbench.params import build_params
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.trial import Trial

__all__ = [
    "LATENT_DIM",
    "PLUGINS",
    "Precision",
    "Work",
    "find_data",
    "one_line",
    "synchronize",
]

PLUGINS = Plugins()
LATENT_DIM = 16
RANDOM_TRAIN, RANDOM_TEST = 60_000, 10_000
IMAGES = "train-images-idx3-ubyte*"
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Work:
    """What all parts are given; it goes to other processes.

    Attributes:
        device: "cpu" or "cuda".
        quick: do a small part of everything, for a try.
        dataset: name and path, as a benchmark is given it.
        members: seeds trained together.
        batches: batch sizes.
        seconds: how long each variant is timed.
        processes: how many train at the same time.
        ae: batch sizes, learning rates and epochs tried to reach the error of an autoencoder.
        study_groups: how many models of the disentanglement study are trained together.
    """

    device: str
    quick: bool
    dataset: str
    members: int
    batches: tuple[int, ...]
    seconds: float
    processes: int
    ae: tuple[tuple[int, float, int], ...]
    study_groups: tuple[int, ...]

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What to train in."""
        return ("float32",) if self.quick else ("float32", "bfloat16")

    def trials(self, model: str = "beta_vae", dataset: str = "") -> tuple[Trial, ...]:
        """Return the trials of a model, one a seed."""
        benchmark = Benchmark(
            datasets=(dataset or self.dataset,),
            models=(model,),
            references=(),
            seeds=self.members,
            scores=("parameters",),
            on={},
            params={"latent_dim": LATENT_DIM},
        )
        trials = make_plan(benchmark, PLUGINS, self.device).trials
        for trial in trials:
            if trial.outcome is not None:
                raise RequestError(f"the data cannot be read: {trial.outcome.message}")
        return trials

    def splits(self) -> Splits:
        """Return the data; they are read once a process."""
        return load_splits(PLUGINS, self.trials()[0])

    def models(self, count: int, name: str = "beta_vae", first: int = 0) -> list[GradientModel]:
        """Return models of so many seeds with their first weights, on the CPU."""
        data = DataSpec.of(self.splits().train)
        built = [build_model(trial, PLUGINS, data) for trial in self.trials(name)[first : first + count]]
        return [model for model in built if isinstance(model, GradientModel)]


def synchronize(device: str) -> None:
    """Wait until the device has done all it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def one_line(error: BaseException) -> str:
    """Return an error's name and the beginning of what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def find_data(folder: Path | None, scratch: Path) -> str:
    """Return the dataset to use, as a benchmark is given it: Fashion-MNIST, or random images where it is nowhere.

    Raises:
        RequestError: the folder does not hold it.
    """
    found: Any = PLUGINS.load("dataset", "fashion_mnist")
    usual = found(build_params(found.Params, {}, "fashion_mnist")).folders()
    for place in usual if folder is None else (folder,):
        if any(place.glob(IMAGES)):
            return f"fashion_mnist:path={place.resolve()}"
    if folder is not None:
        raise RequestError(f"--data {folder}: the folder should hold Fashion-MNIST's four idx files, it does not")
    return _random_images(scratch / "random.npz")


def _random_images(path: Path) -> str:
    """Write images of noise in 10 classes, as many as Fashion-MNIST has."""
    random = np.random.default_rng(0)
    sizes = {"train": RANDOM_TRAIN, "test": RANDOM_TEST}
    arrays: dict[str, Any] = {}
    for name, size in sizes.items():
        arrays[f"x_{name}"] = random.integers(0, 256, (size, 28, 28, 1), dtype=np.uint8)
        arrays[f"y_{name}"] = np.arange(size) % 10
    np.savez(path, **arrays)
    return f"arrays:path={path}"
