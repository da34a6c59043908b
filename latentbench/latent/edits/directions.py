"""Attribute directions: how codes move when one attribute changes, estimated on the training split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from latentbench.errors import NotApplicableError
from latentbench.latent.edits.attributes import Attribute, find_attribute
from latentbench.latent.part import codes_at
from latentbench.latent.space import LatentSpace

__all__ = [
    "Direction",
    "How",
    "attribute_direction",
    "balanced_means",
    "mean_difference",
    "orthogonalized",
    "paired",
    "probe_normal",
    "random_direction",
]

How = Literal["mean_difference", "balanced_means", "probe_normal", "paired"]
CHUNK = 4096  # rows converted to float64 at once: codes of the model `pixels` are wide
PAIRS = 500  # training items drawn with one factor changed
PROBE_ROWS = 20_000
DETERMINED = 0.999  # correlation above which another factor counts as the attribute itself
LOST = 1e-6  # share of its length below which nothing is left of a direction


@dataclass(frozen=True)
class Direction:
    """The direction and distance by which codes move when an attribute changes.

    Attributes:
        name: name of the attribute.
        vector: `(d,)`; adding it once moves codes by one unit.
        unit: the meaning of a strength of 1: the gap between two classes, or one unit of a factor.
        how: the method that found it.
    """

    name: str
    vector: Tensor
    unit: str
    how: str


def attribute_direction(
    space: LatentSpace,
    attribute: str | Attribute,
    how: How = "balanced_means",
    *,
    orthogonal_to: Sequence[str | Attribute] = (),
    seed: int = 0,
) -> Direction:
    """Return the direction of an attribute, from the codes of the training split.

    Args:
        space: the latent space; of its data only `train` is used.
        attribute: name of a factor, or a pair of classes as "label:5->9", by number or by name.
        how: "mean_difference", "balanced_means" (the other factors held fixed), "probe_normal", or "paired" (items
            drawn twice, which needs a renderer and an encoder); see the functions of these names.
        orthogonal_to: attributes to hold: their directions, found in the same way, are projected out.
        seed: seed of the choice of items that are drawn twice.

    Raises:
        UnknownNameError: there is no such attribute.
        NotApplicableError: training codes, factors or the renderer are missing.

    >>> z = torch.tensor([[0.0, 0], [0, 1], [2, 0], [2, 1]])
    >>> train = LatentSpace.from_arrays(codes=z, factors=z / z.max(0).values, factor_names=("hat", "beard"))
    >>> attribute_direction(train.replaced(train=train), "hat").vector
    tensor([2., 0.])
    """
    goal = find_attribute(space, attribute) if isinstance(attribute, str) else attribute
    vector = _of_pairs(space, goal, seed) if how == "paired" else _of_codes(space.train, goal, how)
    direction = Direction(goal.name, vector, goal.unit, how)
    others = [attribute_direction(space, other, how, seed=seed) for other in orthogonal_to]
    return orthogonalized(direction, others) if others else direction


def mean_difference(codes: Tensor, values: Tensor) -> Tensor:
    """Return the change of codes `(m, d)` per unit of an attribute's values `(m,)`: `(d,)`.

    For values 0 and 1 this is the difference of the two means (Larsen 2016, "Autoencoding beyond pixels using a
    learned similarity metric"), for a continuous attribute the slope of the codes' regression on it.

    >>> mean_difference(torch.tensor([[0.0], [2.0], [5.0]]), torch.tensor([0, 0, 1]))
    tensor([4.])
    """
    return _sum(codes, _slope(values))


def balanced_means(codes: Tensor, values: Tensor, others: Tensor) -> Tensor:
    """Return the change of codes per unit of an attribute, with other attributes `(m, k)` held fixed: `(d,)`.

    Codes are regressed on all attributes jointly, which removes correlations between them: White 2016, "Sampling
    Generative Networks". Other attributes that are constant or repeat this one are left out; without any others it
    is the mean difference.

    >>> z = torch.tensor([[0.0], [0], [1], [11]])
    >>> balanced_means(z, torch.tensor([0, 1, 0, 1]), torch.tensor([[0], [0], [1], [1]]))
    tensor([5.])
    """
    columns = torch.cat([values.double()[:, None], others.double()], 1)
    columns = columns - columns.mean(0)
    spread = columns.square().mean(0).sqrt()
    scaled = columns / torch.where(spread > 0, spread, 1)
    same = (scaled * scaled[:, :1]).mean(0).abs() > DETERMINED
    same[0] = False
    weights = torch.linalg.pinv(scaled[:, (spread > 0) & ~same])[0] / spread[0]
    return _sum(codes, weights)


def probe_normal(codes: Tensor, values: Tensor) -> Tensor:
    """Return the normal of a linear probe `(d,)`, scaled to the gap of the attribute along it.

    The probe is a logistic regression for two values and a ridge regression for more, on at most 20,000 codes with
    one scale for all dimensions. A strength of 1 moves codes along the normal by the gap between the means, or by
    the slope per unit of a continuous attribute.

    Source: the unit normal is InterFaceGAN's: Shen 2020, "Interpreting the Latent Space of GANs".

    >>> z = torch.tensor([[0.0, 3], [0, -3], [2, 3], [2, -3]])
    >>> probe_normal(z, torch.tensor([0, 0, 1, 1])).round(decimals=6) + 0.0
    tensor([2., 0.])
    """
    normal = torch.nn.functional.normalize(_probe_weights(codes, values), dim=0)
    apart = (_slope(values) * (codes.double() @ normal)).sum()
    return (normal * apart).to(codes.dtype)


def paired(before: Tensor, after: Tensor, change: Tensor) -> Tensor:
    """Return the change of codes `(m, d)` per unit of the single factor that changed by `change` `(m,)`: `(d,)`.

    By least squares; for changes of equal size this is the mean of the differences, with their signs aligned.

    >>> paired(torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0], [0.0]]), torch.tensor([1, -1]))
    tensor([2.])
    """
    weights = change.double() / change.double().square().sum()
    return _sum(after - before, weights)


def orthogonalized(direction: Direction, others: Sequence[Direction]) -> Direction:
    """Return a direction without its components along others, so that these attributes are held (Shen 2020).

    Raises:
        NotApplicableError: nothing is left of the direction.

    >>> one, other = (Direction(name, torch.tensor(v), "", "") for name, v in (("a", [3.0, 4]), ("b", [0.0, 9])))
    >>> orthogonalized(one, [other]).vector
    tensor([3., 0.])
    """
    vector = direction.vector.double()
    axes = torch.linalg.qr(torch.stack([other.vector.double() for other in others], 1)).Q
    left = vector - axes @ (axes.T @ vector)
    if left.norm() <= LOST * vector.norm():
        names = ", ".join(other.name for other in others)
        raise NotApplicableError(f"{direction.name} has no direction of its own beside {names}")
    return replace(direction, vector=left.to(direction.vector.dtype))


def random_direction(codes: Tensor, length: Tensor, seed: int = 0) -> Tensor:
    """Return a random direction `(d,)` of this length, distributed like the codes `(n, d)`, as a control."""
    weights = torch.randn(len(codes), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    vector = _sum(codes, (weights - weights.mean()).to(codes.device))
    size = vector.abs().max()
    if size == 0:
        return torch.zeros_like(vector)
    wide = (vector / size).double()  # codes of any size: squares neither overflow nor vanish
    scaled: Tensor = wide / wide.norm() * length.double()
    return scaled.to(vector.dtype)


def _of_codes(train: LatentSpace, goal: Attribute, how: str) -> Tensor:
    codes = train.codes if goal.column is not None else codes_at(train, goal.rows)
    if how == "balanced_means":
        return balanced_means(codes, goal.values, _others(train, goal))
    return {"mean_difference": mean_difference, "probe_normal": probe_normal}[how](codes, goal.values)


def _others(train: LatentSpace, goal: Attribute) -> Tensor:
    """Return the factors other than the attribute, `(m, k)`; no columns where none are known."""
    if "factors" not in train.supplies:
        return goal.values[:, None][:, :0]
    factors = train.factors[goal.rows]
    columns = [column for number, column in enumerate(factors.T) if number != goal.column]
    return torch.stack(columns, 1) if columns else factors[:, :0]


def _of_pairs(space: LatentSpace, goal: Attribute, seed: int) -> Tensor:
    if goal.column is None:
        raise NotApplicableError(f"{goal.name} is not a factor: items cannot be drawn with only this changed")
    order = torch.randperm(len(goal.rows), generator=torch.Generator().manual_seed(seed))[:PAIRS]
    before = space.train.factors[order.to(goal.rows.device)].double()
    after = before.clone()
    after[:, goal.column] = goal.opposite(before[:, goal.column])
    codes = [space.encode(space.render(factors)) for factors in (before, after)]
    return paired(codes[0], codes[1], (after - before)[:, goal.column])


def _slope(values: Tensor) -> Tensor:
    """Return weights `(m,)` whose dot product with any numbers is the slope of these over `values`."""
    centered = values.double() - values.double().mean()
    return centered / centered.square().sum()


def _sum(codes: Tensor, weights: Tensor) -> Tensor:
    parts = zip(torch.split(codes, CHUNK), torch.split(weights, CHUNK), strict=True)
    total = torch.stack([weight @ batch.double() for batch, weight in parts]).sum(0)
    return total.to(codes.dtype)


def _probe_weights(codes: Tensor, values: Tensor) -> Tensor:
    from sklearn.linear_model import LogisticRegression, Ridge

    rows = torch.randperm(len(codes), generator=torch.Generator().manual_seed(0))[:PROBE_ROWS].to(codes.device)
    points, known = codes[rows].double().cpu(), values[rows].double().cpu()
    points = points - points.mean(0)
    points = points / points.square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    two = len(torch.unique(known)) == 2
    probe = LogisticRegression(max_iter=1000) if two else Ridge()
    target = (known > known.mean()).numpy() if two else known.numpy()
    weights = torch.from_numpy(probe.fit(points.numpy(), target).coef_.reshape(-1))
    return weights.to(codes.device)
