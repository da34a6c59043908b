"""Shared by all benchmarks: what is looked at, how it is timed, and the table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NoReturn

import numpy as np
import pytest

from latentbench.dataset import Split, Splits
from latentbench.errors import PluginError
from latentbench.machine import limited_threads
from latentbench.model import GradientModel
from latentbench.params import build_params
from latentbench.plugins import Plugins

collect_ignore_glob = ["[!t]*.py"]  # beside the benchmarks lie scripts, which doctest would import

ROUNDS = 3
IMAGES = 4096
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
PLUGINS = pytest.StashKey[Plugins]()
LINES = pytest.StashKey["list[Line]"]()


@dataclass(frozen=True)
class Line:
    """One benchmark in the table at the end.

    Attributes:
        group: heading it stands under.
        name: what was timed.
        text: median and rate, or why it was skipped.
    """

    group: str
    name: str
    text: str


class Stopwatch:
    """Times a function with pytest-benchmark and notes a line for the table."""

    def __init__(self, benchmark: Any, lines: list[Line]) -> None:
        self._benchmark, self._lines = benchmark, lines

    def __call__(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        warm_up: Callable[[], Any] | None = None,
        setup: Callable[[], Any] | None = None,
        rounds: int = ROUNDS,
        amount: tuple[int, str] | None = None,
        **extra: Any,
    ) -> Any:
        """Time `function` after a warm-up that does not count.

        Args:
            name: in the table.
            function: what is timed.
            warm_up: a smaller call of the same kind; `function` itself when left out.
            setup: called before each round, untimed; returns (arguments, keywords) for `function`.
            rounds: how often it is timed.
            amount: how many of what one call goes through, as (4096, "images"): gives the rate.
            extra: also stored in `benchmark.extra_info`.

        Returns:
            What `function` returned last.
        """
        (warm_up or function)()
        answer = self._benchmark.pedantic(function, setup=setup, rounds=rounds)
        self._benchmark.extra_info.update(extra)
        if self._benchmark.stats is not None:  # None under --benchmark-disable
            self._note(name, self._benchmark.stats["median"], amount)
        return answer

    def skip(self, name: str, reason: str) -> NoReturn:
        """Skip this benchmark, with a line that says why."""
        self._lines.append(Line(self._benchmark.group, name, f"   skipped: {reason}"))
        pytest.skip(f"{name}: {reason}")

    def _note(self, name: str, seconds: float, amount: tuple[int, str] | None) -> None:
        text = f"{duration(seconds):>12}"
        if amount is not None:
            count, what = amount
            self._benchmark.extra_info[f"{what}_per_second"] = count / seconds
            text += f"{count / seconds:>16,.0f} {what}/s"
        self._lines.append(Line(self._benchmark.group, name, text))


def duration(seconds: float) -> str:
    """Write a time with three digits: "31.2 s", "4.56 ms"."""
    size, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    return f"{seconds / size:#.3g}".rstrip(".") + f" {unit:<2}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take loose plugin files, as the command line does."""
    parser.addoption("--plugin", action="append", default=[], help="time what this plugin file supplies, too")


def pytest_configure(config: pytest.Config) -> None:
    """Find all plugins; prepare the table."""
    config.stash[PLUGINS] = Plugins(tuple(config.getoption("plugin", ())))
    config.stash[LINES] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a benchmark every discovered `model`, `gradient_model`, `metric` or `pair_metric`."""
    plugins = metafunc.config.stash[PLUGINS]
    if "model" in metafunc.fixturenames:
        metafunc.parametrize("model", plugins.names("model"))
    if "metric" in metafunc.fixturenames:
        metafunc.parametrize("metric", plugins.names("metric"))
    if "pair_metric" in metafunc.fixturenames:
        metafunc.parametrize("pair_metric", plugins.names("pair_metric"))
    if "gradient_model" in metafunc.fixturenames:
        names = [name for name in plugins.names("model") if _is_gradient_model(plugins, name)]
        metafunc.parametrize("gradient_model", names)


def _is_gradient_model(plugins: Plugins, name: str) -> bool:
    try:
        return issubclass(plugins.load("model", name), GradientModel)
    except PluginError:
        return True  # its benchmark fails with the reason


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print one line a benchmark."""
    lines = config.stash[LINES]
    if not lines:
        return
    terminalreporter.section("speed")
    terminalreporter.write_line(
        f"One thread, median of {ROUNDS} rounds after a warm-up; what is slow has one round."
    )
    width = max(len(line.name) for line in lines)
    for group, own in groupby(lines, key=lambda line: line.group):
        terminalreporter.write_line(f"\n{group}")
        for line in own:
            terminalreporter.write_line(f"  {line.name:<{width}}{line.text}".rstrip())


@pytest.fixture
def stopwatch(benchmark: Any, request: pytest.FixtureRequest) -> Stopwatch:
    """What times a function."""
    return Stopwatch(benchmark, request.config.stash[LINES])


@pytest.fixture(scope="session")
def plugins(request: pytest.FixtureRequest) -> Plugins:
    """All plugins: installed ones and those given by --plugin."""
    return request.config.stash[PLUGINS]


@pytest.fixture(autouse=True, scope="session")
def _one_thread_own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, limited_threads(1):
        patch.setenv("LATENTBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def splits(plugins: Plugins) -> Splits:
    """Drawn sprites of 28 x 28 with labels and factors: 43,200 to train on, 12,000 for the test."""
    cls = plugins.load("dataset", "sprites")
    found: Splits = cls(build_params(cls.Params, {"size": 28, "positions": 25}, "dataset 'sprites'")).splits()
    return found


@pytest.fixture(scope="session")
def images(splits: Splits) -> Split:
    """Some of the training images."""
    return splits.train.take(np.random.default_rng(0).permutation(len(splits.train))[:IMAGES])
