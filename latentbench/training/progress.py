"""Saved progress to resume a killed training: one file per trial, replaced as epochs end; no pickle."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

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
    write_atomically(path, save(dict(progress.state.tensors), {"told": json.dumps(notes)}))


def read_progress(path: Path) -> Progress | None:
    """Read it back; None, with a warning, when it is damaged: the trial begins again."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            notes = json.loads(file.metadata()["told"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        return Progress(State(tensors, notes["history"]), float(notes["seconds"]), notes["source"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        warnings.warn(f"{path} is damaged ({error}); the trial begins again", stacklevel=2)
        return None
