"""Features of images without a download: a small classifier trained once on the current dataset."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from latentbench import LatentSpace, NotApplicableError, cache_dir, write_atomically
from latentbench.latent.arithmetic import exact_arithmetic
from latentbench.latent.optimizers import OPTIMIZERS
from latentbench.latent.sampling import sample_codes
from latentbench_metrics._shared.blocks import at_once
from latentbench_metrics._shared.once import once
from latentbench_metrics._shared.subsets import at_most

__all__ = [
    "FEATURES",
    "FEATURES_VERSION",
    "in_domain_classes",
    "in_domain_features",
    "known_features",
    "new_features",
]

FEATURES_VERSION = 3  # since 3, classes are numbered without gaps
FEATURES = 64
ROWS = 20_000  # of the training split
ITEMS = 60_000  # seen in training, all epochs together, within the limits below
EPOCHS = (2, 30)
BATCH = 128
CHUNK = 128  # images read at once on a CPU
LEARNING_RATE = 3e-3
BUFFER_NAMES = ("low", "high", "mean", "scale")

_networks: dict[tuple[str, torch.device], _Network] = {}
_drawn: WeakKeyDictionary[Any, dict[tuple[int, int], tuple[Any, Tensor]]] = WeakKeyDictionary()


def in_domain_features(space: LatentSpace) -> Callable[[Tensor], Tensor]:
    """Return a function from inputs `(n, *shape)` to features `(n, 64)`, float32.

    Features are the last hidden layer of a classifier (two strided convolutions for images, two hidden layers for
    other inputs), standardized over the training split, because kernel distances grow with the sixth power of
    their scale. It is trained on the labeled training split, once per dataset, from a fixed seed, on the CPU in
    one thread, and kept in `latentbench.cache_dir()`. The features favor what separates the classes. Inputs are
    first clipped to the range of the training images. Loaded and newly trained networks give the same bits.

    Raises:
        NotApplicableError: no training split, no inputs or labels there, or a single class.
    """
    return _network(space).features


def known_features(space: LatentSpace, inputs: Tensor) -> Tensor:
    """Return `in_domain_features(space)(inputs)` for inputs `(n, *shape)` of the data, which no model changes.

    They are computed once for all models.

    Raises:
        NotApplicableError: as for `in_domain_features`.
    """
    shape = len(inputs), FEATURES
    return once(space, _features_of, _network(space), inputs, shape=shape, dtype=np.float32)


def new_features(space: LatentSpace, count: int, seed: int) -> Tensor:
    """Return features `(count, 64)` of decoded new codes; metrics that ask for the same draws share them.

    Raises:
        NotApplicableError: as for `in_domain_features`, or no decoder.
    """
    drawn = _drawn.setdefault(space.others, {})
    if (count, seed) not in drawn or drawn[count, seed][0] is not space.maps:  # another model
        features = in_domain_features(space)(space.decode(sample_codes(space, count, seed)))
        drawn[count, seed] = space.maps, features
    return drawn[count, seed][1].clone()


def in_domain_classes(space: LatentSpace) -> Callable[[Tensor], Tensor]:
    """Return a function from inputs `(n, *shape)` to class numbers `(n,)`, as the feature network predicts.

    The numbers are those of the training labels.

    Raises:
        NotApplicableError: as for `in_domain_features`.
    """
    network, numbers = _network(space), torch.unique(space.train.labels)
    return lambda inputs: numbers[network.classes(inputs)]


def _features_of(network: _Network, inputs: Tensor) -> Tensor:
    return network.features(inputs)


def _network(space: LatentSpace) -> _Network:
    inputs = space.train.inputs
    classes, labels = torch.unique(space.train.labels, return_inverse=True)  # numbers without gaps
    if len(classes) < 2:
        raise NotApplicableError("training labels hold a single class")
    key = _key(space.fingerprint or _digest(inputs, labels), inputs)
    if (key, inputs.device) not in _networks:
        network = _cached_network(cache_dir() / "features" / f"{key}.safetensors", inputs, labels)
        _networks[key, inputs.device] = network.to(inputs.device)
    return _networks[key, inputs.device]


class _Network(nn.Module):
    """A classifier whose last hidden layer is read; `low` to `scale` bring inputs to a common range."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        for name in BUFFER_NAMES:
            self.register_buffer(name, torch.zeros(() if len(shape) == 3 else shape))
        self.body = _convolutions(shape) if len(shape) == 3 else _layers(torch.Size(shape).numel())
        self.head = nn.Linear(FEATURES, classes)
        self.register_buffer("center", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))

    def hidden(self, inputs: Tensor) -> Tensor:
        low, high, mean, scale = (self.get_buffer(name) for name in BUFFER_NAMES)
        standard: Tensor = self.body((torch.clamp(inputs, low, high) - mean) / scale)
        return standard

    def features(self, inputs: Tensor) -> Tensor:
        with exact_arithmetic(), _one_thread():
            return (self.read(inputs) - self.get_buffer("center")) / self.get_buffer("spread")

    def classes(self, inputs: Tensor) -> Tensor:
        with exact_arithmetic(), _one_thread():
            classes: Tensor = self.head(self.read(inputs)).argmax(1)
            return classes

    def read(self, inputs: Tensor) -> Tensor:
        chunks = torch.split(inputs, at_once(CHUNK, inputs.device))
        return torch.cat([self.hidden(chunk.float()) for chunk in chunks])


