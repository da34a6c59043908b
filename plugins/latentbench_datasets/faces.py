"""Drawn faces whose every feature is a known factor, so that every edit has a true answer."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from latentbench_datasets._drawn.face_parts import paint_face
from latentbench_datasets._drawn.factor_design import FactorRange
from latentbench_datasets._drawn.factor_pictures import Columns, FactorPictures

__all__ = ["Faces"]

CLASSES = (
    "plain face", "glasses", "hat", "glasses+hat", "beard", "glasses+beard", "hat+beard", "glasses+hat+beard"
)  # fmt: skip
MOST_PIXELS = 4_000_000_000


class Faces(FactorPictures):
    """Cartoon faces in color, 64x64, with 16 continuous and 3 binary factors, drawn on demand.

    x and y shift the face right and down, in 64ths of the side; tilt turns it counterclockwise, in degrees. smile
    runs from -1 (mouth down) to 1, brow_angle from -1 (inner ends up) to 1. The rest runs from 0 to 1: face_width,
    face_height, skin and hair_tone (dark to light), eye_distance, eye_size, eye_openness, mouth_openness,
    mouth_width, hair_length and background (blue to yellow). glasses, hat and beard are 0 or 1; the label is
    glasses + 2 hat + 4 beard, 8 classes that are equally frequent unless a correlation or holdout is asked for.
    Factors are independent and even over their range, but as `correlation` and `holdout` say in train and
    validation; the test split always has all of them. Edges are smooth, so a picture changes smoothly with every
    continuous factor, and only where its feature is.
    """

    class Params(FactorPictures.Params):
        """How many faces, how large, and which."""

        factors: ClassVar = (
            FactorRange("x", -3.0, 3.0),
            FactorRange("y", -3.0, 3.0),
            FactorRange("tilt", -15.0, 15.0),
            FactorRange("face_width"),
            FactorRange("face_height"),
            FactorRange("skin"),
            FactorRange("eye_distance"),
            FactorRange("eye_size"),
            FactorRange("eye_openness"),
            FactorRange("brow_angle", -1.0),
            FactorRange("smile", -1.0),
            FactorRange("mouth_openness"),
            FactorRange("mouth_width"),
            FactorRange("hair_length"),
            FactorRange("hair_tone"),
            FactorRange("background"),
            FactorRange("glasses", size=2),
            FactorRange("hat", size=2),
            FactorRange("beard", size=2),
        )
        size: int = Field(default=64, ge=32, le=256, description="height and width of the pictures")

        @model_validator(mode="after")
        def _fits_memory(self) -> Faces.Params:
            pixels = (self.train + self.test) * self.size**2
            if pixels > MOST_PIXELS:
                raise ValueError(
                    f"size, train and test must make at most {MOST_PIXELS:,} pixels together, they make {pixels:,}"
                )
            return self

    params: Params
    title = "faces"
    class_names = CLASSES
    channels = 3

    def _side(self) -> int:
        return self.params.size

    def _paint(self, pixels: npt.NDArray[np.float32], columns: Columns) -> None:
        paint_face(pixels, columns)

    def _label(self, columns: dict[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.int64]:
        return (columns["glasses"] + 2 * columns["hat"] + 4 * columns["beard"]).astype(np.int64)
