"""Steps of a training: data on the device, random numbers of each trial, one optimizer per player."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from latentbench.convolutions.choice import chosen_convolutions
from latentbench.convolutions.cpu import FastConvolutions
from latentbench.convolutions.matmul import MatmulConvolutions
from latentbench.convolutions.stacked import StackedLayers
from latentbench.dataset import Split
from latentbench.errors import ContractError
from latentbench.latent.optimizers import OPTIMIZERS
from latentbench.model import Batch, Draw, GradientModel, Losses, scale_inputs
from latentbench.training.budget import Budget
from latentbench.training.cursors import Cursor, DeviceCursor, HostCursor
from latentbench.training.graphs import StepGraphs
from latentbench.training.inputs import stored_inputs
from latentbench.training.members import Members

__all__ = ["Trainer", "derive_seed"]

SHARED = "step"  # of what an optimizer keeps, the one number that is the same for all members
KERNEL = 4  # dimensions of the weights of a convolution
NOISE_BYTES = 64e6  # noise is drawn for as many steps at once as fit


def derive_seed(seed: int, purpose: str) -> int:
    """Return a seed for one purpose of a trial, so that weights, data order and noise use different numbers."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:7], "big")


class Trainer:
    """Weights, optimizer, data and random numbers of one training, on one device.

    On CUDA each step is captured once as a graph and replayed; nothing is read back before an epoch ends.
    """

    def __init__(
        self, members: Members, split: Split, budget: Budget, seeds: Sequence[int], matmul: bool = True
    ) -> None:
        weight = next(iter(members.weights.values()))
        self.members, self.budget, self.device, self.dtype = members, budget, weight.device, weight.dtype
        self.stacked = len(members.models) > 1
        lead = (len(seeds),) if self.stacked else ()
        self.inputs = stored_inputs(split.inputs, lead, min(budget.batch_size, len(split)), self.device)
        self.labels = None if split.labels is None else torch.from_numpy(split.labels).to(self.device)
        self.factors = None if split.factors is None else torch.from_numpy(split.factors).float().to(self.device)
        self.orders = [self._generator(seed, "order") for seed in seeds]
        self.noises = [self._generator(seed, "noise") for seed in seeds]
        self.draws = members.models[0].noise_spec()
        self.updates = type(members.models[0]).update is not GradientModel.update
        self.steps_an_epoch = math.ceil(len(split) / budget.batch_size)
        steps = budget.epochs * self.steps_an_epoch
        captured = self.device.type == "cuda" and members.models[0].capturable
        self.cursor: Cursor = DeviceCursor(steps, self.device) if captured else HostCursor(steps)
        self.graphs = StepGraphs(self.device) if captured else None
        self.optimizers = dict(_optimizers(members, budget, self.cursor.learning_rate(budget.learning_rate)))
        self.convolutions = _convolutions(_convolves(members), self.stacked and matmul, self.device)
        self.block = min(_rows_at_once(self.draws, len(seeds), budget.batch_size), len(split))
        self._make_places()
        self.sums: dict[str, Tensor] = {}

    def _make_places(self) -> None:
        """Make room for a block of rows and their noise."""
        lead = (len(self.orders), self.block) if self.stacked else (self.block,)
        self.rows = torch.zeros(lead, dtype=torch.int64, device=self.device)
        self.noise = {
            name: torch.zeros((*lead, *draw.shape), dtype=self.dtype, device=self.device)
            for name, draw in self.draws.items()
        }

    def _generator(self, seed: int, purpose: str) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(derive_seed(seed, purpose))

    def run_epoch(self) -> list[dict[str, float]]:
        """Go through the data once; read the mean losses of each member from the device at the end."""
        for _ in self.steps():
            continue
        return self.losses()

    def steps(self) -> Iterator[None]:
        """Go through the data once, yielding after every step, so that several trainers can take turns."""
        for total in self.sums.values():
            total.zero_()
        count, size = len(self.inputs), self.budget.batch_size
        orders = [torch.randperm(count, generator=generator, device=self.device) for generator in self.orders]
        self.inputs.begin(orders)
        for begin in range(0, count, self.block):
            block = min(self.block, count - begin)
            self._load([order[begin : begin + block] for order in orders])
            for left in range(block, 0, -size):
                self.inputs.stage(begin + block - left, min(size, left))
                self._step(min(size, left))
                yield

    def losses(self) -> list[dict[str, float]]:
        """Return the mean losses of the epoch that ended, for each member."""
        table = torch.stack([total.expand(len(self.orders)) for total in self.sums.values()], dim=1)
        rows = (table / len(self.inputs)).tolist()
        return [dict(zip(self.sums, row, strict=True)) for row in rows]

    def tensors(self, member: int) -> dict[str, Tensor]:
        """Return what one member needs to continue after this epoch, as copies on the CPU."""
        named = {f"weight.{name}": self._of(value, member) for name, value in self.members.weights.items()}
        named |= {f"buffer.{name}": self._of(value, member) for name, value in self.members.buffers.items()}
        for player, optimizer in self.optimizers.items():
            for index, tensors in optimizer.state_dict()["state"].items():
                for name, value in tensors.items():
                    part = value if name == SHARED else self._of(value, member)
                    named[f"optimizer.{player}.{index}.{name}"] = part
        named |= {"order": self.orders[member].get_state(), "noise": self.noises[member].get_state()}
        plain = torch.contiguous_format  # safetensors takes no other
        return {name: value.detach().cpu().clone(memory_format=plain) for name, value in named.items()}

    def load(self, members: Sequence[Mapping[str, Tensor]], epochs: int) -> None:
        """Restore what `tensors` returned for each member after this many epochs."""
        with torch.no_grad():
            for kind, places in (("weight", self.members.weights), ("buffer", self.members.buffers)):
                for name, place in places.items():
                    place.copy_(self._joined([named[f"{kind}.{name}"] for named in members]))
        for player, optimizer in self.optimizers.items():
            optimizer.load_state_dict(self._optimizer_state(player, optimizer, members))
        for member, named in enumerate(members):
            self.orders[member].set_state(named["order"])
            self.noises[member].set_state(named["noise"])
        self.cursor.jump(epochs * self.steps_an_epoch)

    def _optimizer_state(
        self, player: str, optimizer: torch.optim.Optimizer, members: Sequence[Mapping[str, Tensor]]
    ) -> dict[str, Any]:
        prefix, weights = f"optimizer.{player}.", optimizer.param_groups[0]["params"]
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in members[0].items():
            if name.startswith(prefix):
                index, field_name = name.removeprefix(prefix).split(".", 1)
                joined = value if field_name == SHARED else self._joined([named[name] for named in members])
                if field_name != SHARED:  # fused optimizers want it laid out in memory as its weight is
                    joined = torch.empty_like(weights[int(index)]).copy_(joined)
                states.setdefault(int(index), {})[field_name] = joined
        return {"state": states, "param_groups": optimizer.state_dict()["param_groups"]}

    def _joined(self, tensors: list[Tensor]) -> Tensor:
        return torch.stack(tensors) if self.stacked else tensors[0]

    def _load(self, rows: list[Tensor]) -> None:
        """Load each member's next rows and draw their noise, both where captured steps look for them."""
        count = len(rows[0])
        if self.graphs is None:
            self._make_places()  # a model may keep what it was given
        for member, chosen in enumerate(rows):
            self._of(self.rows, member)[:count] = chosen
            for name, draw in self.draws.items():
                self._of(self.noise[name], member)[:count] = draw.sample(count, self.noises[member])
        self.cursor.rewind()

    def _of(self, tensor: Tensor, member: int) -> Tensor:
        return tensor[member] if self.stacked else tensor

    def _step(self, size: int) -> None:
        if self.graphs is None:
            self._train_batch(size)
        else:
            self.graphs.run(size, lambda: self._train_batch(size))

    def _train_batch(self, size: int) -> None:
        where = self.cursor.rows(size)
        batch = self._batch(self.rows[..., where])
        noise = {name: drawn[:, where] if self.stacked else drawn[where] for name, drawn in self.noise.items()}
        self.cursor.set_learning_rate(self.optimizers.values(), self.budget.learning_rate)
        for player, optimizer in self.optimizers.items():
            with self._arithmetic():
                terms = self.members.terms(batch, noise, player)
            learning = _learning(optimizer)
            for weight in learning:
                weight.grad = None  # as `zero_grad` does, without its bookkeeping
            terms["total"].sum().backward(inputs=learning if player else None)  # type: ignore[no-untyped-call]
            optimizer.step()
            self._add(player, terms, size)
        if self.updates:
            self.members.update(batch, noise)
        self.cursor.advance(size)

    def _batch(self, rows: Tensor) -> Batch:
        return Batch(
            inputs=scale_inputs(self.inputs.batch(rows)).to(self.dtype),
            rows=rows,
            labels=None if self.labels is None else self.labels[rows],
            factors=None if self.factors is None else self.factors[rows].to(self.dtype),
            progress=self.cursor.progress(self.device),
        )

    @contextlib.contextmanager
    def _arithmetic(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.convolutions())
            if self.budget.precision == "bfloat16":
                cached = self.graphs is None
                stack.enter_context(torch.autocast(self.device.type, torch.bfloat16, cache_enabled=cached))
            yield

    def _add(self, player: str, terms: Losses, size: int) -> None:
        """Add up the losses of the epoch in place, because captured steps hold their address."""
        for name, value in terms.items():
            name = f"{player}_{name}" if player else name
            if name not in self.sums:
                self.sums[name] = torch.zeros_like(value, dtype=self.dtype)
            self.sums[name].add_(value.detach(), alpha=size)


