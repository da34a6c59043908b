from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench_metrics.generation import kernel_distance


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_g4_null_is_centered_on_zero():
    values = [kernel_distance(normal(500, 16, seed=2 * i), normal(500, 16, seed=2 * i + 1)) for i in range(30)]
    assert np.mean(values) == pytest.approx(0, abs=0.003)
    assert min(values) < 0 < max(values)


def test_agrees_with_torchmetrics(torchmetrics):
    from torchmetrics.image.kid import poly_mmd

    x, y = normal(80, 12), 1.3 * normal(80, 12, seed=1) + 0.2
    assert kernel_distance(x, y) == pytest.approx(float(poly_mmd(x, y)), rel=1e-9)


def test_agrees_with_the_formula_at_unequal_sizes(monkeypatch):
    monkeypatch.setattr("latentbench_metrics.generation.CHUNK", 7)
    x, y = normal(20, 3), normal(31, 3, seed=1) + 1
    kernel = lambda a, b: float((a @ b / 3 + 1) ** 3)  # noqa: E731
    within = [
        np.mean([kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (x, y)
    ]
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * across, rel=1e-9)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_order_rotation_and_precision_do_not_matter(seed):
    x, y = normal(40, 4, seed=seed), normal(50, 4, seed=seed + 1) + 1
    value = kernel_distance(x, y)
    turn = torch.linalg.qr(normal(4, 4, seed=seed))[0]
    assert kernel_distance(y, x) == pytest.approx(value, rel=1e-9)
    assert kernel_distance(x[torch.randperm(40)] @ turn, y @ turn) == pytest.approx(value, rel=1e-6, abs=1e-9)
    assert kernel_distance(x.float(), y.float()) == pytest.approx(value, rel=1e-4, abs=1e-4)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="n, m > 1"):
        kernel_distance(normal(1, 3), normal(5, 3))
    with pytest.raises(ValueError, match=r"got \(5, 3\) and \(5, 4\)"):
        kernel_distance(normal(5, 3), normal(5, 4))
