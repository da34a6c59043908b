import base64

import numpy as np
import pytest
import torch

from latentbench.drawing.pictures import EDGE
from latentbench.errors import NotApplicableError
from latentbench.latent.space import LatentSpace
from latentbench.report.page.decoding import exported
from latentbench.report.page.decoding.exported import exported_decoder


def space_with(decode, shape=(1, 4, 4), dim=3):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(12, *shape, generator=generator)
    return LatentSpace.from_arrays(codes=torch.randn(12, dim, generator=generator), inputs=inputs, decode=decode)


def weighted(scale=1.0, offset=0.0):
    weights = torch.linspace(-1, 1, 48).reshape(3, 16)
    return lambda codes: ((codes @ weights) * scale + offset).sigmoid().reshape(-1, 1, 4, 4)


def by_sign(codes):
    parts = [weighted()(code) if code[0, 0] > 0 else 1 - weighted()(code) for code in codes.split(1)]
    return torch.cat(parts)


def test_a_decoder_comes_with_pictures_to_compare_with(decoders, space_of):
    space = space_of(decoders["ae on digits"], (1, 8, 8))
    data = exported_decoder(space, space.codes)
    assert data["program"]["precision"] == "float16"
    assert data["difference"] < 2e-3
    assert data["edge"] == 0
    codes = np.frombuffer(base64.b64decode(data["golden"]["codes"]), "<f4").reshape(4, -1)
    pictures = np.frombuffer(base64.b64decode(data["golden"]["pictures"]), "<u2").reshape(4, 1, 8, 8)
    expected = space.decode(torch.from_numpy(codes.copy())).numpy()
    np.testing.assert_allclose(pictures / 65535, expected, atol=1e-5)


def test_signed_distances_are_drawn_in_the_page(decoders, space_of):
    space = space_of(decoders["deepsdf on 64 x 64"], (1, 64, 64), signed=True)
    data = exported_decoder(space, space.codes[:8])
    assert data["edge"] == EDGE


def test_weights_have_32_bits_where_16_would_be_seen():
    plain = space_with(weighted())
    assert exported_decoder(plain, plain.codes)["program"]["precision"] == "float16"
    decode = lambda codes: (codes @ torch.full((3, 16), 1e5) / 1e5).sigmoid().reshape(-1, 1, 4, 4)  # noqa: E731
    space = space_with(decode)
    assert exported_decoder(space, space.codes)["program"]["precision"] == "float32"


@pytest.mark.parametrize(
    ("decode", "reason"),
    [
        (by_sign, "something else"),
        (lambda codes: weighted()(codes + torch.randn(1, 3)), "something else"),
        (lambda codes: weighted()(codes).erf(), "computes erf, which the page does not know"),
    ],
)
def test_what_depends_on_more_than_operations_is_refused(decode, reason):
    space = space_with(decode)
    with pytest.raises(NotApplicableError, match=reason):
        exported_decoder(space, space.codes)


def test_bodies_are_refused():
    space = space_with(lambda codes: codes[:, :1, None, None].expand(-1, 1, 4, 4).unsqueeze(2), (1, 1, 4, 4))
    with pytest.raises(NotApplicableError, match="bodies in space"):
        exported_decoder(space, space.codes)


def test_a_decoder_that_is_too_large_or_too_slow_is_refused(monkeypatch):
    space = space_with(weighted())
    monkeypatch.setattr(exported, "MOST_TEXT", 100)
    with pytest.raises(NotApplicableError, match="MB; the page holds those of at most"):
        exported_decoder(space, space.codes)
    monkeypatch.setattr(exported, "MOST_PRODUCTS", 47)
    with pytest.raises(NotApplicableError, match="billion numbers for a picture"):
        exported_decoder(space, space.codes)


def test_the_work_of_convolutions_is_counted(decoders, drawn_codes, monkeypatch):
    """28 x 28: 6 x 3136 for the dense layer, then 64 x 32 x 16 taps on 49 pixels and 32 x 16 on 196."""
    counted = 6 * 3136 + 64 * 32 * 16 * 49 + 32 * 16 * 196
    program = exported.program_of(exported.record(decoders["ae on 28 x 28"], drawn_codes[:1]))
    monkeypatch.setattr(exported, "MOST_PRODUCTS", counted)
    exported._bearable_work(program)
    monkeypatch.setattr(exported, "MOST_PRODUCTS", counted - 1)
    with pytest.raises(NotApplicableError):
        exported._bearable_work(program)
