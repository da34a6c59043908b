"""Which trainings take less time on a CPU if several are done together, as one stack of weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

from latentbench.training.budget import Budget

__all__ = ["stacking_pays"]

# A step takes some milliseconds to call its operations, whatever the batch, and a stack's trials share them. What
# there is to compute for each of them takes as long alone as in a stack; above this it takes most of the time.
MOST_NUMBERS = 2**14  # of the inputs of a batch
LEAST_STEPS = 200  # a stack is warmed up first, and its trials end together: not worth it for a second of training


def stacking_pays(budget: Budget, rows: int, shape: Sequence[int]) -> bool:
    """Whether trials with this budget are faster together, on a CPU.

    Args:
        budget: of each of them.
        rows: in the training split, of which the budget may take a part.
        shape: of one input.

    >>> stacking_pays(Budget(epochs=80, batch_size=128), 1294, (1, 8, 8))
    True
    >>> stacking_pays(Budget(epochs=80, batch_size=128), 55_000, (1, 28, 28))
    False
    """
    rows = min(rows, budget.train_limit or rows)
    steps = budget.trained_epochs * math.ceil(rows / budget.batch_size)
    return steps >= LEAST_STEPS and min(rows, budget.batch_size) * math.prod(shape) <= MOST_NUMBERS
