"""Each damage to a run folder: tables tell or refuse, no number changes in silence, the same command repairs."""

import importlib.util
import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import latentbench
from latentbench import load_results
from latentbench.errors import OtherFormatError, RunFolderError
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.report.diff import compare, differences_in_environment, read_side

PATH = Path(__file__).parents[1] / "benchmarks" / "robust" / "damages.py"
spec = importlib.util.spec_from_file_location("damages", PATH)
damages = sys.modules["damages"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(damages)
DAMAGES = damages.DAMAGES
REPAIRED = [
    *(f"run.json: {name}" for name in ("a list", "a pipe", "emptied")),
    *(f"trial.json: {name}" for name in ("a digit changed", "a loop", "deep")),
    *(f"scores: {name}" for name in ("a digit changed", "a folder", "text for a float", "a huge whole number")),
    *(f"items: {name}" for name in ("emptied", "flipped", "a folder")),
    *(f"model: {name}" for name in ("flipped", "a pipe")),
    *("scores folder: a file", "trial: a file", "environment.json: a list", "scores.csv: a loop"),
]


@pytest.fixture(scope="module")
def plugins():
    return Plugins()


@pytest.fixture(scope="module")
def wanted(tiny):
    return tiny(models=("pca",), scores=("knn10", "r2"))


@pytest.fixture(scope="module")
def whole(wanted, plugins, tmp_path_factory):
    """A finished run of one trial, and its values by score."""
    return latentbench.run(wanted, tmp_path_factory.mktemp("runs") / "whole", plugins=plugins, workers=0)


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole.path, tmp_path / "run"))


def values(results):
    return {row.score: row.value for row in results.rows}


def look(folder):
    """Read rows and per-item values of a run as tables do; the warnings too."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        results = load_results(folder)
        for row in results.rows:
            results.items(row.trial, row.score)
        differences_in_environment(results, results)
    return results, [str(each.message) for each in told]


@pytest.mark.parametrize("name", DAMAGES)
def test_a_table_tells_or_refuses_and_no_number_changes_in_silence(name, folder, whole):
    damage = DAMAGES[name]
    path = damage.apply(folder)
    if damage.table == 2:
        with pytest.raises(RunFolderError) as caught:
            look(folder)
        assert str(path) in str(caught.value) or path.name in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    results, told = look(folder)
    shown, expected = values(results), values(whole)
    for score, value in shown.items():
        assert np.isnan(value) or value == expected[score]
    named = [text for text in told if path.name in text]
    read_aside = path.name == "environment.json"  # by `compare` and the page
    assert bool(named) is (damage.told or read_aside)
    assert len(set(told)) <= 1


@pytest.mark.parametrize("name", [name for name, damage in DAMAGES.items() if damage.run == 2])
def test_a_run_refuses_what_it_cannot_make_again(name, folder, wanted, plugins):
    path = DAMAGES[name].apply(folder)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(RunFolderError):
        latentbench.run(wanted, folder, plugins=plugins, workers=0)
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize("name", REPAIRED)
def test_the_same_command_repairs(name, folder, whole, wanted, plugins):
    DAMAGES[name].apply(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = latentbench.run(wanted, folder, plugins=plugins, workers=0)
    assert values(again) == values(whole)
    assert look(folder)[1] == []


def opened(folder):
    results = load_results(folder)
    return results.latent_space(results.trials[0])


@pytest.mark.parametrize("name", [name for name, damage in DAMAGES.items() if damage.opened == 2])
def test_a_damaged_model_is_not_opened(name, folder):
    DAMAGES[name].apply(folder)
    with pytest.raises(RunFolderError):
        opened(folder)


@pytest.mark.parametrize("name", [n for n in DAMAGES if n.startswith(("trial.json", "scores:", "model", "codes"))])
def test_what_is_damaged_is_pending(name, folder, wanted, plugins):
    damage = DAMAGES[name]
    damage.apply(folder)
    plan = make_plan(wanted, plugins, "cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if damage.run == 2:
            with pytest.raises(OtherFormatError, match="was written in format 3, this version reads 2"):
                inspect(plan, folder, Execution())
        else:
            (state,) = inspect(plan, folder, Execution())
            assert state.pending


def test_two_runs_are_compared_where_one_lacks_its_environment(folder, whole):
    (folder / "environment.json").write_text("{}")
    sides = read_side(str(whole.path)), read_side(str(folder))
    assert compare(*sides, every=True)
    with pytest.warns(UserWarning, match=r"environment\.json cannot be read .* is left out"):
        differences = differences_in_environment(sides[0].results, sides[1].results)
    assert any(line.startswith("python: ") for line in differences)


# what a run finds


@pytest.mark.parametrize("name", ["scores.csv", "report.html", "figures"])
def test_a_folder_that_holds_other_files_is_left_alone(name, wanted, plugins, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunFolderError, match=f"is not a run folder, and a run would overwrite its {name}"):
        latentbench.run(wanted, tmp_path, plugins=plugins, workers=0)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("content", ["[]", '{"name": "another program"}', ""])
def test_a_run_json_of_another_program_is_left_alone(content, wanted, plugins, tmp_path):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"run\.json is not that of a run"):
        latentbench.run(wanted, tmp_path, plugins=plugins, workers=0)
    assert (tmp_path / "run.json").read_text() == content


@pytest.mark.parametrize(
    "made", [lambda path: path.write_text("x"), lambda path: path.symlink_to("/dev/null"), os.mkfifo]
)
def test_a_run_needs_a_folder(made, wanted, plugins, tmp_path):
    made(tmp_path / "run")
    with pytest.raises(RunFolderError, match="is no folder"):
        latentbench.run(wanted, tmp_path / "run", plugins=plugins, workers=0)


@pytest.mark.parametrize("name", ["run.lock", "events.jsonl", "executor", "trials"])
def test_no_link_leads_a_run_out_of_its_folder(name, folder, wanted, plugins, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir() if name == "trials" else victim.write_text("mine")
    path = folder / name
    shutil.rmtree(path) if name == "trials" else path.unlink(missing_ok=True)
    path.symlink_to(victim)
    with pytest.raises(RunFolderError, match="is a link that leaves the run folder"):
        latentbench.run(wanted, folder, plugins=plugins, workers=0)
    assert list(victim.iterdir()) == [] if name == "trials" else victim.read_text() == "mine"
