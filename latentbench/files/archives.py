"""Archives of arrays, read whole: whatever is wrong with one is one type of error, in one sentence."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import numpy.typing as npt

from latentbench.errors import RunFolderError
from latentbench.files.regular import read_regular

__all__ = ["read_npz", "read_safetensors"]

Arrays = dict[str, npt.NDArray[Any]]


def read_npz(path: Path, digest: str | None = None) -> Arrays:
    """Read the arrays of an npz file as `numpy.savez` writes it: uncompressed, without pickle.

    Args:
        path: the file.
        digest: sha256 that its content must have; None: not known.

    Raises:
        RunFolderError: it is not there, damaged, or another file.
    """
    return _read(path, digest, _npz)


def read_safetensors(path: Path, digest: str | None = None) -> Arrays:
    """Read a safetensors file as arrays; see `read_npz`."""
    return _read(path, digest, _safetensors)


def _read(path: Path, digest: str | None, parse: Callable[[bytes], Arrays]) -> Arrays:
    try:
        content = read_regular(path)
        if digest is not None and hashlib.sha256(content).hexdigest() != digest:
            raise ValueError("it is not the file that was written")
        return parse(content)
    except Exception as error:  # damaged zip, npy and safetensors files raise a dozen types
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RunFolderError(
            f"{path} is damaged ({reason or type(error).__name__}); run the same command again to make it anew"
        ) from error


def _npz(content: bytes) -> Arrays:
    with ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if member.compress_type != ZIP_STORED or member.file_size > len(content):
                raise ValueError(f"its member {member.filename!r} is larger than the file")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def _safetensors(content: bytes) -> Arrays:
    from safetensors.numpy import load

    loaded: Arrays = load(content)
    return loaded
