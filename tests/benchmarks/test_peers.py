"""What `benchmarks/peers.py` says of its measurements."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "peers.py"


@pytest.fixture(scope="module")
def peers(script):
    return script("peers.py")


@pytest.fixture
def row(peers):
    def make(number, contestant, rate, **changes):
        values = {
            "hidden": 0,
            "batch": 64,
            "setting": "grid",
            "others": 0.0,
            "precision": "float32",
            "processes": 1,
            "threads": 2,
            "images_per_second": rate,
            "training_images_per_second": rate,
            "run_seconds": None,
            "loss": 30.0,
        }
        return peers.Row(**{"round": number, "contestant": contestant, **values, **changes})

    return make


def test_ratios_are_taken_within_a_round(peers, row):
    theirs, ours = (1000.0, 500.0, 2000.0), (3000.0, 2000.0, 4000.0)
    rows = [row(n, name, rates[n]) for n in range(3) for name, rates in (("pythae", theirs), ("tuned", ours))]
    _, pythae, tuned = map(str.split, peers.table(rows, {0: 20e6}))
    assert pythae[-6:] == ["1000", "2000", "1.00", "20", "30.00", "0.0"]
    assert tuned[-6:] == ["3000", "4000", "3.00", "60", "30.00", "0.0"]


def test_latentbench_has_a_line_for_its_training_alone(peers, row):
    own = row(0, "latentbench", 2000.0, training_images_per_second=4000.0, run_seconds=9.5)
    *_, whole, training = map(str.split, peers.table([row(0, "pythae", 1000.0), own], {0: 20e6}))
    assert whole[-7:] == ["2000", "2000", "2.00", "40", "9.5", "30.00", "0.0"]
    assert training == ["-", "its", "training", "4000", "4000", "4.00", "80"]


def test_networks_stand_apart_and_the_default_one_first(peers, row):
    rows = [row(0, "pythae", rate, hidden=hidden) for hidden, rate in ((256, 500.0), (0, 1000.0))]
    rows += [row(0, "tuned", rate, hidden=hidden) for hidden, rate in ((256, 2000.0), (0, 2000.0))]
    _, *lines = map(str.split, peers.table(rows, {0: 20e6, 256: 30e6}))
    assert [(line[0], line[3], line[-4]) for line in lines] == [
        ("0", "pythae", "1.00"),
        ("0", "tuned", "2.00"),
        ("256", "pythae", "1.00"),
        ("256", "tuned", "4.00"),
    ]


@pytest.mark.parametrize(("loss", "told"), [(31.0, False), (32.0, True), (28.0, True), (float("nan"), True)])
def test_a_contestant_that_learns_something_else_is_named(peers, row, loss, told):
    rows = [row(0, "plain", 1000.0), row(0, "tuned", 1000.0, setting="one trial", loss=loss)]
    assert bool(peers.strays(rows)) is told
    assert all(
        sentence.startswith("tuned (one trial, batch 64, hidden 0) ends") for sentence in peers.strays(rows)
    )


def test_other_programs_at_work_are_told(peers, row):
    assert peers.unrest([row(0, "plain", 1.0)]) == []
    assert peers.unrest([row(0, "plain", 1.0), row(0, "tuned", 1.0, others=1.3)])[0].startswith(
        "Others used up to 1.3"
    )


def test_work_of_others_is_counted_and_that_of_children_is_not(peers):
    spin = [sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"]
    before = peers._core_seconds_of_others()
    with subprocess.Popen(spin) as other:
        while other.poll() is None:
            during = peers._core_seconds_of_others()
    assert during - before > 0.3
    assert peers._core_seconds_of_others() < during - 0.2  # it has ended, and is known as ours


def test_a_missing_pythae_is_one_sentence(tmp_path):
    hide = """
        import importlib.metadata
        def version(name):
            raise importlib.metadata.PackageNotFoundError(name)
        importlib.metadata.version = version
    """
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(hide))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run([sys.executable, PATH], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        "peers.py compares with pythae, which is not installed; python -m pip install pythae==0.1.2\n"
    )
