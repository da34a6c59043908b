"""Runs through executors: a model that costs nothing, plugins that pools of processes make executors of."""

import textwrap

import pytest

from latentbench.benchmark import Benchmark
from latentbench.execution.options import Execution
from latentbench.execution.run import execute
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins

PLUGIN = """
import os, signal, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from torch import nn

from latentbench import Executor, GradientModel, Metric, Model, Score, hookimpl


class Pixels(Model):
    decoder = "none"

    class Params(Model.Params):
        latent_dim: int = 2
        seconds: float = 0.0
        deadly: str = ""  # a folder in which each death leaves a file; after so many, it lives
        deaths: int = 1

    def fit(self, train, generator):
        time.sleep(self.params.seconds)
        if self.params.deadly:
            place = Path(self.params.deadly)
            if len(list(place.iterdir())) < self.params.deaths:
                (place / str(time.monotonic_ns())).touch()
                os.kill(os.getppid() if "parent" in place.name else os.getpid(), signal.SIGKILL)
                time.sleep(60)

    def encode(self, inputs): return inputs.flatten(1)[:, 20 : 20 + self.params.latent_dim]
    def get_state(self): return {}
    def set_state(self, state): pass


class Dawdles(GradientModel):
    # a step takes as long as the environment says: it is no parameter, and changes no score
    class Params(Model.Params):
        latent_dim: int = 2

    def __init__(self, params, data):
        super().__init__(params, data)
        self.down, self.up = nn.Linear(64, 2), nn.Linear(2, 64)

    def encode(self, inputs): return self.down(inputs.flatten(1))
    def decode(self, codes): return self.up(codes).reshape(-1, *self.data.shape)

    def loss(self, batch, noise):
        time.sleep(float(os.environ.get("DAWDLE", "0")))
        return {"total": (self.decode(self.encode(batch.inputs)) - batch.inputs).square().mean()}


class Fails(Pixels):
    def fit(self, train, generator): raise ValueError("it cannot be")


class Sum(Metric):
    scores = {"sum": Score("none", "sum of the codes")}

    def compute(self, space): return {"sum": float(space.codes.double().sum())}


class ProcessPool(Executor):
    def connect(self, resources):
        return ProcessPoolExecutor(resources.workers, mp_context=get_context("spawn"))


class Broken:
    def __enter__(self): return self
    def __exit__(self, *raised): pass
    def submit(self, function, *arguments): raise ConnectionError("the scheduler is gone")


class Unreachable(Executor):
    def connect(self, resources): return Broken()


class _Dead:
    def done(self): return True
    def exception(self): return ImportError("no module named latentbench")
    def cancel(self): pass


class _Deaf(Broken):
    def submit(self, function, *arguments): return _Dead()


class Deaf(Executor):
    def connect(self, resources): return _Deaf()


@hookimpl
def register_models(register):
    register("two_pixels", Pixels)
    register("fails", Fails)
    register("dawdles", Dawdles)


@hookimpl
def register_metrics(register): register("sum", Sum)


@hookimpl
def register_executors(register):
    register("pool", ProcessPool)
    register("unreachable", Unreachable)
    register("deaf", Deaf)
"""


@pytest.fixture
def plugin(tmp_path):
    """A loose plugin file with models, a metric and executors."""
    path = tmp_path / "pixels.py"
    path.write_text(textwrap.dedent(PLUGIN), encoding="utf-8")
    return str(path)


@pytest.fixture
def go(plugin, tmp_path):
    """A function that runs a benchmark of `two_pixels` through an executor, and returns its results."""

    def run(folder="run", executor="pool", options=None, execution=None, **changes):
        asked = {"models": ("two_pixels",), "references": (), "seeds": 3, "scores": ("sum",), **changes}
        plugins = Plugins((plugin,))
        benchmark = Benchmark(**asked)
        how = Execution(
            device="cpu", executor=executor, executor_options=options or {}, **{"workers": 1, **(execution or {})}
        )
        return execute(make_plan(benchmark, plugins, "cpu"), benchmark, tmp_path / folder, plugins, how)

    return run
