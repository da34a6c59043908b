import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

import latentbench
from latentbench import Benchmark, cli
from latentbench.errors import RequestError
from latentbench.plugins import Plugins
from latentbench.report.diff import (
    Difference,
    compare,
    differences_in_environment,
    judged,
    read_side,
    regressions,
)
from latentbench.report.diff_text import render
from latentbench.statistics import paired_difference

SCORES = ("r2", "knn", "active_units", "train_seconds", "peak_memory_bytes")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same two models trained for one epoch and for twelve."""
    folder, plugins = tmp_path_factory.mktemp("compare"), Plugins()
    for name, epochs in (("short", 1), ("long", 12)):
        benchmark = Benchmark(
            models=("ae", "vae"),
            references=("pca", "pixels"),
            scores=SCORES,
            params={"backbone": "mlp", "channels": 8},
            budget={"epochs": epochs, "train_limit": 400},
        )
        latentbench.run(benchmark, folder / name, plugins=plugins, workers=0)
    return folder


def rows_by_score(runs, a, b, **options):
    rows = compare(read_side(f"{runs}/{a}"), read_side(f"{runs}/{b}"), **options)
    return {(row.b, row.score): row for row in rows}


def test_more_training_is_found_to_be_better_and_less_worse(runs):
    assert rows_by_score(runs, "short", "long")["ae", "r2"].verdict == "better"
    assert rows_by_score(runs, "long", "short")["ae", "r2"].verdict == "worse"


def test_a_run_is_equal_to_itself(runs):
    rows = rows_by_score(runs, "long", "long")
    assert rows["vae", "r2"].verdict == "="
    assert rows["vae", "r2"].paired.mean == 0
    assert (rows["pca", "r2"].verdict, rows["pca", "r2"].paired.mean) == ("=", 0)
    assert rows["pca", "train_seconds"].verdict == "one trial each"
    assert rows["vae", "active_units"].verdict == "no better direction"


def test_the_difference_is_that_of_the_means(runs):
    row = rows_by_score(runs, "long:ae", "long:vae")["vae", "r2"]
    frame = latentbench.load_results(runs / "long").table().set_index(["score", "model"])
    assert row.mean_b - row.mean_a == pytest.approx(frame.loc[("r2", "vae"), "mean"] - row.mean_a)
    assert row.paired.mean == pytest.approx(row.mean_b - row.mean_a)
    assert row.seeds == 5


def test_models_with_one_trial_each_are_compared_over_items(runs):
    row = rows_by_score(runs, "long:pca", "long:pixels")["pixels", "r2"]
    assert row.single
    assert row.seeds == 1
    assert row.mean_b - row.mean_a == pytest.approx(row.paired.mean)
    assert row.verdict in ("better", "worse", "=")
    assert "test items alone" in render([row], [])


def test_a_model_with_one_trial_stands_for_all_seeds_of_another(runs):
    row = rows_by_score(runs, "long:pca", "long:vae")["vae", "r2"]
    assert (row.seeds, row.single) == (5, False)
    assert row.paired.mean == pytest.approx(row.mean_b - row.mean_a)
    assert row.verdict in ("better", "worse")
    assert "test items alone" not in render([row], [])


def test_one_seed_of_a_random_model_stands_for_itself_alone(runs):
    one, five = read_side(f"{runs}/long:ae"), read_side(f"{runs}/long:vae")
    one.results.rows = [row for row in one.results.rows if row.seed == 3]
    row = next(row for row in compare(one, five) if row.score == "r2")
    assert (row.seeds, row.paired, row.verdict) == (1, None, "fewer than 5 common seeds")


def with_costs(runs, **columns):
    """The long run, its costs changed."""
    side = read_side(f"{runs}/long")
    side.results.rows = [replace(row, **columns) if row.kind == "cost" else row for row in side.results.rows]
    return side


def test_timing_moves_no_p_value_of_quality(runs):
    short = read_side(f"{runs}/short")
    p_values = [
        {(row.b, row.score): row.p_value for row in compare(short, side) if row.kind == "quality"}
        for side in (with_costs(runs), with_costs(runs, value=1e6), with_costs(runs, value=1e-6))
    ]
    assert p_values[0]["ae", "r2"] < 0.05
    assert p_values[1] == pytest.approx(p_values[0], nan_ok=True)
    assert p_values[2] == pytest.approx(p_values[0], nan_ok=True)


def test_costs_are_compared_under_equal_conditions_only(runs):
    def verdict(**columns):
        rows = compare(read_side(f"{runs}/long"), with_costs(runs, **columns))
        return {row.score: row.verdict for row in rows if row.b == "ae"}["train_seconds"]

    assert verdict(value=1e6) == "worse"
    assert verdict(value=1e6, concurrency=3) == "unequal conditions"
    assert verdict(value=1e6, precision="other") == "worse"


def test_memory_is_told_in_readable_units(runs):
    text = render(compare(*[read_side(f"{runs}/{name}") for name in ("short", "long")]), [])
    lines = [line for line in text.splitlines() if "peak_memory_bytes" in line and not re.search("- [a-z]$", line)]
    assert len(lines) == 2
    assert all(re.search(r"\d[kMG]B +[.\d]+[kMG]B", line) for line in lines)


def planted(values, better="up", kind="quality"):
    """A difference whose interval is that of its seeds."""
    return Difference(
        "d", "a", "b", "s", better, 0.0, 0.0, paired_difference(values, np.zeros(len(values))), 5, kind
    )


STEPS = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])


@pytest.mark.parametrize("seed", range(12))
def test_a_verdict_never_contradicts_the_interval_beside_it(seed):
    """Random differences about as large as what decides, alone and among many."""
    shifts = np.random.default_rng(seed).normal(size=1 + 4 * (seed % 4)) * 0.03
    rows = judged([planted(shift + STEPS, better) for shift in shifts for better in ("up", "down")])
    for row in rows:
        text = render([row], []).splitlines()[2]
        shift, half = (float(word) for word in re.search(r"(-?[\d.]+)±([\d.]+)", text).groups())
        assert text.endswith("=") == (row.verdict == "=")
        assert abs(shift) <= half if row.verdict == "=" else abs(shift) >= half
        assert (row.verdict == "=") == (not row.p_value < 0.05)
    assert {row.verdict for row in rows} <= {"=", "better", "worse"}


def test_the_same_difference_is_decided_by_a_longer_interval_among_many():
    alone, among = judged([planted(0.025 + STEPS)])[0], judged([planted(0.025 + STEPS)] + [planted(STEPS)] * 9)[0]
    assert (alone.verdict, among.verdict) == ("better", "=")
    assert alone.half < 0.025 < among.half


@pytest.mark.parametrize(("b", "verdict"), [(1.1, "="), (1.02, "better"), (1.3, "worse")])
def test_near_a_value_it_is_the_distance_that_is_compared(runs, b, verdict):
    """a is 0.1 below 1; 0.1 above 1 is as good."""
    side_a, side_b = (read_side(f"{runs}/long:ae") for _ in "ab")
    for side, value in ((side_a, 0.9), (side_b, b)):
        side.results.rows = [
            replace(row, better="near:1", value=value + STEPS[row.seed] / 10)
            for row in side.results.rows
            if row.score == "r2"
        ]
    (row,) = compare(side_a, side_b)
    assert row.verdict == verdict
    assert row.paired.mean == pytest.approx(abs(b - 1) - 0.1)
    assert "b - a of the distances: r2" in render([row], [])


def test_only_the_headline_unless_all_is_asked_for(runs):
    assert ("ae", "knn1") not in rows_by_score(runs, "short", "long")
    assert ("ae", "knn1") in rows_by_score(runs, "short", "long", every=True)


def test_what_else_differs_is_said(runs):
    short, long = (read_side(f"{runs}/{name}") for name in ("short", "long"))
    assert differences_in_environment(short.results, long.results) == ["budget on digits, epochs: 1 | 12"]
    text = render(compare(short, long), differences_in_environment(short.results, long.results))
    assert "differs: budget on digits, epochs: 1 | 12" in text
    assert max(map(len, text.splitlines())) <= 100


def test_pairs_stand_below_each_other_and_fit_the_terminal(runs):
    rows = compare(*[read_side(f"{runs}/{name}") for name in ("short", "long")], every=True)
    longest = "version of a-distribution: 1.0 | 2.0, and so on until the line is longer than a terminal is wide"
    lines = render(rows, [longest], 80).splitlines()
    assert max(map(len, lines)) <= 80
    heads = [place for place, line in enumerate(lines) if line.startswith("digits: ")]
    assert [lines[place] for place in heads] == ["digits: ae", "digits: vae", "digits: pca", "digits: pixels"]
    assert len({lines[place + 1] for place in heads}) == 1
    (letter,) = re.findall("([a-z]) no better direction", " ".join(lines))
    assert any(re.match(f"active_units .* - {letter}$", line) for line in lines)


def test_long_names_of_scores_are_broken_behind_underscores():
    name = "a_score_whose_name_goes_on_and_on_and_on_and_on_and_on"
    lines = render([replace(planted(STEPS), score=name)], [], 60).splitlines()
    assert max(map(len, lines[:5])) <= 60
    assert "".join(line.split()[0] for line in lines[2:]).startswith(name)


def test_two_models_are_named_above_their_rows(runs):
    rows = compare(read_side(f"{runs}/long:ae"), read_side(f"{runs}/long:vae"))
    assert render(rows, []).startswith("digits: a is ae, b is vae\nscore ")


def test_a_limit_is_a_share_of_the_old_value(runs):
    rows = list(rows_by_score(runs, "long", "short").values())
    assert regressions(rows, {"r2": 0.01})
    assert regressions(rows, {"r2": 1e6}) == []
    better = list(rows_by_score(runs, "short", "long").values())
    assert [s for s in regressions(better, {"r2": 0.0}) if "of ae" in s] == []


def test_other_data_and_unknown_models_are_refused(runs, tmp_path):
    with pytest.raises(RequestError, match="no model 'vea'; did you mean 'vae'"):
        read_side(f"{runs}/long:vea")
    other = tmp_path / "other"
    shutil.copytree(runs / "long", other)
    run = json.loads((other / "run.json").read_text())
    del run["digest"]
    fingerprint = read_side(str(runs / "long")).results.trials[0].fingerprint
    (other / "run.json").write_text(json.dumps(run).replace(fingerprint, "0" * 64))
    with pytest.raises(RequestError, match="not the same in both"):
        compare(read_side(str(runs / "long")), read_side(str(other)))


@pytest.mark.parametrize(("limits", "status"), [([], 0), (["r2:1%"], 1), (["r2:x"], 2), (["nothing:5%"], 2)])
def test_the_verb(runs, limits, status, capsys):
    words = ["compare", f"{runs}/long", f"{runs}/short", *[w for limit in limits for w in ("--fail-on", limit)]]
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == status
    shown = capsys.readouterr()
    assert ("is worse by" in shown.err) == (status == 1)
