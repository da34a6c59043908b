"""Weights of a user's own network as people keep them: state dicts, also inside checkpoints and under prefixes."""

from __future__ import annotations

import argparse
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy._core.multiarray import scalar
from torch import Tensor

from latentbench import DataError, check_memory, check_unpacked, open_regular

__all__ = ["open_weights", "read_weights", "some", "state_of"]

ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar")
DEEPEST = 6  # dictionaries in dictionaries
SHOWN = 20  # names that an error lists
COUNTER = "num_batches_tracked"  # of batch norm: absent in old files, and unused in evaluation mode
HARMLESS: list[Any] = [  # what training scripts keep beside weights; making one runs no code of the file
    argparse.Namespace,
    (scalar, "numpy.core.multiarray.scalar"),
    (scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")),
]


def open_weights(path: str) -> BinaryIO:
    """Open a file of weights.

    Raises:
        DataError: there is no such file, or its name has another ending.
    """
    file = Path(path).expanduser()
    if file.suffix not in ENDINGS:
        raise DataError(f"network.weights must end in {', '.join(ENDINGS)}, got {path!r}")
    if not os.path.lexists(file):
        raise DataError(f"network.weights: there is no file {path} in {Path.cwd()}")
    return open_regular(file)


def read_weights(path: str) -> Mapping[str, Any]:
    """Read a file of weights without running code that it may hold: a state dict, or dictionaries that hold some.

    Raises:
        DataError: the file is damaged, or holds something else.
    """
    with open_weights(path) as file:
        try:
            read = _read_safetensors(file) if path.endswith(".safetensors") else _read_torch(file, Path(path))
        except UnpicklingError as error:
            raise DataError(
                f"network.weights: {path} is damaged, or holds a whole network or other things than tensors, "
                f"which could run code{_culprit(error)}; save net.state_dict()"
            ) from error
        except DataError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"network.weights: {path} cannot be read ({type(error).__name__}: {reason}); save net.state_dict()"
            ) from error
    if not isinstance(read, dict):
        raise DataError(
            f"network.weights: {path} must hold a state dict, or dictionaries with one, got a "
            f"{type(read).__name__}; save net.state_dict()"
        )
    return read


def _culprit(error: UnpicklingError) -> str:
    """Name what torch refuses to make."""
    named = re.search(r"GLOBAL (\S+) was not an allowed global", str(error))
    return f" (it holds a {named[1]})" if named else ""


def _read_safetensors(file: BinaryIO) -> dict[str, Tensor]:
    from safetensors.torch import load

    loaded: dict[str, Tensor] = load(file.read())
    return loaded


def _read_torch(file: BinaryIO, path: Path) -> Any:
    size = os.fstat(file.fileno()).st_size
    if zipfile.is_zipfile(file):
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        check_unpacked(path, size, unpacked)
        size = max(size, unpacked)
    check_memory(path, size)
    file.seek(0)
    with torch.serialization.safe_globals(HARMLESS):
        return torch.load(file, map_location="cpu", weights_only=True)


@dataclass(frozen=True)
class _Found:
    """A tensor of a file: the keys of the dictionary that holds it, and its name there, joined by dots."""

    place: str
    tensor: Tensor


@dataclass(frozen=True)
class _Fit:
    """How what stands under one prefix fits a network."""

    prefix: str
    state: Mapping[str, Tensor]
    missing: list[str]
    unknown: list[str]
    other_shapes: list[str]

    @property
    def key(self) -> str:
        """The prefix as a user names it."""
        return self.prefix.removesuffix(".")

    @property
    def whole(self) -> bool:
        """Whether it is a state dict of the network."""
        return not (self.missing or self.unknown or self.other_shapes)

    @property
    def mismatches(self) -> str:
        """What does not fit, in words."""
        named = {"lacks": self.missing, "also holds": self.unknown, "has other shapes for": self.other_shapes}
        return " and ".join(f"{words} {some(names)}" for words, names in named.items() if names)


