"""What `benchmarks/execution/large_codes.py` measures, on few and short codes."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from latentbench.cli.score import command

PATH = Path(__file__).parents[2] / "benchmarks" / "execution" / "large_codes.py"
HOLDER = "import time; held = bytearray(b'1' * 2**{power}); {more}; time.sleep(0.5)"


@pytest.fixture(scope="module")
def large_codes(script):
    return script("execution/large_codes.py")


def test_memory_of_a_process_and_of_what_it_starts_is_added_up(large_codes):
    child = HOLDER.format(power=26, more="pass")
    more = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    run = large_codes.watched([sys.executable, "-c", HOLDER.format(power=27, more=more)])
    assert list(run.peaks) == ["command", "process 1"]
    assert run.peaks["command"] > 2**27
    assert run.peaks["process 1"] > 2**26
    assert 2**27 + 2**26 < run.memory <= sum(run.peaks.values())
    assert run.seconds > 0.5


def test_a_command_that_fails_ends_the_program(large_codes):
    with pytest.raises(SystemExit, match="ended with 3:\nno such codes"):
        large_codes.watched(
            [sys.executable, "-c", "import sys; print('no such codes', file=sys.stderr); sys.exit(3)"]
        )


def test_small_codes_are_scored_and_compared_with_sklearn(large_codes, monkeypatch):
    def here(words):
        done = CliRunner().invoke(command, [*words[1:], "--workers", "0"], standalone_mode=False)
        assert done.exception is None, done.output
        return large_codes.Run(1.0, 2 * 10**9, {"command": 2 * 10**9}, done.output.splitlines())

    monkeypatch.setattr(large_codes, "run_command", here)
    report = large_codes.report_on(["exact", "sklearn"], large_codes.SMALL)
    rows = {words[1]: words for words in map(str.split, report.lines) if len(words) == 7}
    for score in ("knn10", "silhouette"):
        assert int(rows[score][2]) == large_codes.SMALL.rows
        assert 0 < float(rows[score][5]) < float(rows[score][3]) < 1  # b is the harder space
    (beside,) = [line.split() for line in report.lines if line.startswith("knn10 ")]
    assert float(beside[4]) < large_codes.AGREEMENT
    assert not [missed for missed in report.missed if "times as fast" not in missed]


def test_a_run_is_told_with_its_progress(large_codes):
    report = large_codes.Report()
    run = large_codes.Run(130.0, 2 * 10**9, {"command": 10**9}, ["codes: 1 trial", "[1/1] a on y: ok in 9 s"])
    large_codes.show_run(report, run)
    assert "progress: [1/1] a on y: ok in 9 s" in report.lines
    assert report.missed == ["seconds, from the command to its end"]
    large_codes.show_run(report, large_codes.Run(1.0, 7 * 10**9, {}, []))
    assert report.missed[1:] == ["memory of all processes together", "progress"]


def test_a_limit_that_is_missed_is_told(large_codes, capsys):
    report = large_codes.Report()
    report.hold("knn of a", 46.0, 45.0, unit=" s")
    report.hold("silhouette", 3.5, 3.0, least=True)
    report.hold("knn10", 2.9, 3.0, least=True)
    assert report.missed == ["knn of a", "knn10"]
    assert "46.0 s" in capsys.readouterr().out


@pytest.mark.slow
def test_the_program_itself():
    done = subprocess.run([sys.executable, str(PATH), "--small"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "process 2" in done.stdout
