"""Drawn shoes and clothes whose shape is known in numbers: a sandal turns into a boot along a straight line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from latentbench_datasets._drawn.factor_design import FactorRange
from latentbench_datasets._drawn.factor_pictures import Columns, FactorPictures
from latentbench_datasets._drawn.garment_parts import SIDE, paint_clothes, paint_shoes

__all__ = ["CLASSES", "PROTOTYPES", "Garments"]

CLASSES = ("sandal", "shoe", "ankle boot", "T-shirt", "pullover", "dress")
PROTOTYPES: Mapping[str, tuple[float, ...]] = {
    "sandal": (0.0, 0.1, 0.7, 1.0, 0.1, 0.3, 0.7),
    "shoe": (0.0, 0.1, 0.8, 0.0, 0.3, 0.2, 0.7),
    "ankle boot": (0.0, 0.9, 0.7, 0.0, 0.5, 0.4, 0.7),
    "T-shirt": (1.0, 0.1, 0.7, 0.3, 0.1, 0.0, 0.7),
    "pullover": (1.0, 0.2, 0.7, 0.1, 0.9, 0.0, 0.7),
    "dress": (1.0, 0.9, 0.1, 0.6, 0.0, 0.6, 0.7),
}


class Garments(FactorPictures):
    """Shoes and clothes in the look of Fashion-MNIST, 28x28 grey on black, with 7 known factors.

    kind is 0 for shoes (sandal, shoe, ankle boot) and 1 for clothes (shirt, dress). The six others run from 0 to 1
    and shape both kinds, so that none is ever without effect; what they do differs:

    ========== ================================ =================================
    factor     shoes                            clothes
    ========== ================================ =================================
    height     of the shaft, shoe to boot       length of the body, shirt to dress
    width      length of the toe                of the body
    openness   closed upper to straps           depth of the neckline
    reach      height of the heel               length of the sleeves
    flare      thickness of the sole            widening towards the hem
    brightness of the material                  of the material
    ========== ================================ =================================

    The label is the class: 0 sandal (openness at least 0.5), else 1 shoe or 2 ankle boot (height at least 0.5);
    5 dress (height at least 0.5), else 3 T-shirt or 4 pullover (reach at least 0.5). Sandals and dresses are a
    quarter each, the others an eighth, unless a correlation or holdout is asked for, which hold in train and
    validation only. `PROTOTYPES` has a typical example of each class: between two of a kind every point of the
    straight line is a garment, too, and `render` draws it.
    """

    class Params(FactorPictures.Params):
        """How many garments, and which."""

        factors: ClassVar = (
            FactorRange("kind", size=2),
            FactorRange("height"),
            FactorRange("width"),
            FactorRange("openness"),
            FactorRange("reach"),
            FactorRange("flare"),
            FactorRange("brightness"),
        )

    params: Params
    title = "garments"
    class_names = CLASSES
    channels = 1

    def _side(self) -> int:
        return SIDE

    def _paint(self, pixels: npt.NDArray[np.float32], columns: Columns) -> None:
        clothes = columns["kind"][:, 0, 0] == 1
        for chosen, paint in ((~clothes, paint_shoes), (clothes, paint_clothes)):
            if chosen.any():
                part = pixels[chosen]
                paint(part, {name: column[chosen] for name, column in columns.items()})
                pixels[chosen] = part

    def _label(self, columns: dict[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.int64]:
        high, long = columns["height"] >= 0.5, columns["reach"] >= 0.5
        shoe = np.where(columns["openness"] >= 0.5, 0, np.where(high, 2, 1))
        clothes = np.where(high, 5, np.where(long, 4, 3))
        return np.where(columns["kind"] == 1, clothes, shoe).astype(np.int64)
