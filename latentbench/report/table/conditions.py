"""Under which conditions the trials of a table ran: their costs depend on them, their quality does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from latentbench.results import COUNTS

__all__ = ["CLEAN", "Circumstances", "Conditions", "circumstances", "told"]

CLEAN = "clean times: latentbench run --timing"


class Words(NamedTuple):
    """How a condition is told: of the value 1, of others, and where trials differ in it, unless they may."""

    one: str
    other: str
    mixed: str = ""


WORDS = {
    "device": Words("{}", "{}", "on {}"),
    "threads": Words("{} thread a trial", "{} threads a trial", "on {} threads"),
    "concurrency": Words("{} trial at a time", "{} trials at the same time", "run {} at a time"),
    "group_size": Words("groups of {}", "groups of {}", "trained in groups of {}"),
    "precision": Words("{}", "{}"),
}
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
    def of(cls, record: Mapping[Any, Any]) -> Conditions:
        """Read them from a row of the tidy frame."""
        threads, concurrency, group_size = (_whole(record[name]) for name in COUNTS)
        return cls(str(record["device"]), threads, concurrency, group_size, str(record["precision"]))


@dataclass(frozen=True)
class Circumstances:
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


def circumstances(by_label: Mapping[str, Iterable[Mapping[Any, Any]]], contenders: Sequence[str]) -> Circumstances:
    """Sort rows of the tidy frame by their conditions.

    Args:
        by_label: heading of a column -> its rows of costs that have a value.
        contenders: headings of the models that are compared.
    """
    found = {label: tuple(dict.fromkeys(map(Conditions.of, rows))) for label, rows in by_label.items()}
    found = {label: own for label, own in found.items() if own}
    compared = [own for label, own in found.items() if label in contenders] or list(found.values())
    here = tuple(dict.fromkeys(one for own in compared for one in own))
    return Circumstances(here, {label: own for label, own in found.items() if not set(own) <= set(here)})


def told(here: Circumstances) -> tuple[str, ...]:
    """Say how costs came about, what they mix, and how to get clean ones where they are not.

    >>> told(Circumstances((Conditions("CPU", 1, 2, 1, "float32"),)))[0]
    'cost: CPU, 1 thread a trial, 2 trials at the same time, groups of 1, float32'
    """
    if not here.contenders:
        return ()
    alike = [words for name in WORDS if name not in here.mixed and (words := _said(here.contenders, name))]
    parts = [f"cost: {', '.join(alike)}{_said_of_others(here)}"]
    if here.mixed:
        ways = " and ".join(WORDS[name].mixed.format(_listed(here.contenders, name)) for name in here.mixed)
        parts.append(f"cost rows mix trials {ways}: compare them with care, none is marked")
    return (*parts, *([] if _are_clean(here) else [CLEAN]))


def _are_clean(here: Circumstances) -> bool:
    every = [*here.contenders, *(one for own in here.others.values() for one in own)]
    return all(one.concurrency in (1, None) and one.group_size in (1, None) for one in every)


def _said_of_others(here: Circumstances) -> str:
    """Say in what each reference that ran otherwise differs; those that differ alike share their words.

    Not in precision: most take no steps.
    """
    alike: dict[str, list[str]] = {}
    for label, own in here.others.items():
        names = [name for name in MIXABLE if not set(_values(own, name)) <= set(_values(here.contenders, name))]
        alike.setdefault(", ".join(_said(own, name) for name in names), []).append(label)
    return "".join(f"; {', '.join(labels)}: {words}" for words, labels in alike.items() if words)


def _said(every: Sequence[Conditions], name: str) -> str:
    values = _values(every, name)
    words = WORDS[name].one if values == [1] else WORDS[name].other
    return words.format(_listed(every, name)) if values else ""


def _listed(every: Sequence[Conditions], name: str) -> str:
    return " and ".join(map(str, _values(every, name)))


def _values(every: Sequence[Conditions], name: str) -> list[Any]:
    return sorted({value for one in every if (value := getattr(one, name)) not in ("", None)})


def _whole(value: Any) -> int | None:
    """Read a nullable whole number."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
