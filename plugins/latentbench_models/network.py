"""Any layer of a user's own network as a latent space."""

from __future__ import annotations

import difflib
from contextlib import suppress
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from latentbench import DataError, DataSpec, LatentbenchError, Model, NotApplicableError
from latentbench_models.checkpoints import read_weights, some, state_of
from latentbench_models.network_files import make_network
from latentbench_models.network_inputs import COLOR, GREY, InputParams, preparation
from latentbench_models.network_params import SourceParams

__all__ = ["Network"]

LONGEST = 65_536
AT_ONCE = 4_000_000  # numbers that prepared inputs hold: images that are enlarged take much memory


class Network(Model):
    """One layer of a user's own network: its output for an input is the code.

    `network.source=my_net.py:make_net` names a callable that returns a `torch.nn.Module`; it takes no arguments or
    the shape of an input. The network gets float32 `(n, *shape)`, images in [0, 1]; `network.size` with
    `network.mean` and `network.std`, or `network.transform`, bring them into the form that it was trained on. A
    network that takes three channels and not one gets each grey image three times. It is run up to the layer, so
    later layers need not fit. It is used as it is, not trained, in evaluation mode, on the CPU; random weights are
    those of seed 0, whatever the trial's seed.

    `network.weights` is a state dict, or a checkpoint that holds one, under any keys and prefixes (`state_dict`,
    `module.`, `model.`): all names and shapes must be those of the network. No code in the file is run.

    The trial's key holds a fingerprint of both files, but not of what they import or read.
    """

    decoder: ClassVar[Literal["differentiable", "opaque", "none"]] = "none"
    deterministic: ClassVar[bool] = True
    groupable: ClassVar[bool] = False

    built_first: ClassVar[bool] = True
    compared_params: ClassVar[tuple[str, ...]] = ("source", "weights", "key", "layer")

    class Params(InputParams, SourceParams, Model.Params):
        """Parameters of the network."""

    params: Params

    def __init__(self, params: Params, data: DataSpec) -> None:
        super().__init__(params, data)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = make_network(params.source, data.shape).float().cpu().eval()
        self.layer = _layer(self.net, params.layer)
        if params.weights:
            state = self.net.state_dict()
            self.net.load_state_dict(state_of(read_weights(params.weights), state, params.weights, params.key))
        elif params.key:
            raise DataError("network.key is a place in a file of weights; give network.weights too")
        self.preparation = preparation(params, data)
        self._check()

    def encode(self, inputs: Tensor) -> Tensor:
        """Run the network up to the layer; codes `(n, d)`."""
        if not self.preparation.changes or torch.compiler.is_exporting():
            return self._codes(inputs)
        rows = self.preparation.rows(self.data.shape, AT_ONCE)
        return torch.cat([self._codes(part) for part in torch.split(inputs, rows)])

    def remarks(self) -> tuple[str, ...]:
        """Say so where grey images become three channels."""
        said = f"{self.params.source} takes {COLOR} channels, so it gets each grey image {COLOR} times"
        return (said,) if self.preparation.colored else ()

    def _codes(self, inputs: Tensor) -> Tensor:
        output = self._output(self.preparation(inputs))
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

    def _output(self, inputs: Tensor) -> Tensor:
        """Return the output of the layer the first time it is reached."""
        outputs: list[Any] = []

        def stop(module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001 - torch's signature
            if not torch.compiler.is_exporting():
                outputs.append(output)
                raise _Reached
            outputs.append(_copied(output))  # an export runs the whole network, which may work in place

        hook = self.layer.register_forward_hook(stop)
        try:
            with torch.no_grad(), suppress(_Reached):
                self.net(inputs.clone())  # networks may work in place
        finally:
            hook.remove()
        if outputs:
            return self._one_tensor(outputs[0], inputs.shape[0])
        raise DataError(f"{self._name} is not reached when the network runs; choose another network.layer")

    @property
    def _name(self) -> str:
        return f"layer {self.params.layer!r}" if self.params.layer else "the network"

    def _one_tensor(self, output: Any, rows: int) -> Tensor:
        first = output[0] if isinstance(output, tuple | list) and output else output
        if not isinstance(first, Tensor) or first.ndim < 2 or first.shape[0] != rows:
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
            codes = self._tried(torch.zeros(2, *shape))
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

    def _tried(self, inputs: Tensor) -> Tensor:
        """Return codes; a network that refuses grey images gets them in three channels from here on."""
        try:
            return self.encode(inputs)
        except LatentbenchError:
            raise
        except Exception:
            as_given = self.preparation
            if as_given.colored or inputs.ndim != 4 or inputs.shape[1] != GREY:
                raise
            self.preparation = as_given.in_color()
            try:
                return self.encode(inputs)
            except Exception:  # noqa: BLE001 - networks raise anything; what the first try said counts
                self.preparation = as_given
            raise


class _Reached(BaseException):
    """Ends the run of a network at the layer; it passes whatever errors the network catches."""


def _copied(output: Any) -> Any:
    """Return a layer's output with tensors of its own."""
    if isinstance(output, tuple | list):
        return [_copied(part) for part in output]
    return output.clone() if isinstance(output, Tensor) else output


def _layer(net: nn.Module, name: str) -> nn.Module:
    layers: dict[str, nn.Module] = dict(net.named_modules(remove_duplicate=False))
    if name not in layers:
        known = [layer for layer in layers if layer]
        near = " or ".join(map(repr, difflib.get_close_matches(name, known)))
        meant = f"; did you mean {near}?" if near else ";"
        raise DataError(f"the network has no layer {name!r}{meant} it has {some(known)}")
    return layers[name]
