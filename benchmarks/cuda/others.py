"""Parts of gpu.py that time training beside others: bare loops, pythae, an error to reach, a published study."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.contestants import Nets, pythae_trainer
from benchmarks.contestants import Work as PythaeWork
from benchmarks.cuda.rates import NO_TIME, SOFT, forever, new_trainer, rate, whole_batches
from benchmarks.cuda.rows import Aim, Row
from benchmarks.cuda.variants import FASTEST
from benchmarks.cuda.work import LATENT_DIM, PLUGINS, Work, synchronize
from latentbench.dataset import DataSpec, Split
from latentbench.latent.arithmetic import exact_arithmetic
from latentbench.machine import best_precision, free_memory, seeded
from latentbench.model import GradientModel, as_inputs
from latentbench.params import build_params
from latentbench.training.budget import Budget
from latentbench.training.engine import Training

__all__ = ["time_others", "time_study", "time_target"]

TARGET = 0.0115
STUDY = {"models": 12_600, "steps": 300_000, "batch": 64, "side": 64, "latent_dim": 10, "hidden": 256}
STUDY_IMAGES = 4096
PUBLISHED_HOURS = 1.75  # of a P100 for each model
HOURS_A_YEAR = 8760
PYTHAE_IMAGES = {False: 16_384, True: 1024}  # quick or not
TO_PYTHAE = Aim(">=", 30, hoped=100)
TO_TARGET = Aim("<=", 2)


def time_others(work: Work, rows: Sequence[Row], _: float) -> Iterator[Row]:
    """Time a plain loop and pythae on the same device, and compare the seeds together with them."""
    for batch in work.batches:
        row = Row("others", "plain loop", None, batch=batch, precision="float32", members=1)
        plain = rate(plain_steps(work, batch), batch, work.seconds, work.device)
        yield replace(row, value=plain, unit="images/s")
        row = replace(row, what="pythae", note="its trainer takes one trial after the other")
        if find_spec("pythae") is None:
            yield replace(row, note="skipped: pythae 0.1.2 is not installed")
            continue
        theirs = pythae_rate(work, batch)
        yield replace(row, value=theirs, unit="images/s")
        for own in (row for row in rows if row.what == FASTEST and row.batch == batch):
            ratio = (own.value or 0.0) / theirs
            yield replace(
                own, part="others", what=f"{own.what}, to pythae", value=ratio, unit="times", aim=TO_PYTHAE
            )


def _bare_nets(work: Work) -> Nets:
    model: Any = work.models(1, "vae")[0]
    return Nets(model.encoder_net, model.decoder_net)


def plain_steps(work: Work, batch: int) -> Iterator[None]:
    """Train in a loop as one would write it down, the images on the device."""
    nets = _bare_nets(work).to(work.device)
    images = as_inputs(whole_batches(work.splits().train, batch).inputs, work.device)
    optimizer = torch.optim.Adam(nets.parameters(), lr=1e-3)
    while True:
        for rows in torch.split(torch.randperm(len(images), device=work.device), batch):
            loss: Tensor = nets(images[rows], torch.randn(len(rows), LATENT_DIM, device=work.device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield


def pythae_rate(work: Work, batch: int) -> float:
    """Time pythae's BaseTrainer for one epoch, after a few batches to warm up."""
    logging.disable(logging.CRITICAL)
    images = as_inputs(work.splits().train.inputs[: PYTHAE_IMAGES[work.quick]])
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):  # progress bars
            for part in (images[: 4 * batch], images):
                trainer = _pythae_trainer(work, part, batch, folder)
                synchronize(work.device)
                started = time.perf_counter()
                trainer.train()
                synchronize(work.device)
                spent = time.perf_counter() - started
    finally:
        logging.disable(logging.NOTSET)
    return len(images) / spent


def _pythae_trainer(work: Work, images: Tensor, batch: int, folder: str) -> Any:
    """Return the trainer of peers.py, moved to the device."""
    one = PythaeWork(trials=1, images=len(images), epochs=1, batch=batch)
    trainer = pythae_trainer(_bare_nets(work), images, one, 0, folder)
    trainer.device = trainer.model.device = work.device
    trainer.model.to(work.device)
    return trainer


