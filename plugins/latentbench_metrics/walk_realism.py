"""Whether images halfway between two look real, and whether a path changes class only once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier
from latentbench.latent.paths.curves import decoded_path
from latentbench_metrics._shared.features import in_domain_classes, in_domain_features, known_features
from latentbench_metrics._shared.once import once
from latentbench_metrics._shared.subsets import pairs, some_rows
from latentbench_metrics.generation import kernel_distance

__all__ = ["ClassSwitches", "WalkRealism", "class_switches", "walk_kd"]

CROSSING_PAIRS = 1000
SWITCHING_PAIRS, POINTS = 128, 16
REAL = 2000
ROUNDING = 1e-9  # of a kernel distance of standardized features


def walk_kd(midpoint_features: Tensor, fade_features: Tensor, real_features: Tensor) -> float:
    """Kernel distance of decoded midpoints from real images, relative to that of pixel fades of the same pairs.

    Lower is better: 1 = no better than fading pixels; slightly negative values are sampling noise around 0.
    Unitless.

    Source: the kernel distance of Binkowski 2018; its use here, as a ratio, is ours.

    Traps: only `r2` and `sample_coverage` expose a decoder that ignores its code and always draws the same real
    image. Features favor what separates the classes.

    Args:
        midpoint_features: features `(m, f)` of images decoded half way between two codes.
        fade_features: `(m, f)`, of the means of the two images.
        real_features: `(n, f)`.

    Raises:
        NotApplicableError: fades cannot be told from real images.

    >>> import torch
    >>> real, fade = torch.eye(3), torch.ones(3, 3)
    >>> walk_kd(fade, fade, real)
    1.0
    """
    return _relative(midpoint_features, real_features, kernel_distance(real_features, fade_features))


def _relative(midpoint_features: Tensor, real_features: Tensor, fade: float) -> float:
    """Return the distance of midpoints from real images, relative to that of fades."""
    if fade < ROUNDING:
        raise NotApplicableError("fades between these images cannot be told from real ones")
    return kernel_distance(real_features, midpoint_features) / fade


def _kernel_distance(real_features: Tensor, fade_features: Tensor) -> Tensor:
    return torch.tensor([kernel_distance(real_features, fade_features)], dtype=torch.float64)


def class_switches(classes_along: Tensor) -> float:
    """Mean number of changes of the predicted class along paths, from 0 to N - 1; 1 is ideal between two classes.

    Source: ours; it counts what interpolations are meant to show since Goodfellow 2014.

    Traps: no better direction, since a pixel fade wins (digits: fade 1.30, PCA of 8 dimensions 1.46, an
    autoencoder of 16 1.40): read it beside `walk_kd`. Below 1 where a model draws both ends as one class.

    Args:
        classes_along: predicted class numbers `(points, m)`, or `(points,)` along a single path.

    Raises:
        ValueError: another shape, no path, or fewer than two points.

    >>> import torch
    >>> class_switches(torch.tensor([[0, 3], [0, 7], [1, 3]]))
    1.5
    """
    if classes_along.ndim not in (1, 2) or len(classes_along) < 2 or not classes_along.numel():
        raise ValueError(f"classes must be (points, m) with two points or more, got {tuple(classes_along.shape)}")
    changes = classes_along[1:] != classes_along[:-1]
    return float(changes.sum(0).double().mean())


class WalkRealism(Metric):
    """For at most 1000 pairs of test items of different classes, against at most 2000 test images."""

    scores: ClassVar[Mapping[str, Score]] = {
        "walk_kd": Score(
            "down",
            purpose="walk",
            headline=True,
            floor=1.0,
            ceiling="pixels",
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "labels", "train", "decoder")
    version: ClassVar[int] = 3
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    tolerance: ClassVar[float] = 0.01  # features are float32
    min_items: ClassVar[int] = 100

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the ratio."""
        starts, ends = _crossing_pairs(space, CROSSING_PAIRS)
        images = space.inputs
        midpoints = space.decode((space.codes[starts] + space.codes[ends]) / 2)
        real = known_features(space, images[some_rows(len(images), REAL, seed=1)])
        fades = known_features(space, (images[starts] + images[ends]) / 2)
        fade = once(space, _kernel_distance, real, fades, shape=(1,), dtype=np.float64)
        return {"walk_kd": _relative(in_domain_features(space)(midpoints), real, float(fade[0]))}


class ClassSwitches(Metric):
    """Counted along 128 straight paths, with the classes that an in-domain classifier predicts."""

    scores: ClassVar[Mapping[str, Score]] = {
        "class_switches": Score(
            "none",
            purpose="walk",
            range=(0, POINTS - 1),
            floor="random_projection",
            ceiling="pixels",
        ),
    }
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "labels", "train", "decoder")
    tier: ClassVar[Tier] = "full"
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    tolerance: ClassVar[float] = 0.02  # an image on the border of two classes may change sides
    min_items: ClassVar[int] = 100

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the number."""
        starts, ends = _crossing_pairs(space, SWITCHING_PAIRS)
        images = decoded_path(space.decode, space.codes[starts], space.codes[ends], POINTS)
        classes = in_domain_classes(space)(images.flatten(0, 1))
        return {"class_switches": class_switches(classes.reshape(POINTS, -1))}


def _crossing_pairs(space: LatentSpace, count: int) -> tuple[Tensor, Tensor]:
    """Return row numbers of starts and ends of different classes."""
    starts, ends = pairs(len(space), count, labels=space.labels)
    if len(starts) < 2:
        raise NotApplicableError("fewer than two pairs of items of different classes")
    return starts, ends
