"""Seals on a latent space: whether anything wrote into its tensors, or into its model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor, nn

from latentbench.latent.digests import Content, mark, seals_of
from latentbench.model import Posterior

if TYPE_CHECKING:
    from latentbench.latent.space import LatentSpace

__all__ = ["broken_seals", "seal"]

GIVEN = ("labels", "factors", "codes", "inputs", "reconstructions")


def seal(space: LatentSpace) -> None:
    """Seal what a space and those of its other splits hold; what is sealed already keeps its seal."""
    for which, part in _spaces(space):
        seals = seals_of(part)
        for name, content in _contents(which, part).items():
            if name not in seals:
                seals[name] = mark(content)


def broken_seals(space: LatentSpace) -> list[str]:
    """Name what a space and those of its other splits hold that is not as it was sealed."""
    return [f"{which}{name}" for which, part in _spaces(space) for name in _broken(which, part)]


def _broken(which: str, space: LatentSpace) -> Iterator[str]:
    seals = seals_of(space)
    for name, content in _contents(which, space).items():
        if name in seals and mark(content) != seals[name]:
            yield name


def _spaces(
    space: LatentSpace, which: str = "", known: frozenset[int] = frozenset()
) -> Iterator[tuple[str, LatentSpace]]:
    """Yield a space and all that hang on it, each once, with what they are called."""
    yield which, space
    hanging = {**vars(space.others), "arranged": vars(space).get("arranged"), "all": vars(space).get("whole")}
    others = {name: other for name, other in hanging.items() if other is not None and id(other) not in known}
    for name, other in others.items():
        yield from _spaces(other, f"{which}{name} ", known | set(map(id, others.values())))


def _contents(which: str, space: LatentSpace) -> dict[str, Content]:
    """Return what a space holds by now, given and computed, and what its training cost."""
    given = {name: getattr(space.data, name) for name in GIVEN}
    given |= {"prior": space.maps.prior, "posterior": space.maps.posterior}
    given |= space.__dict__  # the computed ones
    tensors = {name: value for name, value in given.items() if isinstance(value, Tensor | Posterior)}
    model = {} if which else _model(space)  # the same for all splits
    return {**tensors, "cost": str(sorted(space.cost.items())), **model}


def _model(space: LatentSpace) -> dict[str, Content]:
    function = space.maps.decode or space.maps.encode
    model = getattr(function, "__self__", function)
    if not isinstance(model, nn.Module):
        return {}
    return {"weights of the model": model, "mode of the model": str(model.training)}
