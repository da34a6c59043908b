"""`pytest benchmarks` times what is there, plugins of others too, and says what it could not time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "third_party" / "latentbench_thirdparty" / "latentbench_thirdparty.py"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """What a small selection printed, and its JSON: test name -> benchmark."""
    path = tmp_path_factory.mktemp("benchmarks") / "speed.json"
    selection = "test_training and short_vae and 256 or test_decode and ([pca] or untrained) or --help"
    # inside a worker of pytest-xdist, pytest-benchmark times nothing
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", "-p", "no:cacheprovider", "-k", selection,
         "--plugin", str(PLUGIN), "--benchmark-json", str(path)],
        cwd=ROOT, capture_output=True, text=True, env=outside,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, {each["name"]: each for each in json.loads(path.read_text())["benchmarks"]}


def test_a_third_partys_model_is_trained_and_its_rate_stored(finished):
    _, benchmarks = finished
    training = benchmarks["test_training[short_vae-256]"]
    assert training["stats"]["rounds"] == 3
    assert training["stats"]["min"] > 0.01
    told = training["extra_info"]
    assert told["images_per_second"] == pytest.approx(4096 / training["stats"]["median"])
    assert (told["model"], told["batch_size"], told["threads"]) == ("short_vae", 256, 1)


def test_the_table_at_the_end_has_one_line_a_benchmark(finished):
    printed, benchmarks = finished
    table = printed[printed.index("= speed =") :].splitlines()
    for name, end in (
        ("short_vae, batch 256", " images/s"),
        ("pca, decode", " images/s"),
        ("untrained, decode", "skipped: no decoder"),
        ("latentbench --help", " ms"),
    ):
        (line,) = [line for line in table if line.startswith(f"  {name}")]
        assert line.endswith(end)
    assert len(benchmarks) == 3  # the skipped one has no time


def test_a_command_is_timed_from_outside(finished):
    _, benchmarks = finished
    assert benchmarks["test_command_that_answers_at_once[--help]"]["stats"]["min"] > 0.01
