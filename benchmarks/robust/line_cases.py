"""Part 3: random command lines, made from the verbs and options that the command line itself declares."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import click

from benchmarks.robust.client import Desk
from benchmarks.robust.verdicts import Fault, Verdict, faults_of
from benchmarks.robust.words import SUPPLIES, value_for
from benchmarks.robust.world import World, bad_drawings, truth
from latentbench.cli import VERBS, cli

__all__ = ["PART", "cases", "line"]

PART = "random lines"
SHORT = ("--epochs", "1", "--seeds", "1", "--train-limit", "60", "--workers", "0", "--threads", "1", "-s", "r2")
PATIENCE = {"run": 60.0, "report": 45.0, "map": 45.0, "tour": 45.0, "sample": 45.0, "check": 90.0}
LIKELY = {"model": 0.8, "items": 0.3, "what": 0.4, "how": 0.4, "datasets": 0.4, "method": 0.8}
STRANGERS = ("--bogus", "-z", "--help", "-h", "extra", "", "--a=1", "--", "-")


def line(number: int) -> list[str]:
    """Draw a command line; the same number gives the same line.

    >>> line(7) == line(7) != line(8)
    True
    """
    random = Random(f"line {number}")
    verb = random.choice([*VERBS, "run", "run", "table", "morph"])
    command = cli.get_command(click.Context(cli), verb)
    if command is None:
        raise KeyError(verb)
    words = [*_words(command, random)]
    if random.random() < 0.06:
        words.insert(random.randrange(len(words) + 1), random.choice(STRANGERS))
    if verb == "explore":  # a server, which stays until it is stopped
        words.append("--help")
    if verb == "run":
        words += SHORT if random.random() < 0.15 else ("--dry-run",)
    return [verb, *words]


def _words(command: click.Command, random: Random) -> Iterator[str]:
    """Draw arguments and options: a line has none, one, or some odd values, so that many get far."""
    oddness = random.choice([0.0, 0.0, 0.1, 0.3, 0.6])
    for option in command.params:
        required = option.required or option.name in {"run", "from_item", "to_item"}
        for chance in (0.96 if required else LIKELY.get(str(option.name), 0.15), 0.1 if oddness else 0.0):
            if random.random() > chance:
                break
            if isinstance(option, click.Option):
                yield random.choice(option.opts)
            if not (isinstance(option, click.Option) and option.is_flag):
                yield value_for(option, random, random.random() < oddness)


@dataclass(frozen=True)
class LineCase:
    """One random command line, by its number."""

    number: int
    part: str = PART

    @property
    def group(self) -> str:
        """What a sample is to hold several of: the verb."""
        return line(self.number)[0]

    @property
    def name(self) -> str:
        """As `--case` takes it."""
        return f"line/{self.number}"

    def run(self, world: World, desk: Desk) -> Verdict:
        """Run the line beside a whole run and odd files; a reader may not change the run's truth."""
        _supply(world, desk)
        words = line(self.number)
        before = truth(desk.folder)
        ended = desk.run(*words, seconds=PATIENCE.get(words[0], 20.0), HOME=str(desk.folder))
        faults = [*faults_of(ended)]
        if words[0] != "run" and truth(desk.folder) != before:
            faults.append(Fault("silent", "a verb that only looks changed the run's trials"))
        faults += [Fault("other", f"{name} is no XML") for name in bad_drawings(desk.folder)]
        return Verdict(self.name, PART, (ended,), tuple(faults), (shlex.join(["latentbench", *words]),))


def _supply(world: World, desk: Desk) -> None:
    world.copy_to(desk)
    for name, text in SUPPLIES.items():
        (desk.folder / name).write_text(text, encoding="utf-8")
    os.mkfifo(desk.folder / "fifo")
    (desk.folder / "loop").symlink_to("loop")
    (desk.folder / "dangling").symlink_to("nowhere")
    (desk.folder / "closed").mkdir(mode=0)


def cases(count: int) -> Iterator[LineCase]:
    """Yield the first `count` lines."""
    yield from map(LineCase, range(count))
