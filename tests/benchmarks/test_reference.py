"""The zoo's table with a line a model."""

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def reference(script):
    return script("reference.py")


def test_each_model_has_a_line_with_all_scores(reference):
    nan = float("nan")
    rows = [
        ("keep", "r2", "up", "ae", 0.8912, 0.8900, 0.8924),
        ("keep", "r2", "up", "umap", nan, nan, nan),
        ("use", "active_units", "none", "ae", 8.0, 8.0, 8.0),
        ("cost", "train_seconds", "down", "ae", 61.2, 50.0, 72.4),
        ("cost", "train_seconds", "down", "umap", 9.5, nan, nan),
        ("cost", "peak_memory_bytes", "down", "ae", 1e6, 1e6, 1e6),
    ]
    table = pd.DataFrame(rows, columns=["purpose", "score", "better", "model", "mean", "low", "high"])
    assert reference.by_model(table) == (
        "               r2  train_seconds\n"
        "better         up           down\n"
        "ae      .891±.001          61±11\n"
        "umap            -          9.500\n"
    )
