"""The parts of a LatentSpace: the data it shows and the maps of its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentbench.arrays.classes import class_numbers
from latentbench.arrays.numbers import as_array, as_float32, as_numbers, centered_float32
from latentbench.dataset import Render, Split
from latentbench.errors import ContractError
from latentbench.latent.split_inputs import SplitInputs
from latentbench.model import Model, Posterior, as_inputs

__all__ = ["REASONS", "SpaceData", "SpaceMaps", "check_codes", "checked_posterior"]

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
        center: `(d,)` in float64, what was subtracted from the codes as they were given; None: nothing.
    """

    codes: Tensor | Callable[[], Tensor] | None = None
    inputs: Tensor | Callable[[], Tensor] | None = None
    labels: Tensor | None = None
    factors: Tensor | None = None
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
    reconstructions: Tensor | None = None
    class_names: tuple[str, ...] = ()
    center: Tensor | None = None

    @classmethod
    def of_split(cls, split: Split, model: Model, codes: Tensor | None = None) -> SpaceData:
        """Hold a split on the model's device; its inputs are loaded when they are used.

        A model without encoder embeds all items together, unless their `codes` `(n, d)` are given.
        """
        device = model.device
        embed = (lambda: model.embed(as_inputs(split.inputs, device))) if model.encoder == "none" else None
        return replace(cls.shown(split, device), codes=embed if codes is None else codes.to(device))

    @classmethod
    def shown(cls, split: Split, device: torch.device | str = "cpu") -> SpaceData:
        """Hold all of a split but its codes, on a device; its inputs are loaded when they are used."""
        return cls(
            inputs=SplitInputs(split.inputs, torch.device(device)),
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
        others: Sequence[SpaceData] = (),
        maps: SpaceMaps | None = None,
        **arrays: Any,
    ) -> SpaceData:
        """Convert arrays, named like the attributes; factors without names and sizes are numbered, continuous.

        Args:
            factor_names: k names.
            factor_sizes: k counts of values.
            class_names: what class 0, 1, ... is called.
            others: other splits of the same space; their class names and their center hold for this one, too.
            maps: those of the space; codes that none of them uses may be centered where float32 cannot hold them.
            arrays: of any kind, with equally many rows.

        Raises:
            ContractError: arrays that do not fit together, or of which one cannot be used.
        """
        given = {name: values for name, values in arrays.items() if values is not None}
        tensors: dict[str, Tensor | None] = {
            name: _tensor(convert(given[name], name)) for name, convert in _CONVERTERS.items() if name in given
        }
        if "codes" in given:
            codes, tensors["center"] = _converted_codes(given["codes"], others, maps is None or not maps.of_codes)
            tensors["codes"] = codes
            _check_distributions(maps, codes)
        if "labels" in given:
            tensors["labels"], class_names = _converted_labels(given["labels"], class_names, others)
        rows = {name: len(tensor) for name, tensor in tensors.items() if tensor is not None and name != "center"}
        if len(set(rows.values())) > 1:
            raise ContractError(f"arrays must have equally many rows, got {rows}")
        _check_shapes(tensors)
        factors = tensors.get("factors")
        width = 0 if factors is None else factors.shape[1]
        for name, values in (("factor_names", factor_names), ("factor_sizes", factor_sizes)):
            if values and len(values) != width:
                raise ContractError(f"{name} must have one item for each of {width} factors, got {len(values)}")
        names: dict[str, Any] = {
            "factor_names": tuple(factor_names) or tuple(f"factor {number}" for number in range(width)),
            "factor_sizes": tuple(factor_sizes) or (0,) * width,
            "class_names": class_names,
        }
        return cls(**{**names, **tensors})

    @property
    def note(self) -> str:
        """What a reader must know about the codes; empty for nothing."""
        return "" if self.center is None else "codes less their mean, with which float32 cannot hold them"

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

    @property
    def of_codes(self) -> bool:
        """Whether a map takes or gives codes, which must then stay as they are."""
        return any((self.encode, self.decode, self.posterior, self.prior))

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


