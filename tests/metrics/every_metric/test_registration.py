from __future__ import annotations

import math
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch

import latentbench_metrics
from latentbench import LatentSpace, Metric, NotApplicableError
from latentbench.cli import main
from latentbench.execution.scoring import compute

HEADLINES = {
    "r2": ("keep", "up", 0.0, "pixels"),
    "knn10": ("find", "up", "untrained", "pixels"),
    "knn10_sample": ("find", "up", None, None),
    "ari": ("group", "up", 0.0, "pixels"),
    "neighbor_recall": ("near", "up", "untrained", "pixels"),
    "walk_kd": ("walk", "down", 1.0, "pixels"),
    "sample_coverage": ("make", "up", 0.0, 1.0),
    "edit_gain": ("steer", "up", 0.0, 1.0),
    "dci_disentanglement": ("factors", "up", 0.0, 1.0),
    "knn10_noise": ("shift", "up", "untrained", "pixels"),
    "rate": ("use", "none", None, None),
    "active_units": ("use", "none", None, None),
    "train_seconds": ("cost", "down", None, None),
    "images_per_second": ("cost", "up", None, None),
    "peak_memory_bytes": ("cost", "down", None, None),
}


def registered():
    actual = {}
    latentbench_metrics.register_metrics(lambda name, target, summary: actual.update({name: (target, summary)}))
    return actual


def classes():
    for target, _ in registered().values():
        module, name = target.split(":")
        yield getattr(import_module(module), name)


def test_names_are_sorted_and_lead_to_metrics():
    assert list(registered()) == sorted(registered())
    for cls in classes():
        assert issubclass(cls, Metric)
        assert cls.__doc__
    assert all(summary for _, summary in registered().values())


def test_a_metric_is_summarized_once():
    """In its registration: the docstring adds to that, and a lone score needs no words of its own."""
    for (_, summary), cls in zip(registered().values(), classes(), strict=True):
        assert summary.casefold() not in cls.__doc__.casefold()
        if len(cls.scores) == 1:
            assert [score.description for score in cls.scores.values()] == [""]


def test_info_shows_the_summary_then_the_details(capsys):
    with pytest.raises(SystemExit):
        main(["info", "sap"])
    assert "\nGap in R² between a factor's two best dimensions.\n\nFactors are taken" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["info", "rate"])
    words = " ".join(capsys.readouterr().out.split())
    assert "rate: information (nats) a code carries about its input" in words


def test_score_names_are_unique():
    names = [name for cls in classes() for name in cls.scores]
    assert len(names) == len(set(names)) == 96


def test_every_quality_score_states_its_floor_and_its_ceiling_or_has_none():
    """What has none: no model without learning has a posterior, and a count of dimensions no worst or best."""
    scores = {name: score for cls in classes() for name, score in cls.scores.items() if score.kind == "quality"}
    open_ended = {name for name, score in scores.items() if score.floor is None or score.ceiling is None}
    assert open_ended == {"active_units", "compression", "elbo", "iwae_k50", "knn10_sample", "rate"}
    rows = {"untrained", "random_projection", "pca", "pixels"}
    for name, score in scores.items():
        assert {end for end in (score.floor, score.ceiling) if isinstance(end, str)} <= rows, name


def test_headlines():
    scores = {name: score for cls in classes() for name, score in cls.scores.items()}
    actual = {n: (s.purpose, s.better, s.floor, s.ceiling) for n, s in scores.items() if s.headline}
    assert actual == HEADLINES


def test_the_package_imports_no_torch_and_no_pandas():
    code = "import sys, latentbench_metrics; sys.exit(any(m in sys.modules for m in ('torch', 'pandas')))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("metric", list(classes()), ids=lambda cls: cls.__name__)
def test_every_metric_gives_its_scores_and_repeats_them(metric, suited, monkeypatch):
    monkeypatch.setattr(metric, "min_items", 2)
    first, second = (compute(metric(metric.Params()), suited(metric)) for _ in range(2))
    assert set(first) == set(metric.scores)
    for name, value in first.items():
        assert torch.as_tensor(value).ndim <= 1
        assert math.isfinite(mean(value))
        low, high = metric.scores[name].range
        assert low - 1e-6 <= mean(value) <= high + 1e-6
        if metric.scores[name].unit != "ms":
            assert mean(second[name]) == mean(value)


@pytest.mark.parametrize("metric", list(classes()), ids=lambda cls: cls.__name__)
def test_every_metric_says_what_is_missing(metric):
    bare = LatentSpace.from_arrays(codes=torch.randn(40, 3))
    if not metric.needs:
        assert bare.missing(metric.needs) is None
        return
    assert bare.missing(metric.needs)
    with pytest.raises(NotApplicableError):
        metric(metric.Params()).compute(bare)


def mean(value):
    return float(torch.as_tensor(value).double().mean())


def results(rows):
    names = ("dataset", "label", "score", "value", "has_value")
    made = [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in rows]
    return SimpleNamespace(rows_of=lambda scores: [row for row in made if row.score in scores])


def test_rate_and_distortion_section():
    rows = [
        ("digits", "vae", "rate", 10.0, True), ("digits", "vae", "rate", 12.0, True),
        ("digits", "vae", "mse", 0.5, True), ("digits", "vae", "r2", 0.8, True),
        ("digits", "beta_vae(4)", "rate", 3.0, True), ("digits", "beta_vae(4)", "mse", 0.7, True),
        ("digits", "ae", "mse", 0.4, True), ("digits", "ae", "rate", float("nan"), False),
    ]  # fmt: skip
    ((title, table),) = latentbench_metrics.report_sections(results(rows))
    assert title == "Rate and distortion"
    assert table.columns.tolist() == ["dataset", "label", "rate", "mse", "r2"]
    assert table["label"].tolist() == ["beta_vae(4)", "vae"]
    assert table["rate"].tolist() == [3.0, 11.0]
    assert table["mse"].tolist() == [0.7, 0.5]
    assert math.isnan(table["r2"][0])


def test_no_rate_no_section():
    rows = [("digits", "ae", "mse", 0.4, True)]
    assert latentbench_metrics.report_sections(results(rows)) == []
    assert latentbench_metrics.report_sections(results([])) == []
