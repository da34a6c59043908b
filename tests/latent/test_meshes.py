from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from latentbench.errors import RequestError
from latentbench.latent.meshes import as_obj, decoded_meshes, surface, surfaces

CENTER = np.array([0.2, -0.1, 0.3])  # x, y up, z to the front


def balls(radii, size=32):
    """Distances from spheres about CENTER, as furniture lays them out: depth, rows down, columns."""
    along = (2 * torch.arange(size) + 1) / size - 1
    z, down, x = torch.meshgrid(along, along, along, indexing="ij")
    far = ((x - CENTER[0]) ** 2 + (-down - CENTER[1]) ** 2 + (z - CENTER[2]) ** 2).sqrt()
    return far[None, None] - radii[:, :, None, None, None]


def volume(mesh):
    """Positive where faces are counterclockwise as seen from outside."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(float) - CENTER for corner in range(3))
    return (a * np.cross(b, c)).sum() / 6


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_the_surface_of_a_ball_is_a_sphere_seen_from_outside(level):
    radii = torch.tensor([[0.4], [0.55]])
    for mesh, radius in zip(
        decoded_meshes(balls, radii, level=level), (radii[:, 0] + level).tolist(), strict=True
    ):
        assert mesh.vertices.dtype == np.float32
        assert mesh.faces.dtype == np.int64
        np.testing.assert_allclose(np.linalg.norm(mesh.vertices - CENTER, axis=1), radius, atol=0.004)
        edges = np.unique(np.sort(mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)), axis=0)
        assert len(mesh.vertices) - len(edges) + len(mesh.faces) == 2  # closed and of one piece
        assert volume(mesh) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.02)


def test_a_grid_without_a_surface_gives_an_empty_mesh():
    mesh = surface(np.ones((4, 4, 4), np.float32))
    assert mesh.vertices.shape == mesh.faces.shape == (0, 3)


def test_surfaces_of_many_grids_are_those_of_each():
    grids = balls(torch.tensor([[0.4], [0.55], [-1.0]]))
    for mesh, grid in zip(surfaces(grids, level=0.05), grids, strict=True):
        alone = surface(grid[0].numpy(), level=0.05)
        np.testing.assert_array_equal(mesh.vertices, alone.vertices)
        np.testing.assert_array_equal(mesh.faces, alone.faces)


def test_an_obj_file_holds_every_mesh_with_faces_that_count_on():
    meshes = surfaces(balls(torch.tensor([[0.4], [-1.0], [0.55]]), 12))
    lines = as_obj(dict(zip("abc", meshes, strict=True))).splitlines()
    starts = [lines.index(f"o {name}") for name in "abc"]
    assert starts[2] - starts[1] == 1  # no surface, no lines
    vertices = np.array([line.split()[1:] for line in lines if line[0] == "v"], float)
    for start, end, mesh in zip(starts, [*starts[1:], len(lines)], meshes, strict=True):
        faces = [line.split()[1:] for line in lines[start:end] if line[0] == "f"]
        assert len(faces) == len(mesh.faces)
        if faces:
            np.testing.assert_allclose(vertices[np.array(faces, int) - 1], mesh.vertices[mesh.faces], atol=1e-5)
    assert {line[0] for line in lines} == {"o", "v", "f"}


def test_only_3d_shapes_have_surfaces():
    with pytest.raises(RequestError, match=r"needs grids of distances .*, got \(1, 1, 8, 8\); decode 3-D shapes"):
        decoded_meshes(lambda codes: codes.new_zeros(len(codes), 1, 8, 8), torch.zeros(2, 3))


def test_without_scikit_image_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(RequestError) as caught:
        surface(balls(torch.tensor([[0.4]]))[0, 0].numpy())
    assert str(caught.value) == "meshes need scikit-image; run pip install 'latentbench[meshes]'"


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (np.zeros((4, 4)), "each at least 2, got shape"),
        (np.zeros((1, 4, 4)), "each at least 2, got shape"),
        (np.full((4, 4, 4), np.nan), "distances must be finite"),
    ],
)
def test_a_grid_that_is_none_is_refused(grid, words):
    with pytest.raises(ValueError, match=words):
        surface(grid)