def _convolutions(shape: tuple[int, ...]) -> nn.Sequential:
    channels, height, width = shape
    flat = 64 * -(-height // 4) * -(-width // 4)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(flat, FEATURES), nn.ReLU(),
    )  # fmt: skip


def _layers(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, FEATURES), nn.ReLU()
    )  # fmt: skip


def _cached_network(path: Path, inputs: Tensor, labels: Tensor) -> _Network:
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save

    network = _new_network(inputs, labels)
    if path.exists():
        try:
            network.load_state_dict(load_file(path))
            return network
        except (OSError, SafetensorError, RuntimeError) as error:
            warnings.warn(f"{path} is damaged and is made again: {error}", stacklevel=5)
    _train(network, inputs, labels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(network.state_dict()), durable=False)
    except OSError as error:
        warnings.warn(f"the feature network is not kept for next time: {error}", stacklevel=5)
    return network


def _new_network(inputs: Tensor, labels: Tensor) -> _Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _Network(tuple(inputs.shape[1:]), int(labels.max()) + 1)


def _train(network: _Network, inputs: Tensor, labels: Tensor) -> None:
    inputs, labels = at_most(inputs, ROWS).cpu(), at_most(labels, ROWS).cpu()
    _fit_range(network, inputs)
    epochs = min(max(ITEMS // len(inputs), EPOCHS[0]), EPOCHS[1])
    optimizer = OPTIMIZERS["adam"](network.parameters(), LEARNING_RATE)
    generator = torch.Generator().manual_seed(0)
    with _one_thread(), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        for _ in range(epochs):
            for batch in torch.split(torch.randperm(len(inputs), generator=generator), BATCH):
                loss = nn.functional.cross_entropy(network.head(network.hidden(inputs[batch])), labels[batch])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
    network.requires_grad_(requires_grad=False)
    hidden = network.features(inputs)
    network.center, spread = hidden.mean(0), hidden.std(0)
    network.spread = torch.where(spread > 0, spread, 1.0)  # a feature that never fires says nothing


def _fit_range(network: _Network, inputs: Tensor) -> None:
    image = inputs.ndim == 4
    network.low, network.high = (
        (inputs.min(), inputs.max()) if image else (torch.full_like(inputs[0], s) for s in (-torch.inf, torch.inf))
    )
    network.mean, spread = (inputs.mean(), inputs.std()) if image else (inputs.mean(0), inputs.std(0))
    network.scale = torch.where(spread > 0, spread, 1.0)


def _key(fingerprint: str, inputs: Tensor) -> str:
    """Name the network; the name holds the number of rows, because training may be limited to part of the data."""
    shape = "x".join(map(str, inputs.shape))
    return f"{fingerprint[:32]}-{shape}-v{FEATURES_VERSION}"


def _digest(inputs: Tensor, labels: Tensor) -> str:
    digest = hashlib.sha256()
    for values in (inputs, labels):
        digest.update(values.cpu().contiguous().numpy().data)
    return digest.hexdigest()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread, so that sums do not depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
