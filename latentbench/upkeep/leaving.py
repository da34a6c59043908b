"""What a merge or an archive leaves out of a run, in sentences."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from latentbench.text import counted
from latentbench.upkeep.examine import Examination

__all__ = ["left_behind"]

WHY = {"damaged": "damaged", "newer": "of another version of latentbench"}


def left_behind(named: Path, found: Examination, taken: Collection[str] = ()) -> list[str]:
    """Return a sentence for each kind of file of the trials that cannot be taken over.

    Args:
        named: the run, as its user named it.
        found: what its folder holds.
        taken: files that stand in what is made, from another run too.
    """
    sentences = []
    for kind, words in WHY.items():
        paths = [each.path for each in found.findings if each.kind == kind and each.path.startswith("trials/")]
        left = [path for path in paths if path not in taken]
        if left:
            are = "is" if len(left) == 1 else "are"
            first = f"{named / left[0]}" if len(left) == 1 else f"the first {named / left[0]}"
            sentences.append(
                f"{counted(len(left), 'file')} of {named} {are} {words} and left out, with what they belong to: "
                f"{first}; `latentbench doctor {named}` tells more"
            )
    return sentences
