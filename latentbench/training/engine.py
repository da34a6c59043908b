"""The training loop: one gradient model, data on the device, randomness from the trial's own generators."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentbench.dataset import Split
from latentbench.errors import ContractError, DivergedError
from latentbench.model import Batch, GradientModel, Losses, scale_inputs
from latentbench.training.budget import Budget

__all__ = ["derive_seed", "train_model"]

History = list[dict[str, float]]
WARM_UP = 0.05  # share of the steps in which the learning rate rises; without it VAEs collapse at 4e-3
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def derive_seed(seed: int, purpose: str) -> int:
    """Return a seed for one purpose of a trial: weights, data order and noise do not share their numbers."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:7], "big")


def train_model(
    model: GradientModel,
    split: Split,
    budget: Budget,
    seed: int,
    on_epoch: Callable[[int, Mapping[str, float]], None] | None = None,
) -> History:
    """Train `model` in place on its device and return the mean losses of each epoch.

    The learning rate rises for the first 5 % of the steps and falls to 0 along a half cosine; with a checkpoint in
    the budget it stops there, on its way. The order of the data depends on the seed alone, so that models are
    compared on the same batches. `on_epoch(epoch, losses)` may look at the model, and must leave it as it was.

    Raises:
        DivergedError: a loss stopped being finite.
        ContractError: `loss` gave no "total".
    """
    trainer = _Trainer(model, split, budget, seed)
    history: History = []
    for epoch in range(1, budget.trained_epochs + 1):
        losses = trainer.run_epoch()
        if not all(map(math.isfinite, losses.values())):
            bad = ", ".join(f"{name} = {value}" for name, value in losses.items() if not math.isfinite(value))
            raise DivergedError(
                f"the loss stopped being finite in epoch {epoch} ({bad}); try a lower learning rate"
            )
        history.append(losses)
        if on_epoch is not None:
            on_epoch(epoch, losses)
    model.eval()
    return history


class _Trainer:
    """State of one training run."""

    def __init__(self, model: GradientModel, split: Split, budget: Budget, seed: int) -> None:
        device = model.device
        self.model, self.budget = model.train(), budget
        self.inputs = torch.from_numpy(np.require(split.inputs, requirements=["C", "W"])).to(device)
        self.labels = None if split.labels is None else torch.from_numpy(split.labels).to(device)
        self.factors = None if split.factors is None else torch.from_numpy(split.factors).float().to(device)
        self.order = torch.Generator(device).manual_seed(derive_seed(seed, "order"))
        self.noise = torch.Generator(device).manual_seed(derive_seed(seed, "noise"))
        self.draws = model.noise_spec()
        self.updates = type(model).update is not GradientModel.update
        self.optimizers = dict(_optimizers(model, budget))
        self.step = 0
        self.steps = budget.epochs * math.ceil(len(split) / budget.batch_size)

    def run_epoch(self) -> dict[str, float]:
        """Go through the data once; read the losses off the device at the end."""
        rows = len(self.inputs)
        sums: dict[str, Tensor] = {}
        order = torch.randperm(rows, generator=self.order, device=self.inputs.device)
        for chunk in torch.split(order, self.budget.batch_size):
            for name, value in self._train_batch(chunk).items():
                sums[name] = sums.get(name, 0) + value.detach() * len(chunk)
        return {name: float(value) / rows for name, value in sums.items()}

    def _train_batch(self, rows: Tensor) -> Losses:
        batch = Batch(
            inputs=scale_inputs(self.inputs[rows]),
            rows=rows,
            labels=None if self.labels is None else self.labels[rows],
            factors=None if self.factors is None else self.factors[rows],
            progress=torch.tensor(self.step / self.steps, device=rows.device),
        )
        noise = {name: draw.sample(len(rows), self.noise) for name, draw in self.draws.items()}
        losses: Losses = {}
        for player, optimizer in self.optimizers.items():
            _set_learning_rate(optimizer, self.budget.learning_rate, self.step / self.steps)
            with torch.autocast(rows.device.type, torch.bfloat16, enabled=self.budget.precision == "bfloat16"):
                terms = self.model(batch, noise, **({"player": player} if player else {}))
            _check_terms(terms)
            optimizer.zero_grad(set_to_none=True)
            terms["total"].backward()
            optimizer.step()
            losses |= {f"{player}_{name}" if player else name: value for name, value in terms.items()}
        if self.updates:
            self._update_buffers(batch, noise)
        self.step += 1
        return losses

    def _update_buffers(self, batch: Batch, noise: Mapping[str, Tensor]) -> None:
        buffers = dict(self.model.named_buffers())
        with torch.no_grad():
            for name, value in self.model.update(dict(buffers), batch, noise).items():
                buffers[name].copy_(value)


def _check_terms(terms: Any) -> None:
    """Refuse what `loss` must not return.

    Raises:
        ContractError: not a mapping with a number named "total".
    """
    if not isinstance(terms, Mapping):
        raise ContractError(f"loss must return terms by name, as {{'total': ...}}, got {type(terms).__name__}")
    if "total" not in terms:
        raise ContractError(f"loss must return a term named 'total', got {', '.join(terms) or 'nothing'}")
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"type {type(value).__name__}"
            raise ContractError(f"loss must return 0-dim tensors, means over the batch; {name!r} is of {got}")


def _optimizers(model: GradientModel, budget: Budget) -> Iterator[tuple[str, torch.optim.Optimizer]]:
    """One optimizer for all parameters, or one a player."""
    for player, prefixes in (model.players or {"": ("",)}).items():
        chosen: list[nn.Parameter] = [p for name, p in model.named_parameters() if name.startswith(prefixes)]
        if not chosen:
            raise ContractError(f"no parameter's name begins with {' or '.join(prefixes)} (player {player!r})")
        yield player, OPTIMIZERS[budget.optimizer](chosen, lr=budget.learning_rate, fused=True)


def _set_learning_rate(optimizer: torch.optim.Optimizer, highest: float, progress: float) -> None:
    rising = min(1.0, (progress + 1e-3) / WARM_UP)
    for group in optimizer.param_groups:
        group["lr"] = highest * rising * 0.5 * (1 + math.cos(math.pi * progress))
