"""Training of one model or of several together: epochs, histories, diverging members, resuming after a kill."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from latentbench.dataset import Split
from latentbench.errors import DivergedError
from latentbench.model import GradientModel
from latentbench.training.budget import Budget
from latentbench.training.members import Alone, Members, Stack
from latentbench.training.trainer import Trainer

__all__ = ["State", "Training", "train_model"]

History = list[dict[str, float]]


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
    training = Training([model], split, budget, [seed])
    for epoch, (losses,) in training:
        if losses is not None and on_epoch is not None:
            on_epoch(epoch, losses)
    (history,) = training.histories
    if isinstance(history, DivergedError):
        raise history
    return history


@dataclass(frozen=True)
class State:
    """The state of a trial in the middle of its training.

    Attributes:
        tensors: weights, buffers, optimizer and random numbers by name, on the CPU.
        history: losses of the epochs that are done.
    """

    tensors: Mapping[str, Tensor]
    history: Sequence[Mapping[str, float]]


@dataclass
class Training:
    """Training of one trial or of several together, epoch by epoch.

    Iterating yields `(epoch, losses)`: after each epoch the mean losses of each trial, None for one that has
    diverged. The models are up to date whenever it yields.

    Attributes:
        models: one, or several that can be stacked; on one device.
        split: what to train on.
        budget: what to spend.
        seeds: one for each model.
        matmul: of several, lay out convolutions as matrix products instead of grouped convolutions.
        histories: losses of each epoch for each trial, or how it diverged.
    """

    models: Sequence[GradientModel]
    split: Split
    budget: Budget
    seeds: Sequence[int]
    matmul: bool = True
    histories: list[History | DivergedError] = field(default_factory=list)

    def __post_init__(self) -> None:
        alone = len(self.models) == 1
        self._members: Members = Alone(self.models[0]) if alone else Stack(self.models)
        self.trainer = Trainer(self._members, self.split, self.budget, self.seeds, self.matmul)
        self.histories = [[] for _ in self.models]

    def __iter__(self) -> Iterator[tuple[int, list[Mapping[str, float] | None]]]:
        first = 1 + max(len(history) for history in self.histories if isinstance(history, list))
        for epoch in range(first, self.budget.trained_epochs + 1):
            losses = self.trainer.run_epoch()
            noted = [self._note(epoch, index, terms) for index, terms in enumerate(losses)]
            self._members.write_back()
            yield epoch, noted
            if not any(isinstance(history, list) for history in self.histories):
                break
        for model in self.models:
            model.eval()

    def state(self, index: int) -> State:
        """Return all that a trial needs to continue from here, on the CPU."""
        return State(self.trainer.tensors(index), [dict(losses) for losses in self._history(index)])

    def resume(self, states: Sequence[State]) -> None:
        """Continue from where `state` was taken, with every trial after the same number of epochs.

        The rest gives the same numbers as uninterrupted training, bit for bit on a CPU.
        """
        self.histories = [[dict(losses) for losses in state.history] for state in states]
        self.trainer.load([state.tensors for state in states], epochs=len(states[0].history))
        self._members.write_back()

    def _history(self, index: int) -> History:
        history = self.histories[index]
        return history if isinstance(history, list) else []

    def _note(self, epoch: int, index: int, losses: dict[str, float]) -> Mapping[str, float] | None:
        """Add to a trial's history; a diverged trial no longer has one."""
        history = self.histories[index]
        if isinstance(history, DivergedError):
            return None
        bad = ", ".join(f"{name} = {value}" for name, value in losses.items() if not math.isfinite(value))
        if bad:
            self.histories[index] = DivergedError(
                f"the loss stopped being finite in epoch {epoch} ({bad}); try a lower learning rate"
            )
            return None
        history.append(losses)
        return losses
