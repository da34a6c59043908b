"""The verbs of the library: run a benchmark, score a latent space, read results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from latentbench.benchmark import Benchmark, default_folder
from latentbench.execution.scoring import measure
from latentbench.plan import make_plan, metric_requests
from latentbench.plugins import Plugins
from latentbench.results import Results

if TYPE_CHECKING:
    import pandas as pd

    from latentbench.latent.space import LatentSpace

__all__ = ["load_results", "run", "score"]


Rerun = Literal["missing", "failed", "changed", "all"]


def run(
    benchmark: Benchmark,
    folder: str | Path | None = None,
    *,
    plugins: Plugins | None = None,
    workers: int | None = None,
    device: str = "auto",
    timeout: float | None = None,
    rerun: Rerun = "missing",
    group_size: int | None = None,
    timing: bool = False,
) -> Results:
    """Run what is missing of a benchmark and return all its results.

    Args:
        benchmark: what to run.
        folder: the run's folder, made when it is not there; None: results/DATASET-TITLE. What it holds already is
            not done again.
        plugins: the plugins to use; all installed ones when left out.
        workers: processes that run trials; None: one per core; 0: this very process.
        device: "auto" (cuda where there is one), "cpu" or "cuda".
        timeout: seconds a trial may take.
        rerun: also do again what "failed", what "changed" in source since, or "all".
        group_size: on CUDA, how many trials are trained together at most; 16 when left out.
        timing: run trials alone, one at a time, so that their cost scores can be compared; those again that ran
            beside others.

    Raises:
        RequestError: the request was wrong; nothing was run.
    """
    from latentbench.execution.options import Execution
    from latentbench.execution.run import execute

    plugins = plugins or Plugins()
    place = default_folder(benchmark) if folder is None else Path(folder)
    how = Execution(workers, device, timeout, rerun, group_size, timing)
    return execute(make_plan(benchmark, plugins, device), benchmark, place, plugins, how)


def score(space: LatentSpace, metrics: Iterable[str] = (), plugins: Plugins | None = None) -> pd.DataFrame:
    """Score one latent space, without a run.

    Args:
        space: what to score.
        metrics: names of metrics or of their scores; all when left out.
        plugins: the plugins to use; all installed ones when left out.

    Returns:
        One row a score: score, value, se, better, unit, status, reason.
    """
    import pandas as pd

    plugins = plugins or Plugins()
    wanted = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    rows = []
    for request in metric_requests(wanted, plugins):
        measured, _ = measure(request, plugins, space)
        for name, row in measured["scores"].items():
            if wanted and not {name, request.metric} & set(wanted):
                continue
            declared = request.scores[name]
            rows.append({"score": name, **row, "better": declared["better"], "unit": declared["unit"]})
    columns = ["score", "value", "se", "better", "unit", "status", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"value": float, "se": float})


def load_results(path: str | Path) -> Results:
    """Read the results of a run.

    Raises:
        RunFolderError: the folder holds no run.
    """
    return Results(Path(path))
