"""LatentSpace: a fitted model and the data seen through it. Every metric receives one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from latentbench.dataset import Render, Split
from latentbench.errors import ContractError, NotApplicableError
from latentbench.latent.arithmetic import batches, exact_arithmetic, in_batches, rows_of
from latentbench.latent.description import described, description_html
from latentbench.latent.digests import sealed_property
from latentbench.latent.parts import REASONS, SpaceData, SpaceMaps, check_codes, checked_posterior
from latentbench.latent.row_order import class_ranks, renumbered, row_order
from latentbench.latent.shown import shown_at, shown_inputs
from latentbench.latent.split_inputs import SplitInputs
from latentbench.model import Model, Posterior

__all__ = ["LatentSpace", "OtherSplits"]

SAMPLE_SEED = 1_000_003  # posterior samples are the same for every trial of equal shape: comparisons stay paired
TOGETHER = "codes are made of all items together (transductive)"
APART = "no encoder, so no codes of other splits in the same space"
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class OtherSplits:
    """Other splits of the same data seen through the same model; None where there is none.

    Attributes:
        train: the space of the training split, for probes and fitted densities.
        validation: the space of the validation split, on which strengths are chosen.
    """

    train: LatentSpace | None = None
    validation: LatentSpace | None = None


@dataclass(frozen=True, eq=False, repr=False)
class LatentSpace:
    """A fitted model and the data seen through it: codes, reconstructions, decoder, prior.

    Build one with `LatentSpace.of_model` or `LatentSpace.from_arrays`. It is frozen: `replaced` returns another.
    Everything is computed when first used, once, in batches, on `device`, in float32. What a space does not have
    raises NotApplicableError with the reason; `supplies` tells beforehand.

    Attributes:
        data: what the space shows, as it was given.
        maps: what its model can do.
        others: the spaces of the other splits.
        name: how messages call it.
        device: where its tensors are.
        fingerprint: sha256 of the data set, a cache key; None for plain arrays.
        cost: what training took: train_seconds, images_per_second, parameters, peak_memory_bytes.
        note: what a reader must know about how the codes were made; all its scores carry it.
        absent: why something is missing, where the usual reason ("no training split") would be wrong.
    """

    data: SpaceData = field(default_factory=SpaceData)
    maps: SpaceMaps = field(default_factory=SpaceMaps)
    others: OtherSplits = field(default_factory=OtherSplits)
    name: str = field(default="latent space", kw_only=True)
    device: torch.device = field(default=torch.device("cpu"), kw_only=True)
    fingerprint: str | None = field(default=None, kw_only=True)
    cost: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    note: str = field(default="", kw_only=True)
    absent: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", torch.device(self.device))

    @classmethod
    def of_model(
        cls,
        model: Model,
        split: Split,
        train: Split | None = None,
        validation: Split | None = None,
        *,
        render: Render | None = None,
        name: str = "latent space",
        fingerprint: str | None = None,
        cost: Mapping[str, float] | None = None,
        codes: Tensor | None = None,
    ) -> LatentSpace:
        """Look at `split` through a fitted model; `train` and `validation` are computed where they are used.

        A model without encoder shows each split by itself, as codes of two do not lie in one space. The `codes`
        `(n, d)` of the split may be given where they have been computed before.
        """
        together = model.encoder == "none"

        def seen(other: Split | None, which: str) -> LatentSpace | None:
            if together or other is None:
                return None
            return cls.of_model(model, other, render=render, name=f"{name}, {which}")

        return cls(
            SpaceData.of_split(split, model, codes),
            SpaceMaps.of_model(model, split, render),
            OtherSplits(seen(train, "train"), seen(validation, "validation")),
            device=model.device,
            name=name,
            fingerprint=fingerprint,
            cost=dict(cost or {}),
            note=TOGETHER if together else "",
            absent=dict.fromkeys(("train", "validation"), APART) if together else {},
        )

    @classmethod
    def from_arrays(
        cls,
        *,
        codes: Any,
        labels: Any = None,
        inputs: Any = None,
        reconstructions: Any = None,
        decode: Callable[[Tensor], Tensor] | None = None,
        encode: Callable[[Tensor], Tensor] | None = None,
        differentiable: bool = True,
        factors: Any = None,
        factor_names: tuple[str, ...] = (),
        factor_sizes: tuple[int, ...] = (),
        class_names: tuple[str, ...] = (),
        posterior: Posterior | None = None,
        prior: Posterior | None = None,
        render: Callable[[Tensor], Tensor] | None = None,
        train: LatentSpace | None = None,
        validation: LatentSpace | None = None,
        name: str = "arrays",
    ) -> LatentSpace:
        """Build a latent space from plain arrays or tensors, all with n rows.

        Args:
            codes: `(n, d)`; becomes float32, less the mean where float32 cannot hold it (`note` tells).
            labels: class numbers `(n,)` from 0, or text, which is numbered.
            inputs: `(n, *shape)`; uint8 is scaled to [0, 1].
            reconstructions: like `inputs`; without them `decode` makes them.
            decode: codes `(m, d)` to outputs `(m, *shape)`, in torch.
            encode: inputs to codes, in torch.
            differentiable: whether torch has gradients of `decode`; False where it leaves torch on the way.
            factors: `(n, k)`.
            factor_names: k names; numbered when left out.
            factor_sizes: k counts of values; 0 (continuous) when left out.
            class_names: what class 0, 1, ... is called.
            posterior: mean and variance `(n, d)`.
            prior: mean and variance `(d,)`.
            render: factors `(m, k)` to the inputs `(m, *shape)` that have them.
            train: the training split's latent space, for probes; without it they use seeded 5-fold splits.
            validation: the validation split's latent space, on which strengths of edits are chosen.
            name: how messages call it.

        Raises:
            ContractError: arrays that do not fit together, are not finite, or lose their digits in float32.
        """
        arrays = {"codes": codes, "labels": labels, "inputs": inputs, "reconstructions": reconstructions}
        maps = SpaceMaps(
            encode=encode,
            decode=decode,
            differentiable=differentiable,
            posterior=posterior,
            prior=prior,
            render=render,
        )
        others = [space.data for space in (train, validation) if space is not None]
        names = factor_names, factor_sizes, class_names
        data = SpaceData.of_arrays(*names, others, maps, **arrays, factors=factors)
        space = cls(data, maps, OtherSplits(train, validation), name=name, note=data.note)
        check_codes(space.codes, name)
        return space

    @cached_property
    def supplies(self) -> frozenset[str]:
        """What this space has, in the words of a metric's `needs`."""
        has = {
            **self.data.supplies,
            **self.maps.supplies,
            "train": self.others.train is not None,
            "validation": self.others.validation is not None,
            "cost": bool(self.cost),
        }
        has["decoder"] |= self.data.reconstructions is not None
        return frozenset(need for need, supplied in has.items() if supplied)

    def missing(self, needs: tuple[str, ...]) -> str | None:
        """Return why a metric with these `needs` is not applicable to this space, or None when it is."""
        lacking = sorted((need for need in needs if need not in self.supplies), key=self.absent.__contains__)
        return next(({**REASONS, **self.absent}.get(need, f"no {need}") for need in lacking), None)

    def _supplied(self, need: str, part: T | None) -> T:
        if part is None:
            raise NotApplicableError(self.absent.get(need, REASONS[need]))
        return part

    @property
    def train(self) -> LatentSpace:
        """The training split seen through the same model."""
        return self._supplied("train", self.others.train)

    @property
    def validation(self) -> LatentSpace:
        """The validation split seen through the same model; strengths are chosen on it."""
        return self._supplied("validation", self.others.validation)

    @sealed_property
    def order(self) -> Tensor:
        """Row numbers `(n,)` in which metrics see the items; what they draw by position depends on nothing else.

        With inputs: sorted by a hash of each item's input, factors and rank of its class. Without inputs the row
        number is all that says which item is which, so items keep their order.
        """
        if self.data.inputs is None:
            return torch.arange(len(self), device=self.device)
        return row_order(shown_inputs(self), class_ranks(self.data.labels), self.data.factors).to(self.device)

    @cached_property
    def arranged(self) -> LatentSpace:
        """The same space with its items in `order`, `renumbered` where it has no inputs; metrics receive it."""
        arranged = self.take(self.order)
        return arranged if self.data.inputs is not None else renumbered(arranged)

    def take(self, rows: Tensor) -> LatentSpace:
        """Return the space of these items only, by row number, in that order; the other splits stay the same."""
        has = self.supplies
        return self.replaced(
            codes=self.codes[rows],
            inputs=shown_at(self, rows) if "inputs" in has else None,
            labels=self.labels[rows] if "labels" in has else None,
            factors=self.factors[rows] if "factors" in has else None,
            reconstructions=None if self.data.reconstructions is None else rows_of(self.reconstructions, rows),
            posterior=self.posterior.take(rows) if "posterior" in has else None,
        )

    def replaced(self, **changes: Any) -> LatentSpace:
        """Return a space with other attributes, of its own or of its parts; computed values are not copied.

        A change does not change what depends on it: with new codes, give new reconstructions where those are
        stored and not decoded.

        >>> space = LatentSpace.from_arrays(codes=[[0.0], [1.0]])
        >>> space.replaced(decode=torch.sin, name="sine").reconstructions[0]
        tensor([0.])
        """
        for name in ("data", "maps", "others"):
            part = getattr(self, name)
            inner = {key.name: changes.pop(key.name) for key in fields(part) if key.name in changes}
            changes.setdefault(name, replace(part, **inner))
        return replace(self, **changes)

    def __repr__(self) -> str:
        return f"<LatentSpace {self.name}: {'; '.join(f'{fact}: {text}' for fact, text in self._facts.items())}>"

    def _repr_html_(self) -> str:
        return description_html(self.name, self._facts)

    @property
    def _facts(self) -> dict[str, str]:
        codes = vars(self).get("codes", self.data.codes)
        return described(self.data, codes if isinstance(codes, Tensor) else None, self.supplies)

    def __len__(self) -> int:
        return len(self.codes if self.data.inputs is None else shown_inputs(self))  # codes may take long

    @property
    def dim(self) -> int:
        """Length of a code."""
        return int(self.codes.shape[1])

    @sealed_property
    def inputs(self) -> Tensor:
        """Inputs `(n, *shape)`, float32; images in [0, 1]."""
        inputs = self.data.inputs
        return self._supplied("inputs", inputs() if callable(inputs) else inputs)

    @property
    def labels(self) -> Tensor:
        """Class numbers `(n,)`."""
        return self._supplied("labels", self.data.labels)

    @property
    def factors(self) -> Tensor:
        """Ground-truth factors `(n, k)`."""
        return self._supplied("factors", self.data.factors)

    @property
    def factor_names(self) -> tuple[str, ...]:
        """Names of the columns of `factors`."""
        return self.data.factor_names

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """Number of values of each factor; 0 means continuous."""
        return self.data.factor_sizes

    @property
    def class_names(self) -> tuple[str, ...]:
        """What class 0, 1, ... is called; empty where classes have numbers alone."""
        return self.data.class_names

    @property
    def rows_at_once(self) -> int | None:
        """How many inputs are encoded at once; None: as many as suit a network on the device."""
        return self.maps.rows_at_once

    def render(self, factors: Tensor) -> Tensor:
        """Return the inputs `(m, *shape)` that have these factors `(m, k)`, as the data set draws them."""
        return self._supplied("render", self.maps.render)(factors).to(self.device)

    @sealed_property
    def codes(self) -> Tensor:
        """Codes `(n, d)`: posterior means for a probabilistic model."""
        codes = self._computed_codes()
        check_codes(codes, self.name)
        if self.data.inputs is not None and len(codes) != len(self):
            raise ContractError(f"{self.name}: {len(self)} inputs were encoded to {len(codes)} codes")
        return codes

    def _computed_codes(self) -> Tensor:
        codes = self.data.codes
        if isinstance(codes, Tensor):
            return codes
        if codes is None:  # `encode` returns posterior means: a posterior at hand saves encoding twice
            return self.posterior.mean if callable(self.maps.posterior) else self.encode(shown_inputs(self))
        with exact_arithmetic():
            return codes()

    @sealed_property
    def posterior(self) -> Posterior:
        """The distribution of the code of each row."""
        posterior = self._supplied("posterior", self.maps.posterior)
        return posterior if isinstance(posterior, Posterior) else self.posterior_of(shown_inputs(self))

    def posterior_of(self, inputs: Tensor | SplitInputs) -> Posterior:
        """Return the distribution of the code of each of other inputs `(m, *shape)`, in batches."""
        posterior = self.maps.posterior
        if not callable(posterior):
            raise NotApplicableError(f"{REASONS['posterior']} of new inputs")
        with exact_arithmetic():
            given = (posterior(batch) for batch in batches(inputs, self.rows_at_once))
            parts = [checked_posterior(part, self.name) for part in given]
        means, variances = zip(*((part.mean, part.variance) for part in parts if part is not None), strict=True)
        return type(parts[0])(torch.cat(means), torch.cat(variances))  # type: ignore[misc]

    @sealed_property
    def code_samples(self) -> Tensor:
        """One posterior sample for each row, `(n, d)`; the same noise for every space of this shape."""
        return self.posterior.sample(self.noise(torch.Generator().manual_seed(SAMPLE_SEED)).to(self.device))

    def noise(self, generator: torch.Generator) -> Tensor:
        """Draw standard normal numbers for a sample of every item's posterior: `(n, d)`, on the CPU."""
        return torch.randn(self.codes.shape, generator=generator)

    @property
    def prior(self) -> Posterior:
        """The distribution that new codes are drawn from."""
        return self._supplied("prior", self.maps.prior)

    @sealed_property
    def reconstructions(self) -> Tensor:
        """Decoded codes `(n, *shape)`."""
        if self.data.reconstructions is not None:
            return self.data.reconstructions
        decoded = self.decode(self.codes)
        if self.data.inputs is not None and decoded.shape != shown_inputs(self).shape:
            shapes = tuple(decoded.shape), tuple(shown_inputs(self).shape)
            raise ContractError(f"{self.name}: decoded codes have shape {shapes[0]}, the inputs {shapes[1]}")
        if not torch.isfinite(decoded).all():
            raise ContractError(f"{self.name}: reconstructions hold NaN or infinity")
        return decoded

    def encode(self, inputs: Tensor | SplitInputs) -> Tensor:
        """Map inputs `(m, *shape)` to codes `(m, d)`, in batches."""
        return in_batches(self._supplied("encoder", self.maps.encode), inputs, self.rows_at_once)

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes `(m, d)` to outputs `(m, *shape)`, in batches, without gradients."""
        return in_batches(self._supplied("decoder", self.maps.decode), codes)

    @property
    def decoder(self) -> Callable[[Tensor], Tensor]:
        """The bare decoder in torch, for derivatives; NotApplicableError where it has none."""
        return self._supplied("decoder_gradient", self.maps.decode if self.maps.differentiable else None)

    def log_likelihood(self, inputs: Tensor, codes: Tensor) -> Tensor:
        """Return log p(inputs | codes) in nats, `(m,)`, in batches, without gradients."""
        likelihood = self._supplied("likelihood", self.maps.likelihood)
        if len(inputs) != len(codes):
            raise ValueError(f"inputs and codes must have equally many rows, got {len(inputs)} and {len(codes)}")
        with exact_arithmetic():
            parts = [likelihood(*pair) for pair in zip(batches(inputs), batches(codes), strict=True)]
        values = [part for part in parts if part is not None]
        if len(values) < len(parts):
            raise NotApplicableError(REASONS["likelihood"])
        return torch.cat(values)
