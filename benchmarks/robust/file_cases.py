"""Part 2: hostile data files are refused with a sentence, soon and in little memory; sound ones are read right."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.robust.calls import Ended
from benchmarks.robust.client import Desk
from benchmarks.robust.hostile_files import FILES, Sound
from benchmarks.robust.verdicts import Fault, Verdict, faults_of
from benchmarks.robust.world import World

__all__ = ["PART", "cases", "describe"]

PART = "hostile files"
PATIENCE = 15.0  # seconds, of which a dry run takes up to five
TOLERANCE = 1e-5  # of the sum of inputs that were float32 on the way


@dataclass(frozen=True)
class FileCase:
    """One file."""

    file: str
    part: str = PART

    @property
    def group(self) -> str:
        """What a sample is to hold several of: the kind of file."""
        return self.file.split()[0]

    @property
    def name(self) -> str:
        """As `--case` takes it."""
        return f"file/{self.file}"

    def run(self, world: World, desk: Desk) -> Verdict:  # noqa: ARG002 - all cases are called alike
        """Write the file and ask what it holds; compare that with what was written."""
        data, sound = FILES[self.file](desk.folder)
        words = ("run", "-d", data, "-m", "pca", "--dry-run")
        ends = [desk.run(*words, seconds=PATIENCE)]
        faults = [*faults_of(ends[0])]
        if ends[0].status == 0 and not ends[0].hung:
            ends.append(desk.run(data, code="benchmarks.robust.file_cases:describe", seconds=PATIENCE))
            faults += [*faults_of(ends[1]), *compare(ends[1], sound)]
        elif sound is not None and not (sound.or_refused and sound.or_refused in ends[0].err):
            faults.append(Fault("other", "a sound file is refused"))
        return Verdict(self.name, PART, tuple(ends[:1]), tuple(faults), (f"latentbench {' '.join(words)}",))


def compare(ended: Ended, sound: Sound | None) -> Iterator[Fault]:
    """Yield how the numbers read differ from those written."""
    if sound is None:
        yield Fault("other", "a hostile file is taken for data")
    elif ended.status == 0:
        rows, total, classes = json.loads(ended.out.splitlines()[-1])
        if rows != sound.rows or tuple(classes) != sound.classes:
            yield Fault("silent", f"{rows} rows in classes of {classes} for {sound.rows} in {[*sound.classes]}")
        elif not math.isclose(total, sound.total, rel_tol=TOLERANCE, abs_tol=TOLERANCE * rows):
            yield Fault("silent", f"inputs add up to {total} for {sound.total}")


def describe(arguments: list[str]) -> None:
    """Print rows, the sum of the inputs and the rows of each class of a data set, all splits together."""
    import numpy as np

    from latentbench.benchmark import Benchmark
    from latentbench.opening import load_splits
    from latentbench.plan import make_plan
    from latentbench.plugins import Plugins

    plugins = Plugins()
    plan = make_plan(Benchmark(datasets=(arguments[0],), models=("pca",), references=()), plugins)
    splits = load_splits(plugins, plan.trials[0])
    parts = [split for split in (splits.train, splits.validation, splits.test) if split is not None]
    labels = [np.asarray(part.labels) for part in parts if part.labels is not None]
    classes = np.bincount(np.concatenate(labels)).tolist() if labels else []
    total = sum(float(np.asarray(part.inputs).astype(np.float64).sum()) for part in parts)
    print(json.dumps([sum(map(len, parts)), total, classes]))


def cases() -> Iterator[FileCase]:
    """Yield a case for every file."""
    yield from map(FileCase, FILES)
