"""What is found when a run folder is looked over: where, what, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from latentbench.text import counted

__all__ = ["FileFinding", "Kind", "alike", "is_sound", "summary"]

Kind = Literal["damaged", "missing", "newer", "outdated", "note"]
KINDS: tuple[Kind, ...] = ("damaged", "missing", "newer", "outdated", "note")


@dataclass(frozen=True)
class FileFinding:
    """One thing that a run folder should not hold as it does, or that a reader should know.

    Attributes:
        kind: damaged; missing; newer: of a version of latentbench that this one cannot read; outdated: an export
            that is not what the trials' files say; note: nothing is wrong.
        path: of the file, from the run folder on.
        what: what is wrong.
        advice: what to do.
        detail: what tells this finding from others like it.
        aside: what `--repair` moves aside, from the run folder on; empty for nothing.
    """

    kind: Kind
    path: str
    what: str
    advice: str
    detail: str = ""
    aside: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The finding in words."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.path} {self.what}{detail}; {self.advice}"


def alike(findings: Iterable[FileFinding]) -> list[list[FileFinding]]:
    """Put findings of one kind together that say the same of several files, the worst kinds first."""
    groups: dict[tuple[str, str, str, str], list[FileFinding]] = {}
    for finding in sorted(findings, key=lambda finding: KINDS.index(finding.kind)):
        name = finding.path.rpartition("/")[2]
        sort = name if name.startswith(("trial", "model", "codes", "scores.")) else finding.path.count("/")
        groups.setdefault((finding.kind, str(sort), finding.what, finding.advice), []).append(finding)
    return list(groups.values())


def is_sound(findings: Iterable[FileFinding]) -> bool:
    """Return whether nothing is wrong."""
    return all(finding.kind == "note" for finding in findings)


def summary(trials: int, findings: Sequence[FileFinding]) -> str:
    """Return how a run folder is, in one line.

    >>> summary(3000, [])
    '3,000 trials: all files as written'
    """
    counts = {kind: sum(finding.kind == kind for finding in findings) for kind in KINDS if kind != "note"}
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    return f"{counted(trials, 'trial')}: {f'found {told}' if told else 'all files as written'}"
