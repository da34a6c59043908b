"""The shape of the cloud of codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from latentbench import LatentSpace, Metric, Score

__all__ = ["ActiveUnits", "active_units"]

ACTIVE = 0.01


def active_units(codes: Tensor) -> int:
    """Number of dimensions whose variance over the data is more than 0.01 (Burda 2016, section 5.2).

    Meant for posterior means under a standard normal prior; of other codes it depends on their scale.

    Args:
        codes: `(n, d)`.

    >>> import torch
    >>> active_units(torch.tensor([[0.0, 5.0], [1.0, 5.0]]))
    1
    """
    return int((codes.double().var(0) > ACTIVE).sum())


class ActiveUnits(Metric):
    """Dimensions of the code that say something about the input."""

    scores: ClassVar[Mapping[str, Score]] = {
        "active_units": Score("none", "dimensions with variance over 0.01", "use", True, (0, float("inf"))),
    }
    invariances: ClassVar[tuple[str, ...]] = ("shift",)

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the count."""
        return {"active_units": float(active_units(space.codes))}
