"""Train in one contestant's way and print what came of it as JSON; peers.py does this in fresh processes.

Every contestant has the same network, images, first weights, batch size, epochs, optimizer and learning rates.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import latentbench
from latentbench import Benchmark
from latentbench.dataset import DataSpec, Split
from latentbench.machine import available_cores
from latentbench.model import as_inputs
from latentbench.opening import build_model, load_splits, training_rows
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import Trial

PLUGINS = Plugins()
DATA = {"fashion_mnist": ((1, 28, 28), (32, 64)), "faces": ((3, 64, 64), (32, 64, 128, 128))}  # shape, channels
LATENT_DIM = 16
LEARNING_RATE = 1e-3
WARM_UP_BATCHES = 4
Found = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What every contestant is given: `trials` trials that differ in their seed.

    `hidden` is the width of a dense layer between convolutions and code; 0: none. `data` is one of `DATA`.
    """

    trials: int
    images: int
    epochs: int
    batch: int
    hidden: int = 0
    data: str = "fashion_mnist"

    @property
    def steps(self) -> int:
        """Optimizer steps of a trial."""
        return self.epochs * math.ceil(self.images / self.batch)

    @property
    def warm_up(self) -> Work:
        """A few batches of it."""
        return replace(self, trials=1, images=min(self.images, WARM_UP_BATCHES * self.batch), epochs=1)


class Nets(nn.Module):
    """The two networks, with the loss of pythae's VAE."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor, noise: Tensor) -> Tensor:
        """Return half the squared error and the rate, summed; 0-dim, mean over images."""
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)
        shown = self.decoder(mean + torch.exp(0.5 * log_variance) * noise).float().sigmoid()
        rate = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)
        return torch.mean(0.5 * (shown - images).square().flatten(1).sum(1) + rate)


def as_benchmark(work: Work) -> Benchmark:
    """Return the work as latentbench is asked for it."""
    budget = {"epochs": work.epochs, "batch_size": work.batch, "train_limit": work.images}
    return Benchmark(
        datasets=(work.data,),
        models=("vae",),
        references=(),
        seeds=work.trials,
        scores=("parameters",),
        budget={**budget, "learning_rate": LEARNING_RATE},
        on={},
        params={
            "latent_dim": LATENT_DIM,
            "likelihood": "gaussian",
            "sigma": 1.0,
            "backbone": "conv",
            "hidden": work.hidden,
        },
    )


@cache
def trials_of(work: Work) -> tuple[Trial, ...]:
    """Return latentbench's trials: their images and first weights are everybody's."""
    trials = make_plan(as_benchmark(work), PLUGINS).trials
    for trial in trials:
        if trial.outcome is not None:
            sys.exit(f"{work.data} is needed: {trial.outcome.message}")
    return trials


@cache
def train_split(work: Work) -> Split:
    """Return the training images."""
    trial = trials_of(work)[0]
    rows = training_rows(trial, load_splits(PLUGINS, trial).train)
    if len(rows) < work.images:
        sys.exit(f"--images {work.images}: there are {len(rows)} to train on")
    return rows


def make_nets(data: str, wide: int) -> Nets:
    """Return the network as one would write it down: each convolution halves the image, or doubles it."""
    (first, side, _), channels = DATA[data]
    last = channels[-1], side // 2 ** len(channels), side // 2 ** len(channels)
    flat, steps = math.prod(last), list(pairwise((first, *channels)))
    inwards = [nn.Linear(flat, wide), nn.ReLU()] if wide else []
    outwards = [nn.Linear(LATENT_DIM, wide), nn.ReLU()] if wide else []
    encoder = [part for step in steps for part in (nn.Conv2d(*step, 4, 2, 1), nn.ReLU())]
    decoder = [part for a, b in reversed(steps) for part in (nn.ReLU(), nn.ConvTranspose2d(b, a, 4, 2, 1))]
    return Nets(
        nn.Sequential(*encoder, nn.Flatten(), *inwards, nn.Linear(wide or flat, 2 * LATENT_DIM)),
        nn.Sequential(*outwards, nn.Linear(wide or LATENT_DIM, flat), nn.Unflatten(1, last), *decoder),
    )


def plain_nets(work: Work, seed: int) -> Nets:
    """Return the network with the first weights of latentbench's trial.

    Latentbench's own may number the features between convolutions and code differently: no other network.
    """
    nets = make_nets(work.data, work.hidden)
    nets.load_state_dict(own_nets(work, seed).state_dict())
    return nets


def own_nets(work: Work, seed: int, record: Record | None = None) -> Nets:
    """Return latentbench's network with the first weights of a trial, or with those in its record."""
    model: Any = build_model(trials_of(work)[seed], PLUGINS, DataSpec.of(train_split(work)))
    if record is not None:
        model.set_state(record.read_state() or {})
    return Nets(model.encoder_net, model.decoder_net)


