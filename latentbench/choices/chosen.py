"""What was chosen of a model's settings on the validation split: plain data, and the sentences of tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from latentbench.files.shapes import Count, as_tuples, checked

__all__ = ["SEED", "Chosen", "Tried", "choices_in_words"]

SEED = 0  # of the trials among which is chosen; that of the chosen setting stands in the table too


@dataclass(frozen=True)
class Tried:
    """One setting that was tried.

    Attributes:
        values: parameter -> its value.
        label: heading in tables.
        trial: key of its trial with the seed of the search.
        scores: score -> its value on the validation split, of those that decided.
        rank: mean of its ranks in these scores, 1 being the best; None where it could not be chosen.
    """

    values: dict[str, Any]
    label: str
    trial: str
    scores: dict[str, float]
    rank: float | None = None


@dataclass(frozen=True)
class Chosen:
    """The setting of a model that stands in the table, and those that were tried.

    Attributes:
        dataset: on which it was chosen.
        model: whose settings.
        place: of the chosen one in `tried`.
        tried: all settings, in the order in which the benchmark names their values.
        by: the scores that decided; none where nothing could be chosen, or nothing has been yet.
        ended: all settings have been tried.
        seed: of their trials.
    """

    dataset: str
    model: str
    place: Count
    tried: tuple[Tried, ...]
    by: tuple[str, ...] = ()
    ended: bool = False
    seed: Count = SEED

    @property
    def setting(self) -> Tried:
        """The chosen one."""
        return self.tried[self.place]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Chosen:
        """Read back what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        tried = tuple(checked(Tried, each) for each in values["tried"])
        chosen = checked(cls, {**as_tuples(values, "by"), "tried": tried})
        if chosen.place >= len(tried):
            raise ValueError(f"place {chosen.place} of {len(tried)} settings")
        return chosen


def choices_in_words(choices: Sequence[Chosen]) -> tuple[str, ...]:
    """Say by what was chosen, then of each model what, and what was tried, as parts of one line.

    >>> tried = [Tried({"beta": beta}, f"beta_vae({beta})", "", {"r2": 0.0}) for beta in (2, 4)]
    >>> choices_in_words([Chosen("digits", "beta_vae", 1, tuple(tried), ("r2",), True)])
    ('chosen on the validation split with seed 0, by r2', 'beta_vae(4): beta=4 of 2, 4')
    """
    if not choices:
        return ()
    common = max((choice.by for choice in choices), key=len)
    head = f"chosen on the validation split with seed {choices[0].seed}"
    decided = f", by {_judge(common)}" if common else ""
    return (f"{head}{decided}", *(_sentence(choice, common) for choice in choices))


def _judge(scores: Sequence[str]) -> str:
    return scores[0] if len(scores) == 1 else f"the mean rank in {', '.join(scores)}"


def _sentence(choice: Chosen, common: Sequence[str]) -> str:
    tried = ", ".join(_values(each.values, choice.setting.values) for each in choice.tried)
    if not choice.by:
        ended = "none of them has a score" if choice.ended else "not chosen yet"
        return f"{choice.setting.label}: {_named(choice.setting.values)}, the first of {tried}; {ended}"
    by = "" if tuple(choice.by) == tuple(common) else f" (by {_judge(choice.by)})"
    return f"{choice.setting.label}: {_named(choice.setting.values)} of {tried}{by}"


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in values.items())


def _values(values: Mapping[str, Any], among: Iterable[str]) -> str:
    """Write the values of a setting; several belong together."""
    shown = [_short(values[name]) for name in among]
    return shown[0] if len(shown) == 1 else f"({', '.join(shown)})"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
