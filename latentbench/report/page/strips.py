"""The strip at the top of a data set: the same test images through every model, and a walk of each."""

from __future__ import annotations

from dataclasses import dataclass

from latentbench.report.page.pictures import Picture, Pictures

__all__ = ["StripRow", "strip_rows"]

BESIDE = 2  # walks without a model: pixel fade and optimal transport


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
    beside, walks = seen.walks[:BESIDE], {picture.label: picture for picture in seen.walks[BESIDE:]}
    rows = [StripRow("input", "and its pixel fade" if beside else "", first, beside[0] if beside else None)]
    rows += [StripRow(each.label, each.note, each, walks.get(each.label)) for each in models]
    return rows + [StripRow(each.label, "without a model", None, each) for each in beside[1:]]
