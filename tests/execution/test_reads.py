"""A run on a finished folder reads each file at most twice: to see what is left, and for the results.

That is where nothing is remembered of it, as in a cache of its own; a second time it reads none.
"""

import json
import os
import subprocess
import sys

TRIALS = 11
BENCHMARK = """
title = "reads"
datasets = ["digits"]
models = ["{file}:Narrow", "{file}:Wide"]
references = ["pca"]
maps = []
seeds = 5
scores = ["r2", "mse", "mae", "knn10"]
budget = {{ epochs = 1, train_limit = 200 }}
params = {{ latent_dim = 4 }}
"""
MODELS = """
from latentbench_models.references import RandomProjection

class Narrow(RandomProjection):
    reference = ""

class Wide(RandomProjection):
    reference = ""
"""
COUNTING = """
import collections, json, os, sys
from pathlib import Path
from latentbench.cli import main

folder = Path(sys.argv[1]).resolve()
counts = collections.Counter()

def count(event, arguments):
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = Path(os.fsdecode(arguments[0]))
        reading = not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if reading and path.suffix and folder in path.parents:
            counts[str(path.relative_to(folder))] += 1

sys.addaudithook(count)
try:
    main(sys.argv[2:])
finally:
    print(json.dumps(counts), file=sys.stderr)
"""


def test_a_run_on_a_finished_folder_reads_each_file_at_most_twice(tmp_path):
    models, benchmark, folder = tmp_path / "models.py", tmp_path / "reads.toml", tmp_path / "run"
    models.write_text(MODELS)
    benchmark.write_text(BENCHMARK.format(file=models))
    run = ["run", str(benchmark), "--workers", "0", "-o", str(folder)]
    subprocess.run([sys.executable, "-m", "latentbench", *run], check=True, capture_output=True)
    reads = files_read(tmp_path, folder, run)
    assert sum(name.endswith("trial.json") for name in reads) == TRIALS
    assert any(name.endswith("items.npz") for name in reads)  # what marks are made from
    assert reads.pop("run.json") == 3  # once more to see that it is still what was written
    assert {name: count for name, count in reads.items() if count > 2} == {}
    again = files_read(tmp_path, folder, run)
    assert [name for name in again if name.startswith("trials")] == []


def files_read(tmp_path, folder, words):
    """The files of a run folder that a command reads, with how often."""
    variables = {**os.environ, "LATENTBENCH_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", COUNTING, str(folder), *words]
    done = subprocess.run(command, check=True, capture_output=True, env=variables)
    return json.loads(done.stderr.decode().splitlines()[-1])
