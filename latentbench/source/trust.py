"""Whose code runs: what this command names, and what this user's list of trusted files holds.

A run folder names code too (models in files, plugin files, parameters such as `network.source`), and somebody else
may have written it. While a model of a run folder is opened, code runs only from files that this process has
loaded on its user's word before, or that the list holds with the same content.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from latentbench.errors import LatentbenchError, PluginError, RunFolderError, UntrustedCodeError
from latentbench.files.json_files import read_json, write_json
from latentbench.source.files import files_digest

__all__ = ["allow_code", "named_by_a_run_folder", "remember_named", "trust", "trust_list"]

_FROM_A_FOLDER: ContextVar[bool] = ContextVar("named by a run folder", default=False)
_NAMED: dict[Path, str] = {}  # what this process has loaded on its user's word, with its digest


def trust_list() -> Path:
    """Return the file that lists trusted code: path -> sha256 of the file and of what it imports beside it.

    `$LATENTBENCH_TRUST` if set, otherwise `trusted.json` in the user's folder of settings, on Linux
    `~/.config/latentbench`.
    """
    if "LATENTBENCH_TRUST" in os.environ:
        return Path(os.environ["LATENTBENCH_TRUST"])
    return platformdirs.user_config_path("latentbench", appauthor=False) / "trusted.json"


@contextmanager
def named_by_a_run_folder() -> Iterator[None]:
    """Within this context, a run folder names the code, and `allow_code` refuses what its user has not allowed."""
    token = _FROM_A_FOLDER.set(True)
    try:
        yield
    finally:
        _FROM_A_FOLDER.reset(token)


def allow_code(path: Path | str) -> None:
    """Return if the code of a Python file may run; call it before a plugin runs a file that a parameter names.

    Outside `named_by_a_run_folder`, the file is taken to be named by this process's user.

    Raises:
        UntrustedCodeError: a run folder names it, and nobody has allowed it.
        PluginError: it cannot be read.
    """
    file = Path(path).expanduser().resolve()
    try:
        digest = files_digest(file)
    except (OSError, ValueError) as error:
        raise PluginError(f"the code {file} cannot be read: {error}") from error
    if not _FROM_A_FOLDER.get():
        _NAMED[file] = digest
    elif digest not in (_NAMED.get(file), _listed().get(str(file))):
        raise UntrustedCodeError(
            f"the run folder names code that you have not allowed to run: {file}; "
            f"read it, and if you trust it, add --trust {file}"
        )


def trust(*paths: Path | str) -> None:
    """Allow the code of Python files, now and later, until one of them or what it imports beside it changes.

    Raises:
        PluginError: a file cannot be read, or the list cannot be written.
    """
    if not paths:
        return
    files = [Path(path).expanduser().resolve() for path in paths]
    try:
        digests = {str(file): files_digest(file) for file in files}
    except (OSError, ValueError) as error:
        raise PluginError(f"code to trust cannot be read: {error}") from error
    try:
        _add(digests)
    except (OSError, Timeout, LatentbenchError) as error:
        raise PluginError(f"the list of trusted code {trust_list()} cannot be written ({error})") from error


def remember_named() -> None:
    """Add what this process has loaded on its user's word to the list: its run is looked at by later commands."""
    try:
        _add({str(file): digest for file, digest in _NAMED.items()})
    except (OSError, Timeout, LatentbenchError) as error:
        warnings.warn(
            f"the list of trusted code {trust_list()} cannot be written ({error}); "
            "looking at this run later takes --trust FILE",
            stacklevel=2,
        )


def _listed() -> dict[str, str]:
    """Read the list; a damaged one holds nothing, with a warning."""
    try:
        return _read_list()
    except LatentbenchError as error:
        warnings.warn(f"no code is trusted: {error.__cause__ or error} in {trust_list()}", stacklevel=3)
        return {}


def _read_list() -> dict[str, str]:
    path = trust_list()
    if not os.path.lexists(path):
        return {}
    values = read_json(path)
    if not isinstance(values, dict) or not all(isinstance(digest, str) for digest in values.values()):
        raise RunFolderError(f"{path} must hold an object of paths and sha256")
    return values


def _add(digests: dict[str, str]) -> None:
    if digests.items() <= _read_list().items():
        return
    path = trust_list()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock"), timeout=10):
        write_json(path, {**_read_list(), **digests})
