"""What the page needs to decode a place on a map: the codes of the items, and the plane of their PCA map."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentbench.drawing.pictures import as_pictures
from latentbench.latent.maps.inverse import PlaneInverse
from latentbench.latent.space import LatentSpace
from latentbench.report.page.embedding import base64_floats
from latentbench.report.page.packing import ColumnKind, packed_columns, rounded_columns

__all__ = ["map_codes"]

MOST_EXACT = 500_000  # numbers of a space that take two bytes each in the page; beyond, one
TRIED = 8  # items of which both codes are decoded

Array = NDArray[Any]


def map_codes(space: LatentSpace, rows: Array) -> dict[str, Any]:
    """Return for JSON the codes of these items, and what turns a place on their PCA map into a code.

    Codes are rounded to steps of each dimension's range: 65,535 steps, or 255 where there are many numbers.
    `rounding` is the largest change of a pixel in [0, 1] that this makes in the pictures of eight items.

    Args:
        space: a latent space with inputs and a decoder.
        rows: of the items `(m,)`.
    """
    codes = space.codes[rows].cpu().numpy()
    kind: ColumnKind = "u2" if codes.size <= MOST_EXACT else "u1"
    plane = PlaneInverse(codes)
    return {
        "codes": packed_columns(codes, kind),
        "plane": {"center": base64_floats(plane.center), "axes": base64_floats(plane.axes)},
        "rounding": _rounding(space, codes, kind),
    }


def _rounding(space: LatentSpace, codes: Array, kind: ColumnKind) -> float:
    tried = np.linspace(0, len(codes) - 1, min(TRIED, len(codes))).round().astype(int)
    both = [codes[tried], rounded_columns(codes, kind)[tried]]
    exact, rounded = (
        as_pictures(space.decode(torch.from_numpy(each).to(space.codes)), like=space.inputs) for each in both
    )
    return float(np.abs(exact - rounded).max())
