"""What a run is asked for, from TOML or from Python, and the two verbs of the library: `run` and `score`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from latentbench.errors import RequestError, UnknownNameError, near_matches
from latentbench.grid import make_plan, metric_requests, override
from latentbench.params import Params, build_params
from latentbench.plugins import Plugins
from latentbench.scoring import measure

if TYPE_CHECKING:
    import pandas as pd

    from latentbench.latent.space import LatentSpace
    from latentbench.results import Results

__all__ = ["Benchmark", "read_benchmark", "run", "score"]

SUITES = Path(__file__).parent / "suites"
Rerun = Literal["missing", "failed", "changed", "all"]
Value = Any


class Benchmark(Params):
    """What a run is asked for: the grid, its budget and its metrics. The same fields stand in a TOML file.

    Attributes of `params` are "latent_dim" (every model that has it), "beta_vae.beta" (one model),
    "fashion_mnist.path" (a dataset), or names coupled by commas ("latent_dim, beta", with tuples as values); each
    value is one number or a tuple of them, and the grid is their product.
    """

    title: str = Field(default="", description="heading of tables and report")
    datasets: tuple[str, ...] = Field(default=("digits",), min_length=1, description="names, as `list datasets`")
    models: tuple[str, ...] = Field(default=("ae", "vae", "beta_vae"), description="names, or file.py:Class")
    references: tuple[str, ...] = Field(default=(), description="models that stand beside in every table")
    seeds: int = Field(default=5, ge=1, le=1000, description="trials of each model, with seeds 0, 1, ...")
    scores: tuple[str, ...] = Field(default=(), description="names of scores or metrics; empty: all of `tiers`")
    tiers: tuple[str, ...] = Field(default=("quick", "full"), description="cost tiers of metrics to compute")
    budget: dict[str, Value] = Field(
        default_factory=dict, description="fields of the budget that differ from default"
    )
    params: dict[str, Value] = Field(default_factory=dict, description="parameters that differ from their default")
    on: dict[str, dict[str, Value]] = Field(default_factory=dict, description="budget and params for one dataset")

    @field_validator("on")
    @classmethod
    def _known_tables(cls, on: dict[str, dict[str, Value]]) -> dict[str, dict[str, Value]]:
        for name, tables in on.items():
            if not set(tables) <= {"budget", "params"} or not all(isinstance(t, dict) for t in tables.values()):
                raise ValueError(f"[on.{name}] may hold the tables budget and params, got {', '.join(tables)}")
        return on


def read_benchmark(source: str | Path, changes: Mapping[str, Value] | None = None) -> Benchmark:
    """Read a benchmark from a TOML file or the name of a preset; `changes` replace its keys.

    Raises:
        RequestError: no such file or preset, bad TOML, an unknown key or a value out of range.
    """
    path = Path(source)
    if path.suffix != ".toml":
        path = SUITES / f"{source}.toml"
        if not path.is_file():
            known = sorted(suite.stem for suite in SUITES.glob("*.toml"))
            raise UnknownNameError(
                f"there is no preset {str(source)!r}{near_matches(str(source), known)} "
                f"(presets: {', '.join(known)}; a benchmark of your own is a file that ends in .toml)"
            )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"benchmark {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"benchmark {path} is not valid TOML: {error}") from error
    for name, value in (changes or {}).items():
        if name in ("budget", "params"):
            values[name] = override(values.get(name, {}), value)
            for tables in values.get(
                "on", {}
            ).values():  # what is asked for here goes before a dataset's own table
                tables[name] = override(tables.get(name, {}), value)
        else:
            values[name] = value
    return build_params(Benchmark, values, f"benchmark {path.name}")


def run(
    benchmark: Benchmark,
    folder: str | Path,
    *,
    plugins: Plugins | None = None,
    workers: int | None = None,
    device: str = "auto",
    timeout: float | None = None,
    rerun: Rerun = "missing",
) -> Results:
    """Run what is missing of a benchmark and return all its results.

    Args:
        benchmark: what to run.
        folder: the run's folder; made when it is not there. What it holds already is not done again.
        plugins: the plugins to use; all installed ones when left out.
        workers: processes that run trials; None: one per core; 0: this very process.
        device: "auto" (cuda where there is one), "cpu" or "cuda".
        timeout: seconds a trial may take.
        rerun: also do again what "failed", what "changed" in source since, or "all".

    Raises:
        RequestError: the request was wrong; nothing was run.
    """
    from latentbench.runner import execute

    plugins = plugins or Plugins()
    return execute(
        make_plan(benchmark, plugins), benchmark, Path(folder), plugins, workers, device, timeout, rerun
    )


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
    rows = []
    for request in metric_requests(tuple(metrics), plugins):
        measured, _ = measure(request, plugins, space)
        for name, row in measured["scores"].items():
            declared = request.scores[name]
            rows.append({"score": name, **row, "better": declared["better"], "unit": declared["unit"]})
    columns = ["score", "value", "se", "better", "unit", "status", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"value": float, "se": float})
