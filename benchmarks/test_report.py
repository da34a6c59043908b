"""Reading, table, figures and page of a run of realistic size: 30 trials with all scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from latentbench import Benchmark, Results, load_results, run
from latentbench.dataset import DataSpec
from latentbench.execution.scoring import unmeasured
from latentbench.model import State
from latentbench.opening import build_model, load_splits
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.report.charts.plots import plots, write_figures
from latentbench.report.page.write import write_report
from latentbench.table.build import comparison_table
from latentbench.table.render import render
from latentbench.trial import Outcome, ScoreRequest, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.conftest import Stopwatch

BENCHMARK = Benchmark(title="made up", references=("pca", "untrained", "pixels"), seeds=7, tiers=("quick", "full"))
ITEMS = 2_000
PER_ITEM = ("keep", "find", "near")  # purposes whose scores come with a value for each item
COST = {"train_seconds": 20.0, "images_per_second": 9e3, "parameters": 1e5, "peak_memory_bytes": 5e8}
MACHINE = {"device": "made up", "threads": 1, "concurrency": 2, "group_size": 1, "executor": "local"}

pytestmark = pytest.mark.benchmark(group="report of 30 trials x all scores")


def test_read(stopwatch: Stopwatch, finished: Path) -> None:
    scores = stopwatch("read all scores", lambda: load_results(finished).scores)
    assert scores["trial"].nunique() == 30


def test_table(stopwatch: Stopwatch, finished: Path) -> None:
    text = stopwatch("table of all scores", lambda: render(comparison_table(load_results(finished), every=True)))
    assert "beta_vae" in text


def test_page(stopwatch: Stopwatch, finished: Path, tmp_path: Path) -> None:
    page = stopwatch(
        "page with its figures",
        lambda: written(load_results(finished), tmp_path),
        warm_up=lambda: plots(load_results(finished)),
        rounds=1,
    )
    assert page.stat().st_size > 100_000


def written(results: Results, folder: Path) -> Path:
    """Write what `latentbench report` does."""
    drawn = plots(results)
    write_figures(drawn, folder / "figures")
    return write_report(results, (), folder / "report.html", drawn)


@pytest.fixture(scope="module")
def finished(plugins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder whose trials have been written as if they had been trained and scored."""
    folder = tmp_path_factory.mktemp("run")
    plan = make_plan(BENCHMARK, plugins, "cpu")
    for trial in plan.trials:
        record = Record.begin(folder, trial.key)
        record.write_state(untrained_state(trial, plugins))
        record.write_trial(trial, made_up_outcome(trial))
        for request in plan.requests:
            record.write_scores(request, *made_up_scores(trial, request))
        record.publish()
    results = run(BENCHMARK, folder, plugins=plugins, device="cpu", workers=0)  # nothing is left to do
    assert results.complete
    return folder


def untrained_state(trial: Trial, plugins: Plugins) -> State:
    train = load_splits(plugins, trial).train
    model = build_model(trial, plugins, DataSpec.of(train))
    model.fit(train, torch.Generator().manual_seed(trial.seed))
    state = model.get_state()
    assert state is not None
    return state


def made_up_outcome(trial: Trial) -> Outcome:
    losses = tuple({"total": 1 / epoch} for epoch in range(1, trial.budget.epochs + 1))
    return Outcome("ok", history=losses, cost=COST, environment=MACHINE, source=trial.source)


def made_up_scores(trial: Trial, request: ScoreRequest) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Return scores as they are stored, with values that differ from model to model and a little by seed."""
    stored = unmeasured(request, "missing", "")
    items = {}
    for name, declared in request.scores.items():
        if trial.traits.reference and (declared["codes"] == "sample" or declared["unit"] == "nats"):
            stored["scores"][name].update(status="not applicable", reason="no posterior")
            continue
        rng = np.random.default_rng([trial.seed, *f"{trial.label} {name}".encode()])
        values = 0.3 + 0.05 * len(trial.label) + 0.01 * rng.normal() + 0.1 * rng.normal(size=ITEMS)
        stored["scores"][name].update(status="ok", reason="", value=values.mean(), se=values.std() / ITEMS**0.5)
        if declared["purpose"] in PER_ITEM:
            items[name] = values
    return {**stored, "n_eval": ITEMS, "seconds": 1.0}, items
