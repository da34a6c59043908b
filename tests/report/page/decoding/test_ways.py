import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from latentbench.latent.transport.images import image_displacement
from latentbench.report.page.decoding import ways
from latentbench.report.page.decoding.ways import geodesics, transports, way_pairs

PAIRS = [(0, 1), (1, 3)]
ROWS = [4, 9, 17, 30]


@pytest.fixture
def space(decoders, space_of):
    return space_of(decoders["pca"], (1, 8, 8))


def paths(data):
    return np.frombuffer(base64.b64decode(data["codes"]), "<f4").reshape(len(PAIRS), data["steps"] + 1, -1)


def test_pairs_are_few_distinct_and_begin_with_the_one_that_the_page_shows_first():
    for count in range(1, 60):
        pairs = way_pairs(count)
        assert len(set(pairs)) == len(pairs) <= 3
        assert all(0 <= first < second < count for first, second in pairs)
        assert pairs[:1] == [(0, -(-(count - 1) // 2))][: count - 1]


def test_the_geodesic_of_a_linear_decoder_is_the_straight_line(space):
    codes = space.codes[ROWS]
    found = paths(geodesics(space, codes, PAIRS, 400))
    for path, (start, end) in zip(found, PAIRS, strict=True):
        straight = torch.lerp(codes[start], codes[end], torch.linspace(0, 1, 9)[:, None]).numpy()
        assert np.allclose(path, straight, atol=1e-3)
        assert (path[[0, -1]] == straight[[0, -1]]).all()


def test_a_geodesic_is_shorter_than_the_line(decoders, space_of):
    space = space_of(decoders["mlp"], (1, 8, 8))
    codes = space.codes[ROWS]

    def energy(path):
        return float(space.decode(torch.as_tensor(path)).flatten(1).diff(dim=0).square().sum())

    for path, (start, end) in zip(paths(geodesics(space, codes, PAIRS, 400)), PAIRS, strict=True):
        line = torch.lerp(codes[start], codes[end], torch.linspace(0, 1, 9)[:, None])
        assert energy(path.copy()) < energy(line)


def test_a_large_decoder_or_one_without_gradients_has_none_and_says_why(space, decoders):
    large = geodesics(space, space.codes[ROWS], PAIRS, 10**9)
    assert large["reason"].startswith("its decoder is too large to search for it while the page is made")
    stiff = space.replaced(decode=decoders["pca"], differentiable=False)
    assert "gradient" in geodesics(stiff, space.codes[ROWS], PAIRS, 400)["reason"]


def test_transports_are_those_of_the_verbs_and_begin_and_end_with_the_images(space):
    data = transports(space, ROWS, PAIRS)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["sheet"].partition(",")[2]))))[..., 0]
    frames = sheet.reshape(len(PAIRS), 8, data["frames"], 8).swapaxes(1, 2)
    for row, pair in zip(frames, PAIRS, strict=True):
        ends = space.inputs[[ROWS[place] for place in pair], 0].numpy() * 255
        assert abs(row[[0, -1]] - ends).max() <= 1
        start, end = space.inputs[[ROWS[place] for place in pair]]
        moved = image_displacement(start, end, torch.linspace(0, 1, data["frames"], dtype=torch.float64))
        assert abs(row - 255 * moved[:, 0].clamp(0, 1).numpy()).max() <= 1


def test_images_without_transport_say_why(space, decoders, space_of, monkeypatch):
    colored = space.replaced(inputs=space.inputs.repeat(1, 3, 1, 1))
    assert transports(colored, ROWS, PAIRS)["reason"].startswith("images must be grey, got 3 channels")
    monkeypatch.setattr(ways, "MOST_LIT", 1)
    assert transports(space, ROWS, PAIRS)["reason"].startswith("these images have more than 1 lit pixels")
    signed = space_of(decoders["pca"], (1, 8, 8), signed=True)
    assert transports(signed, ROWS, PAIRS)["reason"].startswith("signed distances are not light")
