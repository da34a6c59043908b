"""The formats of drawings: one rule for all that is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["MOVING_FORMS", "STILL_FORMS", "USUAL", "Formats", "MovingForm", "StillForm"]

StillForm = Literal["png", "svg", "pdf"]
MovingForm = Literal["webp", "gif"]
STILL_FORMS: tuple[StillForm, ...] = ("png", "svg", "pdf")
MOVING_FORMS: tuple[MovingForm, ...] = ("webp", "gif")


@dataclass(frozen=True)
class Formats:
    """In which formats a drawing is written: its still, and its animation where something moves."""

    stills: tuple[StillForm, ...] = ("png",)
    moving: MovingForm | None = "webp"


USUAL = Formats()
