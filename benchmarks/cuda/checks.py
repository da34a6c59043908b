"""The part of gpu.py that compares: training on a device, captured and in groups, and scores, with the CPU's."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.cuda.rows import Aim, Row
from benchmarks.cuda.work import PLUGINS, Precision, Work
from latentbench import LatentSpace
from latentbench.dataset import Split
from latentbench.execution.scoring import measure
from latentbench.machine import limited_threads
from latentbench.model import as_inputs
from latentbench.planning.metrics import metric_requests
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench.training.members import Alone, Stack
from latentbench.training.trainer import Trainer
from latentbench.trial import ScoreRequest

__all__ = ["MEMBERS", "OTHER_DEVICE", "SAME_DEVICE", "Trained", "Way", "check_scores", "check_training", "train"]

BATCH, LOOKED_AT = 64, 256
STEPS = {False: 24, True: 6}  # quick or not
MEMBERS = 3
SAME_DEVICE = Aim("<=", 1e-6)
OTHER_DEVICE = Aim("<=", 1e-5)  # the learning rate is a float32 number on CUDA
ROUNDED = {"float32": Aim("<=", 1e-2), "bfloat16": Aim("<=", 3e-2)}  # float32 on CUDA has TF32 convolutions
NO_SCORE = Aim("<=", 0)
LEAST_MARGIN = 1e-3
SCORED, PROBED = 500, 1000
SOFT = 0.8  # of its time, after which it begins nothing new


@dataclass(frozen=True)
class Way:
    """One way to train the same trials: equal first weights, rows and noise."""

    device: str
    together: bool = False
    captured: bool = False
    matmul: bool = True
    double: bool = True
    precision: Precision = "float32"

    def __str__(self) -> str:
        kind = "matrix products" if self.matmul else "grouped convolutions"
        members = f"stacked, {kind}" if self.together else "alone"
        steps = "captured, " if self.captured else "eager, " if self.device == "cuda" else ""
        number = "float64" if self.double else self.precision
        return f"{self.device}, {steps}{members}, {number}"


@dataclass(frozen=True)
class Trained:
    """What came of one trial: mean losses of the steps, and codes of a few test images."""

    losses: dict[str, float]
    codes: Tensor

    def distance(self, other: Trained) -> float:
        """Return the largest of the relative differences of losses and codes."""
        apart = float((self.codes - other.codes).norm() / other.codes.norm())
        return max(apart, self.losses_distance(other))

    def losses_distance(self, other: Trained) -> float:
        """Return the largest difference of the losses: relative, absolute for those under a nat."""
        return max(abs(self.losses[name] - value) / max(1.0, abs(value)) for name, value in other.losses.items())


def check_training(work: Work, _: Sequence[Row], __: float) -> Iterator[Row]:
    """Train in all ways and compare with the CPU in float64."""
    expected = train(work, Way("cpu"))
    ways = [Way("cpu", together=True), Way("cpu", together=True, matmul=False)]
    if work.device == "cuda":
        ways += [Way("cuda", together, captured) for together in (False, True) for captured in (False, True)]
        ways += [Way("cuda", together=True, captured=True, matmul=False)]
    for way in ways:
        found = train(work, way)
        value = max(own.distance(other) for own, other in zip(found, expected, strict=True))
        aim = SAME_DEVICE if way.device == "cpu" else OTHER_DEVICE
        yield Row("checks", f"losses and codes, {way}", value, "relative", aim, must=True)
    for precision in work.precisions:
        for together in (False, True):
            way = Way(work.device, together, work.device == "cuda", double=False, precision=precision)
            found = train(work, way)
            value = max(own.losses_distance(other) for own, other in zip(found, expected, strict=True))
            yield Row("checks", f"losses, {way}", value, "relative", ROUNDED[precision], must=True)


def train(work: Work, way: Way, members: int = MEMBERS) -> list[Trained]:
    """Train a few seeds for some steps in one way, each on rows and noise of its own; a CPU has one thread."""
    every = range(min(members, work.members))
    groups = [every] if way.together else [every[seed : seed + 1] for seed in every]
    with limited_threads(1):
        return [one for seeds in groups for one in _train(work, way, seeds)]


def _train(work: Work, way: Way, seeds: Sequence[int]) -> list[Trained]:
    dtype = torch.float64 if way.double else torch.float32
    models = [model.place(way.device).to(dtype) for model in work.models(len(seeds), first=seeds[0])]
    for model in models:
        model.capturable = way.captured  # type: ignore[misc] # of these alone
    members = Stack(models) if way.together else Alone(models[0])
    budget = Budget(epochs=1, batch_size=BATCH, precision=way.precision)
    steps = STEPS[work.quick]
    trainer = Trainer(members, _rows(work.splits().train, steps * BATCH), budget, seeds, way.matmul)
    _feed(trainer, seeds)
    for _ in range(steps):
        trainer._step(BATCH)
    members.write_back()
    images = as_inputs(work.splits().test.inputs[:LOOKED_AT], way.device).to(dtype)
    with torch.no_grad():
        codes = [model.encode(images).double().cpu() for model in models]
    return [Trained(losses, found) for losses, found in zip(trainer.losses(), codes, strict=True)]


def _rows(split: Split, count: int) -> Split:
    return split.take(np.arange(count))


def _feed(trainer: Trainer, seeds: Sequence[int]) -> None:
    """Give a trainer rows and noise drawn on the CPU: its own generators draw other numbers on another device."""
    for member, seed in enumerate(seeds):
        generator = torch.Generator().manual_seed(seed)
        own = member if trainer.stacked else ...
        trainer.rows[own] = torch.randperm(trainer.block, generator=generator).to(trainer.device)
        for name, draw in trainer.draws.items():
            trainer.noise[name][own] = draw.sample(trainer.block, generator).to(trainer.device, trainer.dtype)
    trainer.cursor.rewind()


def check_scores(work: Work, _: Sequence[Row], seconds: float) -> Iterator[Row]:
    """Score one space on the CPU and on the device, metric by metric while there is time."""
    what = "scores of a space that differ from the CPU's"
    if work.device != "cuda":
        yield Row("scores", what, None, note="skipped: needs CUDA")
        return
    stop = time.monotonic() + SOFT * seconds
    here, there = _spaces(work)
    equal, wrong, left = 0, [], []
    for request in _requests():
        if time.monotonic() > stop:
            left.append(request.metric)
            continue
        expected, found = _scores(request, here), _scores(request, there)
        margin = max(PLUGINS.load("metric", request.metric).tolerance, LEAST_MARGIN)
        for name, value in expected.items():
            if _alike(value, found[name], margin):
                equal += 1
            else:
                wrong.append(f"{name} {found[name]}, not {value}")
    note = "; ".join(wrong) or f"{equal} scores are equal within the metrics' tolerances"
    note += f"; no time for {', '.join(left)}" if left else ""
    yield Row("scores", what, len(wrong), "scores", NO_SCORE, must=True, note=note)


def _spaces(work: Work) -> list[LatentSpace]:
    """Look through a model that has learned a little, on both devices."""
    model, splits = work.models(1)[0].place(work.device), work.splits()
    train_model(model, splits.train, Budget(epochs=1), 0)
    test, train = _rows(splits.test, SCORED), _rows(splits.train, PROBED)
    every = [copy.deepcopy(model).place(device).eval() for device in ("cpu", work.device)]
    return [LatentSpace.of_model(one, test, train, fingerprint="gpu checks") for one in every]


def _requests() -> list[ScoreRequest]:
    """Return what is computed on the device: times differ, and what is computed on the host anyway cannot."""
    every = [(PLUGINS.load("metric", request.metric), request) for request in metric_requests((), PLUGINS)]
    kept = [(metric, request) for metric, request in every if not metric.on_host and _of_quality(request)]
    return [request for _, request in sorted(kept, key=lambda pair: pair[0].tier != "quick")]


def _of_quality(request: ScoreRequest) -> list[str]:
    return [name for name, declared in request.scores.items() if declared["kind"] == "quality"]


def _scores(request: ScoreRequest, space: LatentSpace) -> dict[str, Any]:
    """Return value or status of each score of a metric."""
    rows = measure(request, PLUGINS, space)[0]["scores"]
    return {
        name: rows[name]["value"] if rows[name]["status"] == "ok" else rows[name]["status"]
        for name in _of_quality(request)
    }


def _alike(value: Any, other: Any, margin: float) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return bool(value == other != "failed")
    return bool(abs(value - other) <= margin * max(1.0, abs(value)))
