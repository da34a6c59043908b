"""Surfaces of decoded signed distances, as triangles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from latentbench.errors import RequestError
from latentbench.latent.arithmetic import exact_arithmetic

__all__ = ["Mesh", "as_obj", "decoded_meshes", "surface", "surfaces"]


class Mesh(NamedTuple):
    """Triangles in space.

    Attributes:
        vertices: float32 `(v, 3)`: x to the right, y up, z to the front; the grid fills [-1, 1] along each axis.
        faces: int64 `(f, 3)`, rows of `vertices`; counterclockwise as seen from outside.
    """

    vertices: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int64]


def decoded_meshes(decode: Callable[[Tensor], Tensor], codes: Tensor, *, level: float = 0.0) -> list[Mesh]:
    """Return the surface that each code decodes to; see `surface`.

    Args:
        decode: codes `(n, d)` to grids of signed distances `(n, 1, depth, height, width)`, in torch.
        codes: `(n, d)`.
        level: the distance at which the surface lies.

    Raises:
        RequestError: decoded grids have another shape, or scikit-image is not installed.
        ValueError: decoded distances are not finite.
    """
    meshes: list[Mesh] = []
    for code in codes:
        with exact_arithmetic():
            meshes += surfaces(decode(code[None]), level=level)
    return meshes


def surfaces(grids: Tensor, *, level: float = 0.0) -> list[Mesh]:
    """Return the surface of each grid of signed distances `(n, 1, depth, height, width)`; see `surface`.

    Raises:
        RequestError: grids of another shape, or scikit-image is not installed.
    """
    if grids.ndim != 5 or grids.shape[1] != 1 or min(grids.shape[2:]) < 2:
        raise RequestError(
            f"a mesh needs grids of distances (n, 1, depth, height, width), got {tuple(grids.shape)}; decode "
            "3-D shapes, for example those of furniture with dims=3"
        )
    return [surface(grid, level=level) for grid in grids[:, 0].detach().cpu().numpy()]


def surface(grid: npt.NDArray[Any], *, level: float = 0.0) -> Mesh:
    """Return the surface on which the distances in `grid` `(depth, height, width)` equal `level`.

    Distances are interpolated between voxel centers. Rows go down and the first axis goes to the front, as in the
    dataset `furniture`. A grid without a surface gives a mesh without vertices; a surface cut by the border is
    open there.

    Source: marching cubes, Lorensen and Cline 1987, in the version of Lewiner et al. 2003, by scikit-image.

    Raises:
        RequestError: scikit-image is not installed.
        ValueError: the grid is not 3-D with at least two voxels per axis, or its distances are not finite.
    """
    if grid.ndim != 3 or min(grid.shape) < 2:
        raise ValueError(f"grid must be (depth, height, width), each at least 2, got shape {grid.shape}")
    if not np.isfinite(grid).all():
        raise ValueError("distances must be finite, got NaN or infinity")
    if not grid.min() < level < grid.max():
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64))
    places, faces, _, _ = _measure().marching_cubes(np.asarray(grid, np.float32), level)
    scaled = (2 * places + 1) / np.array(grid.shape) - 1
    z, down, x = scaled.T
    return Mesh(np.stack([x, -down, z], axis=1).astype(np.float32), faces.astype(np.int64))


def as_obj(meshes: Mapping[str, Mesh]) -> str:
    """Return the text of a Wavefront OBJ file with each mesh as an object of its name.

    >>> triangle = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]))
    >>> as_obj({"one": triangle, "two": triangle}).splitlines()[5:]
    ['o two', 'v 1 0 0', 'v 0 1 0', 'v 0 0 1', 'f 4 5 6']
    """
    lines: list[str] = []
    first = 1
    for name, mesh in meshes.items():
        lines.append(f"o {name}")
        lines += ["v " + " ".join(f"{value:.6g}" for value in vertex) for vertex in mesh.vertices.tolist()]
        lines += ["f " + " ".join(map(str, face)) for face in (mesh.faces + first).tolist()]
        first += len(mesh.vertices)
    return "\n".join(lines) + "\n"


def _measure() -> ModuleType:
    try:
        from skimage import measure
    except ImportError:
        raise RequestError("meshes need scikit-image; run pip install 'latentbench[meshes]'") from None
    module: ModuleType = measure
    return module
