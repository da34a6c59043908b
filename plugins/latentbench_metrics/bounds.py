"""Whether new images stay within the bounds of the data, and whether unseen classes show in the errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score
from latentbench.latent.class_names import class_words
from latentbench.latent.sampling import sample_codes, sampler_name
from latentbench_metrics._shared.features import in_domain_features, known_features
from latentbench_metrics._shared.item_errors import squared_errors
from latentbench_metrics._shared.subsets import some_rows

__all__ = ["ClassifiedBounds", "HeldOutClasses", "ood_auroc", "out_of_bounds_classifier"]

INSIDE = 0.95  # share of real test images that the classifier must leave in bounds
SEED = 0


def out_of_bounds_classifier(train: Tensor, test: Tensor, known: Tensor, fake: Tensor) -> float:
    """Share of fakes that a classifier of real against generated points places outside 95 % of test points.

    Lower is better, in [0, 1]; 0.05 when fakes cannot be told from test points. The classifier, a support vector
    machine with a Gaussian kernel (C = 1, width from the variance), learns to tell `train` from `known`; its
    threshold is the 95 % quantile over `test`; `fake` is new to it.

    Source: the classifier two-sample test of Lopez-Paz and Oquab 2017, read at one error rate instead of as an
    accuracy.

    Traps: copies of training images pass. Unlike `out_of_bounds` it sees variety: a single good image repeated is
    detected at once, and so are fakes that are all blurred in the same way. More points make a sharper classifier:
    compare at equal n.

    Args:
        train: features of real points to learn from, `(m, f)`.
        test: features of other real points, `(n, f)`.
        known: features of generated points to learn from, `(k, f)`.
        fake: features of other generated points, `(l, f)`.

    Raises:
        ValueError: unequal f, or an empty set.

    >>> real, far = torch.linspace(0, 1, 20)[:, None], torch.linspace(5, 6, 20)[:, None]
    >>> out_of_bounds_classifier(real, real, far, torch.tensor([[0.5], [5.2], [5.7], [0.2]]))
    0.5
    """
    parts = train, test, known, fake
    if len({points.shape[1:] for points in parts}) > 1 or not all(map(len, parts)):
        shapes = ", ".join(str(tuple(points.shape)) for points in parts)
        raise ValueError(f"train, test, known and fake must be (n, f) of one f, none empty, got {shapes}")
    from sklearn.svm import SVC

    real, other, seen, new = (points.double().cpu().numpy() for points in parts)
    points = torch.cat([train, known]).double().cpu().numpy()
    machine = SVC(C=1.0, kernel="rbf", gamma="scale").fit(points, [0] * len(real) + [1] * len(seen))
    limit = torch.quantile(torch.from_numpy(machine.decision_function(other)), INSIDE)
    return float((torch.from_numpy(machine.decision_function(new)) > limit).double().mean())


def ood_auroc(errors: Tensor, held_out: Tensor) -> float:
    """Share of pairs of a held-out and a seen item in which the held-out one has the larger error.

    Higher is better, in [0, 1]: 1 when errors separate the two, 0.5 when they carry no information; ties count
    half.

    Source: the area under the ROC curve, by the statistic of Mann and Whitney; reconstruction error as a sign of
    novelty goes back to Japkowicz 1995.

    Traps: errors grow with contrast and detail, whatever a model has learned: dark, plain held-out classes have
    small ones, so values below 0.5 occur. Compare models only on the same classes, and with `pca`.

    Args:
        errors: one number an item, `(n,)`.
        held_out: `(n,)`, whether the item is of a class that training lacked.

    Raises:
        ValueError: unequal lengths, or only items of one kind.

    >>> ood_auroc(torch.tensor([1.0, 2.0, 3.0, 3.0]), torch.tensor([False, True, False, True]))
    0.625
    """
    positive = held_out.bool()
    if errors.shape != positive.shape or errors.ndim != 1 or not positive.any() or positive.all():
        raise ValueError(
            f"needs errors (n,) and held_out (n,) of both kinds, got {tuple(errors.shape)} and "
            f"{tuple(held_out.shape)} with {int(positive.sum())} held out"
        )
    _, place, counts = torch.unique(errors.double(), return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[place].double()
    count = int(positive.sum())
    wins = float(ranks[positive].sum()) - count * (count + 1) / 2
    return wins / (count * (len(errors) - count))


class ClassifiedBounds(Metric):
    """Decoded new codes against at most 2000 training images; the classifier sees in-domain features."""

    scores: ClassVar[Mapping[str, Score]] = {
        "out_of_bounds_classifier": Score(
            "down",
            purpose="make",
            range=(0, 1),
            floor="random_projection",
            ceiling=1 - INSIDE,
        ),
    }
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "labels", "train", "decoder")
    tolerance: ClassVar[float] = 0.01  # features are float32, and a point may lie on the border
    min_items: ClassVar[int] = 100
    max_items: ClassVar[int | None] = 2000
    on_host: ClassVar[bool] = True

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the share."""
        features = in_domain_features(space)
        count, real = len(space), space.train.inputs
        bank = known_features(space, real[some_rows(len(real), count)])
        known, fake = torch.split(features(space.decode(sample_codes(space, 2 * count, SEED))), count)
        outside = out_of_bounds_classifier(bank, known_features(space, space.inputs), known, fake)
        return {"out_of_bounds_classifier": outside}

    def note(self, space: LatentSpace) -> str:
        """Say where new codes were drawn from."""
        return f"new codes drawn from: {sampler_name(space)}"


class HeldOutClasses(Metric):
    """AUROC of the reconstruction error: test items of held-out classes against all other test items."""

    scores: ClassVar[Mapping[str, Score]] = {
        "ood_auroc": Score(
            "up",
            purpose="shift",
            range=(0, 1),
            floor=0.5,
            ceiling=1.0,
        ),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "labels", "train", "decoder")
    version: ClassVar[int] = 2
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation", "permutation", "axis_scale")

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the area."""
        held_out = _held_out(space)
        if not held_out.any():
            raise NotApplicableError(
                "every class of the test split was seen in training; hold some out, as with train_classes=0,1,2"
            )
        if held_out.all():
            raise NotApplicableError("no class of the test split was seen in training")
        return {"ood_auroc": ood_auroc(squared_errors(space.inputs, space.reconstructions), held_out)}

    def note(self, space: LatentSpace) -> str:
        """Name the classes that were held out."""
        classes = torch.unique(space.labels[_held_out(space)]).tolist()
        return f"held out of training: {', '.join(class_words(number, space.class_names) for number in classes)}"


def _held_out(space: LatentSpace) -> Tensor:
    """Return `(n,)`, whether training lacked the class of each item."""
    return ~torch.isin(space.labels, torch.unique(space.train.labels))
