"""What unfitted pair metrics share: what they prepare stays in place, and an order says which item is where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from latentbench import PairMetric
from latentbench_metrics.pairs._codes import composed

__all__ = ["OrderedMetric"]


class OrderedMetric(PairMetric):
    """A pair metric whose `prepare` returns a dataclass with `order`: row numbers `(n,)`, or None as they are."""

    def reordered(self, prepared: Any, order: Tensor, train_order: Tensor | None) -> Any:  # noqa: ARG002
        """Note the order; nothing is fitted to training items."""
        return replace(prepared, order=composed(prepared.order, order))
