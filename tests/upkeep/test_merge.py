"""Runs of one benchmark joined: every trial once, no number changed, contradictions told."""

import hashlib
import json
import os
import shutil
import warnings

import numpy as np
import pytest
from filelock import FileLock

import latentbench
from latentbench import load_results
from latentbench.errors import LatentbenchError, RequestError, RunFolderError
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect
from latentbench.files.json_files import read_sealed, write_sealed
from latentbench.planning.plan import make_plan
from latentbench.upkeep.copying import copy_regular
from latentbench.upkeep.examine import examine
from latentbench.upkeep.findings import is_sound
from latentbench.upkeep.merge import merge
from latentbench.upkeep.pack import pack


@pytest.fixture(scope="package")
def more_seeds(make_run):
    """The same benchmark with three seeds instead of two, and one more model."""
    return make_run(models=("vae", "ae"), seeds=3)


def quality(folder):
    return {(row.trial, row.score): row.value for row in load_results(folder).rows if row.kind == "quality"}


def trial_files(folder):
    files = (path for path in folder.glob("trials/*/**/*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_two_runs_make_one(whole, more_seeds, tmp_path):
    merged = merge([whole, more_seeds], tmp_path / "c")
    assert (merged.trials, merged.missing, merged.left_out) == (7, 0, ())
    assert merged.conflicts == ()
    assert quality(merged.folder) == {**quality(more_seeds), **quality(whole)}
    assert is_sound(examine(merged.folder).findings)
    results = load_results(merged.folder)
    assert [(trial.label, trial.seed) for trial in results.trials] == [
        ("pca", 0),
        *(("vae", seed) for seed in range(3)),
        *(("ae", seed) for seed in range(3)),
    ]
    assert results.request["benchmark"]["models"] == ["pca", "vae", "ae"]
    assert results.request["benchmark"]["seeds"] == 3
    assert "vae" in str(results.comparison())


def test_files_are_those_of_the_runs_byte_for_byte(whole, more_seeds, tmp_path):
    merged = merge([whole, more_seeds], tmp_path / "c").folder
    assert trial_files(merged) == {**trial_files(more_seeds), **trial_files(whole)}
    assert (merged / "environment.json").read_bytes() == (whole / "environment.json").read_bytes()


def test_a_joined_run_lives_on_without_its_sources(folder, whole, tmp_path, make_run):
    merged = merge([folder], tmp_path / "c").folder
    log = sorted(folder.glob("trials/*/log.txt"))[0]
    with log.open("a") as file:
        file.write("more")
    assert "more" not in (merged / log.relative_to(folder)).read_text()
    sorted(folder.glob("trials/*/codes.npz"))[0].unlink()
    make_run(folder)
    assert trial_files(merged) == trial_files(whole)
    shutil.rmtree(folder)
    assert is_sound(examine(merged).findings)


def test_files_on_another_disk_are_copied(folder, whole, tmp_path, monkeypatch):
    def unable(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", unable)
    linked = folder / "trials" / "codes"
    path = sorted(folder.glob("trials/*/codes.npz"))[0]
    path.rename(linked)
    path.symlink_to(linked)
    merged = merge([folder], tmp_path / "c").folder
    assert trial_files(merged) == trial_files(whole)
    assert not (merged / path.relative_to(folder)).is_symlink()


def test_nothing_is_left_to_run(tiny, plugins, whole, more_seeds, tmp_path):
    merged = merge([whole, more_seeds], tmp_path / "c").folder
    asked = tiny(models=("pca", "vae", "ae"), seeds=3, scores=("r2", "knn10", "rate"))
    states = inspect(make_plan(asked, plugins, "cpu"), merged, Execution())
    assert len(states) == 7
    assert not any(state.pending for state in states)


def test_scores_can_be_added_to_a_joined_run(plugins, whole, more_seeds, tmp_path, cli_status):
    merged = merge([whole, more_seeds], tmp_path / "c").folder
    assert cli_status("score", merged, "-s", "silhouette", "--workers", "0") == 0
    assert {row.status for row in load_results(merged).rows if row.score == "silhouette"} == {"ok"}


def test_an_archive_is_joined_as_its_folder(whole, more_seeds, tmp_path):
    archive = pack(whole, tmp_path / "a.zip").path
    merged = merge([archive, more_seeds], tmp_path / "c").folder
    assert trial_files(merged) == {**trial_files(more_seeds), **trial_files(whole)}


def test_a_run_joined_with_itself_is_that_run(whole, tmp_path):
    merged = merge([whole, whole], tmp_path / "c")
    assert merged.conflicts == ()
    assert trial_files(merged.folder) == trial_files(whole)
    for name in ("scores.csv", "run.json"):
        assert (merged.folder / name).read_text() == (whole / name).read_text()


def changed_scores(folder, change):
    """Change a score of the first trial that has it, as another machine would have computed it."""
    path = sorted(folder.glob("trials/*/scores/r2-*[0-9a-f].json"))[0]
    values = read_sealed(path)
    change(values["scores"]["r2"])
    write_sealed(path, values)
    return path


def test_other_scores_of_a_trial_are_told_and_the_first_run_stands(whole, folder, tmp_path):
    path = changed_scores(folder, lambda score: score.update(value=0.25))
    merged = merge([whole, folder], tmp_path / "c")
    key = path.parent.parent.name
    old = quality(whole)[key, "r2"]
    (told,) = merged.conflicts
    assert told.endswith(
        f"r2 is {old} in {whole / 'trials' / key} and 0.25 in {folder / 'trials' / key}; the first stands"
    )
    assert quality(merged.folder) == quality(whole)
    assert quality(merge([folder, whole], tmp_path / "d").folder)[key, "r2"] == 0.25
    assert merged.left_out == ()


def test_other_costs_of_a_trial_are_no_contradiction(whole, folder, tmp_path):
    path = sorted(folder.glob("trials/*/trial.json"))[0]
    values = read_sealed(path)
    values["outcome"]["cost"]["train_seconds"] = 123.0
    write_sealed(path, values)
    assert merge([whole, folder], tmp_path / "c").conflicts == ()


def test_a_damaged_trial_is_taken_from_another_run(whole, folder, tmp_path):
    path = sorted(folder.glob("trials/*/codes.npz"))[0]
    path.write_bytes(b"")
    merged = merge([folder, whole], tmp_path / "c")
    assert merged.left_out == ()
    assert trial_files(merged.folder) == trial_files(whole)


def test_a_trial_that_is_damaged_everywhere_is_left_out_and_told(folder, tmp_path, tiny, plugins):
    path = sorted(folder.glob("trials/*/codes.npz"))[0]
    path.write_bytes(b"")
    merged = merge([folder], tmp_path / "c")
    assert (merged.trials, merged.missing) == (2, 1)
    (told,) = merged.left_out
    assert told == (
        f"1 file of {folder} is damaged, {path}: what it belongs to is left out; "
        f"`latentbench doctor {folder}` tells more"
    )
    plan = make_plan(tiny(models=("pca", "vae"), seeds=2, scores=("r2", "knn10", "rate")), plugins, "cpu")
    pending = [state.trial.key for state in inspect(plan, merged.folder, Execution()) if state.pending]
    assert pending == [path.parent.name]


def test_a_damaged_score_is_left_out_alone(folder, tmp_path):
    path = sorted(folder.glob("trials/*/scores/*.items.npz"))[0]
    path.write_bytes(b"")
    merged = merge([folder], tmp_path / "c")
    assert merged.trials == 3
    assert len(merged.left_out) == 1
    gone = {str(path.relative_to(folder)), str(path.relative_to(folder)).replace(".items.npz", ".json")}
    assert set(trial_files(folder)) - set(trial_files(merged.folder)) == gone


def test_scores_that_another_run_has_of_the_same_training_are_added(folder, whole, tmp_path):
    for path in folder.glob("trials/*/scores/knn-*"):
        path.unlink()
    assert trial_files(merge([folder, whole], tmp_path / "c").folder) == trial_files(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert quality(tmp_path / "c") == quality(whole)


def test_scores_of_another_training_are_not_added(folder, whole, tmp_path):
    for path in folder.glob("trials/*/scores/knn-*"):
        path.unlink()
    path = sorted(folder.glob("trials/*/trial.json"))[0]
    np.savez(path.with_name("codes.npz"), codes=np.zeros((360, 2), np.float32))
    values = read_sealed(path)
    values["sha256"]["codes.npz"] = hashlib.sha256(path.with_name("codes.npz").read_bytes()).hexdigest()
    write_sealed(path, values)
    merged = merge([folder, whole], tmp_path / "c").folder
    assert [*(merged / "trials" / path.parent.name).glob("scores/knn-*")] == []


def test_a_trial_that_failed_yields_to_one_that_did_not(folder, whole, tmp_path):
    path = sorted(folder.glob("trials/*/trial.json"))[0]
    values = read_sealed(path)
    values["outcome"] |= {"status": "failed", "error": "RuntimeError", "message": "no memory"}
    write_sealed(path, {**values, "sha256": {}})
    merged = merge([folder, whole], tmp_path / "c")
    assert trial_files(merged.folder) == trial_files(whole)
    (told,) = merged.conflicts
    assert f"failed in {path.parent} and did not in {whole / 'trials' / path.parent.name}, which stands" in told


# what cannot be joined


def test_other_data_under_the_same_name_are_refused(whole, folder, tmp_path):
    request = read_sealed(folder / "run.json")
    for trial in request["trials"]:
        trial["fingerprint"] = "0" * 64
    write_sealed(folder / "run.json", request)
    with pytest.raises(RequestError) as refused:
        merge([whole, folder], tmp_path / "c")
    assert str(refused.value) == (
        f"the data set digits is not the same in {whole} and in {folder}: their fingerprints differ; "
        "merge only runs on the same data"
    )
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"params": {"latent_dim": 3}}, "pca on digits: latent_dim is 2 in .* and 3 in"),
        ({"params": {"latent_dim": [2, 3]}}, "pca on digits varies nothing in .* and latent_dim in"),
        ({"models": ("ae",), "budget": {"epochs": 2}}, "the budget on digits: epochs is 1 in .* and 2 in"),
    ],
)
def test_other_benchmarks_are_refused(changes, told, whole, make_run, tmp_path):
    other = make_run(**{"seeds": 1, "scores": ("r2",), **changes})
    with pytest.raises(RequestError, match=f"^{told} .*these are different benchmarks; merge only runs of one$"):
        merge([whole, other], tmp_path / "c")


