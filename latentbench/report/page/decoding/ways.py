"""Ways between two items that are too dear for the page: geodesics and optimal transport, for a few pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from latentbench.drawing.montage import data_uri, montage, png_bytes
from latentbench.drawing.pictures import as_pictures, shows_distances
from latentbench.errors import ContractError, NotApplicableError
from latentbench.explore.morph import mixed
from latentbench.explore.ways import TRANSPORT
from latentbench.latent.paths.curves import geodesic
from latentbench.latent.space import LatentSpace
from latentbench.machine import limited_threads
from latentbench.report.page.embedding import base64_floats

__all__ = ["geodesics", "transports", "way_pairs"]

FRAMES = 17  # of a transport
STEPS = 8  # of a geodesic
ITERATIONS = 20  # of L-BFGS at most: on digits they gain 0.97 to 1 of what sixty gain
MOST_PRODUCTS = 20_000_000_000  # of two numbers, for all geodesics of a model: a second or two
MOST_LIT = 1500  # pixels above 0 of an image that is transported: a pair of them takes a second
PASSES = 5  # forward and backward, of each step of L-BFGS


def way_pairs(count: int) -> list[tuple[int, int]]:
    """Return the pairs, as places among `count` items; the first is the one that the page begins with.

    >>> way_pairs(40), way_pairs(2), way_pairs(1)
    ([(0, 20), (10, 29), (20, 39)], [(0, 1)], [])
    """
    last = count - 1
    first, early, middle, late = 0, -(-last // 4), -(-last // 2), last * 3 // 4
    chosen = [(first, middle), (early, late), (middle, last)]
    return [pair for place, pair in enumerate(chosen) if pair[0] < pair[1] and pair not in chosen[:place]]


def transports(space: LatentSpace, rows: Sequence[int], pairs: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return for JSON the pictures of optimal transport, a row of a sheet for each pair, or why there are none."""
    strips = []
    chosen = space.inputs[[rows[place] for pair in pairs for place in pair]]
    if reason := _immovable(chosen):
        return {"sheet": "", "frames": 0, "reason": reason}
    for pair in pairs:
        images = space.inputs[[rows[place] for place in pair]]
        ways, notes = mixed(images, FRAMES)
        moved = next((way.images for way in ways if way.name == TRANSPORT), None)
        if moved is None:
            return {"sheet": "", "frames": 0, "reason": notes[0].partition(": ")[2]}
        strips.append(as_pictures(moved, like=space.inputs))
    sheet = data_uri(png_bytes(montage(np.stack(strips), gap=0)[..., :3])) if strips else ""
    return {"sheet": sheet, "frames": FRAMES, "reason": ""}


def _immovable(images: torch.Tensor) -> str:
    """Return why images are not transported before that is tried, or ""."""
    if len(images) and shows_distances(images):
        return "signed distances are not light, of which there is an amount to move"
    if len(images) and int((images.flatten(1) > 0).sum(1).max()) > MOST_LIT:
        return f"these images have more than {MOST_LIT:,} lit pixels, too many to do it while the page is made"
    return ""


def geodesics(
    space: LatentSpace, codes: torch.Tensor, pairs: Sequence[tuple[int, int]], products: int | None
) -> dict[str, Any]:
    """Return for JSON the codes along the geodesic of each pair, `(pairs, steps + 1, d)`, or why there are none.

    Args:
        space: whose decoder says what is short.
        codes: of the items `(m, d)`.
        pairs: of places among them.
        products: that the decoder computes for one code; None where nobody has counted them.
    """
    reason = space.missing(("decoder_gradient",))
    if products is None:
        reason = "how long its decoder takes is not known; the verb morph draws it"
    elif products * len(pairs) * (STEPS + 1) * ITERATIONS * PASSES > MOST_PRODUCTS:
        reason = "its decoder is too large to search for it while the page is made; the verb morph draws it"
    if reason is None and pairs:
        starts, ends = (codes[[pair[end] for pair in pairs]] for end in (0, 1))
        try:
            with limited_threads(1):  # several wait for each other longer than they work at so little
                found = geodesic(space.decoder, starts, ends, STEPS, iterations=ITERATIONS)
        except (NotApplicableError, ContractError) as error:
            reason = str(error)
        else:
            return {
                "codes": base64_floats(torch.cat([starts[None], found[1:-1], ends[None]]).transpose(0, 1)),
                "steps": STEPS,
                "reason": "",
            }
    return {"codes": "", "steps": 0, "reason": reason or ""}
