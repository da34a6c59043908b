"""`python benchmarks/execution/study.py [--write]`: what a study of 12,600 models would take, from 126 of them.

The study is that of Locatello et al. 2019 ("Challenging Common Assumptions in the Unsupervised Learning of
Disentangled Representations"): 12,600 models, each trained for 300,000 steps of 64 images of 64 x 64. Here, a
hundredth of the models is trained for a few steps on sprites of that size and scored with all scores of
disentanglement. What they took is multiplied: training by models and steps, the rest by models.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from latentbench import load_results
from latentbench.files.writing import write_atomically
from latentbench.machine import available_cores, environment
from latentbench.text import counted

BETAS, RATES = (1, 2, 4, 6, 8, 16), (0.0003, 0.0005, 0.001)
MODELS, STEPS, BATCH = 12_600, 300_000, 64
REQUEST = """
datasets = ["sprites:size=64"]
models = ["beta_vae"]
references = []
seeds = {seeds}
scores = ["r2", "mig", "sap", "dci", "factor_vae", "modularity", "infomec_shares"]

[budget]
epochs = 1
batch_size = {batch}
train_limit = {items}
learning_rate = {rates}

[params]
latent_dim = 10
"beta_vae.beta" = {betas}
"""
CORES = 1000  # of the cluster that is assumed
PRICE = 0.04  # dollars for an hour of a core, as clouds ask for; an assumption
TARGET = Path(__file__).parents[2] / "results/reference/scale/study.txt"


@dataclass(frozen=True)
class Taken:
    """What a run took.

    Attributes:
        trials: how many.
        train: seconds of training of a trial, on a core.
        score: seconds of scoring of a trial, on a core.
        processor: seconds of processor time of everything.
        megabytes: of a trial on disk, by kind of file.
    """

    trials: int
    train: float
    score: float
    processor: float
    megabytes: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=7, help="7 make 126 models")
    parser.add_argument("--steps", type=int, default=50, help="of training")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name} among the reference results")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        taken = measured(Path(folder), chosen.seeds, chosen.steps)
    text = "\n".join(report(taken, chosen.seeds, chosen.steps)) + "\n"
    print(text, end="")
    if chosen.write:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(TARGET, text.encode())


def measured(place: Path, seeds: int, steps: int) -> Taken:
    request, run = place / "study.toml", place / "run"
    values = {"seeds": seeds, "batch": BATCH, "items": steps * BATCH, "rates": list(RATES), "betas": list(BETAS)}
    request.write_text(REQUEST.format(**values), encoding="utf-8")
    words = [sys.executable, "-m", "latentbench", "run", str(request), "-o", str(run)]
    before = os.times()
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = os.times()
    results = load_results(run)
    costs = [trial.outcome.cost["train_seconds"] for trial in results.trials if trial.outcome]
    scored = results.scores[results.scores["split"] == "test"].drop_duplicates(["trial", "family"])
    return Taken(
        len(costs),
        sum(costs) / len(costs),
        float(scored["score_seconds"].sum()) / len(costs),
        after.children_user + after.children_system - before.children_user - before.children_system,
        sizes(run, len(costs)),
    )


def sizes(run: Path, trials: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for path in (run / "trials").rglob("*"):
        if path.is_file():
            kind = "scores" if path.parent.name == "scores" else path.name
            found[kind] = found.get(kind, 0.0) + path.stat().st_size / 1e6 / trials
    return dict(sorted(found.items()))


def report(taken: Taken, seeds: int, steps: int) -> list[str]:
    other = taken.processor / taken.trials - taken.train - taken.score
    hours = {
        "training": taken.train / steps * STEPS * MODELS / 3600,
        "scoring": taken.score * MODELS / 3600,
        "the rest": max(0.0, other) * MODELS / 3600,
    }
    total, size = sum(hours.values()), sum(taken.megabytes.values())
    processor = environment("cpu", 1, 1)["device"]
    kinds = ", ".join(f"{kind} {1000 * value:.0f}" for kind, value in taken.megabytes.items())
    return [
        f"$ python benchmarks/execution/study.py --seeds {seeds} --steps {steps}",
        f"{counted(available_cores(), 'core')}, {processor}, Python {platform.python_version()}",
        "",
        f"measured on {taken.trials} models of {steps} steps, on one core each:",
        f"  training     {1000 * taken.train / steps:8.1f} ms a step of {BATCH} images of 64 x 64",
        f"  scoring      {taken.score:8.1f} s a model",
        f"  the rest     {max(0.0, other):8.1f} s a model (starts, data, codes, files)",
        f"  on disk      {1000 * size:8.0f} kB a model ({kinds})",
        "",
        f"{MODELS:,} models of {STEPS:,} steps:",
        *(f"  {kind:10} {value:12,.0f} core hours" for kind, value in hours.items()),
        f"  storage    {size * MODELS / 1000:12,.1f} GB",
        f"  cluster    {total / CORES / 24:12,.1f} days on {CORES:,} cores, "
        f"{total * PRICE:,.0f} dollars at {PRICE} an hour of a core (assumed)",
    ]


if __name__ == "__main__":
    main()
