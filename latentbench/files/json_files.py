"""JSON files, read and written, and the canonical text of a value."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentbench.errors import RunFolderError
from latentbench.files.failures import refusal
from latentbench.files.writing import write_atomically

__all__ = ["canonical_json", "read_json", "short_hash", "write_json"]


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value: sorted keys, no spaces, no NaN.

    >>> canonical_json({"b": 1, "a": (2.0,)})
    '{"a":[2.0],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def short_hash(value: Any, digits: int = 16) -> str:
    """Return the first digits of the sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:digits]


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RunFolderError: the file is damaged, missing, or cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise refusal(error, f"{path} cannot be read", RunFolderError) from error
    except (ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{path} cannot be read ({error}); remove it and run the same command again"
        ) from error


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write a JSON file atomically; infinities and NaN become null."""
    text = json.dumps(_finite(value), indent=1, sort_keys=True) + "\n"
    write_atomically(path, text.encode(), durable=durable)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
