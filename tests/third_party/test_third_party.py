"""A plugin that is installed by pip is found, listed, run and shown like a built-in one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

SOURCE = Path(__file__).parent / "latentbench_thirdparty"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of a process that has the plugin installed."""
    pytest.importorskip("hatchling", reason="builds a package without a network")
    source = shutil.copytree(SOURCE, tmp_path_factory.mktemp("source") / "it")
    site = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--target", str(site), str(source)],
        check=True,
    )  # fmt: skip
    return {**os.environ, "PYTHONPATH": str(site)}


@pytest.fixture(scope="module")
def latentbench(environment):
    def call(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "latentbench", *arguments], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_it_is_listed(latentbench):
    models = {row["name"]: row for row in json.loads(latentbench("list", "models", "--json"))}
    assert models["short_vae"] == {
        "name": "short_vae",
        "summary": "VAE with short codes",
        "plugin": "latentbench-thirdparty:latentbench-thirdparty",
        "version": "0.3.0",
    }
    assert "[latentbench-thirdparty:latentbench-thirdparty 0.3.0]" in " ".join(
        latentbench("list", "metrics").split()
    )
    lines = latentbench("list", "plugins").splitlines()
    start = lines.index("latentbench-thirdparty:latentbench-thirdparty 0.3.0")
    assert lines[start + 1 : start + 3] == ["  models   short_vae", "  metrics  code_length"]


def test_it_can_be_left_out(latentbench):
    assert "short_vae" not in latentbench("list", "models", "--no-plugin", "latentbench-thirdparty")


def test_it_is_run_and_stands_in_the_table(latentbench, tmp_path):
    table = latentbench(
        "run", "-m", "short_vae", "-m", "vae", "-s", "code_length,r2", "--seeds", "1", "--epochs", "1",
        "--train-limit", "200", "--workers", "0", "-o", str(tmp_path),
    )  # fmt: skip
    assert "short_vae" in table
    assert "code_length" in table
    scores = pd.read_csv(tmp_path / "scores.csv").query("score == 'code_length'").set_index("label")
    assert set(scores["status"]) == {"ok"}
    assert {"short_vae", "vae", "pca"} <= set(scores.index)
    assert scores.loc["short_vae", "value"] != scores.loc["vae", "value"]
    told = json.loads((tmp_path / "environment.json").read_text())["plugins"]
    assert ("latentbench-thirdparty", "0.3.0") in [(each["distribution"], each["version"]) for each in told]
