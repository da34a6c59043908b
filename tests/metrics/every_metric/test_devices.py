"""Metrics give on another device what they give on the CPU, and stay there unless they say `on_host`.

Without a GPU the other device is a pretended one: its tensors are refused together with those of the CPU, and what
goes from it to the CPU is counted. Its numbers are kept on the CPU and computed by the CPU's own kernels.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

import latentbench_metrics
from latentbench.execution.pair_scores import common_order, compared, given_to_pair, prepared, reordered
from latentbench.execution.scoring import compute
from latentbench.latent.transport.clouds import displacement
from latentbench.latent.transport.images import image_barycenter
from latentbench.plugins import Plugins
from latentbench.testing.pairs import whole_spaces
from latentbench_metrics import acai, likelihoods
from latentbench_metrics.disentanglement import dci
from latentbench_metrics.reconstruction import Reconstruction

TARGETS = [target for target, _ in latentbench_metrics.METRICS.values() if "efficiency" not in target]
PRETENDED = torch.device("lazy:0")  # a kind that nobody has, which autograd runs in the caller's thread
FEW = 400  # numbers that may go to the CPU at once: fewer than there are items
MAY_DIFFER = {"index", "index_put", "index_put_", "_index_put_impl_", "copy_", "_to_copy"}  # on CUDA too


class Away(torch.Tensor):
    """A tensor of the pretended device."""

    @staticmethod
    def __new__(cls, kept):
        away = torch.Tensor._make_wrapper_subclass(
            cls, kept.shape, kept.stride(), kept.storage_offset(), dtype=kept.dtype, device=PRETENDED
        )
        away.kept = kept
        return away

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        raise AssertionError(f"{operation} of a pretended tensor outside of `Pretended`")

    def tolist(self):
        return self.cpu().tolist()

    def numpy(self):
        raise AssertionError(f"{tuple(self.shape)} went to the CPU")


class Pretended(TorchDispatchMode):
    """Where the pretended device can be used.

    It raises AssertionError where tensors of two devices meet or over `most` numbers go to the CPU at once.
    """

    def __init__(self, most):
        super().__init__()
        self.most, self.moved = most, 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = operation._schema.name.removeprefix("aten::")
        away = self._checked(name, args, kwargs)
        if kwargs.get("device") is not None:
            away = torch.device(kwargs["device"]).type == PRETENDED.type
            kwargs["device"] = "cpu"
        if name == "_efficientzerotensor":
            operation = torch.ops.aten.zeros.default
        kept = tree_map_only(Away, lambda tensor: tensor.kept, (args, kwargs))
        result = operation(*kept[0], **kept[1])
        if not away:
            return result
        result = tree_map_only(torch.Tensor, Away, result)
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Away)]
        return return_and_correct_aliasing(operation, args, kwargs, result) if inputs else result

    def _checked(self, name, args, kwargs):
        """Return whether the operation is one of the pretended device."""
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        away = [tensor for tensor in tensors if isinstance(tensor, Away)]
        if name == "_to_copy" and away and torch.device(kwargs.get("device") or PRETENDED).type == "cpu":
            self._count(away[0])
        elif name == "copy_" and away and not isinstance(args[0], Away):
            self._count(away[0])
            return False
        elif away and any(tensor.ndim for tensor in tensors if not isinstance(tensor, Away)):
            assert name in MAY_DIFFER, f"{name} of tensors on two devices"
            assert isinstance(args[0], Away), f"{name} of a CPU tensor with indices elsewhere"
        return bool(away)

    def _count(self, tensor):
        self.moved = max(self.moved, tensor.numel())
        assert tensor.numel() <= self.most, f"{tuple(tensor.shape)} went to the CPU"


def on(device, space):
    """The same space there, with the name of its data set, as in a trial."""
    names = {"codes", *space.supplies} & {"codes", "inputs", "labels", "factors"}
    changes = {name: getattr(space, name).to(device) for name in names}
    changes |= {name: getattr(space, name).to(device) for name in {"posterior", "prior"} & space.supplies}
    if space.factor_names == ("angle",):  # drawn by numpy
        changes["decode"] = lambda codes: space.decode(getattr(codes, "kept", codes).cpu()).to(codes.device)
    for other in ("train", "validation"):
        if other in space.supplies:
            changes[other] = on(device, getattr(space, other))
    return space.replaced(**changes, device=device, fingerprint=f"{space.name} to be moved")


@pytest.fixture(scope="module")
def scored_here(suited):
    """A function that returns the space that suits a metric, and its scores on the CPU."""

    @cache
    def scored(metric):
        space = suited(metric)
        return space, scores_of(metric, on("cpu", space))

    return scored


@pytest.fixture
def load(monkeypatch):
    """A function that returns the class of a metric, for few items; slow ones do less."""
    for module, name in ((likelihoods, "SAMPLES"), (dci, "TREES"), (acai, "PAIRS")):
        monkeypatch.setattr(module, name, 10)

    def loaded(target):
        module, name = target.split(":")
        metric = getattr(import_module(f"latentbench_metrics.{module}"), name)
        monkeypatch.setattr(metric, "min_items", 2)
        return metric

    return loaded


def scores_of(metric, space):
    """What a metric computes of all items of a space, without the note that it may return beside it."""
    returned = metric(metric.Params()).compute(space)
    return returned[0] if isinstance(returned, tuple) else returned


def mean(value):
    return float(value.double().mean()) if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("target", TARGETS)
def test_metrics_stay_on_the_device_or_say_so(target, load, scored_here):
    metric = load(target)
    space, expected = scored_here(metric)
    with Pretended(torch.inf if metric.on_host else FEW) as device, torch.no_grad():
        moved = on(PRETENDED, space)
        scores = scores_of(metric, moved)
        metric(metric.Params()).note(moved)
        values = {score: mean(value) for score, value in scores.items()}
    assert values == pytest.approx({score: mean(value) for score, value in expected.items()}, rel=1e-6, abs=1e-9)
    assert metric.on_host == (device.moved > FEW)


def pair_scores(metric, device):
    """The score of two spaces there, as they are and with the items of the second in another order."""
    spaces = [on(device, space) for space in whole_spaces(60)]
    first, second = (prepared(metric, given_to_pair(metric, space, common_order(spaces))) for space in spaces)
    order, train_order = (torch.arange(count).flip(0).to(device) for count in (60, len(spaces[1].train)))
    values = [compared(metric, first, second)[0]]
    if metric.has_null:
        values.append(compared(metric, first, reordered(metric, second, order, train_order))[0])
    return values


@pytest.mark.parametrize("name", Plugins().names("pair_metric"))
def test_pair_metrics_mix_no_devices(name):
    cls = Plugins().load("pair_metric", name)
    metric = cls(cls.Params())
    expected = pair_scores(metric, "cpu")
    with Pretended(torch.inf), torch.no_grad():
        assert pair_scores(metric, PRETENDED) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", Plugins().names("pair_metric"))
def test_pair_metrics_on_cuda_agree_with_the_cpu(name):
    cls = Plugins().load("pair_metric", name)
    metric = cls(cls.Params())
    margin = max(metric.tolerance, 1e-3)
    assert pair_scores(metric, "cuda") == pytest.approx(pair_scores(metric, "cpu"), rel=margin, abs=margin)


def test_items_are_arranged_on_the_device(space):
    metric = Reconstruction(Reconstruction.Params())
    expected = compute(metric, space)
    with Pretended(torch.inf):
        scores = compute(metric, on(PRETENDED, space))
        assert {values.device.type for values in scores.values()} == {PRETENDED.type}
        assert all(torch.equal(values.cpu(), expected[score]) for score, values in scores.items())


def test_transport_moves_clouds_and_images_of_a_device():
    cloud = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    images = torch.zeros(2, 9, 9)
    images[0, 2, 2] = images[1, 6, 6] = 1.0
    expected = displacement(cloud, cloud.flip(0) + 1, 0.5), image_barycenter(images, torch.ones(2), reg=0.02)
    with Pretended(torch.inf):
        far, pictures = cloud.to(PRETENDED), images.to(PRETENDED)
        actual = displacement(far, far.flip(0) + 1, 0.5), image_barycenter(pictures, torch.ones(2), reg=0.02)
        for there, here in zip(actual, expected, strict=True):
            assert there.device.type == PRETENDED.type
            assert torch.allclose(there.cpu(), here)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("target", TARGETS)
def test_cuda_agrees_with_the_cpu(target, load, scored_here):
    metric = load(target)
    space, expected = scored_here(metric)
    scores = scores_of(metric, on("cuda", space))
    assert scores.keys() == expected.keys()
    for score, value in expected.items():
        margin = max(metric.tolerance, 1e-3) * max(1, abs(mean(value)))
        assert mean(scores[score]) == pytest.approx(mean(value), rel=0, abs=margin), score


@pytest.mark.parametrize(
    "move",
    [
        lambda many: many.cpu(),
        lambda many: many.to("cpu", torch.float64),
        lambda many: many.tolist(),
        lambda many: np.asarray(many),
        lambda many: torch.empty(500).copy_(many),
    ],
)
def test_the_pretended_device_tells_what_goes_to_the_cpu(move):
    with Pretended(FEW) as device:
        many = torch.ones(500).to(PRETENDED)
        assert many.double().device == torch.zeros(2, device=many.device).device == torch.device(PRETENDED)
        assert many.sum().item() == 500
        assert device.moved == 0
        with pytest.raises(AssertionError, match="went to the CPU"):
            move(many)


@pytest.mark.parametrize(
    "mix",
    [
        lambda here, there: there + here,
        lambda here, there: torch.cat([here, there]),
        lambda here, there: here[there > 0],
        lambda here, there: here.index_add_(0, there.long(), there),
    ],
)
def test_the_pretended_device_refuses_tensors_of_two_devices(mix):
    with Pretended(FEW):
        here, there = torch.ones(3), torch.zeros(3).to(PRETENDED)
        with pytest.raises(AssertionError, match=r"devices|elsewhere"):
            mix(here, there)
