import base64

import numpy as np
import pytest
import torch

from latentbench.latent.space import LatentSpace
from latentbench.report.page import map_codes as module
from latentbench.report.page.map_codes import map_codes
from latentbench.report.page.packing import packed_columns, rounded_columns


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def values(packed):
    numbers = np.frombuffer(base64.b64decode(packed["data"]), "<" + packed["kind"]).reshape(-1, packed["dim"])
    return floats(packed["low"]) + floats(packed["step"]) * numbers


@pytest.mark.parametrize(("kind", "steps"), [("u1", 255), ("u2", 65_535)])
def test_columns_come_back_to_half_a_step_of_their_range(kind, steps):
    drawn = np.random.default_rng(0).normal(size=(500, 3)) * [1, 50, 0.01] + [3, 0, 0]
    drawn[:, 2] = 7.0
    read = values(packed_columns(drawn, kind))
    assert (abs(read - drawn).max(0) <= np.ptp(drawn, axis=0) / steps * 0.501 + 2e-5).all()
    assert np.allclose(read, rounded_columns(drawn, kind), atol=1e-4)
    assert packed_columns(drawn, kind)["dim"] == 3


@pytest.fixture
def space():
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(40, 3, generator=generator)
    weights = torch.rand(3, 64, generator=generator)
    return LatentSpace.from_arrays(
        codes=codes,
        inputs=torch.rand(40, 1, 8, 8, generator=generator),
        decode=lambda z: (0.5 + (z @ weights) / 20).reshape(-1, 1, 8, 8),
    )


def test_a_place_on_the_plane_becomes_its_code(space):
    rows = np.arange(40)
    content = map_codes(space, rows)
    center, axes = floats(content["plane"]["center"]), floats(content["plane"]["axes"]).reshape(2, 3)
    codes = space.codes.numpy()
    assert np.allclose(center, codes.mean(0), atol=1e-6)
    assert np.allclose(axes @ axes.T, np.eye(2), atol=1e-5)
    assert content["rounding"] < 1e-4


def test_many_codes_take_one_byte_each_and_the_page_names_what_that_changes(space, monkeypatch):
    monkeypatch.setattr(module, "MOST_EXACT", 100)
    content = map_codes(space, np.arange(40))
    assert content["codes"]["kind"] == "u1"
    rounded = torch.from_numpy(rounded_columns(space.codes.numpy(), "u1")).float()
    changes = (space.decode(rounded) - space.decode(space.codes)).abs().flatten(1).max(1).values
    assert 0 < content["rounding"] <= float(changes.max()) + 1e-6
