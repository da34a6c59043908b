"""A drawing: what every verb makes, a still with its numbers and, where something moves, frames; and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentbench.drawing.animation import animation
from latentbench.drawing.encoding import encoded
from latentbench.drawing.formats import USUAL, Formats, StillForm
from latentbench.drawing.montage import Array
from latentbench.drawing.panels import keep_layout
from latentbench.drawing.sheet import draw_sheet
from latentbench.drawing.sheet_layout import Sheet
from latentbench.drawing.style import settings
from latentbench.files.failures import refusal
from latentbench.files.writing import write_atomically

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Drawing", "write_drawing"]


@dataclass(frozen=True, eq=False)
class Drawing:
    """What a verb draws.

    Attributes:
        still: a sheet of images, or a figure.
        numbers: what it was drawn from.
        title: what it shows, in words.
        frames: `(h, w, 3)` uint8 of one size, where something moves.
        milliseconds: how long each frame stands.
        about: written into the descriptions of the files, for example the seed.
        others: ending -> content of other files, for example surfaces.
    """

    still: Sheet | Figure
    numbers: pd.DataFrame
    title: str
    frames: Sequence[Array] = ()
    milliseconds: int = 80
    about: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, bytes] = field(default_factory=dict)
    _encoded: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def figure(self) -> Figure:
        """The still as a figure."""
        return draw_sheet(self.still) if isinstance(self.still, Sheet) else self.still

    def picture(self, form: StillForm) -> bytes:
        """Return the still, text as text in SVG and PDF; the same drawing gives the same bytes.

        The first format decides the layout: to lay a figure out takes as long as to draw it.
        """
        if form not in self._encoded:
            with settings():
                self._encoded[form] = encoded(self.figure, form, self._metadata(form), facecolor="white")
            keep_layout(self.figure)
        return self._encoded[form]

    def files(self, formats: Formats) -> dict[str, bytes]:
        """Return ending -> content: the stills, the animation, the others, the numbers."""
        stills: dict[str, bytes] = {form: self.picture(form) for form in formats.stills}
        moving: dict[str, bytes] = {}
        if len(self.frames) and formats.moving:
            moving = {formats.moving: animation(self.frames, self.milliseconds, formats.moving)}
        return {**stills, **moving, **self.others, "csv": self.numbers.to_csv(index=False).encode()}

    def _metadata(self, form: StillForm) -> dict[str, Any]:
        described = json.dumps(dict(self.about), sort_keys=True)
        named = {"Title": self.title}
        if form == "pdf":
            return {
                **named,
                "Creator": "latentbench",
                "Producer": None,
                "CreationDate": None,
                "Subject": described,
            }
        if form == "svg":
            return {**named, "Creator": "latentbench", "Date": None, "Description": described}
        return {**named, "Software": None, "Description": described}


def write_drawing(drawing: Drawing, stem: Path, formats: Formats = USUAL) -> list[Path]:
    """Write a drawing as `stem.ENDING`: its stills, its animation, its numbers as CSV; return the paths.

    Raises:
        RequestError: it cannot be written there.
        LatentbenchError: the disk is full or fails.
    """
    contents = drawing.files(formats)
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in contents]
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, contents.values(), strict=True):
            write_atomically(path, content)
    except OSError as error:
        raise refusal(error, f"figures cannot be written to {stem.parent}") from error
    return paths
