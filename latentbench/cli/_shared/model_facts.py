"""What a model's class says of itself: the paragraphs of its docstring, and its traits in words."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentbench.model import GradientModel, Model
from latentbench.params import per_member_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ModelText", "model_facts", "model_text"]

LABELS = {"Source": "source", "Loss": "loss"}  # of paragraphs in docstrings
ENCODES = {
    "amortized": "yes, as a function of the input",
    "optimized": "yes, by fitting a code to each input",
    "none": "no: all items of a split are placed together",
}
DECODES = {"differentiable": "yes", "opaque": "yes, without gradients", "none": "no"}
REFERENCES = {
    "floor": "a reference row, as a floor: it learns nothing of use",
    "yardstick": "a reference row, as a yardstick: a plain method to beat",
    "ceiling": "a reference row, as a ceiling: no compression",
}


@dataclass(frozen=True)
class ModelText:
    """A model's docstring in parts.

    Attributes:
        about: its paragraphs, without those below.
        source: where the method is from, the paragraph that begins with "Source:"; "" without one.
        loss: what training minimizes, the paragraph that begins with "Loss:"; "" without one.
    """

    about: str
    source: str = ""
    loss: str = ""


def model_text(cls: type[Model]) -> ModelText:
    """Take the class's own docstring apart; that of a base says nothing about it."""
    about: list[str] = []
    labelled: dict[str, str] = {}
    for block in inspect.cleandoc(vars(cls).get("__doc__") or "").split("\n\n"):
        label, colon, text = block.partition(":")
        if colon and label in LABELS:
            labelled[LABELS[label]] = " ".join(text.split())
        else:
            about.append(block)
    return ModelText("\n\n".join(about), **labelled)


def model_facts(cls: type[Model]) -> Sequence[tuple[str, str]]:
    """Return where a model is from, its loss, and what it can do, each with its name."""
    text = model_text(cls)
    facts = [
        ("source", text.source),
        ("loss", text.loss),
        ("encodes", ENCODES[cls.encoder]),
        ("decodes", DECODES[cls.decoder]),
        ("new items", _new_items(cls)),
        ("reloads", "no: scored with its trial" if cls.get_state is Model.get_state else "yes"),
        ("in groups", _groups(cls)),
        ("seeds", "one trial, as the seed changes nothing" if cls.deterministic else "several"),
        ("in tables", _role(cls)),
    ]
    return [(name, fact) for name, fact in facts if fact]


def _role(cls: type[Model]) -> str:
    if cls.uses_labels:
        return "an upper bound, trained by labels: never starred"
    alone = "a contender" if cls.encoder != "none" else "shown, not compared: codes of all items together"
    return REFERENCES.get(cls.reference, alone)


def _new_items(cls: type[Model]) -> str:
    if cls.decoder == "none":
        return "none"
    return "from a Gaussian fitted to training codes" if cls.prior is Model.prior else "from its prior"


def _groups(cls: type[Model]) -> str:
    """Say with which trials it is trained at once, or why with none."""
    if not issubclass(cls, GradientModel):
        return "no: it takes no gradient steps"
    if not cls.groupable:
        return "no: it declares that it cannot be stacked"
    differing = ["the seed", *sorted(per_member_fields(cls.Params))]
    return f"yes, with trials that differ in {', '.join(differing)}"
