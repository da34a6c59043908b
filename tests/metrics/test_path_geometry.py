from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from latentbench import NotApplicableError
from latentbench_metrics import path_geometry
from latentbench_metrics.path_geometry import geodesic_ratio, jacobian_spectrum


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


MIX = normal(3, 6, seed=9, dtype=torch.float64)


def curved(codes):
    return torch.tanh(codes @ MIX.to(codes.dtype)) ** 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("dims", "outputs"), [(1, 4), (5, 30), (16, 17)])
def test_the_jacobian_of_a_linear_decoder_is_its_matrix(dims, outputs, dtype):
    matrix = normal(dims, outputs, seed=1, dtype=dtype)
    actual = jacobian_spectrum(
        lambda z: (z @ matrix).reshape(-1, 1, outputs), normal(40, dims, seed=2, dtype=dtype)
    )
    values = torch.linalg.svdvals(matrix.double())
    condition = math.log10(np.linalg.cond(matrix.double().numpy()))
    assert actual == {
        "condition_log10_q50": pytest.approx(condition, abs=1e-5),
        "condition_log10_q95": pytest.approx(condition, abs=1e-5),
        "lipschitz_q95": pytest.approx(float(values[0]), rel=1e-5),
        "log_volume": pytest.approx(0.5 * float(torch.logdet(matrix.double() @ matrix.double().T)), abs=1e-4),
        "anisotropy": pytest.approx(0, abs=1e-6),
    }


def test_jacobians_of_a_curved_decoder_are_those_of_autograd(monkeypatch):
    codes = normal(30, 3, seed=3, dtype=torch.float64)
    jacobians = torch.stack([torch.autograd.functional.jacobian(lambda z: curved(z[None])[0], z) for z in codes])
    values = np.linalg.svd(jacobians.numpy(), compute_uv=False)
    conditions = np.log10(values[:, 0] / values[:, -1])
    expected = {
        "condition_log10_q50": np.quantile(conditions, 0.5),
        "condition_log10_q95": np.quantile(conditions, 0.95),
        "lipschitz_q95": np.quantile(values[:, 0], 0.95),
        "log_volume": np.log(values).sum(1).mean(),
        "anisotropy": np.log(values[:, 0]).std(),
    }
    assert jacobian_spectrum(curved, codes) == pytest.approx(expected, rel=1e-9)
    assert jacobian_spectrum(curved, codes.flip(0)) == pytest.approx(expected, rel=1e-9)
    assert jacobian_spectrum(curved, codes.float()) == pytest.approx(expected, rel=1e-3)
    monkeypatch.setattr(path_geometry, "IMAGES", 7)
    assert jacobian_spectrum(curved, codes) == pytest.approx(expected, rel=1e-9)


def test_jacobians_under_another_scale_of_codes():
    codes = normal(30, 3, seed=3, dtype=torch.float64)
    one, other = jacobian_spectrum(curved, codes), jacobian_spectrum(lambda z: curved(z / 7), 7 * codes)
    for name in ("condition_log10_q50", "condition_log10_q95", "anisotropy"):
        assert other[name] == pytest.approx(one[name], rel=1e-9)
    assert other["lipschitz_q95"] == pytest.approx(one["lipschitz_q95"] / 7, rel=1e-9)
    assert other["log_volume"] == pytest.approx(one["log_volume"] - 3 * math.log(7), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_singular_jacobians_stay_finite(dtype):
    codes = normal(20, 4, seed=4, dtype=dtype)
    dead = torch.diag(torch.tensor([2.0, 1, 0, 0], dtype=dtype))
    narrow = normal(4, 2, seed=5, dtype=dtype)
    turn = torch.linalg.qr(normal(4, 4, seed=6, dtype=torch.float64)).Q.to(dtype)
    for matrix in (dead, turn @ dead @ turn.T, narrow):
        actual = jacobian_spectrum(lambda z, m=matrix: z @ m, codes)
        top = torch.linalg.svdvals(matrix.double())
        assert actual["condition_log10_q50"] == pytest.approx(6, abs=1e-6)
        assert actual["lipschitz_q95"] == pytest.approx(float(top[0]), rel=1e-5)
        expected = math.log(top[0]) + math.log(top[1]) + 2 * math.log(1e-6 * top[0])
        assert actual["log_volume"] == pytest.approx(expected, rel=1e-5)
    partly = jacobian_spectrum(lambda z: z.clamp_min(0), torch.cat([codes, -codes.abs()]))
    assert all(map(math.isfinite, partly.values()))
    assert partly["condition_log10_q95"] == pytest.approx(6)
    with pytest.raises(NotApplicableError, match="one output"):
        jacobian_spectrum(torch.zeros_like, codes)
    with pytest.raises(ValueError, match="codes must be"):
        jacobian_spectrum(torch.tanh, codes[0])


def sphere(codes):
    high, angle = codes.unbind(1)
    return torch.stack([high.cos() * angle.cos(), high.cos() * angle.sin(), high.sin()], 1)


def test_the_sphere_stretches_by_the_cosine_of_the_latitude():
    codes = torch.tensor([[0.0, 1.0], [1.0, 2.0], [1.2, 0.0]], dtype=torch.float64)
    actual = jacobian_spectrum(sphere, codes)
    assert actual["condition_log10_q50"] == pytest.approx(-math.log10(math.cos(1)), rel=1e-6)
    assert actual["log_volume"] == pytest.approx((math.log(math.cos(1)) + math.log(math.cos(1.2))) / 3, rel=1e-6)
    assert actual["lipschitz_q95"] == pytest.approx(1)
    assert actual["anisotropy"] == pytest.approx(0, abs=1e-9)


def test_geodesic_ratio_of_parallels():
    starts = torch.tensor([[0.5, 0.0], [1.0, 1.0]], dtype=torch.float64)
    ends = starts + torch.tensor([0.0, 2.0], dtype=torch.float64)
    parallels = 2 * starts[:, 0].cos()
    circles = (sphere(starts) * sphere(ends)).sum(1).acos()
    assert geodesic_ratio(sphere, starts, ends, 32) == pytest.approx(
        float(parallels.sum() / circles.sum()), rel=1e-3
    )
    for i in range(2):
        expected = float(parallels[i] / circles[i])
        assert geodesic_ratio(sphere, starts[i, None], ends[i, None], 32) == pytest.approx(expected, rel=1e-3)
        rough = geodesic_ratio(sphere, starts[i, None].float(), ends[i, None].float(), 32)
        assert rough == pytest.approx(expected, rel=1e-3)


def test_geodesic_ratio_does_not_depend_on_scale_or_order():
    starts, ends = normal(6, 3, seed=16, dtype=torch.float64), normal(6, 3, seed=17, dtype=torch.float64)
    expected = geodesic_ratio(curved, starts, ends, 8)
    assert expected > 1.005
    assert geodesic_ratio(lambda z: curved(z / 9), 9 * starts, 9 * ends, 8) == pytest.approx(expected, abs=1e-5)
    assert geodesic_ratio(curved, starts.flip(0), ends.flip(0), 8) == pytest.approx(expected, abs=1e-5)
    assert geodesic_ratio(curved, ends, starts, 8) == pytest.approx(expected, rel=1e-3)
    assert geodesic_ratio(lambda z: z @ MIX, starts, ends, 8) == pytest.approx(1, abs=1e-9)
    with pytest.raises(NotApplicableError, match="one output"):
        geodesic_ratio(torch.zeros_like, starts, ends, 8)
    with pytest.raises(ValueError, match="needs starts and ends"):
        geodesic_ratio(curved, starts, ends[:2], 8)
