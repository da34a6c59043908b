"""What each score costs for 10,000 test images: `python benchmarks/metric_costs.py [--write]`.

Scores two VAEs (d = 16, trained for a moment: cost does not depend on quality) one after the other on
Fashion-MNIST with all default metrics, as `latentbench score RUN` does in a worker, and prints seconds per metric:
for the first model, whose data nothing is known of yet, and for the second, which finds in the cache what was
computed of the inputs. Once in one process and once in two, as for a trial that runs alone on two cores; each time
in a process and a cache of their own. A process computes on one thread. What a metric is the first in its process
to ask of the latent space (codes of 55,000 training images, reconstructions) is in its time; training the feature
network, once per data set, is a row of its own. Libraries are imported beforehand, as in a worker that has scored
before.

"all together" is the time from the first metric to the end of the trial; below it stands the time that processors
worked meanwhile, which tells on a machine that others use, too. Exit status 1 when a limit is passed. `--write`
renews results/reference/metric_costs.txt.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from latentbench.benchmark import Benchmark
from latentbench.execution.events import TrialEvent
from latentbench.execution.job import Job, execute_job
from latentbench.execution.variables import of_worker
from latentbench.opening import latent_space
from latentbench.planning.plan import Plan, make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench_metrics._shared.features import in_domain_features

KEPT = Path(__file__).parents[1] / "results" / "reference" / "metric_costs.txt"
LIMITS = {1: 25.0, 2: 15.0}  # processes -> seconds of all metrics, for the first model
SECOND = 0.6  # of the time that the first model takes, feature network included
PLUGINS = Plugins()
ASKED: dict[str, Any] = {
    "datasets": ["fashion_mnist"],
    "models": ["vae"],
    "references": [],
    "seeds": 2,
    "tiers": ["quick", "full"],
    "params": {"latent_dim": 16},
    "budget": {"epochs": 2, "train_limit": 2000, "threads": 1},
}


@dataclass
class Costs:
    """What the scores of one model cost, in seconds.

    Attributes:
        network: training the feature network.
        metrics: each metric.
        all: all of them, from the first to the end of the trial.
        processor: time that processors worked meanwhile.
    """

    network: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    all: float = 0.0
    processor: float = 0.0

    @property
    def whole(self) -> float:
        """All of them with the feature network."""
        return self.all + self.network


def import_libraries() -> None:
    """Import what metrics import when they are first used."""
    import ot  # noqa: F401
    import sklearn.cluster
    import sklearn.ensemble
    import sklearn.linear_model
    import sklearn.svm  # noqa: F401


def measure(processes: int) -> list[Costs]:
    """Return what the scores of two models on the same data cost, one after the other."""
    import_libraries()
    plan = make_plan(Benchmark(**ASKED), PLUGINS, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job((trial,), plan.requests, Path(folder), scorers=processes) for trial in plan.trials]
        for job in jobs:
            execute_job(replace(job, requests=()), PLUGINS, lambda _: None)
        network = network_seconds(jobs[0])
        return [scored(job, plan, network * (job is jobs[0])) for job in jobs]


def network_seconds(job: Job) -> float:
    """Return how long the feature network of a job's data is trained."""
    (trial,) = job.trials
    record = Record(job.run, trial.key)
    space = latent_space(record.read_trial(), record, PLUGINS)
    _ = space.train.inputs
    started = time.perf_counter()
    in_domain_features(space)
    return time.perf_counter() - started


def scored(job: Job, plan: Plan, network: float) -> Costs:
    """Score a trained trial."""
    begun: list[float] = []

    def listen(event: TrialEvent) -> None:
        if event.kind == "metric_started" and not begun:
            begun.extend((time.perf_counter(), processor_seconds()))

    execute_job(job, PLUGINS, listen)
    spent = time.perf_counter() - begun[0], processor_seconds() - begun[1]
    record = Record(job.run, job.trials[0].key)
    stored = {request.metric: record.read_scores(request) or {} for request in plan.requests}
    for metric, scores in stored.items():
        if reasons := {row["reason"] for row in scores["scores"].values() if row["status"] == "failed"}:
            sys.exit(f"{metric} failed: {', '.join(reasons)}")
    return Costs(network, {metric: scores["seconds"] for metric, scores in stored.items()}, *spent)


def processor_seconds() -> float:
    """Return the time that processors worked for this process and those that it has forked and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def in_process(processes: int) -> list[Costs]:
    """Return the costs of the first and of the second model, in a process and a cache of their own."""
    command = [sys.executable, __file__, f"--processes={processes}"]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**of_worker(os.environ, "cpu"), "LATENTBENCH_CACHE": cache}
        run = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [Costs(**costs) for costs in json.loads(run.stdout.splitlines()[-1])]


def main(*, write: bool) -> int:
    """Measure, print, and compare with the limits."""
    columns = [column for processes in LIMITS for column in in_process(processes)]
    text = "\n".join([*table(columns), verdict(columns)]) + "\n"
    print(text, end="")
    if write:
        KEPT.write_text(f"python benchmarks/metric_costs.py --write\n\n{text}", encoding="utf-8")
    slow = any(columns[2 * place].all > limit for place, limit in enumerate(LIMITS.values()))
    return int(slow or max(shares(columns)) > SECOND)


def table(columns: list[Costs]) -> list[str]:
    """Return the lines of the table: a metric each, then all together."""
    heads = [f"{processes} proc. {which}" for processes in LIMITS for which in ("first", "second")]
    tiers = {metric: PLUGINS.load("metric", metric).tier for metric in columns[0].metrics}
    lines = ["metric".ljust(26) + "tier".ljust(7) + "".join(f"{head:>16}" for head in heads)]
    ordered = sorted(tiers, key=lambda metric: (tiers[metric] != "quick", metric))
    lines += [line(metric, tiers[metric], [column.metrics[metric] for column in columns]) for metric in ordered]
    lines.append(line("all together", "", [column.all for column in columns]))
    lines.append(line("  time of processors", "", [column.processor for column in columns]))
    lines.append(line("feature network", "", [column.network for column in columns]))
    return [*lines, line("with the feature network", "", [column.whole for column in columns])]


def line(name: str, tier: str, seconds: list[float]) -> str:
    """Return a line of the table."""
    return name.ljust(26) + tier.ljust(7) + "".join(f"{spent:>16.2f}" for spent in seconds)


def shares(columns: list[Costs]) -> list[float]:
    """Return the second model's time as a share of the first one's, for each number of processes."""
    return [second.whole / first.whole for first, second in zip(columns[::2], columns[1::2], strict=True)]


def verdict(columns: list[Costs]) -> str:
    """Return what the limits are about, in a sentence."""
    of_first = ", ".join(f"{share:.0%} in {count}" for count, share in zip(LIMITS, shares(columns), strict=True))
    limits = ", ".join(f"{limit:.0f} s in {count}" for count, limit in LIMITS.items())
    return (
        f"second model: of the first one's time {of_first} (limit {SECOND:.0%}); limits of all together, first "
        f"model: {limits}; processes, of one thread each"
    )


if __name__ == "__main__":
    chosen = [word for word in sys.argv[1:] if word.startswith("--processes=")]
    if chosen:
        print(json.dumps([vars(costs) for costs in measure(int(chosen[0].partition("=")[2]))]))
    else:
        sys.exit(main(write="--write" in sys.argv))
