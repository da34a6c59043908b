"""A GPU gives what the CPU gives."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch

import latentbench_metrics
from latentbench import LatentSpace

TARGETS = [target for target, _ in latentbench_metrics.METRICS.values() if "efficiency" not in target]


def on(device, space):
    """The same space there."""
    return LatentSpace(
        codes=space.codes.to(device),
        inputs=space.inputs.to(device),
        labels=space.labels.to(device),
        encode=lambda inputs: space.encode(inputs.cpu()).to(device),
        decode=_plane(space).to(device),
        posterior=space.posterior.to(device),
        prior=space.prior.to(device),
        train=None if space.train is None else on(device, space.train),
        device=device,
    )


def _plane(space):
    """The linear decoder of `space` as a module, which can move to a device."""
    origin = space.decode(torch.zeros(1, space.dim)).flatten()
    plane = torch.nn.Linear(space.dim, len(origin))
    plane.weight.data = (space.decode(torch.eye(space.dim)).flatten(1) - origin).T.contiguous()
    plane.bias.data = origin
    return torch.nn.Sequential(plane, torch.nn.Unflatten(1, space.inputs.shape[1:]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("target", TARGETS)
def test_cuda_agrees_with_the_cpu(target, space, monkeypatch):
    module, name = target.split(":")
    metric = getattr(import_module(f"latentbench_metrics.{module}"), name)
    monkeypatch.setattr(metric, "min_items", 2)
    here, there = (metric(metric.Params()).compute(on(device, space)) for device in ("cpu", "cuda"))
    for score, value in here.items():
        expected = float(torch.as_tensor(value).double().mean())
        assert float(torch.as_tensor(there[score]).double().mean()) == pytest.approx(expected, rel=1e-3, abs=2e-3)
