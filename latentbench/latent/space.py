"""LatentSpace: a fitted model and the data seen through it. Every metric receives one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentbench.convolutions.cpu import FastConvolutions
from latentbench.dataset import Render, Split
from latentbench.errors import ContractError, NotApplicableError
from latentbench.model import Model, Posterior, as_inputs

__all__ = ["LatentSpace", "exact_arithmetic"]

BATCH = 128  # rows at once on a CPU: what a layer makes of them stays in its caches
LARGE_BATCH = 2048  # elsewhere
SAMPLE_SEED = 1_000_003  # posterior samples are the same for every trial of equal shape: comparisons stay paired
TOGETHER = "codes are made of all items together (transductive)"
APART = "no encoder, so no codes of other splits in the same space"
LAZY = ("codes", "inputs", "reconstructions", "code_samples")  # what is computed once and kept
REASONS = {
    "inputs": "no inputs",
    "labels": "no labels",
    "factors": "no ground-truth factors",
    "train": "no training split",
    "validation": "no validation split",
    "encoder": "no encoder",
    "decoder": "no decoder",
    "decoder_gradient": "no decoder with gradients",
    "posterior": "no posterior",
    "prior": "no prior",
    "likelihood": "no likelihood",
    "render": "no renderer of factors",
    "cost": "not trained here",
}


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute without gradients, in float32 proper: no autocast, no TF32; convolutions the fast way."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        plain = torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False)
        with torch.no_grad(), plain[0], plain[1], FastConvolutions():
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


class LatentSpace:
    """A fitted model and the data seen through it: codes, reconstructions, decoder, prior.

    Everything is computed when first asked for, once, in batches, on `device`, in float32. Build one with
    `LatentSpace.of_model` or `LatentSpace.from_arrays`. What a space does not have raises NotApplicableError
    with the reason; `supplies` tells beforehand.

    Attributes:
        name: how it is called in messages.
        device: where tensors live.
        train: the same look at the training split, or None.
        validation: the same look at the validation split, on which strengths are chosen, or None.
        factor_names: names of the columns of `factors`.
        factor_sizes: number of values of each factor; 0 means continuous.
        fingerprint: sha256 of the data set, a cache key; None for plain arrays.
        cost: what training took: train_seconds, images_per_second, parameters, peak_memory_bytes.
        note: what a reader must know of how codes were made; it stands in the rows of all scores.
        absent: why something is missing, where the usual words ("no training split") would not be true.
        rows_at_once: how many inputs are encoded at once; None: as many as suit a network on the device.
    """

    def __init__(
        self,
        *,
        codes: Tensor | Callable[[], Tensor] | None = None,
        inputs: Tensor | Callable[[], Tensor] | None = None,
        labels: Tensor | None = None,
        factors: Tensor | None = None,
        factor_names: tuple[str, ...] = (),
        factor_sizes: tuple[int, ...] = (),
        reconstructions: Tensor | None = None,
        encode: Callable[[Tensor], Tensor] | None = None,
        decode: Callable[[Tensor], Tensor] | None = None,
        differentiable: bool = True,
        posterior: Posterior | Callable[[Tensor], Posterior | None] | None = None,
        prior: Posterior | None = None,
        likelihood: Callable[[Tensor, Tensor], Tensor | None] | None = None,
        render: Callable[[Tensor], Tensor] | None = None,
        train: LatentSpace | None = None,
        validation: LatentSpace | None = None,
        device: torch.device | str = "cpu",
        name: str = "latent space",
        fingerprint: str | None = None,
        cost: Mapping[str, float] | None = None,
        note: str = "",
        absent: Mapping[str, str] | None = None,
        rows_at_once: int | None = None,
    ) -> None:
        self._codes, self._inputs, self._labels, self._factors = codes, inputs, labels, factors
        self._reconstructions = reconstructions
        self._encode, self._decode, self._differentiable = encode, decode, differentiable
        self._posterior, self._prior, self._likelihood = posterior, prior, likelihood
        self._render = render
        self.train, self.validation = train, validation
        self.factor_names, self.factor_sizes = factor_names, factor_sizes
        self.device = torch.device(device)
        self.name, self.fingerprint, self.cost, self.note = name, fingerprint, dict(cost or {}), note
        self.absent, self.rows_at_once = dict(absent or {}), rows_at_once

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
        """Look at `split` through a fitted model; `train` and `validation` are seen through it where asked for.

        A model without encoder shows each split by itself: codes of two do not lie in one space. Such `codes`
        `(n, d)` may be given where they have been made before.
        """
        together = model.encoder == "none"
        embed = None if not together else lambda: model.embed(as_inputs(split.inputs, model.device))

        def look(seen: Split | None, which: str) -> LatentSpace | None:
            if together or seen is None:
                return None
            return cls.of_model(model, seen, render=render, name=f"{name}, {which}")

        probed = (
            model.posterior(as_inputs(split.inputs[:1], model.device)) if _overrides(model, "posterior") else None
        )
        return cls(
            inputs=lambda: as_inputs(split.inputs, model.device),
            labels=None if split.labels is None else torch.tensor(split.labels, device=model.device),
            factors=None if split.factors is None else torch.tensor(split.factors, device=model.device),
            factor_names=split.factor_names,
            factor_sizes=split.factor_sizes,
            codes=embed if codes is None else codes.to(model.device),
            encode=None if together else model.encode,
            decode=None if model.decoder == "none" else model.decode,
            differentiable=model.decoder == "differentiable",
            posterior=None if probed is None else model.posterior,
            prior=model.prior,
            likelihood=model.log_likelihood if _overrides(model, "log_likelihood") else None,
            render=None if render is None else lambda factors: _rendered(render, factors),
            train=look(train, "train"),
            validation=look(validation, "validation"),
            device=model.device,
            name=name,
            fingerprint=fingerprint,
            cost=cost,
            note=TOGETHER if together else "",
            absent=dict.fromkeys(("train", "validation"), APART) if together else None,
            rows_at_once=model.rows_at_once,
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
        posterior: Posterior | None = None,
        prior: Posterior | None = None,
        render: Callable[[Tensor], Tensor] | None = None,
        train: LatentSpace | None = None,
        validation: LatentSpace | None = None,
        name: str = "arrays",
    ) -> LatentSpace:
        """Build a latent space from plain arrays or tensors, all with n rows.

        Args:
            codes: `(n, d)`; becomes float32.
            labels: class numbers `(n,)`.
            inputs: `(n, *shape)`; uint8 is scaled to [0, 1].
            reconstructions: like `inputs`; made by `decode` where that is given instead.
            decode: codes `(m, d)` to outputs `(m, *shape)`, in torch.
            encode: inputs to codes, in torch.
            differentiable: whether torch has gradients of `decode`; False where it leaves torch on the way.
            factors: `(n, k)`.
            factor_names: k names; numbered when left out.
            factor_sizes: k counts of values; 0 (continuous) when left out.
            posterior: mean and variance `(n, d)`.
            prior: mean and variance `(d,)`.
            render: factors `(m, k)` to the inputs `(m, *shape)` that have them.
            train: the training split's latent space, for probes; without it they use seeded 5-fold splits.
            validation: the validation split's, on which strengths of edits are chosen.
            name: how it is called in messages.

        Raises:
            ContractError: arrays of different lengths, codes not `(n, d)` or not finite.
        """
        tensors = {
            "codes": _tensor(codes, torch.float32),
            "labels": _tensor(labels, torch.int64),
            "inputs": None if inputs is None else _scaled(inputs),
            "reconstructions": None if reconstructions is None else _scaled(reconstructions),
            "factors": _tensor(factors, torch.float64),
        }
        rows = {key: len(value) for key, value in tensors.items() if value is not None}
        if len(set(rows.values())) > 1:
            raise ContractError(f"arrays must have equally many rows, got {rows}")
        width = 0 if factors is None else tensors["factors"].shape[1]  # type: ignore[union-attr]
        space = cls(
            **tensors,  # type: ignore[arg-type]
            decode=decode,
            encode=encode,
            differentiable=differentiable,
            posterior=posterior,
            prior=prior,
            factor_names=factor_names or tuple(f"factor {i}" for i in range(width)),
            factor_sizes=factor_sizes or (0,) * width,
            render=render,
            train=train,
            validation=validation,
            name=name,
        )
        _checked_codes(space.codes, name)
        return space

    @cached_property
    def supplies(self) -> frozenset[str]:
        """What this space has, in the words of a metric's `needs`."""
        has = {
            "inputs": self._inputs is not None,
            "labels": self._labels is not None,
            "factors": self._factors is not None,
            "train": self.train is not None,
            "validation": self.validation is not None,
            "render": self._render is not None,
            "encoder": self._encode is not None,
            "decoder": self._decode is not None or self._reconstructions is not None,
            "decoder_gradient": self._decode is not None and self._differentiable,
            "posterior": self._posterior is not None,
            "prior": self._prior is not None,
            "likelihood": self._likelihood is not None,
            "cost": bool(self.cost),
        }
        return frozenset(name for name, there in has.items() if there)

    def missing(self, needs: tuple[str, ...]) -> str | None:
        """Return why a metric with these `needs` is not applicable here, or None when it is."""
        lacking = sorted((need for need in needs if need not in self.supplies), key=self.absent.__contains__)
        reasons = {**REASONS, **self.absent}
        return next((reasons.get(need, f"no {need}") for need in lacking), None)

    @cached_property
    def order(self) -> Tensor:
        """Row numbers `(n,)`, sorted by a hash of each item's input (or code, without inputs), label and factors.

        What a metric draws from items in this order does not depend on how they lay in a file.
        """
        parts = self.codes if self._inputs is None else self.inputs, self._labels, self._factors
        columns = [part.detach().cpu().reshape(len(self), -1).numpy() for part in parts if part is not None]
        rows = (b"".join(column[row].tobytes() for column in columns) for row in range(len(self)))
        hashes = [hashlib.sha256(row).digest() for row in rows]
        return torch.tensor(sorted(range(len(self)), key=hashes.__getitem__)).to(self.device)

    @cached_property
    def arranged(self) -> LatentSpace:
        """The same space with its items in `order`; this is what metrics are given."""
        return self.take(self.order)

    def take(self, rows: Tensor) -> LatentSpace:
        """Return the space of just these items, by row number, in that order; `train` stays as it is."""
        has = self.supplies
        return self.replaced(
            codes=self.codes[rows],
            inputs=self.inputs[rows] if "inputs" in has else None,
            labels=self.labels[rows] if "labels" in has else None,
            factors=self.factors[rows] if "factors" in has else None,
            reconstructions=None if self._reconstructions is None else self.reconstructions[rows],
            posterior=self.posterior.take(rows) if "posterior" in has else None,
        )

    def replaced(self, **changes: Any) -> LatentSpace:
        """Return another space that differs in these arguments of the constructor; what was computed stays behind.

        Give what depends on a change as well: new codes leave the old reconstructions standing where those are
        stored and not decoded.
        """
        kept = {
            "codes": self._codes,
            "inputs": self._inputs,
            "labels": self._labels,
            "factors": self._factors,
            "factor_names": self.factor_names,
            "factor_sizes": self.factor_sizes,
            "reconstructions": self._reconstructions,
            "encode": self._encode,
            "decode": self._decode,
            "differentiable": self._differentiable,
            "posterior": self._posterior,
            "prior": self._prior,
            "likelihood": self._likelihood,
            "render": self._render,
            "train": self.train,
            "validation": self.validation,
            "device": self.device,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "cost": self.cost,
            "note": self.note,
            "absent": self.absent,
            "rows_at_once": self.rows_at_once,
        }
        return LatentSpace(**{**kept, **changes})

    def stamp(self) -> dict[str, int]:
        """Return how often each tensor was written into since it was made; see `changes`."""
        tensors: dict[str, Any] = {
            "labels": self._labels,
            "factors": self._factors,
            "codes": self._codes,
            "inputs": self._inputs,
            "reconstructions": self._reconstructions,
        }
        tensors |= {name: value for name, value in self.__dict__.items() if name in LAZY}
        own = {name: value._version for name, value in tensors.items() if isinstance(value, Tensor)}
        others = {"train": self.train, "validation": self.validation, "arranged": self.__dict__.get("arranged")}
        for which, space in others.items():
            if space is not None:
                own |= {f"{which} {name}": version for name, version in space.stamp().items()}
        return own

    def changes(self, stamp: Mapping[str, int]) -> list[str]:
        """Name the tensors that were written into since `stamp` was taken; metrics must write into none."""
        return [name for name, version in self.stamp().items() if version != stamp.get(name, 0)]

    def __len__(self) -> int:
        return len(self.codes if self._inputs is None else self.inputs)  # codes may take long to make

    @property
    def dim(self) -> int:
        """Length of a code."""
        return int(self.codes.shape[1])

    @cached_property
    def inputs(self) -> Tensor:
        """Inputs `(n, *shape)`, float32; images in [0, 1]."""
        if self._inputs is None:
            raise NotApplicableError(REASONS["inputs"])
        return self._inputs() if callable(self._inputs) else self._inputs

    @property
    def labels(self) -> Tensor:
        """Class numbers `(n,)`."""
        if self._labels is None:
            raise NotApplicableError(REASONS["labels"])
        return self._labels

    @property
    def factors(self) -> Tensor:
        """Ground-truth factors `(n, k)`."""
        if self._factors is None:
            raise NotApplicableError(REASONS["factors"])
        return self._factors

    def render(self, factors: Tensor) -> Tensor:
        """Return the inputs `(m, *shape)` that have these factors `(m, k)`, as the data set draws them."""
        if self._render is None:
            raise NotApplicableError(REASONS["render"])
        return self._render(factors).to(self.device)

    @cached_property
    def codes(self) -> Tensor:
        """Codes `(n, d)`: posterior means for a probabilistic model."""
        codes = self._made_codes() if self._codes is None or callable(self._codes) else self._codes
        _checked_codes(codes, self.name)
        if self._inputs is not None and len(codes) != len(self.inputs):
            raise ContractError(f"{self.name}: {len(self.inputs)} inputs were encoded to {len(codes)} codes")
        return codes

    def _made_codes(self) -> Tensor:
        """A model whose posterior is at hand need not encode again: `encode` returns posterior means."""
        if callable(self._codes):
            with exact_arithmetic():
                return self._codes()
        return self.posterior.mean if callable(self._posterior) else self.encode(self.inputs)

    @cached_property
    def posterior(self) -> Posterior:
        """The distribution of the code of each row."""
        if self._posterior is None:
            raise NotApplicableError(REASONS["posterior"])
        return self._posterior if isinstance(self._posterior, Posterior) else self.posterior_of(self.inputs)

    def posterior_of(self, inputs: Tensor) -> Posterior:
        """Return the distribution of the code of each of other inputs `(m, *shape)`, in batches."""
        if not callable(self._posterior):
            raise NotApplicableError(f"{REASONS['posterior']} of new inputs")
        with exact_arithmetic():
            parts = [self._posterior(chunk) for chunk in _batches(inputs, self.rows_at_once)]
        means, variances = zip(*((part.mean, part.variance) for part in parts if part is not None), strict=True)
        return type(parts[0])(torch.cat(means), torch.cat(variances))  # type: ignore[misc]

    @cached_property
    def code_samples(self) -> Tensor:
        """One posterior sample for each row, `(n, d)`; the same noise for every space of this shape."""
        noise = torch.randn(self.codes.shape, generator=torch.Generator().manual_seed(SAMPLE_SEED))
        return self.posterior.sample(noise.to(self.device))

    @property
    def prior(self) -> Posterior:
        """The distribution new codes are drawn from."""
        if self._prior is None:
            raise NotApplicableError(REASONS["prior"])
        return self._prior

    @cached_property
    def reconstructions(self) -> Tensor:
        """Decoded codes `(n, *shape)`."""
        if self._reconstructions is not None:
            return self._reconstructions
        decoded = self.decode(self.codes)
        if self._inputs is not None and decoded.shape != self.inputs.shape:
            shapes = tuple(decoded.shape), tuple(self.inputs.shape)
            raise ContractError(f"{self.name}: decoded codes have shape {shapes[0]}, the inputs {shapes[1]}")
        if not torch.isfinite(decoded).all():
            raise ContractError(f"{self.name}: reconstructions hold NaN or infinity")
        return decoded

    def encode(self, inputs: Tensor) -> Tensor:
        """Map inputs `(m, *shape)` to codes `(m, d)`, in batches."""
        if self._encode is None:
            raise NotApplicableError(REASONS["encoder"])
        return _in_batches(self._encode, inputs, self.rows_at_once)

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes `(m, d)` to outputs `(m, *shape)`, in batches, without gradients."""
        if self._decode is None:
            raise NotApplicableError(REASONS["decoder"])
        return _in_batches(self._decode, codes)

    @property
    def decoder(self) -> Callable[[Tensor], Tensor]:
        """The bare decoder in torch, for derivatives; where it is opaque NotApplicableError says so."""
        if self._decode is None or not self._differentiable:
            raise NotApplicableError(REASONS["decoder_gradient"])
        return self._decode

    def log_likelihood(self, inputs: Tensor, codes: Tensor) -> Tensor:
        """Return log p(inputs | codes) in nats, `(m,)`, in batches, without gradients."""
        if self._likelihood is None:
            raise NotApplicableError(REASONS["likelihood"])
        if len(inputs) != len(codes):
            raise ValueError(f"inputs and codes must have equally many rows, got {len(inputs)} and {len(codes)}")
        with exact_arithmetic():
            both = zip(_batches(inputs), _batches(codes), strict=True)
            parts = [self._likelihood(*chunk) for chunk in both]
        values = [part for part in parts if part is not None]
        if len(values) < len(parts):
            raise NotApplicableError(REASONS["likelihood"])
        return torch.cat(values)


def _in_batches(function: Callable[[Tensor], Tensor], rows: Tensor, at_once: int | None = None) -> Tensor:
    with exact_arithmetic():
        return torch.cat([function(chunk) for chunk in _batches(rows, at_once)])


def _batches(rows: Tensor, at_once: int | None = None) -> tuple[Tensor, ...]:
    usual = BATCH if rows.device.type == "cpu" else LARGE_BATCH
    return torch.split(rows, usual if at_once is None else at_once)


def _checked_codes(codes: Tensor, name: str) -> Tensor:
    if codes.ndim != 2 or not codes.is_floating_point():
        raise ContractError(f"{name}: codes must be (n, d) and floats, got {codes.dtype} of {tuple(codes.shape)}")
    if not torch.isfinite(codes).all():
        bad = int((~torch.isfinite(codes)).any(dim=1).sum())
        raise ContractError(f"{name}: {bad} of {len(codes)} codes hold NaN or infinity")
    return codes


def _rendered(render: Render, factors: Tensor) -> Tensor:
    return as_inputs(render(factors.double().cpu().numpy()))


def _overrides(model: Model, method: str) -> bool:
    return getattr(type(model), method) is not getattr(Model, method)


def _tensor(values: Any, dtype: torch.dtype) -> Tensor | None:
    return None if values is None else torch.as_tensor(np.asarray(values)).to(dtype)


def _scaled(values: Any) -> Tensor:
    array = np.asarray(values)
    return as_inputs(array if array.dtype == np.uint8 else array.astype(np.float32))
