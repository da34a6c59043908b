"""Whatever writes into what metrics share is noticed, whichever way it takes."""

import numpy as np
import pytest
import torch
from torch import nn

from latentbench import LatentSpace, Posterior
from latentbench.dataset import Split
from latentbench.latent.digests import ROW, _sums, _sums_on_device, digest, split_digests
from latentbench.latent.seals import broken_seals, seal


def space_of(rows=40, **more):
    generator = torch.Generator().manual_seed(rows)
    codes = torch.randn(rows, 3, generator=generator)
    net = nn.Linear(3, 12)
    return LatentSpace.from_arrays(
        codes=codes,
        labels=torch.arange(rows) % 4,
        inputs=torch.rand(rows, 1, 3, 4, generator=generator),
        factors=torch.rand(rows, 2, generator=generator),
        decode=lambda codes: net(codes).reshape(-1, 1, 3, 4),
        posterior=Posterior(codes, torch.ones(rows, 3)),
        prior=Posterior(torch.zeros(3), torch.ones(3)),
        **more,
    )


@pytest.fixture
def space():
    """What a metric sees of a space with all that there is."""
    return space_of(train=space_of(60), validation=space_of(20)).arranged


WRITERS = {
    "codes": lambda space: space.codes.numpy().__setitem__(slice(None), 0),
    "inputs": lambda space: np.asarray(space.inputs).sort(axis=0),
    "labels": lambda space: space.labels.numpy().__setitem__(7, 3 - space.labels[7]),
    "factors": lambda space: space.factors.data.mul_(2),
    "reconstructions": lambda space: space.reconstructions.detach().numpy().fill(0.5),
    "code_samples": lambda space: space.code_samples.clamp_(-0.1, 0.1),
    "posterior": lambda space: space.posterior.variance.numpy().__setitem__((3, 1), 2),
    "prior": lambda space: space.prior.mean.add_(1),
    "cost": lambda space: space.cost.update(train_seconds=0.0),
    "train codes": lambda space: space.train.codes.numpy().__setitem__((5, 2), 1e-3),
    "train labels": lambda space: space.train.labels.numpy()[::-1].sort(),
    "validation inputs": lambda space: torch.from_dlpack(space.validation.inputs).zero_(),
}


@pytest.mark.parametrize("what", WRITERS)
def test_what_is_written_into_is_named(space, what):
    seal(space)
    assert broken_seals(space) == []
    WRITERS[what](space)
    assert what in broken_seals(space)


@pytest.mark.parametrize("what", ["codes", "reconstructions", "code_samples"])
def test_what_is_computed_later_is_sealed_when_it_is_computed(what):
    space = space_of().replaced(codes=lambda: torch.ones(40, 3))
    seal(space)
    values = getattr(space, what)
    assert broken_seals(space) == []
    values.numpy()[0] = 9
    assert what in broken_seals(space)


@pytest.mark.parametrize("where", ["", "train ", "validation "])
def test_reading_breaks_no_seal(space, where):
    seal(space)
    seen = getattr(space, where.strip()) if where else space
    for name in ("codes", "inputs", "labels", "factors", "reconstructions", "code_samples", "order", "arranged"):
        getattr(seen, name)
    seen.decode(seen.codes)
    assert broken_seals(space) == []


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 12)

    def decode(self, codes):
        return self.layer(codes).reshape(-1, 1, 3, 4)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (lambda net: net.layer.weight.data.zero_(), "weights of the model"),
        (lambda net: net.layer.bias.detach().numpy().fill(1), "weights of the model"),
        (lambda net: net.eval(), "mode of the model"),
    ],
)
def test_the_model_under_a_space_is_sealed_too(space, write, name):
    net = Net()
    seen = space.replaced(decode=net.decode)
    seal(seen)
    assert broken_seals(seen) == []
    write(net)
    assert broken_seals(seen) == [name]


@pytest.mark.parametrize("size", [1, 4095, 32768, 32769, 100_003])
def test_one_changed_byte_changes_the_digest(size):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    before = digest(data)
    for place in {0, size // 2, size - 1}:
        data[place] ^= 1
        assert digest(data) != before
        data[place] ^= 1
    assert digest(data) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[::-1].copy(),
        lambda data: data.T.copy(),
        lambda data: data.astype(np.int32),
        lambda data: np.roll(data, 1, axis=1),
        lambda data: data.reshape(-1),
    ],
)
def test_order_shape_and_type_change_the_digest(change):
    data = np.random.default_rng(0).integers(0, 9, (200, 200))
    assert digest(change(data)) != digest(data)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "expanded", "strided", "empty"])
def test_tensors_of_every_layout_have_a_digest(layout):
    images = torch.rand(9, 3, 16, 16)
    tensor = {
        "contiguous": images,
        "channels_last": images.contiguous(memory_format=torch.channels_last),
        "expanded": images[:1].expand(9, 3, 16, 16),
        "strided": images[::2, :, ::3],
        "empty": images[:0],
    }[layout]
    before = digest(tensor)
    assert digest(tensor) == before
    if len(tensor):
        tensor[-1, -1, -1, -1] += 1
        assert digest(tensor) != before


def test_a_device_computes_the_same_sums_and_copies_nothing_else():
    whole = torch.randint(0, 256, (2_999_957,), dtype=torch.uint8)
    filled = torch.nn.functional.pad(whole, (0, -len(whole) % (8 * ROW)))
    assert _sums_on_device(whole) == _sums(filled.numpy()) == (_sums_on_device(filled)[0], b"")
    for place in (0, 1_500_000, 2_999_956):  # the first byte, one in between, the last
        changed = whole.clone()
        changed[place] += 1
        assert _sums_on_device(changed) != _sums_on_device(whole)


@pytest.mark.parametrize("name", ["inputs", "labels", "factors"])
def test_the_arrays_of_a_split_have_digests(name):
    split = Split(np.zeros((9, 4), np.float32), np.arange(9), np.zeros((9, 1)), ("x",), (0,))
    before = split_digests(split)
    getattr(split, name)[2] += 1
    assert [each for each, value in split_digests(split).items() if value != before[each]] == [name]
