"""A run that is known to be finished is not looked through again, and whatever changes, it is."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from latentbench.remembered.memory import memory_folder

MODEL = """
from latentbench_models.references import RandomProjection

class Mine(RandomProjection):
    reference = ""
"""
REQUEST = """
models = ["{file}:Mine"]
references = []
maps = []
seeds = 2
scores = ["r2"]
budget = {{ epochs = 1, train_limit = 200 }}
params = {{ latent_dim = 2 }}
"""
UNCHANGED = "nothing has changed since they were made"
SERVER = """
import json, os, sys
import matplotlib.figure, pandas, scipy.stats, sklearn.linear_model, torch
import latentbench.cli.run, latentbench.execution.run, latentbench.report.charts.plots
import latentbench.report.page.write
from latentbench.cli import main

for line in sys.stdin:
    words, *places = json.loads(line)
    child = os.fork()
    if not child:
        for number, place in enumerate(places, 1):
            os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        main(words)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class World:
    """A run folder, the request that made it, and a cache of its own.

    Each command is a process of its own, forked from one that has imported what all of them need.
    """

    def __init__(self, folder):
        self.folder, self.run = folder, folder / "run"
        (folder / "mine.py").write_text(MODEL)
        (folder / "request.toml").write_text(REQUEST.format(file=folder / "mine.py"))
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LATENTBENCH_CACHE": str(folder / "cache")},
        )

    def typed(self, *more):
        """What the command prints on standard output and on standard error."""
        words = ["run", str(self.folder / "request.toml"), "-o", str(self.run), "--workers", "0", *more]
        places = [self.folder.with_name(f"{self.folder.name}-{name}.txt") for name in ("output", "messages")]
        self.server.stdin.write(json.dumps([words, *map(str, places)]) + "\n")
        self.server.stdin.flush()
        status = self.server.stdout.readline()
        output, messages = (place.read_text() for place in places)
        assert status == "0\n", messages
        return output, messages


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run that is known to be finished."""
    world = World(tmp_path_factory.mktemp("world"))
    with world.server:
        time.sleep(2.5)  # what is younger than two seconds is not known again
        world.typed()
        time.sleep(2.5)
        world.typed()
        yield world


def test_the_same_command_prints_the_same_without_looking(made):
    table, told = made.typed()
    again, told_again = made.typed()
    assert UNCHANGED in told
    assert UNCHANGED in told_again
    assert table == again
    assert "report.html" in told_again
    events = [json.loads(line)["event"] for line in (made.run / "events.jsonl").read_text().splitlines()]
    assert events[-2:] == ["run_started", "run_finished"]


def edited(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def flipped(path):
    """One bit more, and the date it had before."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def first(world, pattern):
    return min(world.run.rglob(pattern))


CHANGES = {
    "a score": lambda world: flipped(first(world, "r2-*[0-9a-f].json")),
    "items": lambda world: flipped(first(world, "*.items.npz")),
    "a model": lambda world: flipped(first(world, "model.safetensors")),
    "a trial is gone": lambda world: shutil.rmtree(first(world, "trial.json").parent),
    "run.json": lambda world: flipped(world.run / "run.json"),
    "the page is gone": lambda world: (world.run / "report.html").unlink(),
    "the source of a model": lambda world: edited(
        world.folder / "mine.py", 'reference = ""', 'reference = "" or ""'
    ),
    "the request": lambda world: edited(world.folder / "request.toml", "seeds = 2", "seeds = 1"),
    "a leftover of a killed worker": lambda world: (world.run / "trials" / ".work-x-1").mkdir(),
    "the memory": lambda world: [flipped(path) for path in (world.folder / "cache" / "runs").iterdir()],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changes_the_run_looks_for_itself(name, made, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(made.folder, kept)
    assert UNCHANGED in made.typed()[1]
    try:
        CHANGES[name](made)
        assert UNCHANGED not in made.typed()[1]
    finally:
        shutil.rmtree(made.folder)
        shutil.copytree(kept, made.folder)
        time.sleep(2.5)
        made.typed()
        time.sleep(2.5)
        made.typed()


def test_what_is_asked_anew_is_done(made):
    assert UNCHANGED not in made.typed("--rerun", "all")[1]


def test_nothing_is_known_of_a_run_without_its_memory(made):
    shutil.rmtree(made.folder / "cache" / "runs")
    assert UNCHANGED not in made.typed()[1]
    assert memory_folder() != made.folder / "cache" / "runs"
