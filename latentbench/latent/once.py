"""What metrics compute of inputs alone: once for all models of a data set, in the cache, for all processes."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from latentbench.errors import ContractError, DataError
from latentbench.files.prepared import filled_array
from latentbench.latent.space import LatentSpace
from latentbench.source.digest import function_digest, source_digest

__all__ = ["computed_once"]

Array = npt.NDArray[Any]
KIND = "computed once"


def computed_once(
    space: LatentSpace,
    function: Callable[..., Tensor],
    *arguments: Any,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
) -> Array:
    """Return `function(*arguments)`, computed once for all models of a data set: a read-only, mapped array.

    It lies in the cache. Whoever asks for the same again, in this process or another, at the same time or later,
    gets the same numbers. The same is: equal contents of all arguments, the device type of tensors, and the source
    of the function and of what it uses in its own package. So it suits work on inputs, and not on codes. A damaged
    file is made again; where the cache cannot be written, a warning says so. Nothing is kept of plain arrays
    (`space.fingerprint` is None), nor of a function whose source cannot be told (in a notebook, inside another).

    Args:
        space: whose inputs the work is on.
        function: of a module, pure; it returns a tensor.
        arguments: tensors, modules of torch, and what JSON holds.
        shape: what the function returns, `(n, ...)`.
        dtype: of the same.

    Raises:
        ContractError: an argument of another kind, or another result; or whatever the function raises.
    """
    name, kind = function.__name__.strip("_").replace("_", " "), np.dtype(dtype)
    made, failures = list[Array](), list[Exception]()

    def fill(start: int, stop: int) -> Array:
        if not made:
            try:
                made.append(_as_array(function(*arguments), name, tuple(shape), kind))
            except Exception as error:
                failures.append(error)
                raise
        return made[0][start:stop]

    source = _source(function) if space.fingerprint is not None else ""
    if not source:
        return fill(0, shape[0])
    try:
        return filled_array(name, [KIND, source, *map(_digest, arguments)], shape, kind, fill)
    except DataError as error:
        if failures:
            raise failures[0] from None
        warnings.warn(f"computed anew for each model: {error}", stacklevel=2)
        return fill(0, shape[0])


_source = lru_cache(maxsize=None)(function_digest)


def _as_array(values: Tensor, name: str, shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
    array = values.detach().cpu().numpy()
    if (array.shape, array.dtype) != (shape, kind):
        raise ContractError(f"{name} must be {kind} of shape {shape}, got {array.dtype} of {array.shape}")
    array.flags.writeable = False
    return array


def _digest(argument: Any) -> Any:
    """Return what tells an argument from any other, as JSON holds it."""
    if isinstance(argument, Tensor):
        values = argument.detach().cpu().contiguous()
        content = hashlib.sha256(values.reshape(-1).view(torch.uint8).numpy().data).hexdigest()
        return [content, str(values.dtype), list(values.shape), argument.device.type]
    if isinstance(argument, nn.Module):
        state = [[name, _digest(values)] for name, values in sorted(argument.state_dict().items())]
        return [source_digest(type(argument)), state]
    try:
        return json.dumps(argument, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise ContractError(f"arguments must be tensors, modules or JSON values, got {argument!r:.80}") from error
