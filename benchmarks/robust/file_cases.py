"""Part 2: hostile data files are refused with a sentence, soon and in little memory; sound ones are read right."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.robust.calls import Ended
from benchmarks.robust.client import Desk
from benchmarks.robust.hostile_files import HOSTILE, ROWS
from benchmarks.robust.sound_files import SOUND, Sound
from benchmarks.robust.verdicts import Fault, Verdict, faults_of
from benchmarks.robust.world import World

__all__ = ["PART", "cases", "compare", "describe"]

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
        return self.file.partition(":")[0]

    @property
    def name(self) -> str:
        """As `--case` takes it."""
        return f"file/{self.file}"

    def run(self, world: World, desk: Desk) -> Verdict:  # noqa: ARG002 - all cases are called alike
        """Write the file and ask what it holds; compare that with what was written."""
        data, expected, says = self._write(desk)
        words = ("run", "-d", data, "-m", "pca", "--dry-run")
        ended = desk.run(*words, seconds=PATIENCE)
        faults = [*faults_of(ended)]
        if ended.status == 0 and not ended.hung:
            read = desk.run(data, code="benchmarks.robust.file_cases:describe", seconds=PATIENCE)
            faults += [*faults_of(read), *compare(read, expected)]
        elif not faults and expected is not None:
            faults.append(Fault("other", "a sound file is refused"))
        elif not faults and says not in ended.err:
            faults.append(Fault("other", f"refused for another reason than {says!r}"))
        return Verdict(self.name, PART, (ended,), tuple(faults), (f"latentbench {shlex.join(words)}",))

    def _write(self, desk: Desk) -> tuple[str, Expected | None, str]:
        """Write the file; return what `-d` gets, what is to be read, if anything, and the reason for a refusal."""
        if self.file in SOUND:
            data, sound = SOUND[self.file](desk.folder)
            return data, Expected(sound.rows, sound), ""
        hostile = HOSTILE[self.file]
        (desk.folder / "given").mkdir()
        path = hostile.write(desk.folder / "given")
        read = Expected(ROWS, None, hostile.classes, hostile.width) if hostile.says is None else None
        return str(path.relative_to(desk.folder)), read, hostile.says or ""


@dataclass(frozen=True)
class Expected:
    """What is to be read: rows, and as far as known their numbers, names of classes and the width of a row."""

    rows: int
    sound: Sound | None = None
    classes: tuple[str, ...] | None = None
    width: int | None = None


def compare(ended: Ended, expected: Expected | None) -> Iterator[Fault]:
    """Yield how the numbers read differ from those written."""
    if expected is None:
        yield Fault("other", "a hostile file is taken for data")
    elif ended.status == 0:
        read = json.loads(ended.out.splitlines()[-1])
        sound = expected.sound
        if read["rows"] != expected.rows:
            yield Fault("silent", f"{read['rows']} rows for {expected.rows}")
        elif sound and tuple(read["counts"]) != sound.classes:
            yield Fault("silent", f"classes of {read['counts']} rows for {[*sound.classes]}")
        elif sound and not math.isclose(read["total"], sound.total, rel_tol=TOLERANCE, abs_tol=TOLERANCE * 90):
            yield Fault("silent", f"inputs add up to {read['total']} for {sound.total}")
        elif expected.classes and tuple(read["names"]) != expected.classes:
            yield Fault("silent", f"classes {read['names']} for {[*expected.classes]}")
        elif expected.width and read["width"] != expected.width:
            yield Fault("silent", f"{read['width']} numbers a row for {expected.width}")


def describe(arguments: list[str]) -> None:
    """Print what a data set holds, all splits together: rows, their width and sum, the classes and their rows."""
    import numpy as np

    from latentbench.benchmark import Benchmark
    from latentbench.opening import load_splits
    from latentbench.planning.plan import make_plan
    from latentbench.plugins import Plugins

    plugins = Plugins()
    plan = make_plan(Benchmark(datasets=(arguments[0],), models=("pca",), references=()), plugins)
    splits = load_splits(plugins, plan.trials[0])
    parts = [split for split in (splits.train, splits.validation, splits.test) if split is not None]
    labels = [np.asarray(part.labels) for part in parts if part.labels is not None]
    counts = np.bincount(np.concatenate(labels)).tolist() if labels else []
    names = parts[0].class_names or tuple(map(str, range(len(counts))))
    total = sum(float(np.asarray(part.inputs).astype(np.float64).sum()) for part in parts)
    width = int(np.prod(parts[0].inputs.shape[1:]))
    values = {"rows": sum(map(len, parts)), "width": width, "total": total, "counts": counts, "names": names}
    print(json.dumps(values))


def cases() -> Iterator[FileCase]:
    """Yield a case for every file."""
    yield from map(FileCase, (*HOSTILE, *SOUND))
