"""The verbs of the library: run a benchmark, score a latent space, read results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from latentbench.benchmark import Benchmark, default_folder, named
from latentbench.execution.scoring import measure
from latentbench.planning.metrics import metric_requests, score_names
from latentbench.planning.plan import Plan, make_plan
from latentbench.plugins import Plugins
from latentbench.results import Results
from latentbench.terminal.progress import is_watched, shown_progress

if TYPE_CHECKING:
    import pandas as pd

    from latentbench.execution.options import Execution
    from latentbench.latent.space import LatentSpace

__all__ = ["compare_codes", "load_results", "run", "score"]


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
    executor: str = "local",
    executor_options: Mapping[str, Any] | None = None,
    retries: int = 3,
    progress: bool | None = None,
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
        group_size: how many trials are trained together at most, on CUDA or where their inputs are small; 16 when
            left out.
        timing: run trials alone, one at a time, so that their cost scores can be compared; those again that ran
            beside others.
        executor: where trials run, by its registered name; "local": in workers on this machine.
        executor_options: its parameters.
        retries: how often a training is begun again whose worker was killed, without getting further.
        progress: show it on standard error; None: where that is a terminal, and in a notebook.

    Raises:
        RequestError: the request was wrong; nothing was run.
    """
    from latentbench.execution.options import Execution

    plugins = plugins or Plugins()
    place = default_folder(benchmark) if folder is None else Path(folder)
    how = Execution(
        workers,
        device,
        timeout,
        rerun,
        group_size,
        timing,
        executor=executor,
        executor_options=executor_options or {},
        retries=retries,
    )
    return _execute(make_plan(benchmark, plugins, device), benchmark, place, plugins, how, progress)


def score(space: LatentSpace, metrics: Iterable[str | type] = (), plugins: Plugins | None = None) -> pd.DataFrame:
    """Score one latent space, without a run.

    Args:
        space: what to score.
        metrics: names of metrics or of their scores, or metrics as classes; all when left out.
        plugins: the plugins to use; all installed ones when left out.

    Returns:
        One row a score: score, value, se, better, unit, status, reason.
    """
    import pandas as pd

    plugins = plugins or Plugins()
    wanted = score_names(_names(metrics), plugins)
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


def compare_codes(
    codes: Mapping[str, Any],
    *,
    labels: Any = None,
    inputs: str = "",
    factors: Any = None,
    factor_names: Sequence[str] = (),
    train_codes: Mapping[str, Any] | None = None,
    train_labels: Any = None,
    split: Literal["test", "train", "validation"] = "test",
    scores: Iterable[str | type] = (),
    folder: str | Path | None = None,
    plugins: Plugins | None = None,
    workers: int | None = None,
    progress: bool | None = None,
) -> Results:
    """Score codes that others computed, side by side, as an ordinary run.

    All arrays hold the same items in the same order.

    Args:
        codes: name -> array `(n, d)`, or a list of arrays, which are seeds of one model.
        labels: class of each item `(n,)`, numbers or text.
        inputs: the data set that the codes are of, as NAME, NAME:KEY=VALUE or a path.
        factors: ground-truth factors `(n, k)`.
        factor_names: k names.
        train_codes: name -> array `(m, d)` of the training items, likewise.
        train_labels: class of each training item `(m,)`.
        split: the split of `inputs` that the codes are of.
        scores: names of scores or metrics, or metrics as classes; all when left out.
        folder: the run's folder, made when it is not there; None: results/DATASET-codes.
        plugins: the plugins to use; all installed ones when left out.
        workers: processes that score; None: one per core; 0: this very process.
        progress: show it on standard error; None: where that is a terminal, and in a notebook.

    Raises:
        RequestError: arrays are not of the same items, or not codes; nothing was run.
    """
    from latentbench.codes.asked import of_arrays
    from latentbench.execution.options import Execution

    plugins = plugins or Plugins()
    asked = of_arrays(codes, train_codes or {}, labels, train_labels, factors, factor_names, split)
    wanted = _names(scores)
    about: dict[str, Any] = {"codes": dict.fromkeys(codes, ()), "scores": wanted, "split": split}
    benchmark = Benchmark(**about, datasets=(inputs,) if inputs else ())
    place = default_folder(benchmark) if folder is None else Path(folder)
    plan = make_plan(benchmark, plugins, "cpu", asked)
    return _execute(plan, benchmark, place, plugins, Execution(workers), progress)


def _execute(
    plan: Plan,
    benchmark: Benchmark,
    folder: Path,
    plugins: Plugins,
    how: Execution,
    progress: bool | None,
) -> Results:
    """Do what is missing, with progress where it is wanted."""
    from latentbench.execution.run import execute

    if not (is_watched() if progress is None else progress):
        return execute(plan, benchmark, folder, plugins, how)
    with shown_progress(plugins) as announce:
        return execute(plan, benchmark, folder, plugins, how, announce)


def _names(scores: Iterable[str | type] | str | type) -> tuple[str, ...]:
    """Return the names of scores and metrics; a metric may be a class."""
    return tuple(map(named, (scores,) if isinstance(scores, str | type) else scores))


def load_results(path: str | Path) -> Results:
    """Read the results of a run.

    Raises:
        RunFolderError: the folder holds no run.
    """
    return Results(Path(path))
