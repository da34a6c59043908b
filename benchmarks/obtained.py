"""Reproduce published numbers: `python benchmarks/obtained.py ROW ...`.

Without a name the rows are listed; `--quick` makes all that take under two minutes. Each row is computed with the
models, latent spaces and metrics of latentbench, kept in results/reference/obtained.json, and shown beside its
reference in docs/obtained.md, which this writes. Rows that train go into results/obtained-ROW, where
`latentbench table` shows them whole; run again they do only what is missing.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import latentbench
from latentbench import Benchmark, LatentbenchError, LatentSpace
from latentbench.dataset import DataSpec, Split
from latentbench.model import as_inputs
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench_datasets.lines import draw_lines
from latentbench_metrics._shared.prdc import precision_recall_density_coverage
from latentbench_metrics._shared.wasserstein import sliced_w2_squared, w2_squared
from latentbench_metrics.acai import acai_angles, acai_mean_distance, acai_smoothness
from latentbench_metrics.likelihoods import bernoulli_nll

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "results" / "reference" / "obtained.json"
PAGE = ROOT / "docs" / "obtained.md"
PLUGINS = Plugins()
HERE = "measured apart, with scikit-learn and POT"


@dataclass(frozen=True)
class Row:
    """A number to reproduce.

    Attributes:
        name: what the command is told.
        what: data, model and budget.
        reference: name of the number -> its reference value, or the two ends of its band.
        tolerance: how far an obtained number may lie from a single reference, absolutely by name; 2 % of the
            reference where a name is missing.
        source: where the reference is from.
        make: computes the numbers.
        quick: takes under two minutes.
    """

    name: str
    what: str
    reference: Mapping[str, float | tuple[float, float]]
    source: str
    make: Callable[[], Mapping[str, float]]
    tolerance: Mapping[str, float]
    quick: bool = True

    def agrees(self, name: str, value: float) -> bool:
        """Return whether an obtained number is what it should be."""
        expected = self.reference[name]
        if isinstance(expected, tuple):
            return expected[0] <= value <= expected[1]
        return abs(value - expected) <= self.tolerance.get(name, 0.02 * abs(expected))


@cache
def fashion_mnist() -> tuple[Split, Split]:
    """Return all 60,000 training and 10,000 test images, as the references used them."""
    cls = PLUGINS.load("dataset", "fashion_mnist")
    train, test = cls(build_params(cls.Params, {}, "fashion_mnist")).load()
    return train, test


def fitted(name: str, **params: Any) -> LatentSpace:
    """Fit a model that learns at once on all training images, and look at the test images."""
    train, test = fashion_mnist()
    cls = PLUGINS.load("model", name)
    model = cls(build_params(cls.Params, params, name), DataSpec.of(train))
    model.fit(train, torch.Generator().manual_seed(0))
    return LatentSpace.of_model(model, test, train)


def scored(space: LatentSpace, *scores: str) -> dict[str, float]:
    """Return the values of some scores."""
    frame = latentbench.score(space, scores, PLUGINS)
    wrong = frame[frame["status"] != "ok"]
    if len(wrong):
        raise RuntimeError(f"not computed: {wrong[['score', 'reason']].to_dict('records')}")
    return dict(zip(frame["score"], frame["value"], strict=True))


SEPARATION = ("knn1", "knn5", "knn10", "silhouette", "davies_bouldin", "calinski_harabasz", "nmi", "ari")
TABLE = {
    "pixels": (None, 0.8497, 0.8554, 0.8515, 0.0462, 3.584, 728.6, 0.510, 0.350, None),
    "pca-2": (0.04610, 0.4485, 0.5070, 0.5295, -0.0329, 3.805, 1908.7, 0.410, 0.253, 0.5085),
    "pca-8": (0.02661, *[None] * 9),
    "pca-16": (0.02045, 0.8086, 0.8358, 0.8366, 0.0793, 2.881, 1176.1, 0.513, 0.349, 0.7863),
    "pca-32": (0.01514, 0.8375, 0.8524, 0.8526, 0.0691, 3.044, 1020.4, 0.491, 0.340, 0.8132),
    "pca-64": (0.01037, 0.8461, 0.8589, 0.8597, 0.0605, 3.223, 907.4, 0.492, 0.339, 0.8288),
}
NEAR = {  # k-means and the probe depend on their solver
    "mse": 2e-5, "knn1": 0.002, "knn5": 0.002, "knn10": 0.002, "silhouette": 5e-4, "nmi": 0.02, "ari": 0.02,
    "linear_probe_accuracy": 0.02,
}  # fmt: skip


def baseline(name: str) -> Row:
    """Return a row of the table of PCA and pixels."""
    names = ("mse", *SEPARATION, "linear_probe_accuracy")
    reference = {key: value for key, value in zip(names, TABLE[name], strict=True) if value is not None}

    def make() -> Mapping[str, float]:
        model, _, dim = name.partition("-")
        return scored(fitted(model, **({"latent_dim": int(dim)} if dim else {})), *reference)

    what = f"Fashion-MNIST, {name}, fitted on 60,000, scored on 10,000 images"
    return Row(name, what, reference, HERE, make, NEAR)


def bernoulli_floor() -> Mapping[str, float]:
    """Entropy of grey test images, and the cost of the mean training image."""
    train, test = (as_inputs(split.inputs) for split in fashion_mnist())
    mean = train.mean(0, keepdim=True).expand_as(test)
    return {"own entropy": bernoulli_nll(test, test), "mean image": bernoulli_nll(test, mean)}


def floors() -> Mapping[str, float]:
    """Distances between real images of the two splits: what sample size alone gives."""
    train, test = (as_inputs(split.inputs[:5000]) for split in fashion_mnist())
    space = fitted("pca", latent_dim=32)
    balls = precision_recall_density_coverage(space.encode(train), space.encode(test), k=5)
    here, there = (images.flatten(1)[:2000] for images in (train, test))
    return {
        **balls,
        "exact W2², n = 2000": w2_squared(here, there),
        "sliced W2², n = 2000": sliced_w2_squared(here, there),
    }


def dimension() -> Mapping[str, float]:
    """Intrinsic dimension of test images: far fewer than 784 pixels."""
    return scored(fitted("pixels"), "two_nn", "levina_bickel_k20")


def acai_calibration() -> Mapping[str, float]:
    """ACAI's scores of paths whose quality is known."""
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, 2 * math.pi, 256)
    ends = starts + rng.uniform(-math.pi, math.pi, 256)
    t = np.linspace(0, 1, 16)[:, None]

    def draw(angles: Any) -> Tensor:
        return torch.from_numpy(draw_lines(angles))

    turned = draw((starts + t * (ends - starts)).ravel()).reshape(16, 256, 1, 32, 32)
    share = torch.from_numpy(t).float()[:, :, None, None, None]
    faded = (1 - share) * draw(starts) + share * draw(ends)
    some, others = (2 * draw(each).flatten(1) - 1 for each in (starts, rng.uniform(0, 2 * math.pi, 256)))
    return {
        "distance of true rotation": acai_mean_distance(turned),
        "smoothness of true rotation": acai_smoothness(acai_angles(turned)),
        "distance of pixel fade": acai_mean_distance(faded),
        "smoothness of pixel fade": acai_smoothness(acai_angles(faded)),
        "distance between two random lines": float(1 - torch.cosine_similarity(some, others).mean()),
        "distance of a blank image": acai_mean_distance(torch.zeros(1, 1, 1, 32, 32)),
    }


