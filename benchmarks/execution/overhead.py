"""`python benchmarks/execution/overhead.py`: the host's processor time for a trial that does nothing.

A model that keeps two pixels, and a metric that looks at nothing, so that what is left is the host: jobs, records,
digests, the state of the process, the event log. The time of the workers and of the main process counts, that of
starting them does not: it is the difference between a run of all trials and one of a few, a trial. Both are run
twice in turn, on one thread, and the lower time of each counts: on a busy machine, threads that wait for each
other take processor time as well.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PLUGIN = """
from latentbench import Metric, Model, Score, hookimpl

class TwoPixels(Model):
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 2
    def encode(self, inputs): return inputs.flatten(1)[:, 20 : 20 + self.params.latent_dim]
    def get_state(self): return {}
    def set_state(self, state): pass

class Nothing(Metric):
    scores = {"nothing": Score("none", "always 1")}
    def compute(self, space): return {"nothing": 1.0}

@hookimpl
def register_models(register): register("two_pixels", TwoPixels)

@hookimpl
def register_metrics(register): register("nothing", Nothing)
"""
REQUEST = """
models = ["two_pixels"]
references = []
seeds = {trials}
scores = ["nothing"]
"""
FEW = 20
ROUNDS = 2
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=1000, help=f"how many; more than {FEW}")
    trials = parser.parse_args().trials
    if trials <= FEW:
        parser.error(f"--trials must be more than {FEW}, got {trials}")
    with tempfile.TemporaryDirectory() as folder:
        rounds = [
            [processor_seconds(Path(folder) / f"{turn}", count) for count in (FEW, trials)]
            for turn in range(ROUNDS)
        ]
    few, all_of_them = map(min, zip(*rounds, strict=True))
    each = (all_of_them - few) / (trials - FEW)
    told = f"{1000 * each:.1f} ms of processor time each ({few:.1f} s for {FEW} of them and the start)"
    print(f"{trials} trials: {told}")


def processor_seconds(folder: Path, trials: int) -> float:
    """Run so many trials in one worker and return what all its processes used."""
    folder.mkdir(exist_ok=True)
    plugin, request = folder / "nothing.py", folder / f"{trials}.toml"
    plugin.write_text(PLUGIN, encoding="utf-8")
    request.write_text(REQUEST.format(trials=trials), encoding="utf-8")
    words = ["run", str(request), "--plugin", str(plugin), "-o", str(folder / str(trials)), "--workers", "1"]
    before = os.times()
    command = [sys.executable, "-m", "latentbench", *words]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | ONE_THREAD)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