def test_sweeps_over_other_values_make_one(make_run, tmp_path):
    runs = [
        make_run(models=("pca",), scores=("r2",), params={"latent_dim": values}) for values in ([2, 3], [3, 4])
    ]
    merged = merge(runs, tmp_path / "c")
    results = load_results(merged.folder)
    assert [trial.label for trial in results.trials] == [f"pca(latent_dim={d})" for d in (2, 3, 4)]
    assert len(results.validation_rows) == 3
    assert is_sound(examine(merged.folder).findings)


def test_two_versions_of_a_metric_never_mix(whole, folder, tmp_path):
    request = read_sealed(folder / "run.json")
    for asked in request["requests"]:
        asked["version"] += asked["metric"] == "knn"
    write_sealed(folder / "run.json", request)
    merged = merge([whole, folder], tmp_path / "c")
    assert merged.conflicts == (
        f"knn is version 1 in {whole} and 2 in {folder}: that of {whole} stands, and what is missing of it counts "
        "as not computed",
    )
    assert quality(merged.folder) == quality(whole)


def test_own_codes_of_several_runs_stand_side_by_side(plugins, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    arrays = {name: rng.normal(size=(40, 3)) for name in ("a", "b")}
    runs = [
        latentbench.compare_codes(
            {name: array}, labels=labels, scores=["knn10"], folder=tmp_path / name, plugins=plugins, workers=0
        ).path
        for name, array in arrays.items()
    ]
    merged = merge(runs, tmp_path / "c")
    assert {trial.label for trial in load_results(merged.folder).trials} == {"a", "b"}
    other = latentbench.compare_codes(
        {"a": arrays["b"]}, labels=labels, scores=["knn10"], folder=tmp_path / "d", plugins=plugins, workers=0
    ).path
    with pytest.raises(RequestError, match=r"^a on .*, seed 0 has other codes in"):
        merge([runs[0], other], tmp_path / "e")


@pytest.mark.parametrize("harm", ["damaged", "newer", "missing"])
def test_a_run_whose_request_cannot_be_read_is_refused(harm, folder, whole, tmp_path):
    path = folder / "run.json"
    text = path.read_text()
    path.write_text({"damaged": "{", "newer": newer(text), "missing": ""}[harm])
    if harm == "missing":
        path.unlink()
    with pytest.raises(RunFolderError, match=r"run\.json (is|was) "):
        merge([whole, folder], tmp_path / "c")


def newer(text):
    return json.dumps({**json.loads(text), "format": 3})


def test_a_run_packed_without_models_is_refused(whole, tmp_path):
    archive = pack(whole, tmp_path / "a.zip", ["models"]).path
    with pytest.raises(RunFolderError, match="was packed without its models, which a run folder needs"):
        merge([archive], tmp_path / "c")


def test_a_run_at_work_is_refused(whole, folder, tmp_path):
    with (
        FileLock(folder / "run.lock"),
        pytest.raises(RunFolderError, match=f"a run is at work in {folder}; merge it when that has ended"),
    ):
        merge([whole, folder], tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_nothing_is_written_over(folder, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    for place in (tmp_path / "c", tmp_path / "c" / "mine", tmp_path / "loop"):
        with pytest.raises(RequestError, match="is there already; choose a new folder with -o"):
            merge([folder], place)
    with pytest.raises(RequestError, match="lies in the run folder"):
        merge([folder], folder / "inside")
    with pytest.raises(RunFolderError, match="is not a run folder"):
        merge([tmp_path / "nowhere"], tmp_path / "d")


def test_nothing_is_left_of_a_merge_that_fails(folder, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("latentbench.upkeep.merge.link_or_copy", full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(LatentbenchError, match="no space is left on the disk"):
        merge([folder], tmp_path / "c")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("size", [0, 1, 100_000])
@pytest.mark.parametrize("kernel", [True, False])
def test_a_copy_has_the_same_bytes(size, kernel, tmp_path, monkeypatch):
    if not kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    (tmp_path / "a").write_bytes(os.urandom(size))
    copy_regular(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    with pytest.raises(FileExistsError):
        copy_regular(tmp_path / "a", tmp_path / "b")


def test_a_copy_falls_back_where_the_system_cannot(tmp_path, monkeypatch):
    def unable(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", unable, raising=False)
    (tmp_path / "a").write_bytes(b"content")
    copy_regular(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"content"


@pytest.fixture
def cli_status():
    from latentbench.cli import main

    def typed(*words):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(warnings, "showwarning", warnings.showwarning)
            with pytest.raises(SystemExit) as ended:
                main(list(map(str, words)))
        return ended.value.code

    return typed
