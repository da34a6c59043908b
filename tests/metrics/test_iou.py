from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench import LatentSpace, score
from latentbench.testing import check_metric, gallery
from latentbench_metrics.iou import iou, iou_per_shape


def disk(x, radius, size=400):
    along = (2 * torch.arange(size) + 1) / size - 1
    return (torch.hypot(along - x, along[:, None]) - radius)[None, None]


def test_known_overlaps():
    a, b = disk(0.0, 0.6), disk(0.0, 0.3)
    assert iou(a, a) == 1
    assert iou(a, b) == pytest.approx(0.25, abs=0.003)
    assert iou(disk(-0.5, 0.3), disk(0.5, 0.3)) == 0
    apart, radius = 0.5, 0.5  # the lens of two equal circles
    lens = 2 * radius**2 * np.arccos(apart / 2 / radius) - apart / 2 * np.sqrt(4 * radius**2 - apart**2)
    expected = lens / (2 * np.pi * radius**2 - lens)
    assert iou(disk(-0.25, 0.5), disk(0.25, 0.5)) == pytest.approx(expected, abs=0.003)


def test_it_is_that_of_scikit_learn():
    from sklearn.metrics import jaccard_score

    a, b = torch.randn(6, 1, 5, 5, 5, generator=torch.Generator().manual_seed(0)).tensor_split([3])
    inside, inside_too = (each.lt(0).flatten(1).numpy() for each in (a, b))
    expected = [jaccard_score(*pair) for pair in zip(inside, inside_too, strict=True)]
    np.testing.assert_allclose(iou_per_shape(a, b), expected)


def test_nothing_against_nothing_is_a_full_match_and_something_against_nothing_none():
    nothing, something = torch.ones(1, 1, 4, 4), -torch.ones(1, 1, 4, 4)
    assert iou(nothing, nothing) == 1
    assert iou(nothing, something) == iou(something, nothing) == 0


def test_only_signs_count():
    a, b = torch.randn(3, 1, 8, 8), torch.randn(3, 1, 8, 8)
    assert iou(a, b) == iou(a.sign(), 100 * b) == iou(b, a)


def test_the_score_is_the_mean_with_its_standard_error():
    inputs, made = torch.cat([disk(0.0, 0.6), disk(0.1, 0.5)]), torch.cat([disk(0.0, 0.3), disk(0.1, 0.5)])
    frame = score(LatentSpace.from_arrays(codes=torch.zeros(2, 1), inputs=inputs, reconstructions=made), ["iou"])
    assert frame["value"].tolist() == pytest.approx([0.625], abs=0.003)
    assert frame["se"].tolist() == pytest.approx([0.375], abs=0.003)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (torch.rand(4, 1, 8, 8), "inputs are no signed distances: not every one has both signs"),
        (torch.cat([torch.randn(3, 1, 8, 8), -torch.ones(1, 1, 8, 8)]), "not every one has both signs"),
        (torch.randn(4, 3, 8, 8), "inputs of shape (3, 8, 8) are no grids of signed distances"),
        (torch.randn(4, 8), "inputs of shape (8,) are no grids of signed distances"),
    ],
)
def test_what_are_no_signed_distances(inputs, reason):
    frame = score(LatentSpace.from_arrays(codes=torch.zeros(4, 1), inputs=inputs, reconstructions=inputs), ["iou"])
    assert frame["status"].tolist() == ["not applicable"]
    assert reason in frame["reason"].item()


def test_the_check_of_a_metric_passes_on_images_and_on_shapes():
    on_images = list(check_metric("iou"))
    assert all(check.passed for check in on_images)
    assert "not every one has both signs" in on_images[0].reason
    spots = gallery(60, 40)
    signed = spots.replaced(inputs=0.2 - spots.inputs, decode=lambda codes: 0.2 - spots.decoder(codes))
    checks = list(check_metric("iou", space=signed))
    assert all(check.passed for check in checks)
    values = {check.space: check.value for check in checks}
    assert values["as it is"] > 0.9 > values["random codes"] + 0.2
