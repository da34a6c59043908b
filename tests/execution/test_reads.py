"""A run on a finished folder reads each file at most twice: to see what is left, and for the results."""

import json
import subprocess
import sys

TRIALS = 27
BENCHMARK = """
title = "reads"
datasets = ["digits"]
models = ["{file}:Narrow", "{file}:Wide"]
references = ["pca"]
seeds = 13
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
    done = subprocess.run([sys.executable, "-c", COUNTING, str(folder), *run], check=True, capture_output=True)
    reads = json.loads(done.stderr.decode().splitlines()[-1])
    assert sum(name.endswith("trial.json") for name in reads) == TRIALS
    assert any(name.endswith("items.npz") for name in reads)  # what marks are made from
    assert {name: count for name, count in reads.items() if count > 2} == {}
