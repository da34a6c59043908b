"""The strip at the top of a data set: the same test images through every model, and a walk of each."""

from __future__ import annotations

from dataclasses import dataclass

from latentbench.report.page.pictures import Picture, Pictures

__all__ = ["StripRow", "strip_rows"]


@dataclass(frozen=True)
class StripRow:
    """One row of it.

    Attributes:
        label: the model.
        note: which seed is shown.
        images: the test images as it reconstructs them; None for a walk without a model.
        walk: decoded images between two of them; None where it has none.
    """

    label: str
    note: str
    images: Picture | None
    walk: Picture | None


def strip_rows(seen: Pictures) -> list[StripRow]:
    """Return the images themselves with the fade of their pixels, each model, and the transport of the pixels."""
    if not seen.reconstructions or seen.sentence:
        return []
    first, *models = seen.reconstructions
    fade, *others = seen.beside or (None,)
    walks = {picture.label: picture for picture in seen.walks}
    rows = [StripRow("input", f"and its {fade.label}" if fade else "", first, fade)]
    rows += [StripRow(each.label, each.note, each, walks.get(each.label)) for each in models]
    return rows + [StripRow(each.label, "without a model", None, each) for each in others if each]