def trained(name: str, label: str | Mapping[str, str], **benchmark: Any) -> Mapping[str, float]:
    """Run a benchmark in results/obtained-NAME and return the means of its scores over seeds."""
    benchmark = {"title": f"obtained-{name}", "references": (), **benchmark}
    frame = latentbench.run(Benchmark(**benchmark), ROOT / "results" / f"obtained-{name}", plugins=PLUGINS).scores
    wrong = frame[frame["status"] != "ok"]
    if len(wrong):
        raise RuntimeError(f"not computed: {wrong[['label', 'score', 'reason']].to_dict('records')}")
    means = frame.groupby(["label", "score"])["value"].mean()
    if isinstance(label, str):
        return {str(score): float(means[label, score]) for score in benchmark["scores"]}
    return {shown: float(means[found, benchmark["scores"][0]]) for found, shown in label.items()}


ACAI = {
    "datasets": ("lines:train=50000",),
    "budget": {"epochs": 5, "batch_size": 64, "learning_rate": 1e-3},
    "params": {"latent_dim": 64, "likelihood": "bernoulli"},  # a Gaussian ae stays with black images
    "scores": ("acai_mean_distance", "acai_smoothness"),
    "seeds": 1,
}
SPRITES = {
    "datasets": ("sprites",),
    "models": ("vae", "beta_vae"),
    "budget": {"epochs": 20, "batch_size": 64, "learning_rate": 1e-3},
    "params": {"latent_dim": 10, "likelihood": "bernoulli"},
    "scores": ("mig", "mig_equal_width", "rate", "r2"),
    "seeds": 2,
}
MNIST = {
    "datasets": ("mnist:binarize=static",),
    "models": ("vae",),
    "budget": {"epochs": 500, "batch_size": 100, "learning_rate": 1e-4},
    "params": {"latent_dim": 40, "backbone": "mlp", "channels": 50, "likelihood": "bernoulli"},
    "scores": ("iwae_k50",),
    "seeds": 1,
}
BERTHELOT = "Berthelot 2018, table 1, by memory: AE 6.88e-3 / 0.44, VAE 1.21e-3 / 0.49; bands"

