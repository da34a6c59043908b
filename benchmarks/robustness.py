"""Damaged runs, hostile files and random command lines: `python benchmarks/robustness.py [--write] [--case ID]`.

- damaged runs: every kind of file of a finished run, damaged in every way, under every verb;
- hostile files: data files that must be refused, and odd ones that must be read right;
- random lines: verbs, options and values drawn from what the command line declares.

No call may end in a traceback, hang, end with a status but 0, 1, 2 and 130, or give a wrong number without a word.
All calls are forked from one process that has imported everything (`benchmarks/robust/server.py`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, zip_longest
from pathlib import Path
from random import Random
from typing import Protocol

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # this script may be started from anywhere

from benchmarks.robust import damage_cases, file_cases, line_cases  # noqa: E402 - they need the line above
from benchmarks.robust.client import Desk, Server  # noqa: E402
from benchmarks.robust.counts import lines_of, report_case  # noqa: E402
from benchmarks.robust.verdicts import Verdict  # noqa: E402
from benchmarks.robust.world import World  # noqa: E402

__all__ = ["Case", "all_cases", "find_case", "sample", "verdicts_of"]

PLACE = ROOT / "results" / "reference" / "robustness.txt"
LINES = 2000
PROGRESS = 500  # cases


class Case(Protocol):
    """One case of any part."""

    @property
    def part(self) -> str: ...

    @property
    def group(self) -> str: ...

    @property
    def name(self) -> str: ...

    def run(self, world: World, desk: Desk) -> Verdict: ...


def all_cases() -> list[Case]:
    """Return the whole matrix."""
    return [*damage_cases.cases(), *file_cases.cases(), *line_cases.cases(LINES)]


def find_case(name: str) -> Case:
    """Return the case of this name; of random lines there are more than the matrix holds."""
    if name.startswith("line/"):
        return line_cases.LineCase(int(name.removeprefix("line/")))
    known: dict[str, Case] = {case.name: case for case in all_cases()}
    if name not in known:
        raise SystemExit(f"there is no case {name!r}; cases are named as {Random(0).choice([*known])!r} is")
    return known[name]


def sample(cases: Sequence[Case], count: int, seed: int = 0) -> list[Case]:
    """Draw `count` cases of each part, or all where there are fewer, in turn from its kinds of file or verbs."""
    chosen: list[Case] = []
    for part in dict.fromkeys(case.part for case in cases):
        random = Random(f"{part} {seed}")
        members = [case for case in cases if case.part == part]
        random.shuffle(members)
        groups: dict[str, list[Case]] = {}
        for case in members:
            groups.setdefault(case.group, []).append(case)
        turns = (case for row in zip_longest(*groups.values()) for case in row if case is not None)
        chosen += islice(turns, count)
    return chosen


def verdicts_of(cases: Iterable[Case], server: Server, workers: int, world: World) -> Iterator[Verdict]:
    """Run cases, some at a time, and yield their verdicts in order."""

    def run(case: Case) -> Verdict:
        with server.desk() as desk:
            return case.run(world, desk)

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(run, cases)


def main() -> int:
    """Run what is asked for and print the counts; status 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", metavar="ID", help="run this case alone and print all it says")
    parser.add_argument("--part", help="only the cases of this part, or whose names contain this")
    parser.add_argument("--count", type=int, help="only so many cases of each part, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of that draw")
    parser.add_argument("--workers", type=int, default=2, help="calls at the same time")
    parser.add_argument("--write", action="store_true", help="renew results/reference/robustness.txt")
    asked = parser.parse_args()
    if asked.write and (asked.case or asked.part or asked.count is not None):
        parser.error("--write takes all cases: leave --case, --part and --count out")
    cases: list[Case] = [find_case(asked.case)] if asked.case else all_cases()
    cases = [case for case in cases if (asked.part or "") in f"{case.part}/{case.name}"]
    if asked.count is not None:
        cases = sample(cases, asked.count, asked.seed)
    server = Server(min(asked.workers, len(cases)) or 1)
    verdicts = []
    try:
        for verdict in verdicts_of(cases, server, asked.workers, World(server)):
            verdicts.append(verdict)
            if len(verdicts) % PROGRESS == 0:
                print(f"[{len(verdicts)}/{len(cases)}]", file=sys.stderr)
            for fault in verdict.faults:
                print(f"[{len(verdicts)}/{len(cases)}] {fault.kind} {verdict.case}: {fault.what}", file=sys.stderr)
    finally:
        server.close()
    if asked.case:
        print("\n".join(report_case(verdicts[0])))
    else:
        lines = [" ".join(["python benchmarks/robustness.py", *sys.argv[1:]]), "", *lines_of(verdicts)]
        print("\n".join(lines))
        if asked.write:
            PLACE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 1 if any(verdict.faults for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
