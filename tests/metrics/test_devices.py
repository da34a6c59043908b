"""A GPU gives what the CPU gives."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch

import latentbench_metrics
from latentbench import LatentSpace, NotApplicableError
from latentbench.testing import gallery

TARGETS = [target for target, _ in latentbench_metrics.METRICS.values() if "efficiency" not in target]
GALLERY = {"factors", "likelihood"}  # the digits have none


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
    move, start = (spots_on, gallery(600, 1000)) if GALLERY & set(metric.needs) else (on, space)
    try:
        here = metric(metric.Params()).compute(move("cpu", start))
    except NotApplicableError:
        with pytest.raises(NotApplicableError):
            metric(metric.Params()).compute(move("cuda", start))
        return
    there = metric(metric.Params()).compute(move("cuda", start))
    assert there.keys() == here.keys()
    for score, value in here.items():
        expected = float(torch.as_tensor(value).double().mean())
        found = float(torch.as_tensor(there[score]).double().mean())
        assert abs(found - expected) <= max(metric.tolerance, 1e-3) * max(1, abs(expected)), score


def spots_on(device, space):
    """The gallery there; its formulas compute on any device."""
    train = None if space.train is None else spots_on(device, space.train)
    tensors = {name: getattr(space, name).to(device) for name in ("codes", "inputs", "labels", "factors")}
    return space.replaced(
        **tensors, posterior=space.posterior.to(device), prior=space.prior.to(device), train=train, device=device
    )
