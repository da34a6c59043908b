"""The reading of a comparison in plain words."""

import pytest

from latentbench.report.table.comparison import Cell, Column, Comparison, ComparisonRow
from latentbench.report.table.sentences import reading

COLUMNS = (
    Column("pca", "yardstick", deterministic=True, ok=1, trials=1),
    Column("ae", ok=5, trials=5),
    Column("vae", ok=5, trials=5),
    Column("pixels", "ceiling", deterministic=True, ok=1, trials=1),
)


def row(score, purpose, better, *cells, floor=0.0, ceiling=1.0, items=5000):
    values = tuple(Cell(mean=mean, mark=mark, status="ok", seeds=5) for mean, mark in cells)
    return ComparisonRow(score, purpose, better, values, floor, ceiling, items=items)


def read(*rows, columns=COLUMNS, **more):
    return reading(Comparison("digits", columns, rows, seeds=5, ok=12, trials=12, **more))


KEEP = row("r2", "keep", "up", (0.66, ""), (0.80, ""), (0.83, "*"), (1.0, ""))


def test_purposes_with_one_verdict_share_a_sentence():
    said = read(
        KEEP,
        row("knn10", "find", "up", (0.9, ""), (0.95, "*"), (0.94, "="), (0.92, "")),
        row("ari", "group", "up", (0.5, ""), (0.55, "="), (0.56, "*"), (0.5, "")),
    )
    assert said == [
        "To reconstruct the input (r2): vae.",
        "To find similar items (knn10) and to group items by class (ari): ae and vae, not separable.",
        "No baseline scores as well on any of these: pca, pixels (except where it is the ground truth).",
    ]


def test_simple_models_that_do_as_well_are_named():
    said = read(
        KEEP,
        row("knn10", "find", "up", (0.9, ""), (0.95, "*"), (0.94, "="), (0.97, "")),
        row("walk_kd", "walk", "down", (0.7, ""), (0.8, "="), (0.79, "*"), (0.79, "")),
    )
    assert "Baselines that score as well or better: pca on walk_kd; pixels on knn10 and walk_kd." in said


@pytest.mark.parametrize(
    ("columns", "items", "expected"),
    [
        ((Column("ae", flags={"collapsed": 2}, ok=5, trials=5),), 5000, "Collapsed: ae in 2 of 5 trials."),
        ((COLUMNS[1],), 360, "Only 360 test items: differences of about 1 % are noise."),
        ((Column("ae", ok=3, trials=5),), 5000, "gave no result (ae)."),
    ],
)
def test_cautions_follow(columns, items, expected):
    rows = [row("r2", "keep", "up", (0.66, ""), (0.80, ""), (0.83, "*"), (1.0, ""), items=items)]
    said = reading(Comparison("digits", (COLUMNS[0], *columns, *COLUMNS[2:]), rows, seeds=5, ok=10, trials=12))
    assert any(line.endswith(expected) for line in said[1:]), said


def test_without_stars_the_highest_is_named_and_nothing_more_is_claimed():
    said = read(row("r2", "keep", "up", (0.66, ""), (0.80, ""), (0.83, ""), (1.0, "")))
    assert said == ["To reconstruct the input: r2 is highest with vae (.830)."]
