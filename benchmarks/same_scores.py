"""Do models trained by the engine score as those trained by a plain loop? The same trials both ways.

`python benchmarks/same_scores.py --write` trains five seeds by a loop as one would write it down (float32, torch's
own Adam, nothing tuned) and by the engine in the precision it picks, and renews
results/reference/speed/same_scores.txt. First weights, order of the data, noise and learning rates are the same.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import torch

import latentbench
from latentbench import Batch, Benchmark, GradientModel, LatentSpace
from latentbench.dataset import DataSpec, Split
from latentbench.execution.workers import default_workers
from latentbench.machine import environment
from latentbench.model import as_inputs
from latentbench.opening import build_model, load_splits, training_rows
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.training.budget import Budget
from latentbench.training.cursors import learning_rate_share
from latentbench.training.trainer import derive_seed
from latentbench.trial import Trial

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "results" / "reference" / "speed" / "same_scores.txt"
SCORES = ("mse", "r2", "rate", "knn10", "knn10_sample", "ari", "neighbor_recall", "walk_kd", "sample_coverage")


def train_plainly(model: GradientModel, split: Split, budget: Budget, seed: int) -> None:
    """Train as one would write it down."""
    order, noise = (torch.Generator().manual_seed(derive_seed(seed, name)) for name in ("order", "noise"))
    optimizer = torch.optim.Adam(model.parameters(), fused=False, foreach=False)
    steps, step = budget.epochs * -(-len(split) // budget.batch_size), 0
    for _ in range(budget.epochs):
        rows = torch.randperm(len(split), generator=order)
        drawn = {name: draw.sample(len(rows), noise) for name, draw in model.noise_spec().items()}
        for begin in range(0, len(rows), budget.batch_size):
            chosen = slice(begin, begin + budget.batch_size)
            inputs = as_inputs(split.inputs[rows[chosen].numpy()])
            batch = Batch(inputs, rows[chosen], None, None, torch.tensor(step / steps))
            optimizer.param_groups[0]["lr"] = budget.learning_rate * learning_rate_share(step / steps)
            optimizer.zero_grad()
            model.loss(batch, {name: value[chosen] for name, value in drawn.items()})["total"].backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
    model.eval()


def plain_scores(trial: Trial) -> pd.DataFrame:
    """Train one trial plainly and score it."""
    torch.set_num_threads(1)
    plugins = Plugins()
    splits = load_splits(plugins, trial)
    train = training_rows(trial, splits.train)
    model = build_model(trial, plugins, DataSpec.of(train))
    if not isinstance(model, GradientModel):
        raise TypeError(f"{trial.label} is not trained by gradients")
    train_plainly(model, train, trial.budget, trial.seed)
    space = LatentSpace.of_model(model, splits.test, splits.train, name=trial.label, fingerprint=trial.fingerprint)
    found = latentbench.score(space, SCORES, plugins)
    return found.assign(model=trial.model, seed=trial.seed, way="plain loop, float32")


def engine_scores(benchmark: Benchmark, folder: Path) -> pd.DataFrame:
    """Run the same trials as users do."""
    found = latentbench.run(benchmark, folder).scores
    precision = "/".join(sorted(set(found["precision"])))
    return found[found["split"] == "test"].assign(way=f"engine, {precision}")


def lines_of(found: pd.DataFrame) -> Iterator[str]:
    """Describe means and standard deviations over seeds, and how far the ways are apart."""
    plain, engine = sorted(set(found["way"]), reverse=True)
    yield f"{'model':<10}{'score':<18}{plain:>24}{engine:>24}{'apart, sd':>12}"
    for (model, score), rows in found.groupby(["model", "score"], sort=False):
        values = {way: rows.loc[rows["way"] == way, "value"].dropna() for way in (plain, engine)}
        if len(values[plain]) < 2 or score not in SCORES:
            continue
        mean, sd = ({way: getattr(values[way], name)() for way in values} for name in ("mean", "std"))
        apart = abs(mean[engine] - mean[plain]) / max(sd[plain], sd[engine])
        shown = "".join(f"{mean[way]:>15.4f} ± {sd[way]:.4f}" for way in (plain, engine))
        yield f"{model:<10}{score:<18}{shown}{apart:>12.2f}"


def main() -> None:
    """Train both ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="vae", help="names, separated by commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--train-limit", type=int, help="train on this many images only")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "results" / "same_scores")
    parser.add_argument("--write", action="store_true", help="renew results/reference/speed/same_scores.txt")
    asked = parser.parse_args()
    budget = {"epochs": asked.epochs}
    if asked.train_limit:
        budget["train_limit"] = asked.train_limit
    make = partial(
        Benchmark,
        preset="standard",
        models=tuple(asked.models.split(",")),
        references=(),
        seeds=asked.seeds,
        scores=SCORES,
    )
    engine = engine_scores(make(budget=budget), asked.output)
    plain = make(budget={**budget, "precision": "float32"})
    with ProcessPoolExecutor(default_workers(1), get_context("spawn")) as pool:
        frames = list(pool.map(plain_scores, make_plan(plain, Plugins()).trials))
    machine = environment("cpu", 1, 1)
    head = [
        shlex.join(["python", "benchmarks/same_scores.py", *sys.argv[1:]]),
        f"fashion_mnist, {asked.epochs} epochs, {asked.seeds} seeds, mean ± standard deviation over seeds",
        f"{machine['device']}, torch {machine['torch']}",
    ]
    lines = [*head, "", *lines_of(pd.concat([*frames, engine]))]
    print("\n".join(lines))
    if asked.write:
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        PLACE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
