"""Tensors as pictures: images as they are, signed distances white inside, 3-D shapes as shaded surfaces."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from latentbench.drawing.bodies import shaded
from latentbench.drawing.montage import Array
from latentbench.errors import NotApplicableError

__all__ = ["as_pictures", "shows_distances"]


STEEPEST = 4  # largest slope of a signed distance per image width: exactly 2 in a scene 2 wide, networks vary
EDGE = 0.03  # of the scene, the width over which a signed distance turns from white to black


def as_pictures(values: Tensor, like: Tensor | None = None) -> Array:
    """Return images `(n, 1 or 3, h, w)` in [0, 1] of inputs or of decoded codes.

    Signed distances are recognized by one channel, values below 0 and no jumps between pixels, and are drawn white
    inside. Those of 3-D shapes `(n, 1, d, h, w)` are drawn as surfaces; see `shaded`.

    Args:
        values: what to draw.
        like: inputs that decide whether `values` are signed distances. Give them with anything decoded: a decoder
            of images may undershoot 0, and one of shapes may give no inside.

    Raises:
        NotApplicableError: the values are not images.
    """
    reference = (values if like is None else like).detach().float().cpu().numpy()
    if values.ndim == 5 and _are_distances(reference):
        return shaded(values)
    if values.ndim != 4 or values.shape[1] not in (1, 3):
        raise NotApplicableError(
            "only images of one or three channels and signed distances in space can be drawn, these items have "
            f"shape {tuple(values.shape[1:])}"
        )
    pixels = values.detach().float().cpu().numpy()
    return 1 / (1 + np.exp(np.clip(pixels / EDGE, -30, 30))) if _are_distances(reference) else pixels.clip(0, 1)


def shows_distances(values: Tensor) -> bool:
    """Whether values `(n, 1, ...)` are signed distances."""
    return values.ndim > 2 and _are_distances(values.detach().float().cpu().numpy())


def _are_distances(values: Array) -> bool:
    if values.shape[1] != 1 or not values.size or float(values.min()) >= 0:
        return False
    jumps = [np.abs(np.diff(values, axis=axis)).max(initial=0) for axis in range(2, values.ndim)]
    return bool(max(jumps) <= STEEPEST / min(values.shape[2:]))
