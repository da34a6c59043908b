"""What edits of drawn faces gain, by attribute: `python benchmarks/edits.py [--residual] [--write | --quick]`.

Models with codes of 64 numbers learn from 10,000 images of `faces`, one seed each, in the run that docs/gallery.md
shows (results/faces); what that lacks is trained, and PCA is beside them as in every run. Directions come from the
training split; strengths, and the way directions are found, from the validation split; gains from the test split.
The first table has the mean validation gain over smile, glasses, hat and beard of every model and way, the second
the test gains of what validation chose, PCA by mean differences beside it. `--write` renews
results/reference/edits.txt; `--quick` trains for an epoch on 500 images, to see that all works. `--residual` does
the same with the residual backbone, in a run of its own (results/faces-residual), for edits-residual.txt.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

import latentbench
from latentbench import LatentSpace, Results
from latentbench.latent.edits.attributes import find_attribute
from latentbench.latent.edits.directions import How, attribute_direction
from latentbench.latent.edits.editing import best_strength, counterfactual, edit, validation_items
from latentbench_metrics.edits.gains import edit_gain, edit_gains

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
ATTRIBUTES = ("smile", "glasses", "hat", "beard")
WAYS: tuple[How, ...] = ("mean_difference", "balanced_means", "probe_normal", "paired")
YARDSTICK: tuple[str, How] = ("pca", "mean_difference")
RUN = "run -m ae -m vae -p latent_dim=64 --batch-size 32 --seeds 1 -s r2"
FULL = "-d faces --epochs 60"
SMALL = "-d faces:train=556:test=100 --epochs 1"
RESIDUAL = "-p backbone=residual -p channels=16"  # a step takes 1.8 times as long as one of conv


def spaces(results: Results) -> Iterator[tuple[str, LatentSpace]]:
    """Yield the name of each model that can decode what it learned, and its test split."""
    for trial in results.trials:
        if trial.traits.reference in ("", "yardstick"):
            yield trial.label, results.latent_space(trial)


def validation_gains(results: Results) -> pd.DataFrame:
    """Return the mean validation gain, a row a model and a column a way to find directions."""
    rows = {label: tuned_gains(space) for label, space in spaces(results)}
    return pd.DataFrame.from_dict(rows, orient="index")


def tuned_gains(space: LatentSpace) -> dict[str, float]:
    """Return the mean gain of each way on the items of the validation split that strengths are chosen on."""
    items, gains = validation_items(space), dict.fromkeys(WAYS, 0.0)
    for name in ATTRIBUTES:
        attribute = find_attribute(space, name)
        case = counterfactual(space, items, attribute)
        for way in WAYS:
            direction = attribute_direction(space, attribute, way)
            strength = best_strength(space, case, direction) * case.change[:, 0]
            edited = edit(space, items.codes, direction, strength).outputs
            gains[way] += edit_gain(items.outputs, edited, case.ideal, case.truth, case.changed) / len(ATTRIBUTES)
    return {str(way): gain for way, gain in gains.items()}


def chosen(gains: pd.DataFrame) -> list[tuple[str, How]]:
    """Return the yardstick, and each model with its best way."""
    best = [(str(model), max(WAYS, key=lambda way: row[way])) for model, row in gains.iterrows()]
    return list(dict.fromkeys([YARDSTICK, *best]))


def test_gains(results: Results, picked: list[tuple[str, How]]) -> pd.DataFrame:
    """Return a row for each pick and attribute."""
    looks = dict(spaces(results))
    tables = [edit_gains(looks[label], ATTRIBUTES, way).assign(model=label) for label, way in picked]
    return pd.concat(tables).set_index("model").reset_index()


def verdict(gains: pd.DataFrame) -> str:
    """Say of each attribute whether a learned model is ahead of all of PCA's rows, in gain and in error."""
    pca = gains["model"] == YARDSTICK[0]
    lines = []
    for column, side in (("gain", 1), ("error", -1)):
        sides = [(side * gains[rows].set_index("attribute")[column]) for rows in (~pca, pca)]
        learned, linear = (values.groupby(level=0).max() for values in sides)
        parts = [f"{name} {side * learned[name]:.4f} to {side * linear[name]:.4f}" for name in ATTRIBUTES]
        ahead = sum(learned[name] > linear[name] for name in ATTRIBUTES)
        lines.append(f"{column}, best learned model to PCA: {', '.join(parts)}; ahead in {ahead} of 4")
    return "\n".join(lines)


def main(words: list[str]) -> None:
    """Train what is missing, measure, print."""
    quick, residual = "--quick" in words, "--residual" in words
    kind = "-residual" if residual else ""
    folder = RESULTS / f"faces{kind}{'-quick' if quick else ''}"
    command = f"{RUN} {RESIDUAL if residual else ''} {SMALL if quick else FULL} -o".split()
    subprocess.run([sys.executable, "-m", "latentbench", *command, str(folder)], check=True)
    results = latentbench.load_results(folder)
    scored = validation_gains(results)
    gains = test_gains(results, chosen(scored))
    r2 = results.scores.set_index("label")["value"].rename("r2")
    text = "\n\n".join(
        [
            "Mean gain on validation, by model and way to find directions",
            scored.join(r2).to_string(float_format="{:.3f}".format),
            "Gains on test of what validation chose",
            gains.to_string(index=False, float_format="{:.3f}".format),
            verdict(gains),
        ]
    )
    print(text)
    if "--write" in words and not quick:
        (RESULTS / "reference" / f"edits{kind}.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
