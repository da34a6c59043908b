"""Part 1: every kind of file of a run, damaged in every way, under every verb."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from benchmarks.robust.calls import Ended
from benchmarks.robust.client import Desk
from benchmarks.robust.drawn_damages import HARMS
from benchmarks.robust.verdicts import Fault, Verdict, faults_of, told
from benchmarks.robust.world import VERBS, Seen, World, look, quality_rows, truth

__all__ = ["KINDS", "PART", "DamageCase", "cases", "differences"]

PART = "damaged runs"
TRIAL = "run/trials/[0-9a-f]*"
KINDS = {
    "run.json": "run/run.json",
    "environment.json": "run/environment.json",
    "events.jsonl": "run/events.jsonl",
    "scores.parquet": "run/scores.parquet",
    "scores.csv": "run/scores.csv",
    "report.html": "run/report.html",
    "trial.json": f"{TRIAL}/trial.json",
    "codes.npz": f"{TRIAL}/codes.npz",
    "model.safetensors": f"{TRIAL}/model.safetensors",
    "log.txt": f"{TRIAL}/log.txt",
    "scores.json": f"{TRIAL}/scores/*[0-9a-f].json",
    "items.npz": f"{TRIAL}/scores/*.items.npz",
    "map.npz": f"{TRIAL}/maps/*.npz",
    "scores folder": f"{TRIAL}/scores",
    "trial folder": TRIAL,
}
IN_TRIALS = frozenset({"trial.json", "codes.npz", "model.safetensors", "scores.json", "items.npz", "map.npz"})
ASIDE = frozenset({"environment.json", "events.jsonl", "scores.parquet", "scores.csv", "report.html", "log.txt"})
READERS_ASIDE = ("run", "table", "report", "compare", "sample")  # of files that hold nothing that verbs show
PATIENCE = 10.0  # seconds beyond three times what the whole run takes


@dataclass(frozen=True)
class DamageCase:
    """One damaged file under one verb."""

    kind: str
    damage: str
    verb: str
    draw: int = 0
    part: str = PART

    @property
    def group(self) -> str:
        """What a sample is to hold several of."""
        return self.kind

    @property
    def name(self) -> str:
        """As `--case` takes it."""
        return f"{self.kind}/{self.damage}/{self.verb}/{self.draw}"

    def run(self, world: World, desk: Desk) -> Verdict:
        """Damage a copy of the run and call the verb."""
        whole = world.seen(self.verb, desk)
        world.copy_to(desk)
        random = Random(f"{self.kind}/{self.damage}/{self.verb}/{self.draw}")
        path = random.choice(sorted(desk.folder.glob(KINDS[self.kind])))
        name = str(path.relative_to(desk.folder))
        HARMS[self.damage].harm(path, random)
        before = truth(desk.folder)
        ended = desk.run(*VERBS[self.verb], seconds=PATIENCE + 3 * whole.ended.seconds)
        faults = [*faults_of(ended)]
        if not ended.hung:
            faults += [*self.judge(desk.folder, ended, whole, name)]
        if self.verb != "run":
            changed = [file for file, digest in truth(desk.folder).items() if before.get(file, digest) != digest]
            faults += [Fault("other", f"{self.verb} changed {file}") for file in changed]
        return Verdict(self.name, PART, (ended,), tuple(faults), (f"{name}: {self.damage}", command(self.verb)))

    def judge(self, folder: Path, ended: Ended, whole: Seen, name: str) -> Iterator[Fault]:
        """Yield numbers that differ from the whole run's without a word; `run` must make them again."""
        names = (name, Path(name).name, Path(name).parent.name[:8] if "trials" in name else "")
        word = told(ended, whole.ended, names)
        if self.verb == "run" and ended.status == 0:
            if quality_rows(folder) != whole.written["scores"]:
                yield Fault("silent", "after the run, quality scores differ from the whole run's")
        elif self.verb == "run" and self.kind in IN_TRIALS and HARMS[self.damage].made_again:
            yield Fault("other", f"run does not make {self.kind} again")
        if not word and ended.status != 0:
            yield Fault("other", f"status {ended.status}, and not a word about {Path(name).name}")
        if not word and ended.status == 0:
            yield from differences(ended, whole, look(folder), name)


def differences(ended: Ended, whole: Seen, written: Mapping[str, str], damaged: str) -> Iterator[Fault]:
    """Yield what differs in the output of a call that said nothing of damage."""
    if ended.out != whole.ended.out:
        yield Fault("silent", f"prints other than the whole run: {_difference(whole.ended.out, ended.out)}")
    for name, digest in whole.written.items():
        if name not in ("scores", damaged) and not _is_cost(name, whole) and written.get(name) != digest:
            yield Fault("silent", f"writes another {name}")


def _is_cost(name: str, whole: Seen) -> bool:
    """Whether a run that trains again may write this otherwise: its page and figures show seconds."""
    return "scores" in whole.written and (name.endswith("report.html") or "/cost-" in name)


def _difference(expected: str, got: str) -> str:
    pairs = zip(expected.splitlines(), [*got.splitlines(), *[""] * expected.count("\n")], strict=False)
    wanted, line = next(((a, b) for a, b in pairs if a != b), ("nothing more", got[-60:]))
    return f"{line.strip()[:80]!r} for {wanted.strip()[:80]!r}"


def command(verb: str) -> str:
    """Return a verb's command line."""
    return shlex.join(["latentbench", *VERBS[verb]])


def cases(draws: int = 1) -> Iterator[DamageCase]:
    """Yield `draws` draws of file and place for every kind of file, damage that it can get, and verb."""
    for kind, (damage, way) in product(KINDS, HARMS.items()):
        if way.fits(kind):
            verbs = READERS_ASIDE if kind in ASIDE else VERBS
            yield from (DamageCase(kind, damage, verb, draw) for verb in verbs for draw in range(draws))
