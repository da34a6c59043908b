"""How parts of gpu.py time training: trainers that take steps for ever, alone, stacked or on streams."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice

import numpy as np
import torch

from benchmarks.cuda.rows import Row
from benchmarks.cuda.work import Precision, Work, one_line, synchronize
from latentbench.convolutions import matmul as matmul_convolutions
from latentbench.dataset import Split
from latentbench.errors import LatentbenchError
from latentbench.machine import free_memory
from latentbench.model import GradientModel
from latentbench.training.budget import Budget
from latentbench.training.graphs import StepGraphs
from latentbench.training.members import Alone, Stack
from latentbench.training.trainer import Trainer

__all__ = [
    "NEEDS_CUDA",
    "NO_TIME",
    "SOFT",
    "WARM_UP",
    "advance",
    "alone",
    "forever",
    "new_trainer",
    "on_streams",
    "placed",
    "rate",
    "stacked",
    "timed",
    "whole_batches",
]

NEEDS_CUDA, NO_TIME, RUINED = "skipped: needs CUDA", "skipped: out of time", "skipped: after a capture that failed"
SOFT = 0.8  # of its time, after which a part begins nothing new
WARM_UP = {"cuda": 8, "cpu": 1}  # on CUDA three steps run before the fourth is captured
BLOCK = {"cuda": 64, "cpu": 1}  # steps between two looks at the clock
MANY_EPOCHS = 1000


def rate(steps: Iterator[object], images: int, seconds: float, device: str) -> float:
    """Return images per second of steps that go through so many images each, after a warm-up."""
    advance(steps, WARM_UP[device])
    synchronize(device)
    started, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - started) < seconds or not done:
        advance(steps, BLOCK[device])
        synchronize(device)
        done += BLOCK[device]
    return done * images / spent


def advance(steps: Iterator[object], count: int) -> None:
    for _ in islice(steps, count):
        continue


def forever(trainer: Trainer) -> Iterator[None]:
    """Take the steps of one epoch after the other."""
    while True:
        yield from trainer.steps()


def in_turn(trainers: Sequence[Trainer], streams: Sequence[torch.cuda.Stream]) -> Iterator[None]:
    """Take a step of each trainer in turn, each on its own stream, again and again; yields after each round."""
    every = [forever(trainer) for trainer in trainers]
    while True:
        for stream, steps in zip(streams, every, strict=True):
            with torch.cuda.stream(stream):
                next(steps)
        yield


def whole_batches(split: Split, batch: int) -> Split:
    """Leave out the last few images, so that all steps are of one size."""
    return split.take(np.arange(len(split) // batch * batch))


def new_trainer(
    models: Sequence[GradientModel],
    train: Split,
    batch: int,
    precision: Precision,
    *,
    captured: bool = True,
    matmul: bool = True,
) -> Trainer:
    """Set up the training of one model, or of several together."""
    for model in models:
        model.capturable = captured  # type: ignore[misc] # of these alone
    budget = Budget(epochs=MANY_EPOCHS, batch_size=batch, learning_rate=1e-3, precision=precision)
    members = Alone(models[0]) if len(models) == 1 else Stack(models)
    return Trainer(members, whole_batches(train, batch), budget, range(len(models)), matmul)


def placed(work: Work, count: int, first: int = 0) -> list[GradientModel]:
    return [model.place(work.device) for model in work.models(count, first=first)]


def alone(work: Work, batch: int, precision: Precision, *, captured: bool) -> float:
    """Time one trial."""
    trainer = new_trainer(placed(work, 1), work.splits().train, batch, precision, captured=captured)
    return rate(forever(trainer), batch, work.seconds, work.device)


def stacked(
    work: Work, batch: int, precision: Precision, *, matmul: bool, rounded: bool = False, whole: bool = False
) -> float:
    """Time a group of trials with stacked weights.

    `rounded`: with matrix products in TF32; `whole`: without dividing the long products of weight gradients.
    """
    with tf32() if rounded else nullcontext(), undivided() if whole else nullcontext():
        trainer = new_trainer(placed(work, work.members), work.splits().train, batch, precision, matmul=matmul)
        return rate(forever(trainer), work.members * batch, work.seconds, work.device)


def on_streams(work: Work, batch: int, precision: Precision) -> float:
    """Time a captured trial a stream, all at the same time."""
    streams = [torch.cuda.Stream() for _ in range(work.members)]  # type: ignore[no-untyped-call]
    trainers, models = [], placed(work, work.members)
    synchronize(work.device)
    for stream, model in zip(streams, models, strict=True):
        with torch.cuda.stream(stream):
            trainers.append(new_trainer([model], work.splits().train, batch, precision))
    return rate(in_turn(trainers, streams), work.members * batch, work.seconds, work.device)


@contextmanager
def tf32() -> Iterator[None]:
    """Let matrix products round as convolutions may: without it, the two ways to stack are no equal work."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@contextmanager
def undivided() -> Iterator[None]:
    """Let matrix products be as long as they come."""
    before = matmul_convolutions.LONGEST
    matmul_convolutions.LONGEST = sys.maxsize
    try:
        yield
    finally:
        matmul_convolutions.LONGEST = before


def timed(row: Row, measure: Callable[[], float]) -> Row:
    """Fill in the rate; what runs out of memory or cannot be done is a line too, as is all after a bad capture."""
    if StepGraphs.broken:
        return replace(row, note=RUINED)
    try:
        return replace(row, value=measure(), unit="images/s")
    except (RuntimeError, LatentbenchError) as error:
        return replace(row, failed=True, note=one_line(error))
    finally:
        if not StepGraphs.broken:
            free_memory()
