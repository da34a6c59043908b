"""What belongs in an archive of a run, by name: nothing else is written into one, or taken out of one."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from latentbench.errors import RunFolderError
from latentbench.files.json_files import read_sealed, write_sealed

__all__ = [
    "MANIFEST",
    "PARTS",
    "Part",
    "is_of_a_run",
    "left_out",
    "part_of",
    "refuse_left_out",
    "write_manifest",
]

Part = str
MANIFEST = "packed.json"
PARTS: dict[Part, re.Pattern[str]] = {  # what `--without` leaves out
    "models": re.compile(r"trials/[0-9a-f]{64}/model\.safetensors"),
    "codes": re.compile(r"trials/[0-9a-f]{64}/codes\.npz"),
}
OTHERS = re.compile(
    r"packed\.json|run\.json|environment\.json|scores\.(csv|parquet)"
    r"|trials/[0-9a-f]{64}/(trial\.json|log\.txt|scores/[^/\\\x00-\x1f.][^/\\\x00-\x1f]*\.(json|items\.npz))"
)
LONGEST = 400  # characters; file systems take 255 bytes a name


def part_of(name: str) -> Part:
    """Return "models" or "codes" for a file that `--without` can leave out, else "".

    >>> part_of(f"trials/{'0' * 64}/codes.npz"), part_of("run.json")
    ('codes', '')
    """
    return next((part for part, pattern in PARTS.items() if pattern.fullmatch(name)), "")


def is_of_a_run(name: str) -> bool:
    """Return whether an archive of a run may hold a file of this name; no such name leaves its folder.

    >>> is_of_a_run("run.json"), is_of_a_run("../run.json"), is_of_a_run("/run.json")
    (True, False, False)
    """
    return len(name) <= LONGEST and bool(part_of(name) or OTHERS.fullmatch(name))


def write_manifest(folder: Path, without: Collection[Part]) -> Path:
    """Write what tells that a run was packed, and without what; return its path."""
    path = folder / MANIFEST
    write_sealed(path, {"kind": "a run of latentbench", "without": sorted(without)}, durable=False)
    return path


def left_out(run: Path) -> frozenset[Part]:
    """Return what a run folder was packed without; nothing where it was never packed.

    Raises:
        OtherFormatError: another version packed it, in a format that this one does not know.
        RunFolderError: packed.json is damaged.
    """
    path = run / MANIFEST
    if not os.path.lexists(path):
        return frozenset()
    without = read_sealed(path).get("without")
    if not (isinstance(without, list) and all(isinstance(part, str) for part in without)):
        raise RunFolderError(f"{path} is not that of a packed run; unpack the archive again")
    return frozenset(without)


def refuse_left_out(run: Path, part: Part) -> None:
    """Raise RunFolderError where a run was packed without its models, or codes."""
    if part in left_out(run):
        raise RunFolderError(
            f"this run was packed without its {part} (`latentbench pack --without {part}`); "
            "use an archive that holds them, or the run folder itself"
        )
