"""What the decoder of one model makes of the codes of another, taken over by a linear map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from latentbench.drawing.drawing import Drawing
from latentbench.drawing.montage import Array, zoomed
from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.sheet_layout import Sheet
from latentbench.errors import NotApplicableError
from latentbench.latent.part import part_of, some_rows
from latentbench.latent.space import LatentSpace

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CodesMap",
    "StitchedRow",
    "StitchedSide",
    "draw_stitched",
    "fitted_map",
    "stitch_numbers",
    "stitch_sheet",
    "stitched_rows",
]

SIDE = 80  # pixels, least shorter side of an image: names of items below 10,000 do not touch
MOST_SCORED = 1000  # test items, the same ones that the pair score stitched_r2 takes
ROUNDING = float(torch.finfo(torch.float32).eps)  # of codes: directions that vary less are not known


@dataclass(frozen=True, eq=False)
class CodesMap:
    """From codes `(n, d)` to codes `(n, e)`: less `origin`, times `weights` `(d, e)`, plus `target`."""

    origin: Tensor
    weights: Tensor
    target: Tensor

    def __call__(self, codes: Tensor) -> Tensor:
        """Return where codes `(n, d)` come to lie, `(n, e)` in float64 on the CPU."""
        return (codes.to("cpu", torch.float64) - self.origin) @ self.weights + self.target


def fitted_map(codes: Tensor, targets: Tensor) -> CodesMap:
    """Return the linear map, with an offset, that takes codes closest to those of another space.

    Where codes leave it open (fewer items than dimensions, dimensions that depend on each other), it is the map of
    the smallest norm, of dimensions scaled to equal variance.

    Args:
        codes: of training items `(m, d)`.
        targets: of the same items in the other space `(m, e)`.

    Raises:
        NotApplicableError: unequal numbers of items.

    >>> codes = torch.tensor([[0.0, 1], [1, 0], [2, 2], [3, 5]])
    >>> fitted_map(codes, 2 * codes + 1)(torch.tensor([[1.0, 1]])).round(decimals=6)
    tensor([[3., 3.]], dtype=torch.float64)
    """
    if len(codes) != len(targets):
        raise NotApplicableError(f"the training splits have {len(codes):,} and {len(targets):,} items")
    known, exact = (part.detach().to("cpu", torch.float64) for part in (codes, targets))
    origin, target = known.mean(0), exact.mean(0)
    moved = known - origin
    width = moved.square().mean(0).sqrt()
    width = torch.where(width > ROUNDING * known.abs().amax(0), width, torch.inf)  # constant: it says nothing
    tolerance = ROUNDING * max(1.0, float((known.abs().amax(0) / width).max()))
    solved = torch.linalg.lstsq(moved / width, exact - target, rcond=tolerance, driver="gelsd").solution
    return CodesMap(origin, solved / width[:, None], target)


@dataclass(frozen=True, eq=False)
class StitchedRow:
    """Items as one model encodes and the same or another one decodes them.

    Attributes:
        encoder: label of the model that encodes.
        decoder: label of the model that decodes.
        seeds: of their trials.
        outputs: pictures `(m, c, h, w)` in [0, 1].
        r2: share of the variance of the test inputs that is kept, over `scored` of them.
        scored: number of test items.
    """

    encoder: str
    decoder: str
    seeds: tuple[int, int]
    outputs: Array
    r2: float
    scored: int

    @property
    def title(self) -> str:
        """What is shown, in words."""
        if self.encoder == self.decoder:
            return f"{self.encoder} by itself"
        return f"{self.encoder} encodes, {self.decoder} decodes"


@dataclass(frozen=True, eq=False)
class StitchedSide:
    """One of two models: its label, the seed of its trial, and its space."""

    label: str
    seed: int
    space: LatentSpace


def stitched_rows(first: StitchedSide, second: StitchedSide, items: Sequence[int]) -> list[StitchedRow]:
    """Return the reconstructions of both models, then what each decodes of the other's codes.

    Args:
        first: a model.
        second: another, whose space holds the same items in the same order.
        items: numbers of the test items that are pictured.

    Raises:
        NotApplicableError: a model has no decoder, or no training split, or its inputs are no pictures.
    """
    for side in (first, second):
        if reason := side.space.missing(("inputs", "decoder", "train")):
            raise NotApplicableError(f"{side.label}: {reason}")
    pairs = [(first, first), (second, second), (first, second), (second, first)]
    return [_row(encoder, decoder, items) for encoder, decoder in pairs]


def _row(encoder: StitchedSide, decoder: StitchedSide, items: Sequence[int]) -> StitchedRow:
    space, other = encoder.space, decoder.space
    scored, shown = part_of(space.arranged, some_rows(len(space), MOST_SCORED)), list(items)
    if encoder is decoder:
        outputs, kept = other.decode(other.codes[shown]), scored.decode(scored.codes)
    else:
        taken = fitted_map(space.train.codes, other.train.codes)
        outputs, kept = (_decoded(other, taken(codes)) for codes in (space.codes[shown], scored.codes))
    pictures = as_pictures(outputs, like=other.inputs[shown])
    seeds = encoder.seed, decoder.seed
    return StitchedRow(encoder.label, decoder.label, seeds, pictures, _kept(scored.inputs, kept), len(scored))


def _decoded(space: LatentSpace, codes: Tensor) -> Tensor:
    return space.decode(codes.to(space.device, space.codes.dtype))


def _kept(inputs: Tensor, outputs: Tensor) -> float:
    """Return 1 - mse / variance of the inputs about their mean."""
    exact = inputs.double()
    variance = float((exact - exact.mean(0)).square().mean())
    if not variance > 0:
        raise NotApplicableError("the inputs do not vary")
    return 1 - float((outputs.double() - exact).square().mean()) / variance


def stitch_sheet(inputs: Array, rows: Sequence[StitchedRow], names: Sequence[str], title: str) -> Sheet:
    """Lay out inputs `(m, c, h, w)` of these names, and below them each row with its r2."""
    words = ["input", *(f"{row.title}: r2 {row.r2:.3f}" for row in rows)]
    images = np.stack([inputs, *(row.outputs for row in rows)])
    return Sheet(zoomed(images, SIDE), words, names, title)


def draw_stitched(inputs: Array, rows: Sequence[StitchedRow], names: Sequence[str], title: str) -> Drawing:
    """Draw inputs `(m, c, h, w)` of these names, and each row below them."""
    return Drawing(stitch_sheet(inputs, rows, names, title), stitch_numbers(rows), title)


def stitch_numbers(rows: Sequence[StitchedRow]) -> pd.DataFrame:
    """Return a line for each row: encoder, decoder, their seeds, r2, and the number of test items it is of."""
    import pandas as pd

    return pd.DataFrame(
        {
            "row": row.title,
            "encoder": row.encoder,
            "encoder_seed": row.seeds[0],
            "decoder": row.decoder,
            "decoder_seed": row.seeds[1],
            "r2": row.r2,
            "items": row.scored,
        }
        for row in rows
    )
