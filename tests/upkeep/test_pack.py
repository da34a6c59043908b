"""A packed run holds what readers need, and is read as the folder is."""

import shutil
import warnings
import zipfile

import pytest
from filelock import FileLock

from latentbench import load_results
from latentbench.errors import RequestError, RunFolderError
from latentbench.upkeep.examine import examine
from latentbench.upkeep.findings import is_sound
from latentbench.upkeep.pack import pack


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


def names(path):
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_it_holds_what_readers_need_and_nothing_else(whole, tmp_path):
    packed = pack(whole, tmp_path / "run.zip")
    assert (packed.trials, packed.left_out) == (3, ())
    trial_files = {str(path.relative_to(whole)) for path in whole.glob("trials/*/**/*") if path.is_file()}
    others = {"run.json", "environment.json", "scores.csv", "scores.parquet", "packed.json"}
    assert set(names(packed.path)) == trial_files | others


def test_the_same_run_gives_the_same_bytes(whole, folder, tmp_path):
    (folder / "trials" / f".work-{'0' * 64}-1").mkdir()
    (folder / "events.jsonl").write_text("other")
    (folder / "scores.csv").write_text("old")  # made from the trials' files, whatever lies there
    pack(whole, tmp_path / "a.zip")
    pack(folder, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_an_archive_is_read_as_its_folder(whole, tmp_path):
    packed = load_results(pack(whole, tmp_path / "run.zip").path)
    results = load_results(whole)
    assert packed.scores.equals(results.scores)
    assert str(packed.comparison()) == str(results.comparison())
    assert str(tmp_path / "run.zip") in repr(packed)
    for trial in results.trials:
        assert packed.latent_space(trial).codes.equal(results.latent_space(trial).codes)
        for score in ("r2", "knn10"):
            assert (packed.items(trial.key, score) == results.items(trial.key, score)).all()
    assert is_sound(examine(packed.path).findings)


@pytest.mark.parametrize("without", [("models",), ("codes",), ("models", "codes")])
def test_what_is_left_out_is_told_where_it_is_asked_for(without, whole, tmp_path):
    path = pack(whole, tmp_path / "run.zip", without).path
    kept = {"model.safetensors", "codes.npz"} - {
        {"models": "model.safetensors", "codes": "codes.npz"}[n] for n in without
    }
    assert {name.rpartition("/")[2] for name in names(path)} & {"model.safetensors", "codes.npz"} == kept
    packed = load_results(path)
    assert packed.scores.equals(load_results(whole).scores)
    assert is_sound(examine(packed.path).findings)
    if "models" in without:
        with pytest.raises(RunFolderError, match=r"^this run was packed without its models"):
            packed.model(packed.trials[0])
    else:
        assert packed.latent_space(packed.trials[0]).codes.shape == (360, 2)


def test_an_archive_can_be_packed_again(whole, tmp_path):
    first = pack(whole, tmp_path / "a.zip").path
    again = pack(first, tmp_path / "b.zip").path
    assert again.read_bytes() == first.read_bytes()
    smaller = pack(first, tmp_path / "c.zip", ["models"]).path
    assert pack(smaller, tmp_path / "d.zip", ["codes"]).path.read_bytes() == (
        pack(whole, tmp_path / "e.zip", ["codes", "models"]).path.read_bytes()
    )


def test_damaged_trials_are_left_out_and_told(folder, tmp_path):
    path = sorted(folder.glob("trials/*/codes.npz"))[0]
    path.write_bytes(b"")
    score = sorted(folder.glob("trials/*/scores/*.items.npz"))[-1]
    score.unlink()
    packed = pack(folder, tmp_path / "run.zip")
    assert packed.trials == 2
    assert packed.left_out == (
        f"1 file of {folder} is damaged, {path}: what it belongs to is left out; "
        f"`latentbench doctor {folder}` tells more",
        f"1 file of {folder} is missing, {score}: what it belongs to is left out; "
        f"`latentbench doctor {folder}` tells more",
    )
    assert not any(path.parent.name in name for name in names(packed.path))
    results = load_results(packed.path)
    with pytest.warns(UserWarning, match="score files are missing"):
        table = results.scores
    assert set(table["status"]) == {"ok", "missing"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kinds = {finding.kind for finding in examine(results.path).findings}
    assert kinds == {"missing"}  # and its tables are those of what it holds


def test_a_log_that_is_a_link_is_not_packed(folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    path = sorted(folder.glob("trials/*/log.txt"))[0]
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    assert b"secret" not in pack(folder, tmp_path / "run.zip").path.read_bytes()
    assert str(path.relative_to(folder)) not in names(tmp_path / "run.zip")


def test_what_cannot_be_packed_is_told(folder, tmp_path):
    with (
        FileLock(folder / "run.lock"),
        pytest.raises(RunFolderError, match=r"a run is at work in .*; pack it when"),
    ):
        pack(folder, tmp_path / "run.zip")
    (folder / "run.json").write_text("{")
    with pytest.raises(
        RunFolderError, match=r"cannot be packed: its run\.json cannot be used; `latentbench doctor"
    ):
        pack(folder, tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()
    shutil.rmtree(folder)
    with pytest.raises(RunFolderError, match="is not a run folder"):
        pack(folder, tmp_path / "run.zip")


def test_another_file_is_not_written_over(whole, tmp_path):
    (tmp_path / "run.zip").write_text("mine")
    with pytest.raises(RequestError, match="is there already and is no packed run; choose another name with -o"):
        pack(whole, tmp_path / "run.zip")
    assert (tmp_path / "run.zip").read_text() == "mine"
