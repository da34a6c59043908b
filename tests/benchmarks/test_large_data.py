"""What `benchmarks/execution/large_data.py` measures, on little data."""

import mmap
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "execution" / "large_data.py"


@pytest.fixture(scope="module")
def large_data(script):
    return script("execution/large_data.py")


def run(rate, anonymous=6e8, losses=1.0):
    rates = {"rates": [rate] * 3, "cpu_rates": [2 * rate] * 3}
    return {**rates, "gather": 9e4, "anonymous": anonymous, "losses": [losses], "load": 1.0, "read": 0}


def report(large_data, mapped, rows=400_000):
    """What is told, and missed, where data in memory train at 100 images/s."""
    return large_data.report(rows, run(100.0), mapped, run(50.0), 900.0)


def test_limits_that_are_kept(large_data):
    lines, missed = report(large_data, run(85.0))
    assert missed == []
    assert any(line.endswith("85.0% of images/s by the clock, 85.0% by processor time") for line in lines)
    assert "losses: equal, bit for bit" in lines


@pytest.mark.parametrize(
    ("mapped", "missed"),
    [
        (run(79.0), ["80% of the rate in memory"]),
        (run(90.0, anonymous=1.6e9), ["1.5 GB of anonymous memory"]),
        (run(90.0, losses=2.0), ["equal losses"]),
    ],
)
def test_a_limit_that_is_missed_is_told(large_data, mapped, missed):
    assert report(large_data, mapped)[1] == missed


def test_the_rate_of_little_data_is_no_limit(large_data):
    assert report(large_data, run(50.0), rows=500)[1] == []


def test_the_file_is_one_of_numpy(large_data, tmp_path):
    rows = large_data.draw(tmp_path / "x.npy", 0.001)
    images = np.load(tmp_path / "x.npy")
    assert images.shape == (rows, 3, 64, 64)
    assert (images[:, :, :8, :8] == images[:, :, :1, :1]).all()
    large_data.forget(tmp_path / "x.npy")
    large_data.read_through(tmp_path / "x.npy")
    assert (np.load(tmp_path / "x.npy") == images).all()


def test_anonymous_memory_is_that_of_this_process(large_data):
    if not Path("/proc/self/status").exists():
        pytest.skip("the system does not tell")
    before = large_data.anonymous_bytes()
    # not from the heap, which may have as much that is in RAM and free
    held = mmap.mmap(-1, 2**26, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    held.write(bytes(2**26))
    assert 2**25 < large_data.anonymous_bytes() - before < 2**28


@pytest.mark.slow
def test_the_program_itself(tmp_path):
    words = ["--gigabytes", "0.01", "--turns", "2", "--folder", tmp_path]
    done = subprocess.run([sys.executable, PATH, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mapped, cold" in done.stdout
    assert list(tmp_path.iterdir()) == []
