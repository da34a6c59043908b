"""Reconstructions of single items: what `latentbench show` draws and the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.sheet_layout import Sheet
from latentbench.errors import NotApplicableError
from latentbench.latent.space import LatentSpace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Reconstructions", "reconstruction_numbers", "reconstruction_sheet", "reconstructions"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Reconstructions:
    """Some items as a model gives them back.

    Attributes:
        label: of the model.
        seed: of its trial.
        inputs: pictures `(m, c, h, w)` in [0, 1].
        outputs: likewise.
        errors: mean squared error of each item `(m,)`, of what the model sees, not of pictures.
    """

    label: str
    seed: int
    inputs: Array
    outputs: Array
    errors: Array


def reconstructions(space: LatentSpace, rows: Sequence[int], label: str, seed: int) -> Reconstructions:
    """Reconstruct the items of these rows, and no others where the model has an encoder.

    Raises:
        NotApplicableError: no inputs, no reconstructions, or no pictures.
    """
    inputs = space.inputs[list(rows)]
    try:
        codes = space.encode(inputs) if "encoder" in space.supplies else space.codes[list(rows)]
        outputs = space.decode(codes)
    except NotApplicableError:  # reconstructions may have been given as an array
        if "reconstructions" not in space.supplies:
            raise
        outputs = space.reconstructions[list(rows)]
    errors = (outputs - inputs).double().square().flatten(1).mean(1).cpu().numpy()
    return Reconstructions(label, seed, as_pictures(inputs), as_pictures(outputs, like=inputs), errors)


def reconstruction_sheet(found: Sequence[Reconstructions], items: Sequence[int], title: str) -> Sheet:
    """Lay out the inputs, then for each model what it gives and by how much that is off."""
    images, words = [found[0].inputs], ["input"]
    for one in found:
        images += [one.outputs, np.abs(one.outputs - one.inputs)]
        words += [one.label, "difference"]
    return Sheet(np.stack(images), words, [str(item) for item in items], title)


def reconstruction_numbers(found: Sequence[Reconstructions], items: Sequence[int]) -> pd.DataFrame:
    """Return one row a model and item: model, seed, item, mse."""
    import pandas as pd

    return pd.DataFrame(
        {"model": one.label, "seed": one.seed, "item": item, "mse": float(error)}
        for one in found
        for item, error in zip(items, one.errors, strict=True)
    )
