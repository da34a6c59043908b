"""Pictures of bodies in space that are given as signed distances."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["shaded"]

SIDE = 112  # pixels of a picture, which need not be enlarged to be seen
TURN, TILT = math.radians(35), math.radians(20)  # of the eye to the right and upwards, from the front
REACH = 1.42  # half of what is seen, in units of half the side of the scene: no corner of it is cut
LIGHT = (0.3, 0.8, 0.52)  # to the right, up and to the front, of length 1: no two sides of a box are as bright
DARKEST = 0.15  # a surface that the light does not reach, on black


def shaded(grids: Tensor) -> NDArray[np.float32]:
    """Draw the surfaces of signed distances `(n, 1, depth, height, width)`: `(n, 1, 112, 112)` in [0, 1].

    Seen from the front, the right and above, in parallel rays, light grey on black. A surface is where distances
    along a ray fall below 0 first, between the centers of voxels, and as bright as the light falls straight on it;
    beyond the grid there is nothing. A grid without inside gives a black picture.
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
    first = (distances < 0).byte().argmax(0).clamp_min(1)  # along a ray, from the eye
    before, behind = (distances.gather(0, (first - less)[None])[0] for less in (1, 0))
    share = (before / (before - behind)).nan_to_num(0, 0, 0)  # rays that meet nothing divide by nothing
    depth = depths[first - 1] - step * share
    bright = _brightness(grid, plane + depth[..., None] * toward)
    return torch.where(behind < 0, bright, 0.0)[None, None].cpu().numpy()


def _eye() -> tuple[Tensor, Tensor, Tensor]:
    """Return where the picture's right, its up and the eye are, in x, y (up) and z (front)."""
    sin, cos = math.sin(TURN), math.cos(TURN)
    toward = torch.tensor([sin * math.cos(TILT), math.sin(TILT), cos * math.cos(TILT)])
    right = torch.tensor([cos, 0.0, -sin])
    return right, torch.linalg.cross(toward, right), toward


def _sampled(grid: Tensor, places: Tensor) -> Tensor:
    """Return what a grid `(1, c, d, h, w)` has at places `(..., 3)`, between its voxels: `(c, ...)`."""
    flipped = places * places.new_tensor([1.0, -1.0, 1.0])
    flat = flipped.reshape(1, -1, 1, 1, 3)
    values = grid_sample(grid, flat, mode="bilinear", padding_mode="border", align_corners=False)
    return values.reshape(grid.shape[1], *places.shape[:-1])


def _brightness(grid: Tensor, places: Tensor) -> Tensor:
    """Return how bright the surface is at places `(h, w, 3)`: by the angle of its slope and the light."""
    back, down, right = torch.gradient(grid[0, 0], spacing=[2 / size for size in grid.shape[2:]])
    slope = _sampled(torch.stack([right, -down, back])[None], places)
    facing = torch.einsum("chw,c->hw", slope, slope.new_tensor(LIGHT)) / slope.norm(dim=0).clamp_min(1e-12)
    bright: Tensor = DARKEST + (1 - DARKEST) * facing.clamp(0, 1)
    return bright
