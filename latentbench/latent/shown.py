"""The inputs of a latent space where not all are needed at once: very many are converted part by part."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from latentbench.latent.arithmetic import rows_of
from latentbench.latent.split_inputs import SplitInputs

__all__ = ["shown_at", "shown_inputs"]


def shown_inputs(space: Any) -> Tensor | SplitInputs:
    """Return the inputs of a LatentSpace, or what converts them as long as nothing has asked for all of them."""
    inputs = space.data.inputs
    in_file = isinstance(inputs, SplitInputs) and inputs.stays_in_file and "inputs" not in vars(space)
    shown: Tensor | SplitInputs = inputs if in_file else space.inputs
    return shown


def shown_at(space: Any, rows: Tensor) -> Tensor | SplitInputs:
    """Return the same of some rows."""
    shown = shown_inputs(space)
    return shown.take(rows) if isinstance(shown, SplitInputs) else rows_of(shown, rows)