ROWS = {
    row.name: row
    for row in (
        *map(baseline, TABLE),
        Row(
            "bernoulli-floor", "Fashion-MNIST test images as probabilities, nats an image",
            {"own entropy": 189.86, "mean image": 385.02}, HERE, bernoulli_floor,
            {"own entropy": 0.01, "mean image": 0.01},
        ),
        Row(
            "floors", "Fashion-MNIST, first images of train against first of test; balls in PCA-32, n = 5000",
            {"precision": 0.939, "recall": 0.936, "density": 1.002, "coverage": 0.969,
             "exact W2², n = 2000": 26.4, "sliced W2², n = 2000": (1e-4, 4e-4)},
            HERE, floors, {"exact W2², n = 2000": 0.5},
        ),
        Row(
            "dimension", "intrinsic dimension of the 10,000 Fashion-MNIST test images (784 pixels)",
            {"two_nn": (14, 16.5), "levina_bickel_k20": (7, 20)},
            "TwoNN: 15.7 by scikit-dimension's line through 90 % of the ratios (here: likelihood of all); "
            "Levina-Bickel: band around what Pope 2021 gives MNIST, 7 to 13", dimension, {},
        ),
        Row(
            "acai-calibration", "lines: 256 paths of 16 images whose quality is known",
            {"distance of true rotation": (0, 1e-6), "smoothness of true rotation": (0, 0.02),
             "distance of pixel fade": 6.2e-3, "smoothness of pixel fade": (0.8, 14 / 15),
             "distance between two random lines": 0.082, "distance of a blank image": 0.031},
            "measured apart, with lines drawn as Berthelot 2018 draws them", acai_calibration,
            {"distance of pixel fade": 1e-3, "distance between two random lines": 0.01,
             "distance of a blank image": 0.004},
        ),
        Row(
            "acai-ae", "lines, ae, d = 64, Bernoulli, 45,000 images x 5 epochs (the paper: 2^24 images)",
            {"acai_mean_distance": (2e-3, 14e-3), "acai_smoothness": (0.2, 0.8)}, BERTHELOT,
            partial(trained, "acai-ae", "ae", models=("ae",), **ACAI), {}, quick=False,
        ),
        Row(
            "acai-vae", "lines, vae, d = 64, Bernoulli, 45,000 images x 5 epochs (the paper: 2^24 images)",
            {"acai_mean_distance": (0.4e-3, 4e-3), "acai_smoothness": (0.2, 0.8)}, BERTHELOT,
            partial(trained, "acai-vae", "vae", models=("vae",), **ACAI), {}, quick=False,
        ),
        Row(
            "mig-sprites", "sprites, d = 10, Bernoulli, 17,695 images x 20 epochs, 2 seeds",
            {"VAE": (0.05, 0.35), "beta-VAE": (0.1, 0.6)},
            "dSprites, Chen's variant of MIG without shape: VAE .10, beta-VAE .21; bands, other data",
            partial(trained, "mig-sprites", {"vae": "VAE", "beta_vae(4)": "beta-VAE"}, **SPRITES), {}, quick=False,
        ),
        Row(
            "nll-mnist", "MNIST, static binarization, vae, d = 40, mlp 400-400, 500 epochs; needs MNIST's files",
            {"iwae_k50": -89.78}, "pythae's page: 89.78 nats with 200 importance samples; 50 give about .4 less",
            partial(trained, "nll-mnist", "vae", **MNIST), {"iwae_k50": 2.0}, quick=False,
        ),
    )
}  # fmt: skip


