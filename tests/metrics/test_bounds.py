import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from latentbench import LatentSpace, NotApplicableError
from latentbench.execution.scoring import compute
from latentbench.latent.sampling import sample_codes
from latentbench_metrics._shared.features import in_domain_features
from latentbench_metrics._shared.item_errors import squared_errors
from latentbench_metrics.bounds import (
    ClassifiedBounds,
    HeldOutClasses,
    ood_auroc,
    out_of_bounds_classifier,
)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


# out_of_bounds_classifier


def four(change=lambda points: points, n=1000, d=5):
    """Real points to learn from and others, generated ones to learn from and others."""
    return normal(n, d, seed=1), normal(n, d, seed=2), change(normal(n, d, seed=3)), change(normal(n, d, seed=4))


def test_points_of_the_same_kind_are_in_bounds():
    assert out_of_bounds_classifier(*four()) == pytest.approx(0.05, abs=0.03)


def test_copies_of_training_points_pass():
    train, test, _, _ = four()
    assert out_of_bounds_classifier(train, test, train, train) == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (lambda points: points + 50, 1.0),
        (lambda points: 0 * points, 0.99),
        (lambda points: 0.3 * points, 0.5),
        (lambda points: 3 * points, 0.8),
        (lambda points: points + torch.tensor([3.0, 0, 0, 0, 0]), 0.7),
    ],
    ids=["far", "a single point", "narrow", "wide", "aside"],
)
def test_others_are_told(change, least):
    assert least <= out_of_bounds_classifier(*four(change)) <= 1


def test_a_ring_is_told_from_its_middle():
    """No straight line does that."""
    angle = torch.rand(2, 500, generator=torch.Generator().manual_seed(0)).double() * 2 * torch.pi
    ring = 5 * torch.stack([angle.cos(), angle.sin()], -1) + 0.1 * normal(2, 500, 2)
    known, fake = normal(2, 500, 2, seed=1)
    assert out_of_bounds_classifier(*ring, known, fake) > 0.95


def test_sets_that_do_not_fit_together():
    good, wide, empty = normal(5, 3), normal(5, 2), normal(0, 3)
    for sets in ((good, good, good, wide), (empty, good, good, good), (good, good, good, empty)):
        with pytest.raises(ValueError, match=r"must be \(n, f\) of one f, none empty"):
            out_of_bounds_classifier(*sets)


def decoded_by(space, decode):
    """Plain arrays with this decoder: new codes come from a Gaussian."""
    train = LatentSpace.from_arrays(codes=space.train.codes, inputs=space.train.inputs, labels=space.train.labels)
    return LatentSpace.from_arrays(
        codes=space.codes, inputs=space.inputs, labels=space.labels, train=train, decode=decode
    )


def share(space):
    return ClassifiedBounds(ClassifiedBounds.Params()).compute(space)["out_of_bounds_classifier"]


def test_the_score_is_that_of_decoded_codes(space):
    features, count = in_domain_features(space), len(space)
    made = features(space.decode(sample_codes(space, 2 * count, 0)))
    rows = (
        torch.randperm(len(space.train.inputs), generator=torch.Generator().manual_seed(0))[:count].sort().values
    )
    real = features(space.train.inputs[rows]), features(space.inputs)
    assert share(space) == out_of_bounds_classifier(*real, made[:count], made[count:])


