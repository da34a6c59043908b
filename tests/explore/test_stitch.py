"""The decoder of one model on the codes of another, and the linear map that takes them over."""

from functools import partial

import numpy as np
import pytest
import torch

from latentbench import LatentSpace, NotApplicableError
from latentbench.explore.stitch import (
    StitchedSide,
    fitted_map,
    stitch_numbers,
    stitch_sheet,
    stitched_rows,
)
from latentbench_metrics.pairs.stitching import stitched_codes, stitched_r2

ITEMS, TRAIN, SIDE = 60, 90, 4


def decoded(codes, axes):
    return (codes.float() @ axes).reshape(len(codes), 1, SIDE, SIDE).sigmoid()


def space_of(codes, train, axes, inputs, **changes):
    parts = {
        "codes": codes,
        "inputs": inputs,
        "decode": partial(decoded, axes=axes),
        "train": LatentSpace.from_arrays(codes=train),
    }
    return LatentSpace.from_arrays(**{**parts, **changes})


@pytest.fixture
def draw():
    return partial(torch.randn, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def pair(draw):
    """Two models of one signal: the codes of the second are those of the first, turned, scaled and shifted."""
    signal, train, axes = draw(ITEMS, 3), draw(TRAIN, 3), draw(3, SIDE * SIDE)
    turn = torch.linalg.qr(draw(3, 3)).Q * 2
    inputs = decoded(signal, axes)
    first = space_of(signal, train, axes, inputs)
    second = space_of(signal @ turn + 5, train @ turn + 5, turn.inverse() @ axes, inputs)
    second = second.replaced(decode=lambda codes: decoded((codes.float() - 5) @ turn.inverse(), axes))
    return StitchedSide("ae", 1, first), StitchedSide("vae", 2, second)


SHAPES = {
    "as many training items as it takes": (TRAIN, 5, 3),
    "fewer training items than dimensions": (6, 12, 3),
    "one dimension": (TRAIN, 1, 1),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_map_is_that_of_the_pair_score(draw, shape):
    train, first, second = SHAPES[shape]
    codes = [
        (draw(ITEMS, width) * torch.arange(1, width + 1) + 7, draw(train, width) * torch.arange(1, width + 1) + 7)
        for width in (first, second)
    ]
    a, b = (
        LatentSpace.from_arrays(codes=test, train=LatentSpace.from_arrays(codes=known)) for test, known in codes
    )
    found = fitted_map(a.train.codes, b.train.codes)(a.codes)
    torch.testing.assert_close(found, stitched_codes(a, b).double(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lost", ["constant", "dependent"])
def test_dimensions_that_say_nothing_new_change_nothing(draw, lost):
    train, test, targets = draw(TRAIN, 4), draw(ITEMS, 4), draw(TRAIN, 2)
    more = {
        "constant": lambda codes: torch.full_like(codes[:, :1], 1e3),
        "dependent": lambda codes: codes[:, :1] - codes[:, 1:2],
    }[lost]
    a = LatentSpace.from_arrays(
        codes=torch.cat([test, more(test)], 1),
        train=LatentSpace.from_arrays(codes=torch.cat([train, more(train)], 1)),
    )
    b = LatentSpace.from_arrays(codes=draw(ITEMS, 2), train=LatentSpace.from_arrays(codes=targets))
    found = fitted_map(a.train.codes, b.train.codes)(a.codes)
    torch.testing.assert_close(found, stitched_codes(a, b).double(), rtol=1e-4, atol=1e-4)
    plain = fitted_map(train, targets)(test)
    torch.testing.assert_close(found, plain, rtol=1e-3, atol=1e-3)


def test_unequal_training_splits_are_refused(draw):
    with pytest.raises(NotApplicableError, match="the training splits have 5 and 6 items"):
        fitted_map(draw(5, 2), draw(6, 2))


def test_models_that_are_linear_images_of_each_other_exchange_codes(pair):
    """Each decoder makes the very inputs of the codes of the other."""
    rows = stitched_rows(*pair, [3, 1])
    assert [row.title for row in rows] == [
        "ae by itself",
        "vae by itself",
        "ae encodes, vae decodes",
        "vae encodes, ae decodes",
    ]
    inputs = pair[0].space.inputs[[3, 1]].numpy()
    for row in rows:
        assert row.r2 == pytest.approx(1, abs=1e-6)
        np.testing.assert_allclose(row.outputs, inputs, atol=1e-4)


def test_r2_is_that_of_the_pair_score(pair, draw):
    first, second = pair
    other = StitchedSide("noisy", 0, second.space.replaced(codes=second.space.codes + draw(ITEMS, 3)))
    _, own, there, back = stitched_rows(first, other, [0])
    assert there.r2 == pytest.approx(stitched_r2(first.space, other.space), abs=1e-6)
    assert back.r2 == pytest.approx(stitched_r2(other.space, first.space), abs=1e-6)
    outputs = other.space.decode(other.space.codes).double()
    inputs = other.space.inputs.double()
    assert own.r2 == pytest.approx(
        1 - float((outputs - inputs).square().mean() / inputs.var(0, correction=0).mean())
    )


def test_the_numbers_are_those_of_the_titles(pair):
    rows = stitched_rows(*pair, [0, 1])
    numbers = stitch_numbers(rows)
    assert numbers.columns.tolist() == ["row", "encoder", "encoder_seed", "decoder", "decoder_seed", "r2", "items"]
    assert numbers["items"].tolist() == [ITEMS] * 4
    assert numbers[["encoder_seed", "decoder_seed"]].to_numpy().tolist() == [[1, 1], [2, 2], [1, 2], [2, 1]]
    sheet = stitch_sheet(pair[0].space.inputs[[0, 1]].numpy(), rows, ["item 0", "item 1"], "a title")
    assert sheet.images.shape[:2] == (5, 2)
    assert sheet.rows[0] == "input"
    assert list(sheet.rows[1:]) == [f"{line.row}: r2 {line.r2:.3f}" for line in numbers.itertuples()]


@pytest.mark.parametrize(("lost", "reason"), [("decode", "vae: no decoder"), ("train", "vae: no training split")])
def test_what_a_model_lacks_is_told_with_its_name(pair, lost, reason):
    first, second = pair
    poorer = StitchedSide("vae", 2, second.space.replaced(**{lost: None}))
    with pytest.raises(NotApplicableError, match=reason):
        stitched_rows(first, poorer, [0])