def checked_posterior(given: Any, name: str) -> Posterior | None:
    """Return what the model of this name gives as a posterior.

    Raises:
        ContractError: it is none, or has a variance that cannot be.
    """
    if given is None:
        return None
    if not isinstance(given, Posterior):
        raise ContractError(f"{name}: posterior must return a Posterior, got {type(given).__name__}")
    if not (given.variance >= 0).all():
        least = float(given.variance.min())
        raise ContractError(
            f"{name}: a variance of its posterior is {least:.3g}, it must be positive; let the network give its "
            "logarithm and use .exp()"
        )
    return given


def _has_posterior(model: Model, split: Split) -> bool:
    if not _overrides(model, "posterior"):
        return False
    found = model.posterior(as_inputs(split.inputs[:1], model.device))
    return checked_posterior(found, type(model).__name__) is not None


def _overrides(model: Model, method: str) -> bool:
    return getattr(type(model), method) is not getattr(Model, method)


def _rendered(render: Render, factors: Tensor) -> Tensor:
    return as_inputs(render(factors.double().cpu().numpy()))


def _check_distributions(maps: SpaceMaps | None, codes: Tensor) -> None:
    """Refuse a posterior or prior that does not fit the codes; what a function of inputs returns is not known."""
    for name, shape in (("posterior", tuple(codes.shape)), ("prior", tuple(codes.shape[1:]))):
        given = getattr(maps, name, None)
        for part in ("mean", "variance") if isinstance(given, Posterior) else ():
            values = getattr(given, part)
            if not isinstance(values, Tensor) or tuple(values.shape) != shape:
                got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
                raise ContractError(f"{part} of the {name} must be a tensor of shape {shape}, got {got}")
            as_numbers(values, f"{part} of the {name}", ContractError)
        if isinstance(given, Posterior) and (given.variance < 0).any():
            raise ContractError(f"variance of the {name} must not be negative; give no logarithm")


def _converted_codes(values: Any, others: Sequence[SpaceData], movable: bool) -> tuple[Tensor, Tensor | None]:
    """Return codes in float32, and what was subtracted from them."""
    centers = [other.center for other in others]
    center = next((each.numpy() for each in centers if each is not None), None)
    if len({None if each is None else tuple(each.tolist()) for each in centers}) > 1:
        raise ContractError("train and validation must have one center; give train to validation as its train")
    array = as_numbers(values, "codes", ContractError)
    if array.ndim != 2 or not array.size:
        raise ContractError(f"codes must be (n, d) with at least one row and column, got shape {array.shape}")
    if not movable or (others and center is None):
        return _tensor(as_float32(array, "codes", ContractError)), None
    codes, center = centered_float32(array, "codes", ContractError, center)
    return _tensor(codes), None if center is None else _tensor(center)


def _converted_labels(
    values: Any, names: tuple[str, ...], others: Sequence[SpaceData]
) -> tuple[Tensor, tuple[str, ...]]:
    """Return class numbers and class names; both are those of the other splits where these have names."""
    labelled = [other for other in others if other.labels is not None]
    known = tuple(names) or next((other.class_names for other in labelled if other.class_names), ())
    rows = max((len(other.labels) for other in labelled if other.labels is not None), default=0)
    numbers, found = class_numbers(values, "labels", ContractError, known, rows)
    if found and labelled and not known:
        raise ContractError("labels must be numbers, as those of the other splits, got text; give class_names")
    return _tensor(numbers), found


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _check_shapes(tensors: Mapping[str, Tensor | None]) -> None:
    inputs, made = tensors.get("inputs"), tensors.get("reconstructions")
    if inputs is not None and made is not None and inputs.shape != made.shape:
        raise ContractError(
            f"reconstructions must have the shape of inputs, {tuple(inputs.shape)}, got {tuple(made.shape)}"
        )


def _scaled(values: Any, name: str) -> npt.NDArray[np.float32]:
    array = as_array(values, name, ContractError)
    if array.dtype == np.uint8:
        return np.asarray(as_inputs(array).numpy())
    return as_float32(array, name, ContractError)


def _converted_factors(values: Any, name: str) -> npt.NDArray[np.float64]:
    factors = as_numbers(values, name, ContractError)
    if factors.ndim > 2:
        raise ContractError(f"factors must be (n, k), got shape {factors.shape}")
    return np.ascontiguousarray(factors if factors.ndim == 2 else factors[:, None], np.float64)


_CONVERTERS: dict[str, Callable[[Any, str], npt.NDArray[Any]]] = {
    "inputs": _scaled,
    "reconstructions": _scaled,
    "factors": _converted_factors,
}
