"""Models and data for tests of the training engine, and tapes that play CUDA graphs on the CPU."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from latentbench import Split
from latentbench.plugins import Plugins
from latentbench.training import trainer as trainer_module
from latentbench.training.cursors import DeviceCursor
from latentbench.training.graphs import StepGraphs

SAMPLES = Path(__file__).parent / "samples.py"
THIRD_PARTY = Path(__file__).parents[1] / "third_party" / "latentbench_thirdparty" / "latentbench_thirdparty.py"


@pytest.fixture(scope="session")
def models():
    """A function that returns the class of a model, built in, of the third party or from samples.py."""
    plugins = Plugins(files=(str(SAMPLES), str(THIRD_PARTY)))
    return lambda name: plugins.load("model", name)


@pytest.fixture(scope="session")
def make_split():
    """A function that returns random images with labels and factors."""

    def make(shape=(3, 4, 4), count=44):
        rng = np.random.default_rng(0)
        return Split(
            rng.integers(0, 256, (count, *shape), dtype=np.uint8),
            labels=rng.integers(0, 4, count),
            factors=rng.normal(size=(count, 2)),
            factor_names=("one", "two"),
            factor_sizes=(0, 0),
        )

    return make


aten = torch.ops.aten
READS = {aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default}


def writes(func, args, kwargs):
    """Tensors that an operation changes."""
    named = dict(zip([argument.name for argument in func._schema.arguments], args, strict=False)) | kwargs
    changed = [a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    return [leaf for name in changed for leaf in tree_leaves(named.get(name)) if isinstance(leaf, torch.Tensor)]


class Tape(TorchDispatchMode):
    """Plays a CUDA graph.

    It notes every operation of a step with the very tensors it read and wrote, undoes the step, and replays the
    operations into the same memory. What a real capture forbids is an error here too.
    """

    def __init__(self):
        super().__init__()
        self.calls, self.before, self.replays = [], [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        mask = func is aten.index.Tensor and any(i is not None and i.dtype == torch.bool for i in args[1])
        if func in READS or mask or isinstance(kwargs.get("generator"), torch.Generator):
            raise RuntimeError("operation not permitted when stream is capturing")
        changed = writes(func, args, kwargs)
        self.before += [(tensor, tensor.clone()) for tensor in changed]
        made = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, None if changed else made))
        return made

    def undo(self):
        """Capturing runs nothing: put all that was written back as it was."""
        for tensor, value in reversed(self.before):
            tensor.copy_(value)
        self.before = []

    def replay(self):
        self.replays += 1
        with torch.no_grad():
            for func, args, kwargs, place in self.calls:
                made = func(*args, **kwargs)
                for old, new in zip(tree_leaves(place), tree_leaves(made), strict=False):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class Stream:
    def __init__(self, device=None):
        self.device, self.waited = device, []

    def wait_stream(self, other):
        self.waited.append(other)


@pytest.fixture
def tapes(monkeypatch):
    """Graphs that were captured; torch.cuda is as much of it as they need."""
    captured, current = [], Stream()

    @contextlib.contextmanager
    def graph(tape, stream, capture_error_mode):
        captured.append(tape)
        assert isinstance(stream, Stream)
        with torch.no_grad(), contextlib.ExitStack() as stack:
            stack.callback(tape.undo)
            with torch.enable_grad(), tape:
                yield

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Tape)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    return captured


@pytest.fixture
def capture():
    """A function that makes of a trainer on the CPU what it is on CUDA."""

    def make(trainer):
        trainer.cursor = DeviceCursor(trainer.cursor.steps, trainer.device)
        trainer.graphs = StepGraphs(trainer.device)
        rate = trainer.cursor.learning_rate(trainer.budget.learning_rate)
        trainer.optimizers = dict(trainer_module._optimizers(trainer.members, trainer.budget, rate))

    return make
