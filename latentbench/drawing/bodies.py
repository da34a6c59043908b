"""Pictures of 3-D shapes given as signed distances."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["shaded"]

SIDE = 112  # pixels of a picture, large enough to be seen
TURN, TILT = math.radians(35), math.radians(20)  # of the camera to the right and upwards, from the front
REACH = 1.42  # half the width of the view, in halves of the side of the scene: no corner is cut
LIGHT = (0.3, 0.8, 0.52)  # direction (right, up, front) of length 1: no two sides of a box are equally bright
DARKEST = 0.15  # brightness of a surface that the light does not reach; the background is black


def shaded(grids: Tensor) -> NDArray[np.float32]:
    """Draw the surfaces of signed distances `(n, 1, depth, height, width)`: `(n, 1, 112, 112)` in [0, 1].

    Seen from the front, right and above, by parallel projection, light gray on black. The surface is where the
    distances along a ray first fall below 0, interpolated between voxels; it is shaded by its angle to the light.
    Nothing lies beyond the grid. A grid without inside gives a black picture.
    """
    values = grids.detach().float()
    return np.concatenate([_shaded(grid[None]) for grid in values] or [np.zeros((0, 1, SIDE, SIDE), np.float32)])


def _shaded(grid: Tensor) -> NDArray[np.float32]:
    right, up, toward = (part.to(grid) for part in _eye())
    along = ((2 * torch.arange(SIDE) + 1) / SIDE - 1).to(grid) * REACH
    plane = along[:, None] * right - along[:, None, None] * up
    step = 2 / max(grid.shape[2:])
    depths = torch.arange(math.sqrt(3), -math.sqrt(3), -step).to(grid)
    places = plane + depths[:, None, None, None] * toward
    distances = torch.where((places.abs() > 1).any(-1), 1.0, _sampled(grid, places)[0])
    first = (distances < 0).byte().argmax(0).clamp_min(1)  # along a ray, from the camera
    before, behind = (distances.gather(0, (first - less)[None])[0] for less in (1, 0))
    share = (before / (before - behind)).nan_to_num(0, 0, 0)  # rays that hit nothing divide by zero
    depth = depths[first - 1] - step * share
    bright = _brightness(grid, plane + depth[..., None] * toward)
    return torch.where(behind < 0, bright, 0.0)[None, None].cpu().numpy()


def _eye() -> tuple[Tensor, Tensor, Tensor]:
    """Return the directions to the picture's right, its top and the camera, in x, y (up) and z (front)."""
    sin, cos = math.sin(TURN), math.cos(TURN)
    toward = torch.tensor([sin * math.cos(TILT), math.sin(TILT), cos * math.cos(TILT)])
    right = torch.tensor([cos, 0.0, -sin])
    return right, torch.linalg.cross(toward, right), toward


def _sampled(grid: Tensor, places: Tensor) -> Tensor:
    """Return the interpolated values `(c, ...)` of a grid `(1, c, d, h, w)` at places `(..., 3)`."""
    flipped = places * places.new_tensor([1.0, -1.0, 1.0])
    flat = flipped.reshape(1, -1, 1, 1, 3)
    values = grid_sample(grid, flat, mode="bilinear", padding_mode="border", align_corners=False)
    return values.reshape(grid.shape[1], *places.shape[:-1])


def _brightness(grid: Tensor, places: Tensor) -> Tensor:
    """Return the brightness of the surface at places `(h, w, 3)`, by the angle of its normal to the light."""
    back, down, right = torch.gradient(grid[0, 0], spacing=[2 / size for size in grid.shape[2:]])
    slope = _sampled(torch.stack([right, -down, back])[None], places)
    facing = torch.einsum("chw,c->hw", slope, slope.new_tensor(LIGHT)) / slope.norm(dim=0).clamp_min(1e-12)
    bright: Tensor = DARKEST + (1 - DARKEST) * facing.clamp(0, 1)
    return bright
