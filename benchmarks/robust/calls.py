"""One call of the command line, and how it ended: what `robustness.py` and its fork server tell each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["MAIN", "Call", "Ended"]

GIGABYTE = 2**30
MAIN = "latentbench.cli:main"


@dataclass(frozen=True)
class Call:
    """A command line to run.

    Attributes:
        arguments: what stands after `latentbench`, or with `code` the arguments of that function.
        folder: where it is run.
        seconds: how long it may work or sleep; waiting for a processor that others use does not count.
        memory: bytes that it may take beyond what is loaded already.
        code: `module:function` to call instead of the command line.
    """

    arguments: tuple[str, ...]
    folder: str
    seconds: float = 10.0
    memory: int = 3 * GIGABYTE
    code: str = MAIN
    environment: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return a line; bytes of arguments that are no text survive."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Call:
        """Read the line back."""
        values: dict[str, Any] = json.loads(line)
        return cls(**{**values, "arguments": tuple(values["arguments"])})


@dataclass(frozen=True)
class Ended:
    """How a call ended.

    Attributes:
        status: its exit status; negative: the signal that ended it.
        hung: it was ended because its time was up.
        seconds: how long it worked or slept.
        children: processes that it left behind, now ended.
        out: what it wrote to standard output.
        err: and to standard error.
    """

    status: int
    hung: bool
    seconds: float
    children: int
    out: str
    err: str

    @classmethod
    def read(cls, reply: Mapping[str, Any], files: Path) -> Ended:
        """Take the server's reply together with the files that hold the output."""
        out, err = ((files / name).read_bytes().decode("utf-8", "backslashreplace") for name in ("out", "err"))
        return cls(**reply, out=out, err=err)
