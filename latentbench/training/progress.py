"""Saved progress to resume a killed training: one file per trial, replaced as epochs end; no pickle."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from latentbench.files.regular import is_regular
from latentbench.files.shapes import checked
from latentbench.files.writing import write_atomically
from latentbench.training.engine import State

__all__ = ["Progress", "read_progress", "write_progress"]


@dataclass(frozen=True)
class Progress:
    """The progress of a trial.

    Attributes:
        state: what it needs to go on.
        seconds: what it has cost so far.
        source: sha256 of the model's source.
    """

    state: State
    seconds: float
    source: str = ""


def write_progress(path: Path, progress: Progress) -> None:
    """Write the file atomically: it is complete or not there."""
    from safetensors.torch import save

    notes = {"history": list(progress.state.history), "seconds": progress.seconds, "source": progress.source}
    told = json.dumps(notes)
    tensors = dict(progress.state.tensors)
    write_atomically(path, save(tensors, {"told": told, "sha256": _digest(tensors, told)}))


def read_progress(path: Path) -> Progress | None:
    """Read it back; None, with a warning, when it is damaged: the trial begins again."""
    from safetensors import SafetensorError, safe_open

    if not is_regular(path):
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if about["sha256"] != _digest(tensors, about["told"]):
            raise ValueError("it is not what was written")
        notes = checked(_Notes, json.loads(about["told"]))
        return Progress(State(tensors, notes.history), notes.seconds, notes.source)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError, MemoryError) as error:
        warnings.warn(f"{path} is damaged ({error}); the trial begins again", stacklevel=2)
        return None


@dataclass(frozen=True)
class _Notes:
    """What a file of progress says beside its tensors."""

    history: list[dict[str, float]]
    seconds: float
    source: str


def _digest(tensors: Mapping[str, Tensor], told: str) -> str:
    """Return the sha256 of tensors and notes."""
    digest = hashlib.sha256(told.encode())
    for name in sorted(tensors):
        flat = tensors[name].detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
