"""How small changes of the inputs affect the codes: noise on every pixel, a shift by one pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench.latent.parts import SpaceData
from latentbench_metrics._shared.nearest import nearest
from latentbench_metrics._shared.rounding import attempt, resolution
from latentbench_metrics.neighbors import Neighbors

__all__ = ["Noise", "PixelShift", "code_drift", "noisy", "shifted_by_one"]

NOISE = 0.1
NOISE_SEED, SHIFT_SEED = 0, 1
BATCH = 1024


def code_drift(codes: Tensor, moved: Tensor) -> float:
    """Mean distance between the two codes of an item, over the mean distance to the nearest other code.

    From 0; lower is better; at 1 a changed item lies as far from itself as from its neighbor. Unitless: the scale
    of the codes does not matter.

    Source: the mean displacement of codes under noise, in units of the distance to the nearest code.

    Traps: the nearest distance shrinks with n, least in many dimensions: compare at equal n and d. An encoder that
    ignores its input does not drift: read `knn10_noise` beside it.

    Args:
        codes: of the items as they are, `(n, d)`, n at least 2.
        moved: of the changed items, `(n, d)`.

    Raises:
        NotApplicableError: every code lies on another.

    >>> code_drift(torch.tensor([[0.0], [1], [2]]), torch.tensor([[0.5], [1], [2]]))
    0.16666666666666666
    """
    return float(_drift_per_item(codes, moved).mean())


def _drift_per_item(codes: Tensor, moved: Tensor) -> Tensor:
    reach = nearest(codes, codes, 1, own=torch.arange(len(codes)))[0].sqrt().mean()
    if reach <= resolution(codes):
        raise NotApplicableError("every code lies on another one")
    return _lengths(moved - codes) / reach


def _lengths(vectors: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=-1, dtype=torch.float64)
    return lengths


def noisy(inputs: Tensor, generator: torch.Generator, spread: Tensor | None = None) -> Tensor:
    """Add normal noise of standard deviation 0.1 to images `(n, c, h, w)` in [0, 1], clipped to that range.

    With `spread` `(*shape)`, for inputs of any range, the standard deviation is 0.1 times that and nothing is
    clipped.

    >>> noisy(torch.zeros(1, 1, 1, 2), torch.Generator().manual_seed(0))
    tensor([[[[0.1541, 0.0000]]]])
    """
    noise = NOISE * torch.randn(inputs.shape, generator=generator).to(inputs)
    return (inputs + noise).clamp(0, 1) if spread is None else inputs + spread * noise


def shifted_by_one(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move each image `(n, c, h, w)` by one pixel up, down, left or right, drawn at random; edges are repeated.

    >>> shifted_by_one(torch.arange(3.0).reshape(1, 1, 1, 3), torch.Generator().manual_seed(3))
    tensor([[[[1., 2., 2.]]]])
    """
    (up, down), (left, right) = _moved(images, 2), _moved(images, 3)
    chosen = torch.randint(4, (len(images),), generator=generator).to(images.device)
    return torch.stack([up, down, left, right])[chosen, torch.arange(len(images), device=images.device)]


def _moved(images: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    size = images.shape[axis]
    first, last = images.narrow(axis, 0, 1), images.narrow(axis, size - 1, 1)
    ahead = torch.cat([images.narrow(axis, 1, size - 1), last], axis)
    return ahead, torch.cat([first, images.narrow(axis, 0, size - 1)], axis)


class Noise(Metric):
    """Codes of noisy test items are compared with codes of clean training items.

    All models get the same noise: standard deviation 0.1 on images in [0, 1], clipped; on other inputs a tenth
    of each column's standard deviation over the training split.
    """

    scores: ClassVar[Mapping[str, Score]] = {
        "knn10_noise": Score(
            "up",
            "accuracy of 10 nearest neighbors for images with noise 0.1",
            purpose="shift",
            headline=True,
            range=(0, 1),
            floor="untrained",
            ceiling="pixels",
        ),
        "code_drift": Score(
            "down",
            "distance a code moves under noise 0.1, relative to its nearest neighbor's distance",
            purpose="shift",
            range=(0, float("inf")),
            floor="untrained",
            ceiling="pixels",
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "labels", "train", "encoder")
    version: ClassVar[int] = 3
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")
    tolerance: ClassVar[float] = 0.005  # a vote between two classes may turn
    min_items: ClassVar[int] = Neighbors.min_items
    max_items: ClassVar[int | None] = 5000

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor | NotApplicableError]:
        """Return 1 for each item that its neighbors label rightly, else 0, and its code's drift."""
        train = _labelled_train(space)
        spread = None if _images(space) else train.inputs.std(0, correction=0)
        moved = _changed_codes(space, partial(noisy, spread=spread), NOISE_SEED)
        return {
            "knn10_noise": _neighbors_right(space, moved),
            "code_drift": attempt(_drift_per_item, space.codes, moved),
        }

    def note(self, space: LatentSpace) -> str:
        """Say what noise was added unless it is pixel noise."""
        return "" if _images(space) else "noise: a tenth of each column's standard deviation"


class PixelShift(Metric):
    """Codes of moved test images are compared with codes of unmoved training images."""

    scores: ClassVar[Mapping[str, Score]] = {
        "knn10_shift": Score(
            "up",
            purpose="shift",
            range=(0, 1),
            floor="untrained",
            ceiling="pixels",
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = Noise.needs
    tier: ClassVar[Tier] = "full"
    version: ClassVar[int] = 2
    invariances: ClassVar[tuple[Invariance, ...]] = Noise.invariances
    tolerance: ClassVar[float] = 0.005  # likewise
    min_items: ClassVar[int] = Noise.min_items
    max_items: ClassVar[int | None] = Noise.max_items

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return 1 for each image that its neighbors label rightly, else 0."""
        _labelled_train(space)
        if not _images(space):
            raise NotApplicableError(f"only images can be moved, inputs are {tuple(space.inputs.shape[1:])}")
        moved = _changed_codes(space, shifted_by_one, SHIFT_SEED)
        return {"knn10_shift": _neighbors_right(space, moved)}


def _images(space: LatentSpace) -> bool:
    return space.inputs.ndim == 4


def _labelled_train(space: LatentSpace) -> LatentSpace:
    if "labels" not in space.train.supplies:
        raise NotApplicableError("no labels in the training split")
    return space.train


def _changed_codes(space: LatentSpace, change: Callable[[Tensor, torch.Generator], Tensor], seed: int) -> Tensor:
    """Encode changed inputs in batches, so that the whole set is not held twice."""
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([space.encode(change(some, generator)) for some in torch.split(space.inputs, BATCH)])


def _neighbors_right(space: LatentSpace, codes: Tensor) -> Tensor:
    data = SpaceData(codes=codes, labels=space.labels)
    seen = LatentSpace(data, others=space.others, device=space.device)
    return Neighbors(Neighbors.Params()).compute(seen)["knn10"]