def time_target(work: Work, _: Sequence[Row], seconds: float) -> Iterator[Row]:
    """Train an autoencoder until its error on the test images is small enough; name the fastest setting."""
    what, found, stop = f"ae to mse {TARGET}", [], time.monotonic() + SOFT * seconds
    for batch, learning_rate, epochs in work.ae:
        row = Row("target", what, None, batch=batch, precision=best_precision(work.device), members=1)
        if time.monotonic() > stop:
            yield replace(row, note=NO_TIME)
            continue
        spent, epoch, error = seconds_to_target(work, batch, learning_rate, epochs)
        note = f"learning rate {learning_rate:g}, mse {error:.5f} after {epoch} of {epochs} epochs"
        if error <= TARGET:
            found.append(replace(row, value=spent, unit="s", note=note))
            yield found[-1]
        else:
            yield replace(row, note=f"not reached: {note}, {spent:.3g} s")
    if found:
        yield replace(min(found, key=lambda row: row.value or 0.0), what=f"{what}, best", aim=TO_TARGET)
    else:
        yield Row("target", f"{what}, best", None, "s", TO_TARGET, note="never reached")


def seconds_to_target(work: Work, batch: int, learning_rate: float, epochs: int) -> tuple[float, int, float]:
    """Return seconds of training (captures in it, looks at the error not), epochs done, and the error reached."""
    splits = work.splits()
    train = splits.train.take(np.arange(min(2048, len(splits.train)))) if work.quick else splits.train
    budget = Budget(
        epochs=epochs, batch_size=batch, learning_rate=learning_rate, precision=best_precision(work.device)
    )
    images = as_inputs(splits.test.inputs, work.device)
    few = train.take(np.arange(min(len(train), 4 * batch)))
    for _ in Training(_autoencoder(work), few, budget.model_copy(update={"epochs": 1}), [0]):
        continue
    model = _autoencoder(work)[0]
    error, spent, epoch = _error(model, images), 0.0, 0
    synchronize(work.device)
    started = time.perf_counter()
    for epoch, _ in Training([model], train, budget, [0]):  # noqa: B007 - it is returned
        synchronize(work.device)
        spent += time.perf_counter() - started
        error = _error(model, images)
        if error <= TARGET:
            break
        started = time.perf_counter()
    return spent, epoch, error


def _autoencoder(work: Work) -> list[GradientModel]:
    return [model.place(work.device) for model in work.models(1, "ae")]


def _error(model: GradientModel, images: Tensor) -> float:
    """Return the mean squared error of reconstructions, in float32 proper."""
    with exact_arithmetic():
        parts = [
            (model.decode(model.encode(part)) - part).square().flatten(1).mean(1)
            for part in torch.split(images, 2000)
        ]
        return float(torch.cat(parts).mean())


def time_study(work: Work, _: Sequence[Row], __: float) -> Iterator[Row]:
    """Time a beta-VAE on images of 64 x 64, in groups, and say what the disentanglement study would cost."""
    precision, rates = best_precision(work.device), []
    side, batch = STUDY["side"], STUDY["batch"]
    random = np.random.default_rng(0)
    train = Split(255 * random.integers(0, 2, (STUDY_IMAGES, 1, side, side), dtype=np.uint8))
    for group in work.study_groups:
        trainer = new_trainer(_study_models(work, train, group), train, batch, precision)
        rates.append(rate(forever(trainer), group * batch, work.seconds, work.device))
        del trainer
        free_memory()
        note = "beta-VAE, conv 32-64-128-128, dense 256, d = 10, images of 64 x 64"
        row = Row("study", "a group of the study", rates[-1], "images/s", note=note)
        yield replace(row, batch=batch, precision=precision, members=group)
    images = STUDY["models"] * STUDY["steps"] * batch
    published = STUDY["models"] * PUBLISHED_HOURS
    hours = images / max(rates) / 3600
    note = (
        f"{STUDY['models']:,} models x {STUDY['steps']:,} steps x batch {batch} at the best rate; published: "
        f"{published:,.0f} hours of a P100, {published / HOURS_A_YEAR:.2f} GPU-years; without scores"
    )
    yield Row("study", "12,600 models", hours, "GPU-hours", note=note)
    yield Row("study", "published GPU-hours of a P100, over these", published / hours, "times")


def _study_models(work: Work, train: Split, count: int) -> list[GradientModel]:
    """Return models with first weights of their own and the weights of the rate that such studies vary."""
    kind = PLUGINS.load("model", "beta_vae")
    size = {"latent_dim": STUDY["latent_dim"], "hidden": STUDY["hidden"], "likelihood": "bernoulli"}
    models = []
    for member in range(count):
        params = build_params(kind.Params, {**size, "beta": 1.0 + member % 16}, "beta_vae")
        with seeded(member):
            models.append(kind(params, DataSpec.of(train)).place(work.device))
    return models
