"""What a merge or an archive leaves out of a run, in sentences."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from latentbench.text import counted
from latentbench.upkeep.examine import Examination
from latentbench.upkeep.findings import FileFinding

__all__ = ["left_behind"]

WHY = {"damaged": "damaged", "missing": "missing", "newer": "of another version of latentbench"}


def left_behind(named: Path, found: Examination, taken: Collection[str] = ()) -> list[str]:
    """Return a sentence for each kind of file of the trials that cannot be taken over.

    Args:
        named: the run, as its user named it.
        found: what its folder holds.
        taken: files that stand in what is made, from another run too.
    """
    lost = [each for each in found.findings if each.path.startswith("trials/") and not _is_to_do(each)]
    sentences = []
    for kind, words in WHY.items():
        left = [each.path for each in lost if each.kind == kind and each.path not in taken]
        if left:
            are, it, first = ("is", "it belongs", "") if len(left) == 1 else ("are", "they belong", "the first ")
            sentences.append(
                f"{counted(len(left), 'file')} of {named} {are} {words}, {first}{named / left[0]}: what {it} to "
                f"is left out; `latentbench doctor {named}` tells more"
            )
    return sentences


def _is_to_do(finding: FileFinding) -> bool:
    """Whether something is not there that may never have been made: a trial, or the scores of a metric."""
    is_trial = finding.path.count("/") == 1
    return (
        finding.kind == "missing"
        and (is_trial or "/scores/" in finding.path)
        and not finding.path.endswith(".items.npz")
    )
