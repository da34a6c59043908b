"""The conditions under which the trials of a table ran: costs depend on them, quality does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from latentbench.score_rows import ScoreRow

__all__ = ["CLEAN", "Conditions", "RunConditions", "conditions_in_words", "run_conditions"]

CLEAN = "clean times: --timing"


class Words(NamedTuple):
    """Wordings of a condition: for the value 1, for others, and where trials differ in it (empty: they may)."""

    one: str
    other: str
    mixed: str = ""


WORDS = {
    "device": Words("{}", "{}", "on {}"),
    "threads": Words("{} thread", "{} threads", "on {} threads"),
    "concurrency": Words("{} trial at a time", "{} trials at once", "run {} at a time"),
    "group_size": Words("ungrouped", "groups of {}", "trained in groups of {}"),
    "precision": Words("{}", "{}"),
}
TRADEMARK = re.compile(r"\((R|TM)\)")  # in names of processors
MIXABLE = [name for name, words in WORDS.items() if words.mixed]


@dataclass(frozen=True)
class Conditions:
    """How one trial ran; empty or None where that was not recorded.

    Attributes:
        device: the processor or the GPU.
        threads: of the trial.
        concurrency: jobs that ran at the same time.
        group_size: trials trained together with it, itself included.
        precision: of its training.
    """

    device: str = ""
    threads: int | None = None
    concurrency: int | None = None
    group_size: int | None = None
    precision: str = ""

    @classmethod
    def of(cls, row: ScoreRow) -> Conditions:
        """Return those of the trial that a row belongs to."""
        return cls(row.device, row.threads, row.concurrency, row.group_size, row.precision)


@dataclass(frozen=True)
class RunConditions:
    """The conditions of all trials of a comparison that have a cost.

    Attributes:
        contenders: those of the models that are compared, each once.
        others: heading of a reference model -> its conditions, where they are others.
    """

    contenders: tuple[Conditions, ...] = ()
    others: Mapping[str, tuple[Conditions, ...]] = field(default_factory=dict)

    @property
    def mixed(self) -> tuple[str, ...]:
        """What differs between trials that are compared, so that their costs cannot be; precision is a choice."""
        return tuple(name for name in MIXABLE if len(_values(self.contenders, name)) > 1)


def run_conditions(by_label: Mapping[str, Iterable[ScoreRow]], contenders: Sequence[str]) -> RunConditions:
    """Collect the conditions of costs.

    Args:
        by_label: heading of a column -> its rows of costs that have a value.
        contenders: headings of the models that are compared.
    """
    by_column = {label: tuple(dict.fromkeys(map(Conditions.of, rows))) for label, rows in by_label.items()}
    by_column = {label: conditions for label, conditions in by_column.items() if conditions}
    compared = [by_column[label] for label in by_column if label in contenders] or list(by_column.values())
    common = tuple(dict.fromkeys(conditions for column in compared for conditions in column))
    others = {label: column for label, column in by_column.items() if not set(column) <= set(common)}
    return RunConditions(common, others)


def conditions_in_words(run: RunConditions) -> tuple[str, ...]:
    """Say how costs were measured, which conditions they mix, and how to measure cleaner ones where possible.

    >>> conditions_in_words(RunConditions((Conditions("CPU", 1, 2, 1, "float32"),)))[0]
    'cost: CPU, 1 thread, 2 trials at once, ungrouped, float32'
    """
    if not run.contenders:
        return ()
    equal = [words for name in WORDS if name not in run.mixed and (words := _in_words(run.contenders, name))]
    parts = [f"cost: {', '.join(equal)}{_others_in_words(run)}"]
    if run.mixed:
        ways = " and ".join(WORDS[name].mixed.format(_listed(run.contenders, name)) for name in run.mixed)
        parts.append(f"cost rows mix trials {ways}: compare them with care, none is marked")
    return (*parts, *([] if _are_clean(run) else [CLEAN]))


def _are_clean(run: RunConditions) -> bool:
    every = [*run.contenders, *(conditions for column in run.others.values() for conditions in column)]
    return all(trial.concurrency in (1, None) and trial.group_size in (1, None) for trial in every)


def _others_in_words(run: RunConditions) -> str:
    """Say how the conditions of references differ from those of contenders; equal ones share their words.

    Not in precision: most take no steps.
    """
    by_words: dict[str, list[str]] = {}
    for label, conditions in run.others.items():
        names = [
            name for name in MIXABLE if not set(_values(conditions, name)) <= set(_values(run.contenders, name))
        ]
        by_words.setdefault(", ".join(_in_words(conditions, name) for name in names), []).append(label)
    return "".join(f"; {', '.join(labels)}: {words}" for words, labels in by_words.items() if words)


def _in_words(every: Sequence[Conditions], name: str) -> str:
    values = _values(every, name)
    words = WORDS[name].one if values == [1] else WORDS[name].other
    return TRADEMARK.sub("", words.format(_listed(every, name))) if values else ""


def _listed(every: Sequence[Conditions], name: str) -> str:
    *others, last = map(str, _values(every, name))
    return f"{', '.join(others)} and {last}" if others else last


def _values(every: Sequence[Conditions], name: str) -> list[Any]:
    return sorted({value for conditions in every if (value := getattr(conditions, name)) not in ("", None)})
