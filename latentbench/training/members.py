"""What is trained together: one model, or several as one stack of weights."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from latentbench.errors import ContractError
from latentbench.model import Batch, GradientModel, Losses, Noise
from latentbench.params import per_member_fields

__all__ = ["Alone", "Members", "Stack"]


class Members(ABC):
    """One or several models in training.

    Attributes:
        models: they, on their device, in training mode.
        weights: what the optimizer changes, by name: the model's own, or stacks `(m, ...)`.
        buffers: likewise what gradients do not reach.
    """

    models: Sequence[GradientModel]
    weights: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]

    @abstractmethod
    def terms(self, batch: Batch, noise: Noise, player: str) -> Losses:
        """Return the terms of the loss: 0-dim, or `(m,)` of a stack."""

    @abstractmethod
    def update(self, batch: Batch, noise: Noise) -> None:
        """Renew the buffers after a step."""

    @abstractmethod
    def write_back(self) -> None:
        """Copy what was learned so far into `models`."""


class Alone(Members):
    """One model, trained in place."""

    def __init__(self, model: GradientModel) -> None:
        self.models = [model.train()]
        self.weights = dict(model.named_parameters())
        self.buffers = dict(model.named_buffers())

    def terms(self, batch: Batch, noise: Noise, player: str) -> Losses:
        """Return 0-dim terms."""
        return _checked(self.models[0](batch, _DeclaredNoise(noise), **({"player": player} if player else {})))

    def update(self, batch: Batch, noise: Noise) -> None:
        """Renew the buffers."""
        with torch.no_grad():
            for name, value in self.models[0].update(dict(self.buffers), batch, noise).items():
                self.buffers[name].copy_(value)

    def write_back(self) -> None:
        """Nothing to do: the model is trained in place."""


class Stack(Members):
    """Models that differ in their seed and in PerMember parameters, trained by `vmap` over stacked weights.

    The optimizers are elementwise, so one of them serves all members.

    Raises:
        ContractError: a model says that it cannot be stacked.
    """

    def __init__(self, models: Sequence[GradientModel]) -> None:
        for model in models:
            if not model.groupable:
                raise ContractError(f"{type(model).__name__} says groupable = False; train its trials one by one")
        self.models = [model.train() for model in models]
        weights, buffers = stack_module_state(list(models))
        self.weights: dict[str, Tensor] = weights
        self.buffers: dict[str, Tensor] = buffers
        self._shell, weight = models[0], next(models[0].parameters())
        self._tied = _has_tied(models[0])  # to look for them in each step takes long
        self._values = {
            name: torch.tensor(
                [float(getattr(model.params, name)) for model in models], dtype=weight.dtype, device=weight.device
            )
            for name in per_member_fields(type(models[0]).Params)
        }

    def terms(self, batch: Batch, noise: Noise, player: str) -> Losses:
        """Return terms `(m,)`."""
        chosen = {"player": player} if player else {}

        def call(state: dict[str, Tensor], part: Batch, drawn: Noise) -> Losses:
            inputs = part, _DeclaredNoise(drawn)
            return _checked(functional_call(self._shell, state, inputs, chosen, tie_weights=self._tied))

        return self._mapped(call, batch, noise)

    def update(self, batch: Batch, noise: Noise) -> None:
        """Renew the buffers of all members."""
        updating = _Updating(self._shell)

        def call(state: dict[str, Tensor], part: Batch, drawn: Noise) -> dict[str, Tensor]:
            buffers = {name: state[name] for name in self.buffers}
            inside = {f"model.{name}": value for name, value in state.items()}
            renewed: dict[str, Tensor] = functional_call(updating, inside, (buffers, part, drawn))
            return renewed

        with torch.no_grad():
            for name, value in self._mapped(call, batch, noise).items():
                self.buffers[name].copy_(value)

    def _mapped(
        self, call: Callable[[dict[str, Tensor], Batch, Noise], dict[str, Tensor]], batch: Batch, noise: Noise
    ) -> dict[str, Tensor]:
        """Call for all members at once, each with its state, parameters and part of the batch."""
        data = {name: getattr(batch, name) for name in ("inputs", "rows", "labels", "factors")}
        data = {name: value for name, value in data.items() if value is not None}

        def of_one(state: Any, values: Any, data: Any, drawn: Any) -> dict[str, Tensor]:
            part = Batch(**{"labels": None, "factors": None, **data}, progress=batch.progress)
            with _varied(self._shell, values):
                return call(state, part, drawn)

        state = {**self.weights, **self.buffers}
        results: dict[str, Tensor] = vmap(of_one)(state, self._values, data, dict(noise))
        return results

    def write_back(self) -> None:
        """Copy each member's part of the stack into its model."""
        with torch.no_grad():
            for index, model in enumerate(self.models):
                for name, value in [*model.named_parameters(), *model.named_buffers()]:
                    value.copy_((self.weights | self.buffers)[name][index])


def _has_tied(model: nn.Module) -> bool:
    """Whether a weight or a buffer stands in several places; a module with several names is one place."""
    places = [
        value
        for module in model.modules()
        for every in (module.named_parameters, module.named_buffers)
        for _, value in every(recurse=False, remove_duplicate=False)
    ]
    return len(places) > len(set(map(id, places)))


class _DeclaredNoise(dict[str, Tensor]):
    """The noise that a model declares; what it asks for besides is an error that says how to declare it."""

    def __missing__(self, name: str) -> Tensor:
        raise ContractError(
            f"loss asks for the noise {name!r}, noise_spec declares {', '.join(map(repr, self)) or 'none'}; "
            f'return {{{name!r}: Draw("normal", (latent_dim,))}} from noise_spec, with the shape of a row'
        )


class _Updating(nn.Module):
    """Lets `functional_call` reach a model's `update`."""

    def __init__(self, model: GradientModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, buffers: dict[str, Tensor], batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """Return the new buffers."""
        return self.model.update(buffers, batch, noise)


@contextlib.contextmanager
def _varied(model: GradientModel, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Let parameters be 0-dim tensors during a call: a plain number would be the first member's for all."""
    before = model.params
    model.params = before.model_copy(update=dict(values))
    try:
        yield
    finally:
        model.params = before


def _checked(terms: Any) -> Losses:
    """Refuse terms that `loss` must not return.

    Raises:
        ContractError: not a mapping with a number named "total".
    """
    if not isinstance(terms, Mapping):
        raise ContractError(f"loss must return terms by name, as {{'total': ...}}, got {type(terms).__name__}")
    if "total" not in terms:
        raise ContractError(f"loss must return a term named 'total', got {', '.join(terms) or 'nothing'}")
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim:
            shape = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"type {type(value).__name__}"
            raise ContractError(f"loss must return 0-dim tensors, means over the batch; {name!r} is of {shape}")
    return dict(terms)