def main(names: list[str]) -> None:
    """Make rows, keep what came out, and write the page."""
    unknown = [name for name in names if name not in ROWS and name != "--quick"]
    if unknown:
        sys.exit(f"there is no row {', '.join(unknown)}; rows: {', '.join(ROWS)}")
    if not names:
        print("\n".join(f"{row.name:<18}{row.what}" for row in ROWS.values()))
    wanted = [row.name for row in ROWS.values() if (row.quick and "--quick" in names) or row.name in names]
    for name in wanted:
        started = time.perf_counter()
        try:
            values = dict(ROWS[name].make())
        except LatentbenchError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        kept = {**read_kept(), name: {"values": values, "seconds": round(time.perf_counter() - started, 1)}}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        for key, value in values.items():
            verdict = "" if ROWS[name].agrees(key, value) else "  NOT AS EXPECTED"
            print(f"{name:<18}{key:<28}{value:>12.6g}  reference {shown(ROWS[name].reference[key])}{verdict}")
    PAGE.write_text(page(read_kept()), encoding="utf-8")


def read_kept() -> dict[str, Any]:
    """Return what was obtained so far, by other commands too."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    return kept


def shown(expected: float | tuple[float, float]) -> str:
    """Write out a reference."""
    return f"{expected[0]:g} to {expected[1]:g}" if isinstance(expected, tuple) else f"{expected:g}"


def page(kept: Mapping[str, Any]) -> str:
    """Return docs/obtained.md."""
    lines = [
        "# Published numbers, reproduced",
        "",
        "Numbers that were published, or measured with other code, beside those of latentbench. The command under",
        "each heading computes its rows and writes this page. A reference of two numbers is a range: the setup",
        "differs from the source's as the row says. Numbers out of range are marked **outside**.",
        "",
    ]
    for row in ROWS.values():
        lines += [
            f"## {row.name}",
            "",
            f"`python benchmarks/obtained.py {row.name}`: {row.what}. Reference: {row.source}.",
            "",
        ]
        if row.name not in kept:
            lines += ["Not run here.", ""]
            continue
        lines += ["| number | obtained | reference | |", "| --- | --- | --- | --- |"]
        for name, value in kept[row.name]["values"].items():
            mark = "" if row.agrees(name, value) else "**outside**"
            lines.append(f"| {name} | {value:.4g} | {shown(row.reference[name])} | {mark} |")
        lines += ["", f"{kept[row.name]['seconds']:.0f} seconds on 2 cores.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
