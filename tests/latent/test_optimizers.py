"""Optimizers are torch's own, without the compiler that torch's import."""

import subprocess
import sys

import pytest
import torch

from latentbench.latent.optimizers import OPTIMIZERS

USUAL = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
TRAIN = """
import sys
import torch
from latentbench.latent.optimizers import OPTIMIZERS
weight = torch.nn.Parameter(torch.ones(3))
for make in OPTIMIZERS.values():
    optimizer = make([weight], lr=0.1, fused=True)
    for _ in range(2):
        optimizer.zero_grad(set_to_none=True)
        weight.square().sum().backward()
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules, "torch._inductor" in sys.modules)
"""


def trained(make, steps=5):
    """Return weights after some steps, and the state of the optimizer; it is saved and loaded on the way."""
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 6).reshape(2, 3)), torch.nn.Parameter(torch.ones(3))]
    optimizer = make(weights, lr=0.1, fused=True)
    for step in range(steps):
        if step == 2:
            optimizer.load_state_dict(optimizer.state_dict())
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        optimizer.zero_grad(set_to_none=True)
        (weights[0] @ weights[1]).square().sum().backward()
        optimizer.step()
    state = optimizer.state_dict()["state"]
    return [*weights, *(value for index in state for value in state[index].values())]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_torch_bit_for_bit(name):
    actual, expected = trained(OPTIMIZERS[name]), trained(USUAL[name])
    assert len(actual) == len(expected) > 1
    for value, reference in zip(actual, expected, strict=True):
        assert value is None if reference is None else torch.equal(value, reference)


def test_training_does_not_import_the_compiler():
    finished = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["False", "False"]
