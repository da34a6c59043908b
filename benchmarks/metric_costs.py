"""What each score costs for 10,000 test images: `python benchmarks/metric_costs.py [--write]`.

Scores a VAE (d = 16, trained for a moment: cost does not depend on quality) on Fashion-MNIST with all
default metrics, once on one thread and once on two, and prints seconds per metric. What a metric is the
first to ask of the latent space (codes of 55,000 training images, reconstructions) is in its time, as in a
trial; the feature network is made beforehand, once per data set. Exit status 1 when all metrics together
take over 60 s on two threads, or those of the quick tier over 10 s. `--write` renews
results/reference/metric_costs.txt.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from latentbench import LatentSpace
from latentbench.dataset import DataSpec
from latentbench.execution.scoring import measure
from latentbench.model import GradientModel
from latentbench.params import build_params
from latentbench.planning.metrics import metric_requests
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench_metrics._shared.features import in_domain_features

KEPT = Path(__file__).parents[1] / "results" / "reference" / "metric_costs.txt"
LIMITS = {"all": 60.0, "quick": 10.0}
PLUGINS = Plugins()
THREADS = (1, 2)


def new_space(model: GradientModel) -> LatentSpace:
    """Look at Fashion-MNIST through a model; nothing is computed yet."""
    cls = PLUGINS.load("dataset", "fashion_mnist")
    splits = cls(build_params(cls.Params, {}, "fashion_mnist")).splits()
    return LatentSpace.of_model(model, splits.test, splits.train, fingerprint="metric-costs")


def trained_model() -> GradientModel:
    """Train the built-in VAE on 2,000 images."""
    cls = PLUGINS.load("dataset", "fashion_mnist")
    train = cls(build_params(cls.Params, {}, "fashion_mnist")).splits().train
    kind = PLUGINS.load("model", "vae")
    model: GradientModel = kind(build_params(kind.Params, {"latent_dim": 16}, "vae"), DataSpec.of(train))
    train_model(model, train, Budget(epochs=2, train_limit=2000), 0)
    return model


def seconds(model: GradientModel, threads: int) -> dict[str, tuple[str, float]]:
    """Return tier and seconds of each metric, in the order of a trial: quick ones first."""
    torch.set_num_threads(threads)
    space = new_space(model)
    in_domain_features(space)
    found = {}
    requests = metric_requests((), PLUGINS)
    tiers = {request.metric: PLUGINS.load("metric", request.metric).tier for request in requests}
    for request in sorted(requests, key=lambda request: tiers[request.metric] != "quick"):
        measured, _ = measure(request, PLUGINS, space)
        failed = {row["reason"] for row in measured["scores"].values() if row["status"] == "failed"}
        if failed:
            sys.exit(f"{request.metric} failed: {', '.join(failed)}")
        found[request.metric] = tiers[request.metric], measured["seconds"]
    return found


def main(write: bool) -> int:
    """Measure, print, and compare with the limits."""
    model = trained_model()
    columns = [seconds(model, threads) for threads in THREADS]
    lines = [f"{'metric':<24}{'tier':<8}" + "".join(f"{threads} threads, s".rjust(14) for threads in THREADS)]
    for name, (tier, _) in columns[0].items():
        lines.append(f"{name:<24}{tier:<8}" + "".join(f"{column[name][1]:>14.2f}" for column in columns))
    totals = {
        kind: [sum(spent for tier, spent in column.values() if kind in ("all", tier)) for column in columns]
        for kind in LIMITS
    }
    for kind, values in totals.items():
        row = f"{kind} together".ljust(24) + " " * 8 + "".join(f"{value:>14.2f}" for value in values)
        lines.append(f"{row}   limit {LIMITS[kind]:.0f} s on 2")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if write:
        KEPT.write_text(f"python benchmarks/metric_costs.py --write\n\n{text}", encoding="utf-8")
    return int(any(values[-1] > LIMITS[kind] for kind, values in totals.items()))


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv))
