"""JSON files, read and written, their digests, and the canonical text of a value."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from latentbench.errors import OtherFormatError, RunFolderError
from latentbench.files.failures import refusal
from latentbench.files.regular import read_regular
from latentbench.files.writing import write_atomically

__all__ = [
    "FORMAT",
    "canonical_json",
    "damaged",
    "read_json",
    "read_sealed",
    "short_hash",
    "write_json",
    "write_sealed",
]

FORMAT = 2  # of the files of a run
LARGEST = 2**28  # bytes; a run of a hundred thousand trials has a smaller run.json


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value: sorted keys, no spaces, no NaN.

    >>> canonical_json({"b": 1, "a": (2.0,)})
    '{"a":[2.0],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def short_hash(value: Any, digits: int = 16) -> str:
    """Return the first digits of the sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:digits]


def damaged(path: Path, reason: object) -> RunFolderError:
    """Return the error that says that a file cannot be read, and what to do."""
    return RunFolderError(f"{path} cannot be read ({reason}); remove it and run the same command again")


def read_json(path: Path) -> Any:
    """Read a JSON file; NaN, infinity and keys that stand twice are damage.

    Raises:
        RunFolderError: the file is damaged, missing, or cannot be read.
    """
    try:
        content = read_regular(path, LARGEST).decode()
        return json.loads(content, object_pairs_hook=_object, parse_constant=_refuse)
    except OSError as error:
        raise refusal(error, f"{path} cannot be read", RunFolderError) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise damaged(path, str(error) or type(error).__name__) from error


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote, without its format and digest; files of earlier versions have no digest.

    Raises:
        OtherFormatError: another version wrote it, in a format that this one does not know.
        RunFolderError: the file is damaged, missing, or no JSON object.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise damaged(path, f"expected an object, got {type(values).__name__}")
    written = values.get("format", FORMAT)
    if type(written) is int and written != FORMAT:
        raise OtherFormatError(
            f"{path} was written in format {written}, this version reads {FORMAT}; use the version of latentbench "
            "that wrote it, or another folder"
        )
    digest = values.pop("digest", None)
    try:
        if digest not in (None, _digest(values)):
            raise ValueError("its content is not what was written")
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    if values.pop("format", FORMAT) != FORMAT:
        raise damaged(path, f"format {written!r}")
    return values


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands twice")
    return values


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write a JSON file atomically; infinities and NaN become null."""
    text = json.dumps(_finite(value), indent=1, sort_keys=True) + "\n"
    write_atomically(path, text.encode(), durable=durable)


def write_sealed(path: Path, values: Mapping[str, Any], *, durable: bool = True) -> None:
    """Write a JSON object with its format and the sha256 of its content, by which damage is noticed."""
    content = {**_finite(values), "format": FORMAT}
    write_json(path, {**content, "digest": _digest(content)}, durable=durable)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
