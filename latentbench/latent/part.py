"""Some items of a latent space, with the very values that they have in the whole."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from latentbench.latent.arithmetic import rows_of
from latentbench.latent.digests import sealed_property
from latentbench.latent.parts import check_codes
from latentbench.latent.shown import shown_at
from latentbench.latent.space import LatentSpace
from latentbench.latent.split_inputs import SplitInputs
from latentbench.model import Posterior

__all__ = ["codes_at", "part_of", "some_rows"]


def some_rows(total: int, count: int | None, seed: int = 0) -> Tensor:
    """Return `count` of `total` row numbers, ascending; all of them when there are no more.

    >>> some_rows(5, 9)
    tensor([0, 1, 2, 3, 4])
    """
    if count is None or total <= count:
        return torch.arange(total)
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:count].sort().values


def part_of(space: LatentSpace, rows: Tensor) -> LatentSpace:
    """Return the space of these items only, by row number, in that order; the other splits stay the same.

    Unlike `LatentSpace.take`, it computes nothing of its own: codes, reconstructions and posterior samples are
    computed for the whole space, once, so that a value does not depend on how many items are looked at.
    """
    rows = rows.to(space.device)
    data = replace(
        space.data,
        codes=lambda: space.codes[rows],
        inputs=(lambda: _inputs_at(space, rows)) if "inputs" in space.supplies else None,
        labels=space.labels[rows] if "labels" in space.supplies else None,
        factors=space.factors[rows] if "factors" in space.supplies else None,
        reconstructions=None,
    )
    shared = {name: getattr(space, name) for name in vars(space) if name in LatentSpace.__dataclass_fields__}
    return _Part(**{**shared, "data": data}, whole=space, rows=rows)


def codes_at(space: LatentSpace, rows: Tensor) -> Tensor:
    """Return the codes `(m, d)` of these items; where none have been computed yet, only theirs are.

    Apart from rounding they are `space.codes[rows]`: what lies beside an item in a batch may change its last bit.

    >>> codes_at(LatentSpace.from_arrays(codes=[[0.0], [1.0], [2.0]]), torch.tensor([2, 0])).flatten()
    tensor([2., 0.])
    """
    known = "codes" in vars(space) or space.data.codes is not None or "encoder" not in space.supplies
    if known or not len(rows):
        return space.codes[rows]
    stored = space.data.inputs
    if isinstance(stored, SplitInputs) and "inputs" not in vars(space):  # few are converted faster than all
        codes = space.encode(stored.take(rows))
    else:
        codes = space.encode(shown_at(space, rows))
    check_codes(codes, space.name)
    return codes


def _inputs_at(space: LatentSpace, rows: Tensor) -> Tensor:
    inputs = shown_at(space, rows)
    return inputs() if isinstance(inputs, SplitInputs) else inputs


@dataclass(frozen=True, eq=False, repr=False)
class _Part(LatentSpace):
    """See `part_of`."""

    whole: LatentSpace = field(kw_only=True)
    rows: Tensor = field(kw_only=True)

    @property
    def supplies(self) -> frozenset[str]:
        return self.whole.supplies

    def __len__(self) -> int:
        return len(self.rows)

    @sealed_property
    def posterior(self) -> Posterior:
        return self.whole.posterior.take(self.rows)

    @sealed_property
    def reconstructions(self) -> Tensor:
        return rows_of(self.whole.reconstructions, self.rows)

    def noise(self, generator: torch.Generator) -> Tensor:
        return self.whole.noise(generator)[self.rows]

    def replaced(self, **changes: Any) -> LatentSpace:
        return self.whole.take(self.rows).replaced(**changes)