def test_real_images_are_in_bounds_and_others_are_not(space):
    images = space.train.inputs
    rows = iter(torch.randperm(len(images), generator=torch.Generator().manual_seed(1)).tolist())
    recalled = decoded_by(space, lambda codes: images[[next(rows) for _ in codes]])
    assert share(recalled) < 0.15
    one = decoded_by(space, lambda codes: images[:1].expand(len(codes), 1, 8, 8))
    noise = torch.rand(2000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert share(one) == 1
    assert share(decoded_by(space, lambda codes: noise[: len(codes)])) > 0.95


def test_the_row_says_where_codes_come_from(space):
    assert ClassifiedBounds(ClassifiedBounds.Params()).note(space) == "new codes drawn from: the prior"


# ood_auroc


def test_equal_errors_tell_nothing_and_separated_ones_all():
    held_out = torch.tensor([True, False, False, True, False])
    assert ood_auroc(torch.ones(5), held_out) == 0.5
    assert ood_auroc(held_out.float(), held_out) == 1
    assert ood_auroc(-held_out.float(), held_out) == 0


def test_is_that_of_scikit_learn_with_ties_and_in_any_scale():
    errors = torch.from_numpy(np.random.default_rng(0).integers(0, 20, 500)).float()
    held_out = (errors + normal(500) * 8 > 12).bool()
    actual = ood_auroc(errors, held_out)
    assert actual == pytest.approx(roc_auc_score(held_out.numpy(), errors.numpy()), abs=1e-12)
    assert ood_auroc(1e-6 * errors.double(), held_out) == actual
    assert ood_auroc(errors, ~held_out) == pytest.approx(1 - actual, abs=1e-12)


def test_two_normal_distributions_have_the_known_area():
    held_out = torch.arange(40_000) % 2 == 0
    errors = normal(40_000) + held_out
    assert ood_auroc(errors, held_out) == pytest.approx(0.7602, abs=0.01)  # the normal integral up to 1 / sqrt 2


@pytest.mark.parametrize("held_out", [torch.ones(4), torch.zeros(4), torch.ones(3), torch.ones(4, 1)])
def test_items_of_one_kind_have_no_area(held_out):
    with pytest.raises(ValueError, match=r"needs errors \(n,\) and held_out \(n,\) of both kinds"):
        ood_auroc(torch.ones(4), held_out)


def trained_on(space, classes, **changes):
    kept = torch.isin(space.train.labels, torch.tensor(classes)).nonzero()[:, 0]
    return space.replaced(train=space.train.take(kept), **changes)


def test_classes_that_training_lacked_are_found(space):
    seen = trained_on(space, [0, 1, 2, 3, 4, 5])
    metric = HeldOutClasses(HeldOutClasses.Params())
    expected = ood_auroc(squared_errors(space.inputs, space.reconstructions), space.labels > 5)
    assert compute(metric, seen)["ood_auroc"] == expected
    assert 0.3 < expected < 0.7  # this PCA has seen all classes
    assert metric.note(seen) == "held out of training: class 6, class 7, class 8, class 9"
    names = (*"abcdef", "sneaker", "7", "bag", "日本")
    named = seen.replaced(class_names=names)
    assert metric.note(named) == "held out of training: sneaker, class 7, bag, 日本"


def test_a_model_that_has_not_seen_a_class_draws_it_worse(digits):
    from sklearn.decomposition import PCA

    images, labels, test_images, test_labels = digits
    classes = [0, 1]
    kept = torch.isin(labels, torch.tensor(classes))
    pca = PCA(8).fit(images[kept].flatten(1))
    space = LatentSpace.from_arrays(
        codes=pca.transform(test_images.flatten(1)),
        inputs=test_images,
        labels=test_labels,
        reconstructions=pca.inverse_transform(pca.transform(test_images.flatten(1))).reshape(-1, 1, 8, 8),
        train=LatentSpace.from_arrays(codes=images[kept].flatten(1), labels=labels[kept]),
    )
    assert HeldOutClasses(HeldOutClasses.Params()).compute(space)["ood_auroc"] > 0.97


def test_where_nothing_was_held_out_or_everything_it_says_so(space):
    metric = HeldOutClasses(HeldOutClasses.Params())
    with pytest.raises(
        NotApplicableError, match=r"every class .* was seen in training; hold some out, as with train"
    ):
        metric.compute(space)
    few = trained_on(space, [9]).take((space.labels < 9).nonzero()[:, 0])
    with pytest.raises(NotApplicableError, match="no class of the test split was seen in training"):
        metric.compute(few)
    with pytest.raises(NotApplicableError, match="no training split"):
        metric.compute(space.replaced(train=None))
