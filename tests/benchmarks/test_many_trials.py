"""What `benchmarks/execution/many_trials.py` measures, on a run of a few trials."""

import warnings

import pytest

from latentbench import load_results


@pytest.fixture(scope="module")
def many_trials(script):
    return script("execution/many_trials.py")


def test_copies_of_trials_are_a_finished_run(many_trials, tmp_path):
    lines, _ = many_trials.report(tmp_path, [12], many_trials.SMALL)
    assert [line.split()[4:-4] for line in lines[4:]] == [
        ["first", "run"],
        ["run", "again"],
        ["table"],
        ["report"],
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = load_results(tmp_path / "run-12")
        assert results.complete
    assert len(results.trials) == 13
    assert len({row.value for row in results.rows if row.score == "r2" and row.model == "ae"}) == 12


def test_a_missed_limit_is_told(many_trials):
    spent = dict.fromkeys(("first run", "run again", "table", "report"), many_trials.Spent(9.0, 4.0, 0.5, 1.5))
    assert many_trials.missed_limits(spent) == ["MISSED: run again took 4.00 s of processor time, limit 3"]


def test_growth_is_net_of_the_start(many_trials):
    assert many_trials.growth([(300, 1.3), (1000, 2.0), (3000, 4.0)]) == pytest.approx(3.0)
