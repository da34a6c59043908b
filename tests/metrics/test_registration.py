from __future__ import annotations

import math
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

import latentbench_metrics
from latentbench import LatentSpace, Metric, NotApplicableError, Posterior

HEADLINES = {
    "r2": ("keep", "up", 0.0, "pixels"),
    "knn10": ("find", "up", "untrained", "pixels"),
    "knn10_sample": ("find", "up", None, None),
    "ari": ("group", "up", 0.0, "pixels"),
    "neighbor_recall": ("near", "up", "untrained", "pixels"),
    "walk_kd": ("walk", "down", 1.0, None),
    "sample_coverage": ("make", "up", 0.0, 1.0),
    "knn10_noise": ("shift", "up", "untrained", "pixels"),
    "rate": ("use", "none", None, None),
    "active_units": ("use", "none", None, None),
    "train_seconds": ("cost", "down", None, None),
}
NEEDS = {
    "inputs", "labels", "factors", "train", "encoder", "decoder", "decoder_gradient", "posterior", "prior",
    "likelihood", "render", "cost",
}  # fmt: skip


def registered():
    found = {}
    latentbench_metrics.register_metrics(lambda name, target, summary: found.update({name: (target, summary)}))
    return found


def classes():
    for target, _ in registered().values():
        module, name = target.split(":")
        yield getattr(import_module(module), name)


def test_names_are_sorted_and_lead_to_metrics():
    assert list(registered()) == sorted(registered())
    for cls in classes():
        assert issubclass(cls, Metric)
        assert set(cls.needs) <= NEEDS
        assert set(cls.invariances) <= {"shift", "scale", "rotation"}
        assert cls.__doc__
    assert all(summary for _, summary in registered().values())


def test_score_names_are_unique():
    names = [name for cls in classes() for name in cls.scores]
    assert len(names) == len(set(names)) == 50


def test_headlines():
    scores = {name: score for cls in classes() for name, score in cls.scores.items()}
    found = {n: (s.purpose, s.better, s.floor, s.ceiling) for n, s in scores.items() if s.headline}
    assert found == HEADLINES


def test_the_package_imports_no_torch_and_no_pandas():
    code = "import sys, latentbench_metrics; sys.exit(any(m in sys.modules for m in ('torch', 'pandas')))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("metric", list(classes()), ids=lambda cls: cls.__name__)
def test_every_metric_gives_its_scores_and_repeats_them(metric, space, monkeypatch):
    monkeypatch.setattr(metric, "min_items", 2)
    first, second = (metric(metric.Params()).compute(space) for _ in range(2))
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


@pytest.mark.parametrize(
    ("metric", "change"),
    [(cls, change) for cls in classes() for change in cls.invariances],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_declared_invariances_hold(metric, change, space, monkeypatch):
    monkeypatch.setattr(metric, "min_items", 2)
    expected = metric(metric.Params()).compute(space)
    found = metric(metric.Params()).compute(moved(space, change))
    for name, value in expected.items():
        assert mean(found[name]) == pytest.approx(mean(value), rel=1e-3, abs=2e-3)


def moved(space, change):
    """The same space in other coordinates."""
    turn = torch.linalg.qr(torch.randn(space.dim, space.dim, generator=torch.Generator().manual_seed(1))).Q
    forward, back = {
        "shift": (lambda z: z + 5, lambda z: z - 5),
        "scale": (lambda z: 4 * z, lambda z: z / 4),
        "rotation": (lambda z: z @ turn, lambda z: z @ turn.T),
    }[change]
    variance = space.posterior.variance * (16 if change == "scale" else 1)
    return LatentSpace(
        codes=forward(space.codes),
        inputs=space.inputs,
        labels=space.labels,
        encode=lambda inputs: forward(space.encode(inputs)),
        decode=lambda codes: space.decoder(back(codes)),
        posterior=None if change == "rotation" else Posterior(forward(space.posterior.mean), variance),
        train=None if space.train is None else moved(space.train, change),
    )


def mean(value):
    return float(torch.as_tensor(value).double().mean())


def frame(rows):
    return pd.DataFrame(rows, columns=["dataset", "label", "score", "value", "seed", "status"])


def test_rate_and_distortion_section():
    rows = [
        ("digits", "vae", "rate", 10.0, 0, "ok"), ("digits", "vae", "rate", 12.0, 1, "ok"),
        ("digits", "vae", "mse", 0.5, 0, "ok"), ("digits", "vae", "r2", 0.8, 0, "ok"),
        ("digits", "beta_vae(4)", "rate", 3.0, 0, "ok"), ("digits", "beta_vae(4)", "mse", 0.7, 0, "ok"),
        ("digits", "ae", "mse", 0.4, 0, "ok"), ("digits", "ae", "rate", float("nan"), 0, "not applicable"),
    ]  # fmt: skip
    ((title, table),) = latentbench_metrics.report_sections(SimpleNamespace(scores=frame(rows)))
    assert title == "Rate and distortion"
    assert table.columns.tolist() == ["dataset", "label", "rate", "mse", "r2"]
    assert table["label"].tolist() == ["beta_vae(4)", "vae"]
    assert table["rate"].tolist() == [3.0, 11.0]
    assert table["mse"].tolist() == [0.7, 0.5]
    assert math.isnan(table["r2"][0])


def test_no_rate_no_section():
    rows = [("digits", "ae", "mse", 0.4, 0, "ok")]
    assert latentbench_metrics.report_sections(SimpleNamespace(scores=frame(rows))) == []
    assert latentbench_metrics.report_sections(SimpleNamespace(scores=frame([]))) == []