def flops_of_an_image(data: str, hidden: int) -> float:
    """Count the floating-point operations of training on an image: convolutions and matrix products."""
    nets = make_nets(data, hidden)
    with FlopCounterMode(display=False) as counted:
        nets(torch.zeros(1, *DATA[data][0]), torch.zeros(1, LATENT_DIM)).backward()
    return float(counted.get_total_flops())


def final_loss(every: Sequence[Nets], work: Work) -> float:
    """Return the loss over all training images, in float32 and with the same noise for everybody."""
    images = as_inputs(train_split(work).inputs)
    noise = torch.randn((len(images), LATENT_DIM), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        parts = zip(torch.split(images, 1024), torch.split(noise, 1024), strict=True)
        sums = [float(nets(*part)) * len(part[0]) for part in parts for nets in every]
    return sum(sums) / len(images) / len(every)


def set_pace(optimizer: torch.optim.Optimizer, progress: float) -> None:
    """Set the learning rate that latentbench has after this share of the steps."""
    rising = min(1.0, (progress + 1e-3) / 0.05)
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE * rising * 0.5 * (1 + math.cos(math.pi * progress))


def train_loop(nets: Nets, images: Tensor, work: Work, seed: int, fast: bool) -> None:
    """Train in a bare loop; `fast`: with what torch has for speed, else as one would write it down."""
    generator = torch.Generator().manual_seed(seed)
    if fast:
        nets.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(nets.parameters(), lr=LEARNING_RATE, fused=fast)
    for step, rows in enumerate(_batches(work, generator)):
        set_pace(optimizer, step / work.steps)
        noise = torch.randn((len(rows), LATENT_DIM), generator=generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            loss = nets(images[rows], noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _batches(work: Work, generator: torch.Generator) -> Iterator[Tensor]:
    for _ in range(work.epochs):
        yield from torch.split(torch.randperm(work.images, generator=generator), work.batch)


def train_in_turn(
    work: Work, seeds: Sequence[int], fast: bool, wait: Callable[[], object]
) -> tuple[float, float, float]:
    """Train some trials in a bare loop, one after the other; `wait` is called when all is ready.

    Returns:
        When the first began and the last ended (seconds since 1970), and their mean loss.
    """
    images = as_inputs(train_split(work).inputs)
    train_loop(plain_nets(work, 0), images, work.warm_up, 0, fast)
    every = [plain_nets(work, seed) for seed in seeds]
    wait()
    started = time.time()
    for seed, nets in zip(seeds, every, strict=True):
        train_loop(nets, images, work, seed, fast)
    return started, time.time(), final_loss(every, work)


def plain(work: Work) -> Found:
    """Train all trials in the plain loop on all cores."""
    started, ended, loss = train_in_turn(work, range(work.trials), fast=False, wait=lambda: None)
    return {"seconds": ended - started, "loss": loss, **_on_all_cores()}


def tuned(work: Work) -> Found:
    """Train all trials in the tuned loop, in as many processes as cores, which begin together."""
    processes, context = min(work.trials, available_cores()), multiprocessing.get_context("spawn")
    pipes = []
    for first in range(processes):
        here, there = context.Pipe()
        context.Process(target=_tuned_member, args=(work, range(first, work.trials, processes), there)).start()
        there.close()  # so that the end of a process is the end of its pipe
        pipes.append(here)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    starts, ends, losses = zip(*(pipe.recv() for pipe in pipes), strict=True)
    found = {"precision": "bfloat16", "processes": processes, "threads": 1}
    return {"seconds": max(ends) - min(starts), "loss": mean(losses), **found}


def _tuned_member(work: Work, seeds: Sequence[int], pipe: Any) -> None:
    torch.set_num_threads(1)

    def wait() -> None:
        pipe.send("ready")
        pipe.recv()

    pipe.send(train_in_turn(work, seeds, fast=True, wait=wait))


def with_pythae(work: Work) -> Found:
    """Train all trials with pythae's BaseTrainer on all cores."""
    logging.disable(logging.CRITICAL)
    images = as_inputs(train_split(work).inputs)
    with tempfile.TemporaryDirectory() as folder:
        few = images[: work.warm_up.images]
        pythae_trainer(plain_nets(work, 0), few, work.warm_up, 0, folder).train()
        every = [plain_nets(work, seed) for seed in range(work.trials)]
        trainers = [pythae_trainer(nets, images, work, seed, folder) for seed, nets in enumerate(every)]
        started = time.time()
        for trainer in trainers:
            trainer.train()
        return {"seconds": time.time() - started, "loss": final_loss(every, work), **_on_all_cores()}


def pythae_trainer(nets: Nets, images: Tensor, work: Work, seed: int, folder: str) -> Any:
    """Give pythae the network, and by a callback the learning rates of latentbench."""
    models, parts, trainers = (import_module(f"pythae.{name}") for name in ("models", "models.nn", "trainers"))
    output = import_module("pythae.models.base.base_utils").ModelOutput

    class Encoder(parts.BaseEncoder):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = nets.encoder

        def forward(self, images: Tensor) -> Any:
            mean, log_variance = self.net(images).chunk(2, dim=1)
            return output(embedding=mean, log_covariance=log_variance)

    class Decoder(parts.BaseDecoder):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = nets.decoder

        def forward(self, codes: Tensor) -> Any:
            return output(reconstruction=self.net(codes).sigmoid())

    class Pace(import_module("pythae.trainers.training_callbacks").TrainingCallback):  # type: ignore[misc]
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.step = 0
            set_pace(trainer.optimizer, 0)

        def on_train_step_end(self, *_: Any, **__: Any) -> None:
            self.step += 1
            set_pace(trainer.optimizer, self.step / work.steps)

    config = trainers.BaseTrainerConfig(
        output_dir=folder,
        num_epochs=work.epochs,
        per_device_train_batch_size=work.batch,
        learning_rate=LEARNING_RATE,
        no_cuda=True,
        seed=seed,
    )
    shape = models.VAEConfig(input_dim=tuple(images.shape[1:]), latent_dim=LATENT_DIM)
    data = import_module("pythae.data.datasets").BaseDataset(images, torch.zeros(len(images)))
    model = models.VAE(shape, Encoder(), Decoder())
    trainer = trainers.BaseTrainer(model, data, training_config=config, callbacks=[Pace()])
    return trainer


def with_latentbench(work: Work) -> Found:
    """Train all trials by `latentbench.run`: its workers, its files."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.time()
        workers = 1 if work.trials == 1 else None
        results = latentbench.run(as_benchmark(work), folder, plugins=PLUGINS, workers=workers, device="cpu")
        run_seconds = time.time() - started
        for label, seed, status, message in results.failures:
            sys.exit(f"{label} seed {seed} ended as {status}: {message}")
        every = [own_nets(work, trial.seed, Record(results.path, trial.key)) for trial in results.trials]
        timed = {"seconds": _span(results.path / "events.jsonl"), "run_seconds": run_seconds}
        return {**timed, "loss": final_loss(every, work), **_recorded(results.trials)}


def _span(log: Path) -> float:
    """Return the seconds between the start of the first trial and the end of the last."""
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    started = min(event["time"] for event in events if event["event"] == "trial_started")
    return float(max(event["time"] for event in events if event["event"] == "trial_finished") - started)


def _recorded(trials: Sequence[Trial]) -> Found:
    outcomes = [trial.outcome for trial in trials if trial.outcome is not None]
    machine = outcomes[0].environment
    together = min(len(trials), machine["concurrency"] * machine["group_size"])
    rate = together * mean(outcome.cost["images_per_second"] for outcome in outcomes)
    shape = {"processes": together, "threads": machine["threads"]}
    return {"precision": trials[0].budget.precision, **shape, "training_images_per_second": rate}


def _on_all_cores() -> Found:
    return {"precision": "float32", "processes": 1, "threads": torch.get_num_threads()}


CONTESTANTS = {"pythae": with_pythae, "plain": plain, "tuned": tuned, "latentbench": with_latentbench}


def measure(contestant: str, work: Work) -> Found:
    """Let a contestant do its work in this process."""
    found = CONTESTANTS[contestant](work)
    rate = work.trials * work.images * work.epochs / found.pop("seconds")
    return {"images_per_second": rate, "training_images_per_second": rate, "run_seconds": None, **found}


def main() -> None:
    """Read the command line, let one contestant work, print its JSON last."""
    parser = argparse.ArgumentParser(description="Train in one contestant's way; peers.py compares them.")
    parser.add_argument("contestant", choices=tuple(CONTESTANTS))
    for name in ("trials", "images", "epochs", "batch", "hidden"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--data", choices=tuple(DATA), required=True)
    options = vars(parser.parse_args())
    print(json.dumps(measure(options.pop("contestant"), Work(**options))))


if __name__ == "__main__":
    main()