def _learning(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the weights that an optimizer changes: of several players, one's own.

    Gradients of the other players' would be added where a captured step has found theirs, whoever has that memory
    by now.
    """
    return [weight for weight in optimizer.param_groups[0]["params"] if weight.requires_grad]


def _convolves(members: Members) -> bool:
    """Whether anything has the dimensions of a kernel.

    To look for convolutions in every operation takes dense layers on small images a tenth of their time.
    """
    return any(value.ndim >= KERNEL for value in (*members.weights.values(), *members.buffers.values()))


def _convolutions(
    convolves: bool, matmul: bool, device: torch.device
) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    """Return the context in which the steps convolve."""
    if chosen_convolutions() == "torch" or not convolves:
        return contextlib.nullcontext
    if matmul:
        return StackedLayers if device.type == "cpu" else MatmulConvolutions
    return FastConvolutions if device.type == "cpu" else contextlib.nullcontext


def _rows_at_once(draws: Mapping[str, Draw], members: int, batch_size: int) -> int:
    """Return for how many rows noise is drawn at once: whole batches, within a memory limit.

    >>> _rows_at_once({"eps": Draw("normal", (16,))}, 1, 128)
    999936
    """
    numbers = members * sum(math.prod(draw.shape) for draw in draws.values())
    return batch_size * max(1, int(NOISE_BYTES / (4 * max(1, numbers) * batch_size)))


def _optimizers(
    members: Members, budget: Budget, learning_rate: float | Tensor
) -> Iterator[tuple[str, torch.optim.Optimizer]]:
    """Return one optimizer for all weights, or one per player."""
    captured = isinstance(learning_rate, Tensor) and budget.optimizer != "sgd"
    options = {"capturable": True} if captured else {}
    for player, prefixes in (members.models[0].players or {"": ("",)}).items():
        chosen = [weight for name, weight in members.weights.items() if name.startswith(prefixes)]
        if not chosen:
            raise ContractError(f"no parameter's name begins with {' or '.join(prefixes)} (player {player!r})")
        yield player, OPTIMIZERS[budget.optimizer](chosen, lr=learning_rate, fused=True, **options)
