"""`latentbench edit`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.formats import format_options
from latentbench.cli._shared.naming import other_choices
from latentbench.cli._shared.options import TEXT
from latentbench.cli._shared.selection import (
    Selection,
    applicable,
    check_items,
    figure_stem,
    items_option,
    selection_options,
)
from latentbench.errors import RequestError
from latentbench.terminal.output import echo_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latentbench.drawing.formats import Formats
    from latentbench.explore.edit import Change, PlannedEdit
    from latentbench.latent.space import LatentSpace

__all__ = ["command"]

HOW = ("balanced_means", "mean_difference", "probe_normal", "paired")


@click.command("edit")
@selection_options()
@click.option(
    "--attribute", "-a", required=True, type=TEXT, metavar="NAME=STEPS", help="First change, for example smile=+1."
)
@click.option("--then", multiple=True, type=TEXT, metavar="NAME=STEPS", help="Next change; may be repeated.")
@items_option("Test items to edit; default: the first four that the first change applies to.")
@click.option(
    "--how", type=click.Choice(HOW), default=HOW[0], show_default=True, help="How directions are estimated."
)
@click.option(
    "--lock",
    multiple=True,
    type=TEXT,
    metavar="NAME",
    help="Attribute to hold: its direction is projected out of all others.",
)
@click.option(
    "--strength",
    default="auto",
    type=TEXT,
    metavar="NUMBER",
    help="Factor of all changes; default: chosen on the validation split.",
)
@click.option("--reencode", is_flag=True, help="Start each step from the code of the previous step's image.")
@format_options()
def command(
    selection: Selection,
    attribute: str,
    then: tuple[str, ...],
    items: list[int] | None,
    how: Any,
    lock: tuple[str, ...],
    strength: str,
    reencode: bool,
    formats: Formats,
) -> None:
    """Change attributes of test items of the run folder RUN one after another, and draw every step.

    NAME is a factor, or a pair of classes as 'label:5->9' (in quotes, or label:5-9), by number or by name. STEPS
    is +1 when omitted. A factor with two values goes to the higher (+) or lower (-) one, any other by STEPS
    standard deviations within its range; a pair of classes goes to the second class (+) or back (-). Where items
    can be drawn from factors, the strength is the best one on the validation split, and the true image is drawn
    below each step; elsewhere it is 1, the gap between the means.

    Writes a picture, and its numbers as CSV.
    """
    from latentbench.drawing.drawing import write_drawing
    from latentbench.explore.edit import draw_edits, edited_by_default, plan_edits

    changes, amount = [_change(text) for text in (attribute, *then)], _strength(strength)
    selected = selection.open("edit")
    rows = check_items(selected.space, items or [])
    _check_drawn(selected.space, how, changes)
    with applicable(selected):
        edits = plan_edits(selected.space, changes, how, amount, lock)
        rows = rows or edited_by_default(selected.space, edits[0])
        if not rows:
            raise RequestError(f"{edits[0]} changes no test item; choose items with --items")
        title = f"{selected.name}: {_described(edits, how, amount)}{'; each step re-encoded' if reencode else ''}"
        drawing = draw_edits(selected.space, rows, edits, title, reencode=reencode)
    about = {
        **selected.about,
        **selected.items_about(rows),
        "edits": [str(edit) for edit in edits],
        "how": how,
        "reencode": reencode,
    }
    stem = figure_stem(selected, ",".join(map(str, changes)), *other_choices("attribute", "then"))
    echo_paths(write_drawing(replace(drawing, about=about), stem, formats))


def _change(text: str) -> Change:
    """Read NAME=STEPS.

    Raises:
        RequestError: no name, or steps that are 0 or no number.
    """
    from latentbench.explore.edit import Change

    name, equals, steps = text.rpartition("=")
    if not equals or (text.startswith("label:") and _number(steps) is None):  # a class may be called a=b
        name, equals, steps = text, "", ""
    number = _number(steps) if equals else 1.0
    if not name or not number:
        raise RequestError(f"a change is NAME=STEPS as in smile=+1, with steps other than 0, got {text!r}")
    return Change(name, number)


def _strength(text: str) -> float | None:
    """Read "auto" as None.

    Raises:
        RequestError: the text is neither auto nor a number.
    """
    number = _number(text)
    if text != "auto" and number is None:
        raise RequestError(f"--strength must be auto or a number, got {text!r}")
    return number


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text) else None


def _check_drawn(space: LatentSpace, how: str, changes: Sequence[Change]) -> None:
    """Raise RequestError if pairs of items are requested that cannot be drawn."""
    classes = [change.attribute for change in changes if change.attribute.startswith("label:")]
    if how == "paired" and (classes or "render" not in space.supplies):
        what = f"{classes[0]} is not a factor" if classes else "this data set cannot draw items"
        raise RequestError(
            f"--how paired needs items drawn with one factor changed, but {what}; choose another --how"
        )


def _described(edits: Sequence[PlannedEdit], how: str, strength: float | None) -> str:
    """Return the edits, how their directions were found, and how strong they are, in words."""
    first, *others = edits
    parts = [f"{first.words} (strength {first.strength_words})"]
    parts += [f"{edit.words} ({edit.strength_words})" for edit in others]
    by = (
        "chosen on the validation split"
        if all(edit.chosen for edit in edits)
        else "of 1: the gap between the means"
    )
    by = by if strength is None else "as given"
    return f"{', '.join(parts)}; directions by {how.replace('_', ' ')}, strengths {by}"
