"""A latent space in a few words, without computing anything of it: for terminals and notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence, Set

import torch
from torch import Tensor

from latentbench.latent.parts import SpaceData
from latentbench.text import counted

__all__ = ["described", "description_html"]

MOST_CLASSES = 12  # whose names are listed
HELD = ("encoder", "decoder", "posterior", "prior", "likelihood", "render", "train", "validation")


def described(data: SpaceData, codes: Tensor | None, supplies: Set[str]) -> dict[str, str]:
    """Return what a space holds: items, codes, inputs, classes, factors, and what else.

    Args:
        data: the data of the space.
        codes: `(n, d)`, or None where they have not been computed yet.
        supplies: what the space has (`LatentSpace.supplies`).
    """
    return dict(_facts(data, codes, supplies))


def _facts(data: SpaceData, codes: Tensor | None, supplies: Set[str]) -> Iterator[tuple[str, str]]:
    parts = (codes, data.labels, data.factors, data.inputs)
    known = next((len(part) for part in parts if isinstance(part, Tensor)), None)
    if known is not None:
        yield "items", f"{known:,}"
    yield "codes", "computed when first used" if codes is None else counted(int(codes.shape[1]), "dimension")
    if isinstance(data.inputs, Tensor):
        yield "inputs", " x ".join(map(str, data.inputs.shape[1:])) or "numbers"
    elif data.inputs is not None:
        yield "inputs", "loaded when first used"
    if data.labels is not None:
        yield "classes", _classes(data.labels, data.class_names)
    if data.factors is not None:
        yield "factors", ", ".join(data.factor_names)
    held = [name for name in HELD if name in supplies]
    yield "also has", ", ".join(held) or "nothing else"


def _classes(labels: Tensor, names: Sequence[str]) -> str:
    """Return how many classes there are, and what they are called."""
    if not names:
        return str(len(torch.unique(labels)))
    listed = ", ".join(names[:MOST_CLASSES])
    return f"{len(names)} ({listed}{', ...' * (len(names) > MOST_CLASSES)})"


def description_html(name: str, facts: Mapping[str, str]) -> str:
    """Return the description as an HTML table under the name of the space."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(fact)}</th>'
        f'<td style="text-align:left">{html.escape(text)}</td></tr>'
        for fact, text in facts.items()
    )
    return f'<table><caption style="text-align:left">{html.escape(name)}</caption><tbody>{rows}</tbody></table>'
