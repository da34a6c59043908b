"""The same latent space in other coordinates, and ways to corrupt one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor

from latentbench.latent.space import LatentSpace
from latentbench.metric import Invariance
from latentbench.model import Posterior

__all__ = [
    "CHANGES",
    "MovedPosterior",
    "blurred",
    "moved",
    "permuted_labels",
    "random_codes",
    "renamed_classes",
    "reordered",
    "rounded",
    "without_inputs",
]

CHANGES: tuple[Invariance, ...] = get_args(Invariance)
ROUNDING = 2.0**-22  # relative: half the digits that float32 leaves
Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Affine:
    """codes -> codes @ matrix + shift, and back."""

    matrix: Tensor
    shift: Tensor

    def forward(self, codes: Tensor) -> Tensor:
        there: Tensor = codes.double() @ self.matrix + self.shift
        return there.to(codes.dtype)

    def back(self, codes: Tensor) -> Tensor:
        codes_before: Tensor = torch.linalg.solve(self.matrix, codes.double() - self.shift, left=False)
        return codes_before.to(codes.dtype)


class MovedPosterior(Posterior):
    """A distribution of codes after an affine change of coordinates; `variance` has no covariances."""

    def __init__(self, base: Posterior, change: _Affine) -> None:
        variance = base.variance.double() @ change.matrix.square()
        super().__init__(change.forward(base.mean), variance.to(base.variance.dtype))
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "change", change)

    base: Posterior
    change: _Affine

    def sample(self, noise: Tensor) -> Tensor:
        """Sample before the change, then change."""
        return self.change.forward(self.base.sample(noise))

    def log_prob(self, codes: Tensor) -> Tensor:
        """Log density in the new coordinates, `(n,)`."""
        volume = torch.linalg.slogdet(self.change.matrix).logabsdet
        density: Tensor = self.base.log_prob(self.change.back(codes)) - volume.to(codes.dtype)
        return density

    def take(self, rows: Tensor) -> Posterior:
        """Return the distributions of just these rows."""
        return MovedPosterior(self.base.take(rows), self.change)

    def kl(self, prior: Posterior) -> Tensor:
        """Divergence from a prior in the same new coordinates; it does not depend on them."""
        if not isinstance(prior, MovedPosterior):
            raise TypeError(f"prior must be moved as the posterior was, got {type(prior).__name__}")
        return self.base.kl(prior.base)


def moved(space: LatentSpace, change: Invariance, seed: int = 0, size: float = 4.0) -> LatentSpace:
    """Return the same space in other coordinates: codes, encoder, decoder, posterior and prior change together.

    Args:
        space: what to change; `space.train` is changed likewise.
        change: one of `CHANGES`, as a metric declares them in `invariances`.
        seed: of directions, angles and orders.
        size: length of the shift in units of a code's size, or the factor of the scale; axis_scale draws factors
            between 1 / size and size.

    Raises:
        ValueError: an unknown change.
    """
    return _in_coordinates(space, _affine(space, change, seed, size))


def _affine(space: LatentSpace, change: Invariance, seed: int, size: float) -> _Affine:
    dim = space.dim
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    eye, nothing = torch.eye(dim, dtype=torch.float64), torch.zeros(dim, dtype=torch.float64)
    if change == "shift":
        reach = space.codes.double().std().clamp_min(1e-6).item()
        return _Affine(eye, size * reach * torch.nn.functional.normalize(normal(dim), dim=0) * dim**0.5)
    if change == "scale":
        return _Affine(size * eye, nothing)
    if change == "rotation":
        return _Affine(torch.linalg.qr(normal(dim, dim)).Q, nothing)
    if change == "permutation":
        return _Affine(eye[torch.randperm(dim, generator=generator)] * normal(dim).sign(), nothing)
    if change == "axis_scale":
        powers = 2 * torch.rand(dim, generator=generator, dtype=torch.float64) - 1
        return _Affine(eye * size**powers, nothing)
    raise ValueError(f"change must be one of {', '.join(CHANGES)}, got {change!r}")


def _in_coordinates(space: LatentSpace, change: _Affine) -> LatentSpace:
    encode, decode = space.encode, space.decoder if "decoder_gradient" in space.supplies else space.decode
    has = space.supplies
    return space.replaced(
        codes=change.forward(space.codes),
        encode=(lambda inputs: change.forward(encode(inputs))) if "encoder" in has else None,
        decode=(lambda codes: decode(change.back(codes))) if "decoder" in has else None,
        posterior=MovedPosterior(space.posterior, change) if "posterior" in has else None,
        prior=MovedPosterior(space.prior, change) if "prior" in has else None,
        likelihood=(lambda inputs, codes: space.log_likelihood(inputs, change.back(codes)))
        if "likelihood" in has
        else None,
        **_others(space, lambda other, _: _in_coordinates(other, change)),
    )


def _others(space: LatentSpace, change: Callable[[LatentSpace, int], LatentSpace]) -> dict[str, Any]:
    """Change the looks at the other splits likewise; each is given a number of its own."""
    return {
        name: change(getattr(space, name), number)
        for number, name in enumerate(("train", "validation"), 1)
        if name in space.supplies
    }


def reordered(space: LatentSpace, seed: int = 0) -> LatentSpace:
    """Return the space with its items in another order; the other splits stay."""
    return space.take(_order(len(space), seed))


def rounded(space: LatentSpace, seed: int = 0) -> LatentSpace:
    """Return the space with codes as another device or precision could have given them."""
    signs = torch.randn(space.codes.shape, generator=torch.Generator().manual_seed(seed)).sign()
    return space.replaced(codes=space.codes * (1 + ROUNDING * signs.to(space.codes)))


def renamed_classes(space: LatentSpace, factor: int = 3) -> LatentSpace:
    """Return the space with other class numbers in all splits: `factor` times the old ones, and 2 more.

    A negative factor turns their order around, too.
    """

    def renamed(space: LatentSpace) -> LatentSpace:
        numbers = factor * space.labels
        return space.replaced(labels=numbers - (highest * min(factor, 0)) + 2, class_names=())

    splits = [space, *(getattr(space, name) for name in ("train", "validation") if name in space.supplies)]
    labelled = [split for split in splits if "labels" in split.supplies]
    highest = max((int(split.labels.max()) for split in labelled), default=0)
    change = _others(space, lambda other, _: renamed(other) if "labels" in other.supplies else other)
    return (renamed(space) if "labels" in space.supplies else space).replaced(**change)


def without_inputs(space: LatentSpace, *, train: bool = True) -> LatentSpace:
    """Return the space with codes, labels and factors alone; with its other splits where `train` says so."""

    def left(space: LatentSpace) -> LatentSpace:
        labels = space.labels if "labels" in space.supplies else None
        factors = space.factors if "factors" in space.supplies else None
        given = {"codes": space.codes, "labels": labels, "factors": factors}
        names = {"factor_names": space.factor_names, "factor_sizes": space.factor_sizes}
        return LatentSpace(name=space.name, device=space.device).replaced(
            **given, **(names if factors is not None else {})
        )

    return left(space).replaced(**(_others(space, lambda other, _: left(other)) if train else {}))


def random_codes(space: LatentSpace, seed: int = 0, width: float = 3.0) -> LatentSpace:
    """Return the space with normal noise for codes, in all splits, from an encoder without information.

    The noise is `width` times as wide in each dimension as the codes were, so that its decoded images are odd too:
    the codes of other items would look good to scores that compare whole sets of images.
    """

    def drawn(space: LatentSpace, seed: int) -> LatentSpace:
        noise = torch.randn(space.codes.shape, generator=torch.Generator().manual_seed(seed)).to(space.codes)
        codes = space.codes.mean(0) + width * space.codes.std(0) * noise
        posterior = Posterior(codes, space.posterior.variance) if "posterior" in space.supplies else None
        return space.replaced(codes=codes, posterior=posterior, encode=_lost(codes), reconstructions=None)

    return drawn(space, seed).replaced(**_others(space, lambda other, number: drawn(other, seed + number)))


def permuted_labels(space: LatentSpace, seed: int = 0) -> LatentSpace:
    """Return the space with the labels and factors of other items, in all splits."""

    def shuffle(space: LatentSpace, seed: int) -> LatentSpace:
        order = _order(len(space), seed)
        labels = space.labels[order] if "labels" in space.supplies else None
        factors = space.factors[order] if "factors" in space.supplies else None
        return space.replaced(labels=labels, factors=factors)

    return shuffle(space, seed).replaced(**_others(space, lambda other, number: shuffle(other, seed + number)))


def blurred(space: LatentSpace, width: int = 5) -> LatentSpace:
    """Return the space with a decoder whose images `(n, c, h, w)` are averaged over `width` x `width` pixels."""
    decode = space.decoder if "decoder_gradient" in space.supplies else space.decode

    def blur(images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images, width, 1, width // 2, count_include_pad=False)

    changes = {"decode": lambda codes: blur(decode(codes)), "reconstructions": None}
    return space.replaced(**changes, **_others(space, lambda other, _: other.replaced(**changes)))


def _lost(codes: Tensor) -> Map:
    """Return an encoder that gives each input the code of an arbitrary item, always the same one."""

    def encode(inputs: Tensor) -> Tensor:
        bits = (inputs.flatten(1).double() * 1e4).round().long()
        weights = torch.arange(1, bits.shape[1] + 1, device=bits.device)
        return codes[(bits * weights * 2654435761).sum(1).remainder(len(codes))]

    return encode


def _order(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
