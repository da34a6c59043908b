"""Made-up results: the promise of latentbench.results, without a run."""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from latentbench.latent.space import LatentSpace
from latentbench.score_rows import ScoreRow, score_frame
from latentbench.training.budget import Budget
from latentbench.trial import Outcome, Traits

SCORES = {
    "r2": {"purpose": "keep", "better": "up", "floor": 0.0, "ceiling": 1.0},
    "mse": {"purpose": "keep", "better": "down", "headline": False, "ceiling": 0.0},
    "knn10": {"purpose": "find", "better": "up", "floor": 0.76, "ceiling": 0.852},
    "knn10_sample": {"purpose": "find", "better": "up", "floor": 0.1, "codes": "sample"},
    "ari": {"purpose": "group", "better": "up", "floor": 0.0, "ceiling": 0.35, "n_eval": 3000},
    "walk_kd": {"purpose": "walk", "better": "down", "floor": 1.0, "n_eval": 1000},
    "rate": {"purpose": "use", "better": "none", "floor": 0.0, "unit": "nats"},
    "train_seconds": {"purpose": "cost", "better": "down", "unit": "s", "kind": "cost", "n_eval": 1},
    "images_per_second": {"purpose": "cost", "better": "up", "unit": "1/s", "kind": "cost", "n_eval": 1},
    "peak_memory_bytes": {"purpose": "cost", "better": "down", "unit": "B", "kind": "cost", "n_eval": 1},
}
WIDE = {"ari": 10, "rate": 300, "train_seconds": 300, "images_per_second": 1e5, "peak_memory_bytes": 2e9}
REFERENCES = {"pca": "yardstick", "pixels": "ceiling", "untrained": "floor", "random_projection": "floor"}


@dataclass
class FakeTrial:
    key: str
    dataset: str
    model: str
    label: str
    seed: int
    params: dict = field(default_factory=dict)
    preparation: str = ""
    traits: Traits = field(default_factory=Traits)
    outcome: Outcome = field(default_factory=lambda: Outcome("ok"))

    @property
    def ok(self):
        return self.outcome is not None and self.outcome.status == "ok"


@dataclass
class FakeResults:
    rows: list[ScoreRow]
    trials: list[FakeTrial]
    title: str = "fashion_mnist, standard"
    path: Path = Path(__file__).parent / "made_up_run"
    failures: list = field(default_factory=list)
    per_item: dict = field(default_factory=dict)
    spaces: dict = field(default_factory=dict)
    request: dict = field(default_factory=lambda: {"scores": []})
    validation_rows: list[ScoreRow] = field(default_factory=list)
    per_likelihood: frozenset = frozenset()
    chosen: list = field(default_factory=list)

    @property
    def scores(self):
        return score_frame(self.rows)

    @property
    def validation(self):
        return score_frame(self.validation_rows)

    def __setattr__(self, name, value):
        """Forget sweeps that were made of other rows: a run on the disk never changes."""
        vars(self).pop("_sweeps", None)
        vars(self)[name] = value

    def rows_of(self, dataset=None, labels=None, scores=None):
        wanted = {"dataset": dataset and {dataset}, "label": labels, "score": scores}
        chosen = {name: values for name, values in wanted.items() if values is not None}
        return [row for row in self.rows if all(getattr(row, name) in values for name, values in chosen.items())]

    @property
    def first_rows(self):
        return list({row.trial: row for row in reversed(self.rows)}.values())[::-1]

    def change(self, where=lambda row: True, *, validation=True, test=True, **changes):
        """Change the rows for which `where` holds; a change is a value, or a function of the row."""
        if test:
            self.rows = changed(self.rows, where, changes)
        if validation:
            self.validation_rows = changed(self.validation_rows, where, changes)

    def vary(self, setting, **changes):
        """Vary settings as `setting` reads them from a label; the validation split has the same rows, changed."""
        self.change(varied=lambda row: setting(row.label))
        self.validation_rows = changed(
            self.rows, lambda row: True, {"split": "validation", "n_eval": 143, **changes}
        )

    @property
    def labels(self):
        return list(dict.fromkeys(trial.label for trial in self.trials))

    def items(self, trial_key, score, split="test"):
        return self.per_item.get((trial_key, score) if split == "test" else (trial_key, score, split))

    def latent_space(self, trial):
        return self.spaces[trial.key]


def changed(rows, where, changes):
    return [
        replace(row, **{name: value(row) if callable(value) else value for name, value in changes.items()})
        if where(row)
        else row
        for row in rows
    ]


def record(trial, score, value, **changes):
    """The fields of one row."""
    reference = REFERENCES.get(trial.model, "")
    row = {
        "dataset": trial.dataset, "model": trial.model, "label": trial.label, "params": {}, "epochs": 4,
        "budget": Budget(epochs=4), "purpose": "use", "better": "up",
        "seed": trial.seed, "split": "test", "family": "made_up", "metric_version": 1, "score": score,
        "kind": "quality", "codes": "mean", "value": value, "se": math.nan, "unit": "", "floor": math.nan,
        "ceiling": math.nan, "status": "ok", "reason": "", "n_eval": 10_000, "score_seconds": 0.1,
        "train_seconds": 90.0, "device": "cpu", "precision": "float32", "model_version": 1, "flags": (),
        "trial": trial.key, "headline": True, "reference": reference, "deterministic": bool(reference),
        "varied": {}, "compared": {}, "description": f"about {score}",
        "latent_dim": math.nan if reference else 16.0,
        "likelihood": "" if reference else "Gaussian, sigma learned", "environment": "e1",
        "node": "", "threads": 1, "concurrency": 2, "group_size": 1,
    }  # fmt: skip
    return row | SCORES.get(score, {}) | changes


