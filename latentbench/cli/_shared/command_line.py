"""The command line that is at work, as a run records it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

__all__ = ["command_line", "without_secrets"]

SECRET = re.compile(r"((?:|[^=]*[._-])(?:token|secret|password|passwd|credential|api_?key)=).*", re.I | re.S)
SIGN_IN = re.compile(r"(://)[^/@\s]+@")  # user and password of an address
HIDDEN = "***"


def command_line() -> str:
    """Return the command line as a shell takes it, without secrets; "" where a program calls a verb."""
    context = click.get_current_context(silent=True)
    arguments = context.find_root().obj if context else None
    return shlex.join(["latentbench", *without_secrets(arguments)]) if arguments else ""


def without_secrets(arguments: Sequence[str]) -> list[str]:
    """Return arguments with *** for values whose names say that they are secret.

    >>> without_secrets(["--executor-options", "api_key=abc", "-p", "beta=4", "https://me:abc@host/x"])
    ['--executor-options', 'api_key=***', '-p', 'beta=4', 'https://***@host/x']
    """
    return [SIGN_IN.sub(rf"\1{HIDDEN}@", SECRET.sub(rf"\1{HIDDEN}", argument)) for argument in arguments]
