"""Pairs of latent spaces of the same items that pair metrics are tried on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from latentbench.latent.space import LatentSpace
from latentbench.model import Posterior
from latentbench.testing.gallery import gallery

__all__ = [
    "Pair",
    "codes_alone",
    "codes_with_train",
    "limited",
    "odd_pair",
    "odd_titles",
    "second_look",
    "whole_spaces",
]

Pair = tuple[LatentSpace, LatentSpace]
Map = Callable[[Tensor], Tensor]
TRAIN_ROWS = 200
FEW = 24  # items of an odd pair
IMAGE = 6  # numbers of its inputs
OF_ODD = {"train", "inputs", "labels", "decoder", "decoder_gradient"}  # what an odd pair has
NO_TRAIN = ", no training split"
SPREAD = 0.05  # standard deviation of the posterior


def whole_spaces(count: int) -> Pair:
    """Return two spaces of `count` images with all that a metric can need: `gallery` and its `second_look`."""
    space = gallery(count, TRAIN_ROWS)
    return space, second_look(space)


def codes_with_train(count: int, needs: Collection[str]) -> Pair:
    """Return the same two with codes, training codes and what stands in `needs`, and nothing else."""
    one, other = whole_spaces(count)
    return limited(one, {"train", *needs}), limited(other, {"train", *needs})


def codes_alone(count: int, needs: Collection[str]) -> Pair:
    """Return the same two with codes and what stands in `needs`, and nothing else."""
    one, other = whole_spaces(count)
    return limited(one, needs), limited(other, needs)


def second_look(space: LatentSpace, seed: int = 0) -> LatentSpace:
    """Return another space of the same items: the codes `(n, d)` turned, bent, and with one dimension more.

    Its encoder, decoder and distributions fit its codes, and its other splits are changed likewise.
    """
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(space.dim, space.dim, generator=generator, dtype=torch.float64)).Q
    return _bent(space, turn)


def _bent(space: LatentSpace, turn: Tensor) -> LatentSpace:
    def there(codes: Tensor) -> Tensor:
        turned = codes.double() @ turn.to(codes.device)
        return torch.cat([torch.asinh(2 * turned), torch.sin(3 * turned[:, :1])], 1).float()

    def back(codes: Tensor) -> Tensor:
        before: Tensor = (torch.sinh(codes[:, : space.dim].double()) / 2) @ turn.T.to(codes.device)
        return before.to(codes.dtype)

    codes = there(space.codes)
    zeros = torch.zeros_like(codes[0])
    others = {
        name: _bent(getattr(space, name), turn) for name in ("train", "validation") if name in space.supplies
    }
    return space.replaced(
        name=f"{space.name}, seen otherwise",
        codes=codes,
        encode=lambda inputs: there(space.encode(inputs)),
        decode=lambda codes: space.decoder(back(codes)),
        posterior=Posterior(codes, torch.full_like(codes, SPREAD**2)),
        prior=Posterior(zeros, torch.ones_like(zeros)),
        likelihood=lambda inputs, codes: space.log_likelihood(inputs, back(codes)),
        **others,
    )


PARTS: Mapping[str, tuple[str, str]] = {  # need -> the part of a space, and its attribute
    "encoder": ("encode", "encode"),
    "decoder_gradient": ("decode", "decoder"),
    "posterior": ("posterior", "posterior"),
    "prior": ("prior", "prior"),
    "likelihood": ("likelihood", "log_likelihood"),
    "render": ("render", "render"),
    "inputs": ("inputs", "inputs"),
    "labels": ("labels", "labels"),
    "factors": ("factors", "factors"),
    "cost": ("cost", "cost"),
}


def limited(space: LatentSpace, needs: Collection[str]) -> LatentSpace:
    """Return a space with its codes and what stands in `needs`, and nothing else."""
    parts: dict[str, Any] = {part: getattr(space, name) for need, (part, name) in PARTS.items() if need in needs}
    if "decoder" in needs and "decoder_gradient" not in needs:
        parts |= {"decode": space.decode, "differentiable": False}
    if "factors" in needs:
        parts |= {"factor_names": space.factor_names, "factor_sizes": space.factor_sizes}
    within = set(needs) - {"train", "validation"}
    parts |= {name: limited(getattr(space, name), within) for name in ("train", "validation") if name in needs}
    return LatentSpace(name=space.name, device=space.device).replaced(codes=space.codes, **parts)


def odd_titles(needs: Collection[str]) -> list[str]:
    """Return what the pairs of odd codes are called that have what stands in `needs`."""
    if set(needs) - OF_ODD:
        return []
    return [*ODD, *ODD_TRAIN, *([] if "train" in needs else [f"{title}{NO_TRAIN}" for title in ODD])]


def odd_pair(title: str, fewest: int, needs: Collection[str]) -> Pair:
    """Return two spaces of odd codes, by one of `odd_titles`; `fewest` is how many items the smallest has."""
    first, second = ODD.get(title.removesuffix(NO_TRAIN), (_as_is, _as_is))
    rows = fewest if title.startswith(FEWEST) else max(FEW, fewest)
    has = {*needs} if title.endswith(NO_TRAIN) else {"train", *needs}
    pair = limited(_odd(first, rows, 0), has), limited(_odd(second, rows, 2), has)
    return ODD_TRAIN[title](*pair) if title in ODD_TRAIN else pair


def _odd(change: Map, rows: int, seed: int) -> LatentSpace:
    """Return a space of normal codes after a change; its images and labels are those of every such space."""
    train, test = (change(_normal(rows, seed + split)) for split in (0, 1))
    decoder = _normal(test.shape[1], seed, IMAGE)
    decode, labels = (lambda codes: codes @ decoder), torch.arange(rows) % 2
    of_train = LatentSpace.from_arrays(codes=train, inputs=_normal(rows, -1, IMAGE), labels=labels, decode=decode)
    inputs = _normal(rows, -2, IMAGE)
    return LatentSpace.from_arrays(codes=test, inputs=inputs, labels=labels, decode=decode, train=of_train)


def _normal(rows: int, seed: int, dim: int = 4) -> Tensor:
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed + 10))


def _with_constant(codes: Tensor) -> Tensor:
    return torch.cat([codes[:, :-1], torch.full_like(codes[:, -1:], 2.0)], 1)


def _wide(codes: Tensor) -> Tensor:
    return torch.sin(codes[:, :1] * torch.arange(1, 3 * len(codes)) + codes[:, 1:2])


def _as_is(codes: Tensor) -> Tensor:
    return codes


def _narrow(codes: Tensor) -> Tensor:
    return codes[:, :1]


def _twice(change: Map) -> tuple[Map, Map]:
    return change, change


FEWEST = "the fewest items"
ODD: Mapping[str, tuple[Map, Map]] = {  # what is done to the codes of the first space and of the second
    "one dimension": (_narrow, _narrow),
    "one dimension and four": (_narrow, _as_is),
    "a constant dimension": _twice(_with_constant),
    "constant codes": _twice(torch.ones_like),
    "constant codes of the second": (_as_is, torch.ones_like),
    "each item four times": _twice(lambda codes: codes[torch.arange(len(codes)) // 4]),
    "two places": _twice(lambda codes: codes[:2][torch.arange(len(codes)) % 2]),
    "more dimensions than items": _twice(_wide),
    "dimensions that copy one": _twice(lambda codes: codes[:, :1].expand(-1, 4).contiguous()),
    "huge codes": _twice(lambda codes: 1e15 * codes),
    "tiny codes": _twice(lambda codes: 1e-15 * codes),
    "huge codes and tiny ones": (lambda codes: 1e15 * codes, lambda codes: 1e-15 * codes),
    "codes far from zero": _twice(lambda codes: codes + 1e4),
    "codes of whole numbers": _twice(torch.round),
    FEWEST: (_as_is, _as_is),
}
ODD_TRAIN: Mapping[str, Callable[[LatentSpace, LatentSpace], Pair]] = {
    "training splits of unequal length": lambda a, b: (
        a,
        b.replaced(train=b.train.take(torch.arange(len(b) // 2))),
    ),
    "a training split of the first alone": lambda a, b: (a, b.replaced(train=None)),
    "training codes all the same": lambda a, b: (_same_train(a), _same_train(b)),
}


def _same_train(space: LatentSpace) -> LatentSpace:
    return space.replaced(train=space.train.replaced(codes=torch.ones_like(space.train.codes)))
