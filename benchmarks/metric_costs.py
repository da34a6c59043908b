"""What each score costs for 10,000 test images: `python benchmarks/metric_costs.py [--processor] [--write]`.

Scores two VAEs (d = 16, trained for a moment: cost does not depend on quality) one after the other on
Fashion-MNIST with all default metrics, as a trial does, and prints seconds per metric: for the first model, whose
data nothing is known of yet, and for the second, which finds in the cache what was computed of the inputs. Once
on one thread and once on two, each in a process of its own. What a metric is the first to ask of the latent space
(codes of 55,000 training images, reconstructions) is in its time, as in a trial; training the feature network,
once per data set, is a row of its own. Libraries are imported beforehand, as in a worker that has scored before.

`--processor` counts the seconds that processors worked, for a machine that others use, too. Exit status 1 when a
limit is passed. `--write` renews results/reference/metric_costs.txt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from latentbench import LatentSpace
from latentbench.dataset import DataSpec
from latentbench.execution.scoring import measure
from latentbench.machine import limited_threads
from latentbench.model import GradientModel
from latentbench.params import build_params
from latentbench.planning.metrics import metric_requests
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench_metrics._shared.features import in_domain_features

KEPT = Path(__file__).parents[1] / "results" / "reference" / "metric_costs.txt"
LIMITS = {1: 25.0, 2: 15.0}  # threads -> seconds of all metrics, for the first model
SECOND = 0.6  # of the time that the first model takes, feature network included
PLUGINS = Plugins()
NETWORK = "feature network"
Seconds = dict[str, tuple[str, float]]  # metric -> tier, seconds


def new_space(model: GradientModel) -> LatentSpace:
    """Look at Fashion-MNIST through a model; nothing is computed yet."""
    cls = PLUGINS.load("dataset", "fashion_mnist")
    splits = cls(build_params(cls.Params, {}, "fashion_mnist")).splits()
    return LatentSpace.of_model(model, splits.test, splits.train, fingerprint="metric-costs")


def trained_model(seed: int = 0) -> GradientModel:
    """Train the built-in VAE on 2,000 images."""
    cls = PLUGINS.load("dataset", "fashion_mnist")
    train = cls(build_params(cls.Params, {}, "fashion_mnist")).splits().train
    kind = PLUGINS.load("model", "vae")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: GradientModel = kind(build_params(kind.Params, {"latent_dim": 16}, "vae"), DataSpec.of(train))
    train_model(model, train, Budget(epochs=2, train_limit=2000), seed)
    return model


def seconds(model: GradientModel, clock: Callable[[], float]) -> Seconds:
    """Return tier and seconds of each metric, in the order of a trial: quick ones first."""
    space = new_space(model)
    _ = space.inputs, space.train.inputs
    started = clock()
    in_domain_features(space)
    found: Seconds = {NETWORK: ("", clock() - started)}
    requests = metric_requests((), PLUGINS)
    tiers = {request.metric: PLUGINS.load("metric", request.metric).tier for request in requests}
    for request in sorted(requests, key=lambda request: tiers[request.metric] != "quick"):
        started = clock()
        measured, _ = measure(request, PLUGINS, space, checked=False)
        failed = {row["reason"] for row in measured["scores"].values() if row["status"] == "failed"}
        if failed:
            sys.exit(f"{request.metric} failed: {', '.join(failed)}")
        found[request.metric] = tiers[request.metric], clock() - started
    return found


def import_libraries() -> None:
    """Import what metrics import when they are first used."""
    import ot  # noqa: F401
    import sklearn.cluster
    import sklearn.ensemble
    import sklearn.linear_model
    import sklearn.svm  # noqa: F401


def measure_both(threads: int, *, processor: bool) -> None:
    """Print the seconds of two models on the same data, as JSON."""
    import_libraries()
    with limited_threads(threads):
        models = [trained_model(seed) for seed in (0, 1)]
        clock = time.process_time if processor else time.perf_counter
        print(json.dumps([seconds(model, clock) for model in models]))


def in_process(threads: int, *, processor: bool) -> list[Seconds]:
    """Return the seconds of the first and of the second model, in a process and a cache of their own."""
    variables = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    command = [sys.executable, __file__, f"--threads={threads}", *(["--processor"] if processor else [])]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, **variables, "LATENTBENCH_CACHE": cache}
        run = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    first, second = json.loads(run.stdout.splitlines()[-1])
    return [first, second]


def total(column: Seconds, tier: str = "") -> float:
    """Return the seconds of all metrics, or of a tier, without the feature network."""
    return sum(spent for name, (own, spent) in column.items() if name != NETWORK and (not tier or own == tier))


def main(*, write: bool, processor: bool) -> int:
    """Measure, print, and compare with the limits."""
    columns = [column for threads in LIMITS for column in in_process(threads, processor=processor)]
    heads = [f"{threads} thr. {which}" for threads in LIMITS for which in ("first", "second")]
    lines = [f"{'metric':<26}{'tier':<7}" + "".join(f"{head:>15}" for head in heads)]
    for name, (tier, _) in columns[0].items():
        lines.append(f"{name:<26}{tier:<7}" + "".join(f"{column[name][1]:>15.2f}" for column in columns))
    for kind in ("quick", ""):
        totals = "".join(f"{total(column, kind):>15.2f}" for column in columns)
        lines.append(f"{kind or 'all'} together".ljust(33) + totals)
    whole = [total(column) + column[NETWORK][1] for column in columns]
    lines.append(f"{'with the feature network':<33}" + "".join(f"{spent:>15.2f}" for spent in whole))
    shares = [whole[1] / whole[0], whole[3] / whole[2]]
    limits = ", ".join(f"{limit:.0f} s on {threads}" for threads, limit in LIMITS.items())
    lines.append(
        f"second model: {shares[0]:.0%} of the first one's time on one thread, {shares[1]:.0%} on two "
        f"(limit {SECOND:.0%}); limits of all together: {limits}"
    )
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if write:
        flag = " --processor" if processor else ""
        KEPT.write_text(f"python benchmarks/metric_costs.py{flag} --write\n\n{text}", encoding="utf-8")
    slow = any(total(columns[2 * place]) > limit for place, limit in enumerate(LIMITS.values()))
    return int(slow or max(shares) > SECOND)


if __name__ == "__main__":
    chosen = [word for word in sys.argv[1:] if word.startswith("--threads=")]
    if chosen:
        measure_both(int(chosen[0].partition("=")[2]), processor="--processor" in sys.argv)
    else:
        sys.exit(main(write="--write" in sys.argv, processor="--processor" in sys.argv))
