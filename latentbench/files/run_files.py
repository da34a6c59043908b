"""The small files of a run folder, read and checked: what was requested, and where it ran."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentbench.errors import RunFolderError
from latentbench.files.json_files import damaged, read_sealed
from latentbench.files.shapes import Count, checked

__all__ = ["read_environment", "read_request"]


@dataclass(frozen=True)
class _Request:
    """What run.json must hold."""

    title: str
    benchmark: dict[str, Any]
    scores: list[str]
    trials: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    plugin_files: list[str]
    plugins_blocked: list[str]
    swept: list[str] = field(default_factory=list)
    chosen: list[dict[str, Any]] = field(default_factory=list)
    command: str = ""
    asked_at: str = ""


@dataclass(frozen=True)
class _Environment:
    """What environment.json must hold."""

    python: str
    system: str
    processor: str
    cores: Count
    cuda: str
    versions: dict[str, str]
    plugins: list[dict[str, Any]]
    convolutions: str = ""


def read_request(folder: Path) -> dict[str, Any]:
    """Read run.json, the last request of a run.

    Raises:
        OtherFormatError: another version wrote it, in a format that this one does not know.
        RunFolderError: it is damaged or missing.
    """
    path = folder / "run.json"
    values = read_sealed(path)
    try:
        return vars(checked(_Request, values))
    except ValueError as error:
        raise damaged(path, error) from error


def read_environment(folder: Path) -> dict[str, Any]:
    """Read environment.json; where it is damaged or missing, it is left out with a warning."""
    path = folder / "environment.json"
    if not os.path.lexists(path):
        warnings.warn(f"{path} is missing; what it said of machine and versions is left out", stacklevel=2)
        return {}
    try:
        values = read_sealed(path)
        try:
            checked(_Environment, values)
        except ValueError as error:
            raise damaged(path, error) from error
        return values
    except RunFolderError as error:
        warnings.warn(f"{error}; what it says of machine and versions is left out", stacklevel=2)
        return {}