class Builder:
    """Adds models to made-up results, one after the other."""

    def __init__(self):
        self.rows, self.trials, self.failures, self.per_item = [], [], [], {}

    def add(self, label, means, *, seeds=5, spread=0.002, dataset="fashion_mnist", deterministic=False, **changes):
        """One model: score -> mean over seeds, or the reason (a string) why there is none."""
        model = label.split("(")[0]
        once = deterministic or model in REFERENCES
        changes["deterministic"] = once
        seeds = 1 if deterministic else seeds
        for seed in range(1 if once else seeds):
            traits = Traits(reference=REFERENCES.get(model, ""), deterministic=once)
            trial = FakeTrial(f"{dataset}-{label}-{seed}", dataset, model, label, seed, traits=traits)
            self.trials.append(trial)
            for score, mean in means.items():
                self.rows.append(self._row(trial, score, mean, seed, seeds, spread, changes))
        return self

    def _row(self, trial, score, mean, seed, seeds, spread, changes):
        if isinstance(mean, str):
            return record(trial, score, math.nan, status="not applicable", reason=mean, **changes)
        wide = spread * WIDE.get(score, 1)
        rng = np.random.default_rng([len(score), *trial.label.encode()])
        steps = np.zeros(1) if trial.model in REFERENCES or seeds == 1 else rng.normal(size=seeds)
        return record(trial, score, mean + wide * (steps - steps.mean())[seed], **changes)

    def fail(self, label, seed, status="failed", message="out of memory"):
        """Let one trial of a model end badly."""
        trial = next(trial for trial in self.trials if (trial.label, trial.seed) == (label, seed))
        trial.outcome = Outcome(status, message=message)
        for row in self.rows:
            if row["trial"] == trial.key:
                row.update(value=math.nan, status=status, reason=message)
        self.failures.append((label, seed, status, message))
        return self

    def results(self, **changes):
        rows = [ScoreRow(**row) for row in self.rows]
        return FakeResults(rows, self.trials, failures=self.failures, per_item=self.per_item, **changes)


def drawn(seeds=5):
    """The table that is drawn in the project's notes."""
    no = "no posterior"
    build = Builder()
    build.add("untrained", {"r2": 0.0, "knn10": 0.76, "knn10_sample": no, "ari": 0.2, "walk_kd": 3.0, "rate": no})
    build.add(
        "pca",
        {
            "r2": 0.771,
            "knn10": 0.837,
            "knn10_sample": no,
            "ari": 0.365,
            "walk_kd": 1.38,
            "rate": no,
            "train_seconds": 2.0,
            "images_per_second": "not recorded for this model",
            "peak_memory_bytes": 655e6,
        },
    )
    build.add(
        "ae",
        {
            "r2": 0.874,
            "knn10": 0.862,
            "knn10_sample": no,
            "ari": 0.422,
            "walk_kd": 0.62,
            "rate": no,
            "train_seconds": 94.0,
            "images_per_second": 12_100.0,
            "peak_memory_bytes": 640e6,
            "mse": 0.0125,
        },
        seeds=seeds,
    )
    build.add(
        "vae",
        {
            "r2": 0.8735,
            "knn10": 0.861,
            "knn10_sample": 0.858,
            "ari": 0.412,
            "walk_kd": 0.621,
            "rate": 45.7,
            "train_seconds": 75.0,
            "images_per_second": 15_200.0,
            "peak_memory_bytes": 642e6,
            "mse": 0.0147,
        },
        seeds=seeds,
    )
    build.add(
        "beta_vae(4)",
        {
            "r2": 0.853,
            "knn10": 0.851,
            "knn10_sample": 0.802,
            "ari": 0.371,
            "walk_kd": 0.70,
            "rate": 22.6,
            "train_seconds": 91.0,
            "images_per_second": 12_500.0,
            "peak_memory_bytes": 690e6,
            "mse": 0.0245,
        },
        seeds=seeds,
    )
    build.add(
        "pixels",
        {
            "r2": 1.0,
            "knn10": 0.852,
            "knn10_sample": no,
            "ari": 0.35,
            "walk_kd": 1.0,
            "rate": no,
            "train_seconds": "not trained here",
            "images_per_second": "not recorded for this model",
            "peak_memory_bytes": "not trained here",
        },
    )
    return build


@lru_cache
def digits_space(width, seed=0, images=True):
    """PCA of scikit-learn's digits as a latent space that encodes and decodes."""
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA

    digits = load_digits()
    inputs = (digits.images[:, None] / 16).astype(np.float32)
    flat = inputs.reshape(len(inputs), -1)
    fitted = PCA(width, random_state=seed).fit(flat)
    axes, mean = (torch.from_numpy(part.astype(np.float32)) for part in (fitted.components_, fitted.mean_))
    return LatentSpace.from_arrays(
        codes=fitted.transform(flat).astype(np.float32),
        labels=digits.target,
        inputs=inputs if images else flat,
        decode=lambda codes: (codes @ axes + mean).reshape(len(codes), *((1, 8, 8) if images else (64,))),
    )


def with_spaces(results, images=True):
    """Give every trial something to look at."""
    spaces = {label: digits_space(2 + 3 * place, images=images) for place, label in enumerate(results.labels)}
    results.spaces = {trial.key: spaces[trial.label] for trial in results.trials}
    return results


@pytest.fixture
def builder():
    return Builder()


@pytest.fixture
def drawn_results():
    return drawn


@pytest.fixture(scope="session")
def made_up():
    return drawn


@pytest.fixture(scope="session")
def seen():
    return with_spaces
