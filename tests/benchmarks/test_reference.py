"""The zoo's table with a line a model."""

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "reference.py"


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", PATH)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "reference", module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        yield module


def test_each_model_has_a_line_with_all_scores(reference):
    nan = float("nan")
    rows = [
        ("r2", "up", "ae", 0.8912, 0.8900, 0.8924),
        ("r2", "up", "umap", nan, nan, nan),
        ("train_seconds", "down", "ae", 61.2, 50.0, 72.4),
        ("train_seconds", "down", "umap", 9.5, nan, nan),
    ]
    table = pd.DataFrame(rows, columns=["score", "better", "model", "mean", "low", "high"])
    assert reference.by_model(table) == (
        "               r2  train_seconds\n"
        "better         up           down\n"
        "ae      .891±.001          61±11\n"
        "umap            -          9.500\n"
    )
