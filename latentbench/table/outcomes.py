"""What one row says of its models and baselines, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latentbench.table.baselines import FLOOR
from latentbench.table.comparison import Column, ComparisonRow

__all__ = ["Finding", "listed", "outcome", "without_floor"]


@dataclass(frozen=True)
class Finding:
    """The verdict of one row: its words, and its place among the sentences: recommendations first."""

    place: int
    words: str


def outcome(row: ComparisonRow, columns: Sequence[Column]) -> Finding:
    """Put a tested row into words: recommended is what is best, or tied, and clearly beats all baselines."""
    best = [column.label for column, cell in zip(columns, row.cells, strict=True) if cell.mark]
    winners = [label for label in best if not row.standings[label].unbeaten]
    losers = [label for label in best if label not in winners]
    some = _some_untested(row, columns)
    if not best:
        return _unmarked(row, some)
    among = "of the models tested, " if some else ""
    if winners and losers:
        return Finding(2, f"{among}{_tied(winners)}; {_but(losers, winners, row)}")
    if winners:
        alone = "" if any(row.standings[label].baselines for label in winners) else " (no baseline has this score)"
        return Finding(int(len(winners) > 1), f"{among}{_tied(winners)}{alone}")
    return _nobody(row, some) or Finding(3, f"{among}{_tied(best)}, but {_fall_short(best, row, _they(best))}")


def _some_untested(row: ComparisonRow, columns: Sequence[Column]) -> bool:
    """Whether a model has this score and was not tested, as one with too few seeds beside deterministic ones."""
    return any(
        cell.status == "ok" and column.label not in row.standings and not (column.reference or column.together)
        for column, cell in zip(columns, row.cells, strict=True)
    )


def _unmarked(row: ComparisonRow, some_untested: bool) -> Finding:
    """Without rivals that it can be told from, a model is compared with the baselines alone."""
    winners = [label for label, standing in row.standings.items() if not standing.unbeaten]
    if winners and any(row.standings[label].baselines for label in winners):
        return Finding(0, f"{listed(winners)} clearly beat{_s(winners)} every baseline")
    if winners:
        return Finding(4, f"nothing to compare {listed(winners)} with")
    everyone = listed(list(row.standings))
    return _nobody(row, some_untested) or Finding(3, _fall_short(list(row.standings), row, everyone))


def _nobody(row: ComparisonRow, some_untested: bool) -> Finding | None:
    """Name the baselines that no model clearly beats, or those that clearly beat every model."""
    model = "model tested" if some_untested else "model"
    standings = list(row.standings.values())
    common = [name for name in standings[0].unbeaten if all(name in each.unbeaten for each in standings)]
    ahead = [name for name in common if all(name in each.ahead for each in standings)]
    if len(standings) == 1:
        return None
    if ahead:
        return Finding(5, f"{listed(ahead)} clearly beat{_s(ahead)} every {model}")
    return Finding(4, f"no {model} clearly beats {listed(common, 'or')}") if common else None


def _tied(labels: Sequence[str]) -> str:
    return f"{listed(labels)}, not separable" if len(labels) > 1 else labels[0]


def _but(losers: Sequence[str], winners: Sequence[str], row: ComparisonRow) -> str:
    them = "them" if len(winners) > 1 else "it"
    verb = "is" if len(losers) == 1 else "are"
    return f"{listed(losers)} {verb} not separable from {them}, but {_fall_short(losers, row)}"


def _fall_short(labels: Sequence[str], row: ComparisonRow, subject: str = "") -> str:
    """Say what some models do not clearly beat; each of them fails at one of these baselines at least."""
    unbeaten = [row.standings[label].unbeaten for label in labels]
    names = list(dict.fromkeys(name for each in unbeaten for name in each))
    ahead = [name for name in names if all(name in row.standings[label].ahead for label in labels)]
    does = f"{subject} {'does' if len(labels) == 1 else 'do'}".strip()
    if ahead:
        return f"{does} clearly worse than {listed(ahead)}"
    same = all(len(each) == len(names) for each in unbeaten)
    return f"{does} not clearly beat {listed(names, 'or') if same else f'every baseline ({listed(names)})'}"


def _they(labels: Sequence[str]) -> str:
    return "it" if len(labels) == 1 else "they"


def _s(subjects: Sequence[str]) -> str:
    return "s" if len(subjects) == 1 else ""


def without_floor(name: str) -> str:
    """Return the baseline that stands for the floor; nothing where the floor is a number that is known.

    >>> without_floor("the floor (untrained)"), without_floor("the floor"), without_floor("pca(8)")
    ('untrained', '', 'pca(8)')
    """
    inner = name.removeprefix(FLOOR)
    return inner if inner == name else inner.removeprefix(" (").removesuffix(")")


def listed(names: Sequence[str], joint: str = "and") -> str:
    """Join names as in a sentence.

    >>> listed(["ae", "vae", "pca"]), listed(["ae", "vae"], "or")
    ('ae, vae and pca', 'ae or vae')
    """
    return f" {joint} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
