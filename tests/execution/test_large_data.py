"""Data that stay in their file give the numbers of data in memory, bit for bit, and workers share their pages."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import latentbench
from latentbench import Benchmark, stays_in_file
from latentbench.opening import latent_space, load_splits
from latentbench.plugins import Plugins
from latentbench.records import Record

SCORES = "r2", "knn10", "linear_probe_accuracy", "silhouette", "elbo", "rate", "knn10_noise", "ssim"


def quality(results):
    """Every score of quality by model, seed and name."""
    frame = results.scores
    frame = frame[frame["kind"] == "quality"]
    keys = frame[["model", "params", "seed", "split", "score"]].astype(str).agg(" ".join, axis=1)
    assert keys.is_unique
    return dict(
        zip(keys, zip(frame["value"].map(repr), frame["se"].map(repr), frame["status"], strict=True), strict=True)
    )


def codes(run, results):
    return [Record(run, trial.key).read_arrays("codes.npz")["codes"] for trial in results.trials]


@pytest.fixture
def data(tmp_path):
    """Images with classes, as a file."""
    generator = np.random.default_rng(0)
    labels = np.arange(400) % 4
    images = generator.integers(0, 100, (400, 1, 8, 8)) + 40 * labels[:, None, None, None]
    np.savez(tmp_path / "data.npz", x=images.astype(np.uint8), y=labels)
    np.savez(tmp_path / "floats.npz", x=images[:, 0].astype(np.float32) / 50, y=labels)
    return tmp_path


def benchmark(path, **changes):
    budget = {"epochs": 2, "batch_size": 32, **changes.pop("budget", {})}
    return Benchmark(datasets=(str(path),), seeds=2, params={"latent_dim": 3}, budget=budget, **changes)


@pytest.mark.parametrize(("name", "models"), [("data.npz", ("vae", "pca")), ("floats.npz", ("vae",))])
def test_scores_and_codes_are_those_of_data_in_memory(data, monkeypatch, name, models):
    asked = benchmark(data / name, models=models, scores=SCORES, budget={"train_limit": 250})
    expected = latentbench.run(asked, data / "memory", workers=0)
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    in_file = latentbench.run(asked, data / "file", workers=0)
    assert quality(in_file) == quality(expected)
    assert {"ok"} <= {status for _, _, status in quality(expected).values()} <= {"ok", "not applicable"}
    for left, right in zip(codes(data / "memory", expected), codes(data / "file", in_file), strict=True):
        assert np.array_equal(left, right)


@pytest.mark.slow
def test_every_score_is_that_of_data_in_memory(data, monkeypatch):
    asked = benchmark(data / "data.npz", models=("vae", "pca"), scores=(), budget={"train_limit": 250})
    expected = latentbench.run(asked, data / "memory", workers=0)
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    assert quality(latentbench.run(asked, data / "file", workers=0)) == quality(expected)


def test_a_trained_trial_is_opened_again_on_data_in_its_file(data, monkeypatch):
    asked = benchmark(data / "data.npz", models=("vae",), references=(), scores=("r2",))
    trial = latentbench.run(asked, data / "run", workers=0).trials[0]
    expected = latent_space(trial, Record(data / "run", trial.key), Plugins())
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    monkeypatch.setenv("LATENTBENCH_CACHE", str(data / "cache"))
    plugins = Plugins()
    space = latent_space(trial, Record(data / "run", trial.key), plugins)
    assert stays_in_file(load_splits(plugins, trial).train.inputs)
    assert torch.equal(space.train.codes, expected.train.codes)
    assert "inputs" not in vars(space.train)  # its codes were made batch by batch
    assert torch.equal(space.arranged.codes, expected.arranged.codes)
    assert torch.equal(space.arranged.reconstructions, expected.arranged.reconstructions)
    assert "inputs" not in vars(space.arranged)
    assert torch.equal(space.arranged.inputs, expected.arranged.inputs)
    assert torch.equal(space.train.inputs, expected.train.inputs)
    assert torch.equal(space.take(torch.tensor([3, 1])).inputs, expected.inputs[[3, 1]])


WRITING = """
import numpy as np
import torch
from latentbench import Model, hookimpl

class Spoiler(Model):
    class Params(Model.Params):
        latent_dim: int = 3
    def fit(self, train, generator):
        train.inputs[:5] *= 0
    def encode(self, inputs): return inputs.flatten(1)[:, :3]
    def decode(self, codes): return torch.zeros(len(codes), 1, 8, 8)

class Rewriter(Spoiler):
    def fit(self, train, generator):
        path = PATH
        values = np.load(path)
        with open(path, "r+b") as file:
            np.save(file, values // 2)

@hookimpl
def register_models(register):
    register("spoiler", Spoiler)
    register("rewriter", Rewriter)
"""


def test_data_in_a_file_cannot_be_written_by_a_model_and_a_file_that_changes_is_told(
    data, monkeypatch, plugin_file
):
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    np.save(data / "x.npy", np.load(data / "data.npz")["x"])
    plugins = Plugins(files=(plugin_file(WRITING.replace("PATH", repr(str(data / "x.npy")))),))
    asked = benchmark(data / "x.npy", models=("spoiler",), references=(), scores=("r2",))
    trial = latentbench.run(asked, data / "run", workers=0, plugins=plugins).trials[0]
    assert (trial.outcome.status, trial.outcome.error) == ("failed", "ValueError")
    asked = benchmark(data / "x.npy", models=("rewriter",), references=(), scores=("r2",))
    ends = [trial.outcome for trial in latentbench.run(asked, data / "run", workers=0, plugins=plugins).trials]
    assert {outcome.status for outcome in ends} == {"failed"}
    assert "wrote into train.inputs" in ends[0].message
    assert "a file of the dataset 'arrays' has changed since the run began; start the command" in ends[1].message


SHARING = textwrap.dedent("""
    import os, sys
    from pathlib import Path
    import numpy as np
    import torch
    from latentbench.files.mapped import mapped_array
    from latentbench.training.inputs import stored_inputs
    torch.set_num_threads(1)
    CPU = torch.device("cpu")
    inputs = stored_inputs(mapped_array(Path("x.bin"), np.uint8, (20_000, 3, 32, 32)), (), 100, CPU)
    def memory():
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
    before = memory()
    order = torch.randperm(20_000)
    for begin in range(0, 20_000, 100):
        inputs.batch(order[begin : begin + 100])
    print("ready", flush=True)
    sys.stdin.readline()
    after = memory()
    print({name: after[name] - before[name] for name in ("Rss", "Pss", "Anonymous", "Private_Dirty")}, flush=True)
    sys.stdin.readline()
""")


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not tell")
def test_processes_share_the_pages_of_a_file(tmp_path):
    size = 20_000 * 3 * 32 * 32
    (tmp_path / "x.bin").write_bytes(np.random.default_rng(0).bytes(size))
    words = [sys.executable, "-c", SHARING]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": tmp_path}
    with subprocess.Popen(words, **pipes) as first, subprocess.Popen(words, **pipes) as second:
        grown = []
        for step in ("touch", "tell", "end"):
            for process in (first, second):
                if step == "touch":
                    assert process.stdout.readline() == "ready\n"
                else:
                    process.stdin.write("\n")
                    process.stdin.flush()
                    grown += [ast.literal_eval(process.stdout.readline())] if step == "tell" else []
    assert all(each["Rss"] > 0.9 * size for each in grown)  # both have all of it at hand
    assert sum(each["Pss"] for each in grown) < 1.3 * size  # once
    assert sum(each["Anonymous"] for each in grown) < 0.2 * size