def state_of(
    read: Mapping[str, Any], network: Mapping[str, Tensor], path: str, key: str = ""
) -> dict[str, Tensor]:
    """Return the one state dict of a network that a file holds, under the network's own names.

    Names may stand in nested dictionaries and under prefixes, such as `state_dict`, `module.` and `model.`: what
    counts is that every name and shape of the network is there, and no other beside them.

    Args:
        read: what the file holds.
        network: state dict of the network that is to take it.
        path: the file, for errors.
        key: where to look, as "ema.model"; empty: anywhere.

    Raises:
        DataError: the file holds none or several, or nothing under `key`.
    """
    tensors = dict(_tensors(read))
    wanted = {name: value for name, value in network.items() if isinstance(value, Tensor)}
    prefixes = _prefixes(tensors, wanted)
    inside = [prefix for prefix in prefixes if not key or prefix == f"{key}." or prefix.startswith(f"{key}.")]
    if not inside and key:
        known = sorted({prefix.removesuffix(".") for prefix in prefixes} - {""}) or sorted(map(str, read))
        raise DataError(f"network.key: {path} holds no weights under {key!r}; it holds {some(known)}")
    fits = [_fit(prefix, tensors, wanted) for prefix in inside]
    whole = [fit for fit in fits if fit.whole]
    if len(whole) == 1:
        return {name: whole[0].state.get(name, value) for name, value in wanted.items()}
    if whole:
        keys = ", ".join(sorted(fit.key or "(the file itself)" for fit in whole))
        raise DataError(
            f"network.weights: {path} holds {len(whole)} state dicts of this network: {keys}; "
            "choose one by network.key"
        )
    if not fits:
        raise DataError(
            f"network.weights: {path} must hold a state dict, it holds {some(sorted(map(str, read)))} and no "
            "tensors; save net.state_dict()"
        )
    nearest = max(fits, key=lambda fit: len(wanted) - len(fit.missing))
    subject = f"its {nearest.key}" if nearest.key else "it"
    raise DataError(f"network.weights: {path} is not of this network: {subject} {nearest.mismatches}")


def _tensors(values: Mapping[Any, Any], place: str = "", depth: int = 0) -> Iterator[tuple[str, _Found]]:
    """Yield all tensors of nested dictionaries by their names, joined by dots."""
    for name, value in values.items():
        if isinstance(value, Tensor) and isinstance(name, str):
            yield f"{place}{name}", _Found(place, value)
        elif isinstance(value, Mapping) and isinstance(name, str) and depth < DEEPEST:
            yield from _tensors(value, f"{place}{name}.", depth + 1)


def _prefixes(tensors: Mapping[str, _Found], wanted: Mapping[str, Tensor]) -> list[str]:
    """Return the prefixes under which names of the network stand, and the dictionaries; those with most first."""
    counts = Counter(dict.fromkeys((found.place for found in tensors.values()), 0))
    for name in tensors:
        parts = name.split(".")
        for length in range(len(parts)):
            if ".".join(parts[length:]) in wanted:
                counts["".join(f"{part}." for part in parts[:length])] += 1
    return [prefix for prefix, _ in counts.most_common()]


def _fit(prefix: str, tensors: Mapping[str, _Found], wanted: Mapping[str, Tensor]) -> _Fit:
    below = {name.removeprefix(prefix): found for name, found in tensors.items() if name.startswith(prefix)}
    places = {below[name].place for name in wanted if name in below} or {prefix}
    state = {name: found.tensor for name, found in below.items() if found.place in places}
    return _Fit(
        prefix,
        state,
        sorted(name for name in wanted.keys() - state.keys() if not name.endswith(COUNTER)),
        sorted(state.keys() - wanted.keys()),
        sorted(name for name in wanted.keys() & state.keys() if wanted[name].shape != state[name].shape),
    )


def some(names: list[str]) -> str:
    """List names, the first twenty of many.

    >>> some(["a", "b"])
    'a, b'
    """
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
