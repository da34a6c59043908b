"""A run on a finished folder reads each file at most twice: to see what is left, and for the results."""

import json
import subprocess
import sys

TRIALS = 27
REQUEST = [
    "run", "-d", "digits", "-m", "random_projection", "-p", "latent_dim=4", "-s", "r2,knn10,mse",
    "--seeds", str(TRIALS), "--train-limit", "200", "--workers", "0",
]  # fmt: skip
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
    run = [*REQUEST, "-o", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "latentbench", *run], check=True, capture_output=True)
    done = subprocess.run([sys.executable, "-c", COUNTING, str(tmp_path), *run], check=True, capture_output=True)
    reads = json.loads(done.stderr.decode().splitlines()[-1])
    trials = {name: count for name, count in reads.items() if name.endswith("trial.json")}
    assert len(trials) == TRIALS + 1  # with the untrained reference
    assert {name: count for name, count in reads.items() if count > 2} == {}
