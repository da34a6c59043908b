from __future__ import annotations

import itertools

import pytest
import torch

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.generation import kernel_distance
from latentbench_metrics.walk_realism import ClassSwitches, class_switches, walk_kd


def test_class_switches_are_counted():
    generator = torch.Generator().manual_seed(0)
    classes = torch.randint(0, 3, (9, 20), generator=generator)
    naive = [sum(a != b for a, b in itertools.pairwise(path)) for path in classes.T.tolist()]
    assert class_switches(classes) == pytest.approx(sum(naive) / 20)
    assert class_switches(classes[:, torch.randperm(20)]) == class_switches(classes)
    assert class_switches(classes[:, 0]) == naive[0]
    assert class_switches(torch.tensor([[0], [0], [4], [4]])) == 1
    for bad in (classes[:1], classes[:, :0], classes[None]):
        with pytest.raises(ValueError, match="classes must be"):
            class_switches(bad)


def test_the_network_of_the_features_names_classes(space):
    from latentbench_metrics._shared.features import in_domain_classes

    predict = in_domain_classes(space)
    classes = predict(space.inputs)
    assert classes.dtype == torch.int64
    assert float((classes == space.labels).double().mean()) > 0.95
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(predict(space.inputs), classes)
    with pytest.raises(NotApplicableError, match="no training split"):
        in_domain_classes(LatentSpace.from_arrays(codes=space.codes))


def test_a_fade_between_pixels_changes_class_least(space):
    metric = ClassSwitches(ClassSwitches.Params())
    fade, pca = metric.compute(pixel_space(space))["class_switches"], metric.compute(space)["class_switches"]
    assert 1.1 < fade < pca < 1.8  # so it has no better side


def pixel_space(space):
    return LatentSpace.from_arrays(
        codes=space.inputs.flatten(1), inputs=space.inputs, labels=space.labels,
        decode=lambda z: z.reshape(-1, 1, 8, 8), train=space.train,
    )  # fmt: skip


def test_walk_kd_orders_images_as_people_do(space, digits):
    from latentbench_metrics._shared.features import in_domain_features

    images = digits[2]
    features = in_domain_features(space)
    labels = digits[3]
    order = labels.argsort(stable=True)
    starts, ends = order[:240], order.flip(0)[:240]  # far apart in the order of classes
    keep = labels[starts] != labels[ends]
    fades = features(((images[starts] + images[ends]) / 2)[keep])
    real, mean = features(images), features(images.mean(0).expand(int(keep.sum()), -1, -1, -1))
    blurred = features(torch.nn.functional.avg_pool2d(images, 5, 1, 2, count_include_pad=False))
    assert walk_kd(fades, fades, real) == 1
    assert walk_kd(mean, fades, real) > 1
    half, other = real[::2], real[1::2]
    assert abs(kernel_distance(half, other)) < 0.05 * kernel_distance(half, fades)
    assert walk_kd(blurred[1::2], fades, half) > walk_kd(other, fades, half) + 0.1
    with pytest.raises(NotApplicableError, match="cannot be told from real"):
        walk_kd(fades, torch.ones(4, 3), torch.ones(4, 3))
