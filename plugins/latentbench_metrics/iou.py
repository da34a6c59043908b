"""How much decoded shapes overlap the true ones, for shapes given as signed distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score
from latentbench_metrics._shared.item_errors import item_mean, per_item

__all__ = ["IntersectionOverUnion", "iou", "iou_per_shape"]

DIMS = (4, 5)  # of inputs (n, 1, h, w) or (n, 1, d, h, w)


def iou(inputs: Tensor, reconstructions: Tensor) -> float:
    """Intersection over union of the insides of shapes, mean over shapes; higher is better.

    In [0, 1]: 1 where the same grid points lie inside both, 0 where none does. Inside is where the signed distance
    is below 0.

    Source: Jaccard 1901; for occupied voxels Choy et al. 2016, "3D-R2N2".

    Traps: thin parts have little area but are easily seen, and one pixel around a thin leg is half of it;
    distances away from the surface do not count. Grids of different sizes give different values.

    Args:
        inputs: signed distances, negative inside `(n, *shape)`.
        reconstructions: likewise.

    Raises:
        ValueError: unequal shapes.

    >>> iou(torch.tensor([[-1.0, -1.0, 1.0, 1.0]]), torch.tensor([[1.0, -1.0, -1.0, 1.0]])) == 1 / 3
    True
    """
    return item_mean(iou_per_shape(inputs, reconstructions))


def iou_per_shape(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    """Intersection over union of each shape in float64, `(n,)`; 1 where both are empty."""
    return per_item(_overlap, inputs, reconstructions)


def _overlap(inputs: Tensor, reconstructions: Tensor) -> Tensor:
    true, decoded = inputs.flatten(1) < 0, reconstructions.flatten(1) < 0
    union = (true | decoded).sum(1).double()
    return torch.where(union > 0, (true & decoded).sum(1) / union.clamp_min(1), 1)


class IntersectionOverUnion(Metric):
    """For shapes given as signed distances; inside is where the distance is negative."""

    scores: ClassVar[Mapping[str, Score]] = {
        "iou": Score(
            "up",
            purpose="keep",
            range=(0, 1),
            floor="random_projection",
            ceiling="pixels",
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "decoder")
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")
    tolerance: ClassVar[float] = 0.002  # a distance of all but 0 may change its sign

    def compute(self, space: LatentSpace) -> Mapping[str, Tensor]:
        """Return the overlap of each shape.

        Raises:
            NotApplicableError: the inputs are no signed distances: not grids of one channel, or one of them is
                nowhere negative or nowhere positive.
        """
        inputs = space.inputs
        if inputs.ndim not in DIMS or inputs.shape[1] != 1:
            raise NotApplicableError(f"inputs of shape {tuple(inputs.shape[1:])} are no grids of signed distances")
        flat = inputs.flatten(1)
        if not ((flat.amin(1) < 0) & (flat.amax(1) > 0)).all():
            raise NotApplicableError("inputs are no signed distances: not every one has both signs")
        return {"iou": iou_per_shape(inputs, space.reconstructions)}
