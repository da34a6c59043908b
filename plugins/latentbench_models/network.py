"""Any layer of a user's own network as a latent space."""

from __future__ import annotations

import difflib
from functools import cached_property
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, computed_field, field_validator, model_validator
from torch import Tensor, nn

from latentbench import DataError, DataSpec, LatentbenchError, Model, NotApplicableError
from latentbench_models.network_files import fingerprint, make_network, read_weights

__all__ = ["Network"]

LONGEST = 65_536
SHOWN = 20  # layers that an error lists


class Network(Model):
    """One layer of a user's own network: its output for an input is the code.

    `network.source=my_net.py:make_net` names a callable that returns a `torch.nn.Module`; it takes no arguments or
    the shape of an input. The network must accept float32 `(n, *shape)`, images in [0, 1]. It is run up to the
    layer, so later layers need not fit. It is used as it is, not trained, in evaluation mode, on the CPU; random
    weights are those of seed 0, whatever the trial's seed. `network.weights` is a state dict.

    The trial's key holds a fingerprint of both files, but not of what they import or read.
    """

    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"
    deterministic: ClassVar[bool] = True
    groupable: ClassVar[bool] = False

    class Params(Model.Params):
        """Parameters of the network."""

        source: str = Field(description="callable that makes the network: FILE.py:NAME or PACKAGE.MODULE:NAME")
        weights: str = Field(default="", description="state dict: a .safetensors, .pt or .pth file; empty: none")
        layer: str = Field(default="", description="name as in named_modules(); empty: the network's own output")
        pool: Literal["flatten", "mean"] = Field(
            default="flatten", description="code of a layer with pixels or tokens: all numbers, or their mean"
        )

        @field_validator("layer", mode="before")
        @classmethod
        def _read_layer(cls, value: Any) -> Any:
            """Take 3 as "3"; 0.1 could have been 0.10."""
            if isinstance(value, float):
                raise ValueError(f"was read as a number: write it with a dot in front, as .{value}")
            return str(value).removeprefix(".") if isinstance(value, str | int) else value

        @computed_field  # type: ignore[prop-decorator]
        @cached_property
        def fingerprint(self) -> str:
            """Return the fingerprint of the files, so that other files make another trial."""
            return fingerprint(self.source, self.weights)

        @model_validator(mode="wrap")
        @classmethod
        def _check_files(cls, values: Any, build: Any) -> Any:
            """Refuse files that differ from those a trial was planned with.

            Raises:
                DataError: they have changed, or are not there.
            """
            filled = dict(values) if isinstance(values, dict) else values
            planned = filled.pop("fingerprint", None) if isinstance(filled, dict) else None
            params = build(filled)
            if planned not in (None, params.fingerprint):
                changed = " or ".join(filter(None, [params.source.rpartition(":")[0], params.weights]))
                raise DataError(f"{changed} has changed since this trial was planned; run the benchmark again")
            return params

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = make_network(params.source, data.shape).float().cpu().eval()
        self.layer = _layer(self.net, params.layer)
        if params.weights:
            self._load(read_weights(params.weights), params.weights)
        self._check()

    def encode(self, inputs: Tensor) -> Tensor:
        """Run the network up to the layer; codes `(n, d)`."""
        output = self._output(inputs)
        if self.params.pool == "mean" and output.ndim > 2:
            return (
                output.mean(1) if output.ndim == 3 else output.flatten(2).mean(2)
            )  # (n, tokens, d), (n, c, h, w)
        return output.flatten(1)

    def get_state(self) -> dict[str, Any]:
        """Return the weights of the whole network."""
        return {name: value.numpy() for name, value in self.net.state_dict().items()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take the weights back."""
        self.net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})

    def _load(self, weights: dict[str, Tensor], path: str) -> None:
        state = self.net.state_dict()
        missing, unknown = sorted(state.keys() - weights.keys()), sorted(weights.keys() - state.keys())
        other = [name for name in state.keys() & weights.keys() if state[name].shape != weights[name].shape]
        if missing or unknown or other:
            mismatches = {"lacks": missing, "also holds": unknown, "has other shapes for": sorted(other)}
            parts = [f"{words} {_some(names)}" for words, names in mismatches.items() if names]
            raise DataError(f"network.weights: {path} is not of this network: it {' and '.join(parts)}")
        self.net.load_state_dict(weights)

    def _output(self, inputs: Tensor) -> Tensor:
        """Return the output of the layer the first time it is reached."""

        def stop(module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001 - torch's signature
            raise _Reached(output)

        hook = self.layer.register_forward_hook(stop)
        try:
            with torch.no_grad():
                self.net(inputs.clone())  # networks may work in place
        except _Reached as reached:
            return self._one_tensor(reached.output, len(inputs))
        finally:
            hook.remove()
        raise DataError(f"{self._name} is not reached when the network runs; choose another network.layer")

    @property
    def _name(self) -> str:
        return f"layer {self.params.layer!r}" if self.params.layer else "the network"

    def _one_tensor(self, output: Any, rows: int) -> Tensor:
        first = output[0] if isinstance(output, tuple | list) and output else output
        if not isinstance(first, Tensor) or first.ndim < 2 or len(first) != rows:
            form = tuple(first.shape) if isinstance(first, Tensor) else type(first).__name__
            raise DataError(f"{self._name} must put out a tensor (n, ...), got {form} for n = {rows}")
        if first.is_complex():
            raise DataError(f"{self._name} must put out real numbers, got {first.dtype}")
        return first.float()

    def _check(self) -> None:
        """Try two empty inputs.

        Raises:
            NotApplicableError: the network does not take them, or the codes are too long.
        """
        shape = self.data.shape
        try:
            codes = self.encode(torch.zeros(2, *shape))
        except LatentbenchError:
            raise
        except Exception as error:
            wanted, reason = f"(n, {', '.join(map(str, shape))})", " ".join(str(error).split())
            raise NotApplicableError(
                f"the network of {self.params.source} does not take inputs {wanted}: {reason}"
            ) from error
        if codes.shape[1] > LONGEST:
            raise NotApplicableError(
                f"{self._name} gives codes of {codes.shape[1]:,} numbers, {LONGEST:,} are the most "
                f"(an input has {prod(shape):,}); choose network.pool=mean or another layer"
            )


class _Reached(BaseException):
    """Carries the output of the layer past the rest of the network and any errors that the network catches."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def _layer(net: nn.Module, name: str) -> nn.Module:
    layers: dict[str, nn.Module] = dict(net.named_modules(remove_duplicate=False))
    if name not in layers:
        known = [layer for layer in layers if layer]
        near = " or ".join(map(repr, difflib.get_close_matches(name, known)))
        meant = f"; did you mean {near}?" if near else ";"
        raise DataError(f"the network has no layer {name!r}{meant} it has {_some(known)}")
    return layers[name]


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
