"""The table of counts, and the list of what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.robust.verdicts import FAULTS, STATUSES, Verdict

__all__ = ["lines_of", "report_case"]

HEADS = {"traceback": "tracebacks", "hang": "hangs", "status": "other", "silent": "silent", "other": "unclear"}
EXPLAINED = (
    "0, 1, 2, 130: cases by exit status; other: another status, or ended by a signal; hangs: over 10 s beyond",
    "what the verb takes on a whole run; silent: wrong numbers without a word; unclear: no reason for a failure,",
    "raw control characters, processes left behind, a drawing that is no XML, damage that is not made again",
)


def lines_of(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield the table, a row a part and their sum, then each case with faults, by kind of fault."""
    parts = list(dict.fromkeys(verdict.part for verdict in verdicts))
    yield (
        f"{'part':<14}{'cases':>7}"
        + "".join(f"{status:>7}" for status in STATUSES)
        + "".join(f"{HEADS[kind]:>12}" for kind in FAULTS)
    )
    for part in parts:
        yield _row(part, [verdict for verdict in verdicts if verdict.part == part])
    yield _row("all", verdicts)
    yield ""
    yield from EXPLAINED
    faulty = [verdict for verdict in verdicts if verdict.faults]
    if faulty:
        yield from ("", "cases with faults; `python benchmarks/robustness.py --case ID` runs one of them:")
    for verdict in faulty:
        for fault in verdict.faults:
            yield f"{fault.kind:<10} {verdict.case}: {fault.what}"


def _row(name: str, verdicts: Sequence[Verdict]) -> str:
    statuses = Counter(verdict.ends[-1].status for verdict in verdicts if not verdict.ends[-1].hung)
    kinds = Counter(kind for verdict in verdicts for kind in {fault.kind for fault in verdict.faults})
    numbers = "".join(f"{statuses[status]:>7}" for status in STATUSES)
    return f"{name:<14}{len(verdicts):>7}{numbers}" + "".join(f"{kinds[kind]:>12}" for kind in FAULTS)


def report_case(verdict: Verdict) -> Iterator[str]:
    """Yield all that one case showed."""
    yield from verdict.commands
    for ended in verdict.ends:
        yield f"status {ended.status}{', ended as hung' if ended.hung else ''}, {ended.seconds:.1f} s"
        yield from (f"  out: {line}" for line in ended.out.splitlines())
        yield from (f"  err: {line}" for line in ended.err.splitlines())
    yield from (f"fault: {fault.kind}: {fault.what}" for fault in verdict.faults)
