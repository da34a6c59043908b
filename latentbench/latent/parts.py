"""The parts of a LatentSpace: the data it shows and the maps of its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentbench.dataset import Render, Split
from latentbench.errors import ContractError
from latentbench.model import Model, Posterior, as_inputs

__all__ = ["REASONS", "SpaceData", "SpaceMaps", "check_codes"]

# what a metric may need -> why it is not applicable where that is absent
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


@dataclass(frozen=True, eq=False, kw_only=True)
class SpaceData:
    """What a latent space shows, one row per item; None where a space does not have it.

    Attributes:
        codes: `(n, d)`, or a function that computes them; None: from the posterior or the encoder.
        inputs: `(n, *shape)`, or a function that loads them; images in [0, 1].
        labels: class numbers `(n,)`.
        factors: ground-truth factors `(n, k)`.
        factor_names: names of the columns of `factors`.
        factor_sizes: number of values of each factor; 0 means continuous.
        reconstructions: `(n, *shape)`; None: decoded codes.
        class_names: what class 0, 1, ... is called, for people to read; empty where classes have numbers alone.
    """

    codes: Tensor | Callable[[], Tensor] | None = None
    inputs: Tensor | Callable[[], Tensor] | None = None
    labels: Tensor | None = None
    factors: Tensor | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
    reconstructions: Tensor | None = None
    class_names: tuple[str, ...] = ()

    @classmethod
    def of_split(cls, split: Split, model: Model, codes: Tensor | None = None) -> SpaceData:
        """Hold a split on the model's device; its inputs are loaded when they are used.

        A model without encoder embeds all items together, unless their `codes` `(n, d)` are given.
        """
        device = model.device
        embed = (lambda: model.embed(as_inputs(split.inputs, device))) if model.encoder == "none" else None
        return cls(
            codes=embed if codes is None else codes.to(device),
            inputs=lambda: as_inputs(split.inputs, device),
            labels=None if split.labels is None else torch.tensor(split.labels, device=device),
            factors=None if split.factors is None else torch.tensor(split.factors, device=device),
            factor_names=split.factor_names,
            factor_sizes=split.factor_sizes,
            class_names=split.class_names,
        )

    @classmethod
    def of_arrays(
        cls,
        factor_names: tuple[str, ...] = (),
        factor_sizes: tuple[int, ...] = (),
        class_names: tuple[str, ...] = (),
        **arrays: Any,
    ) -> SpaceData:
        """Convert arrays, named like the attributes; factors without names and sizes are numbered, continuous.

        Raises:
            ContractError: arrays with different numbers of rows.
        """
        tensors = {name: _CONVERTERS[name](array) for name, array in arrays.items() if array is not None}
        rows = {name: len(tensor) for name, tensor in tensors.items()}
        if len(set(rows.values())) > 1:
            raise ContractError(f"arrays must have equally many rows, got {rows}")
        width = tensors["factors"].shape[1] if "factors" in tensors else 0
        names: dict[str, Any] = {
            "factor_names": factor_names or tuple(f"factor {number}" for number in range(width)),
            "factor_sizes": factor_sizes or (0,) * width,
            "class_names": class_names,
        }
        return cls(**{**names, **tensors})

    @property
    def supplies(self) -> dict[str, bool]:
        """Whether there is what a metric may need."""
        return {name: getattr(self, name) is not None for name in ("inputs", "labels", "factors")}


@dataclass(frozen=True, eq=False, kw_only=True)
class SpaceMaps:
    """What a model can do, in torch; None where it cannot.

    Attributes:
        encode: inputs `(m, *shape)` to codes `(m, d)`.
        decode: codes `(m, d)` to outputs `(m, *shape)`.
        differentiable: whether torch has gradients of `decode`.
        posterior: of all rows, or a function of inputs.
        prior: the distribution that new codes are drawn from.
        likelihood: inputs and codes to log p(inputs | codes) in nats, `(m,)`.
        render: factors `(m, k)` to the inputs `(m, *shape)` that have them.
        rows_at_once: how many inputs are encoded at once; None: as many as suit a network on the device.
    """

    encode: Callable[[Tensor], Tensor] | None = None
    decode: Callable[[Tensor], Tensor] | None = None
    differentiable: bool = True
    posterior: Posterior | Callable[[Tensor], Posterior | None] | None = None
    prior: Posterior | None = None
    likelihood: Callable[[Tensor, Tensor], Tensor | None] | None = None
    render: Callable[[Tensor], Tensor] | None = None
    rows_at_once: int | None = None

    @property
    def supplies(self) -> dict[str, bool]:
        """Whether there is what a metric may need."""
        return {
            "render": self.render is not None,
            "encoder": self.encode is not None,
            "decoder": self.decode is not None,
            "decoder_gradient": self.decode is not None and self.differentiable,
            "posterior": self.posterior is not None,
            "prior": self.prior is not None,
            "likelihood": self.likelihood is not None,
        }

    @classmethod
    def of_model(cls, model: Model, split: Split, render: Render | None = None) -> SpaceMaps:
        """Take the maps of a fitted model; one input of the split tells whether it has a posterior."""
        return cls(
            encode=None if model.encoder == "none" else model.encode,
            decode=None if model.decoder == "none" else model.decode,
            differentiable=model.decoder == "differentiable",
            posterior=model.posterior if _has_posterior(model, split) else None,
            prior=model.prior,
            likelihood=model.log_likelihood if _overrides(model, "log_likelihood") else None,
            render=None if render is None else lambda factors: _rendered(render, factors),
            rows_at_once=model.rows_at_once,
        )


def check_codes(codes: Tensor, name: str) -> None:
    """Raise ContractError unless codes are finite floats of shape `(n, d)`; `name` is that of their space."""
    if codes.ndim != 2 or not codes.is_floating_point():
        raise ContractError(f"{name}: codes must be (n, d) and floats, got {codes.dtype} of {tuple(codes.shape)}")
    if not torch.isfinite(codes).all():
        bad = int((~torch.isfinite(codes)).any(dim=1).sum())
        raise ContractError(f"{name}: {bad} of {len(codes)} codes hold NaN or infinity")


def _has_posterior(model: Model, split: Split) -> bool:
    if not _overrides(model, "posterior"):
        return False
    return model.posterior(as_inputs(split.inputs[:1], model.device)) is not None


def _overrides(model: Model, method: str) -> bool:
    return getattr(type(model), method) is not getattr(Model, method)


def _rendered(render: Render, factors: Tensor) -> Tensor:
    return as_inputs(render(factors.double().cpu().numpy()))


def _converter(dtype: torch.dtype) -> Callable[[Any], Tensor]:
    return lambda values: torch.as_tensor(np.asarray(values)).to(dtype)


def _scaled(values: Any) -> Tensor:
    array = np.asarray(values)
    return as_inputs(array if array.dtype == np.uint8 else array.astype(np.float32))


_CONVERTERS: dict[str, Callable[[Any], Tensor]] = {
    "codes": _converter(torch.float32),
    "labels": _converter(torch.int64),
    "inputs": _scaled,
    "reconstructions": _scaled,
    "factors": _converter(torch.float64),
}
