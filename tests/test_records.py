import json
import os
import subprocess
import sys

import numpy as np
import pytest

from latentbench import Trial
from latentbench.errors import RunFolderError
from latentbench.records import Record, all_records, remove_leftovers
from latentbench.training.budget import Budget
from latentbench.trial import Outcome, ScoreRequest, Traits

FIXED = {
    "dataset": "digits",
    "fingerprint": "ab" * 32,
    "model": "vae",
    "label": "vae",
    "params": {"latent_dim": 8, "likelihood": "gaussian", "sigma": "learned"},
    "budget": Budget(epochs=8, learning_rate=0.002),
    "seed": 3,
}
GOLDEN = "e27c4cc2129b3ab045b13f3735c8375cc5367d49df69fde5b001e6d0afae2109"
OTHER = {
    "dataset": "mnist",
    "fingerprint": "cd" * 32,
    "model": "ae",
    "params": {**FIXED["params"], "latent_dim": 9},
    "budget": Budget(epochs=9, learning_rate=0.002),
    "seed": 4,
    "model_version": 2,
}
RECORDED = {
    "label": "vae(8)",
    "dataset_params": {"path": "/data"},
    "traits": Traits(reference="yardstick", deterministic=True),
    "outcome": Outcome("failed", "X", "y"),
    "source": "ef" * 32,
}
REQUEST = ScoreRequest("r2", 1, {}, {"r2": {}}, source="s")


def measured(request=REQUEST, **values):
    """What a metric's score file holds."""
    values = values or dict.fromkeys(request.scores, 1.0)
    rows = {name: {"status": "ok", "reason": "", "value": value, "se": None} for name, value in values.items()}
    about = {"metric": request.metric, "version": request.version, "source": request.source}
    return {**about, "n_eval": 3, "seconds": 0.1, "scores": rows}


def value(scores):
    return scores["scores"]["r2"]["value"]


def trial(**changes):
    return Trial(**{**FIXED, **changes})


@pytest.fixture
def record(tmp_path):
    """A finished trial."""
    return finish(tmp_path)


def finish(run, key=None, message=""):
    record = Record.begin(run, key or trial().key)
    record.write_trial(trial(), Outcome("ok", message=message))
    record.publish()
    return record


# keys


def test_the_key_of_a_trial_is_a_promise():
    assert trial().key == GOLDEN


@pytest.mark.parametrize("name", OTHER)
def test_the_key_changes_with_what_decides_the_numbers(name):
    assert trial(**{name: OTHER[name]}).key != trial().key


@pytest.mark.parametrize("name", RECORDED)
def test_the_key_does_not_change_with_what_is_only_recorded(name):
    assert trial(**{name: RECORDED[name]}).key == trial().key


def test_the_source_counts_while_its_author_is_at_work_on_it():
    keys = {trial(source=source, keyed_source=True).key for source in ("", "a", "b")}
    assert len(keys) == 3


def test_the_order_of_parameters_and_their_kind_of_sequence_do_not_count():
    params = {"hidden": (1, 2), **FIXED["params"]}
    turned = {name: list(v) if isinstance(v, tuple) else v for name, v in reversed(params.items())}
    assert trial(params=params).key == trial(params=turned).key


def test_a_trial_comes_back_from_json_with_its_key():
    first = trial(
        dataset_params={"path": None},
        traits=Traits(reference="floor", varied={"epochs": 3}),
        outcome=Outcome("ok"),
    )
    again = Trial.from_json(json.loads(json.dumps(first.to_json())))
    assert again.key == first.key
    assert again.outcome is None
    assert again == first


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_key_is_the_same_in_another_process(hash_seed):
    code = f"from latentbench import Trial; print(Trial.from_json({trial().to_json()!r}).key)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == GOLDEN


def test_the_file_of_a_metric_is_named_by_what_decides_its_numbers():
    def stem(**changes):
        return ScoreRequest(**{"metric": "knn", "version": 1, "params": {"k": 10}, "scores": {}, **changes}).stem

    assert stem() == stem(source="changed") == stem(scores={"knn10": {}})
    others = [stem(version=2), stem(params={"k": 5}), stem(metric="other"), stem(source="x", keyed_source=True)]
    assert len({stem(), *others}) == 5
    assert stem().startswith("knn-v1-")


@pytest.mark.parametrize("name", ["../../evil", "/root/evil.py:Metric", "a/../b"])
def test_no_name_of_a_metric_leads_out_of_the_record(record, name):
    request = ScoreRequest(name, 1, {}, {"evil": {}})
    record.write_scores(request, measured(request), {"evil": np.zeros(2)})
    assert "/" not in request.stem
    assert {path.parent for path in record.run.rglob("*.items.npz")} == {record.place / "scores"}
    assert set(record.read_scores(request)["scores"]) == {"evil"}


@pytest.mark.parametrize("name", ["../../evil", "/etc"])
def test_no_field_of_a_trial_leads_out_of_the_run(tmp_path, name):
    key = trial(dataset=name, model=name, label=name, fingerprint=name).key
    assert set(key) <= set("0123456789abcdef")
    assert len(key) == 64
    assert Record(tmp_path, key).place.parent == tmp_path / "trials"


# folders


def test_nothing_is_seen_before_it_is_whole(tmp_path):
    record = Record.begin(tmp_path, trial().key)
    record.write_trial(trial(), Outcome("ok"))
    assert not record.exists()
    assert list(all_records(tmp_path)) == []
    record.publish()
    assert record.exists()
    assert [found.key for found in all_records(tmp_path)] == [trial().key]
    assert record.read_trial() == trial()
    record.publish()  # a second time changes nothing
    assert record.read_trial().outcome == Outcome("ok")


def test_files_are_waited_for_once_and_all_of_them_before_the_record_is_seen(tmp_path, monkeypatch):
    synced, places = [], []
    record = Record.begin(tmp_path, trial().key)
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    record.write_state({"w": np.ones(2)})
    record.write_arrays("codes.npz", {"codes": np.ones((2, 1))})
    record.write_scores(REQUEST, measured(), {"r2": np.ones(3)})
    record.write_trial(trial(), Outcome("ok"))
    assert not synced
    rename = type(record.folder).rename
    monkeypatch.setattr(type(record.folder), "rename", lambda *to: places.append(len(synced)) or rename(*to))
    record.publish()
    files = [path.stat().st_ino for path in [record.place, *record.place.rglob("*")]]
    assert sorted(synced[: places[0]]) == sorted(files)
    assert synced[places[0] :] == [record.place.parent.stat().st_ino]
    record.write_scores(REQUEST, measured(), {"r2": np.zeros(3)})
    assert len(synced) > len(files) + 1  # what is added later is on the disk by itself


def test_a_record_that_is_there_stays(tmp_path):
    first = finish(tmp_path, message="first")
    second = finish(tmp_path, message="second")
    assert second.read_trial().outcome.message == "first"
    assert second.folder == first.folder == second.place
    assert [path.name for path in (tmp_path / "trials").iterdir()] == [trial().key]


def test_what_is_left_of_a_record_gives_way_to_a_whole_one(tmp_path, record):
    (record.place / "trial.json").unlink()  # as the sentence on a damaged one advises
    assert not record.exists()
    assert finish(tmp_path, message="again").read_trial().outcome.message == "again"
    assert [path.name for path in (tmp_path / "trials").iterdir()] == [trial().key]


def test_remove_forgets_a_trial(tmp_path, record):
    record.remove()
    assert not record.exists()
    assert list((tmp_path / "trials").iterdir()) == []
    record.remove()  # and again


def test_leftovers_of_killed_workers_are_removed_and_records_stay(tmp_path, record):
    Record.begin(tmp_path, "0" * 64)
    (tmp_path / "trials" / f".work-{'1' * 64}-99-old").mkdir()
    remove_leftovers(tmp_path)
    assert [path.name for path in (tmp_path / "trials").iterdir()] == [record.key]


def test_work_begins_in_an_empty_folder(tmp_path):
    Record.begin(tmp_path, "0" * 64).log_path.write_text("old")
    assert not Record.begin(tmp_path, "0" * 64).log_path.exists()


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "trials").write_text("in the way")
    with pytest.raises(
        RunFolderError, match=r"^the run folder .* cannot be written: a file stands where a folder is needed; "
    ):
        Record.begin(tmp_path, "0" * 64)


def test_an_empty_or_missing_folder_holds_no_records(tmp_path):
    assert list(all_records(tmp_path)) == list(all_records(tmp_path / "none")) == []


# files


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"trial": {}, "outcome": {}}', "\xff"])
def test_a_damaged_trial_says_what_to_do(record, content):
    path = record.place / "trial.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(RunFolderError) as caught:
        record.read_trial()
    assert str(caught.value).startswith(f"{path} cannot be read (")
    assert str(caught.value).endswith("); remove it and run the same command again")


@pytest.mark.parametrize("content", ["", "{", "\xff"])
def test_damaged_scores_are_left_out_with_a_warning(record, content):
    record.write_scores(REQUEST, measured(), {})
    (path,) = (record.place / "scores").iterdir()
    path.write_bytes(content.encode("latin-1"))
    with pytest.warns(
        UserWarning, match=rf"{path.name} is damaged and left out; the same command makes it again$"
    ):
        assert record.read_scores(REQUEST) is None


def test_scores_of_the_two_splits_lie_side_by_side(record):
    record.write_scores(REQUEST, measured(r2=1.0), {})
    record.write_scores(REQUEST, measured(r2=2.0), {"r2": np.arange(3.0)}, "validation")
    assert value(record.read_scores(REQUEST)) == 1
    assert value(record.read_scores(REQUEST, "validation")) == 2
    assert record.read_items(REQUEST) == {}
    assert len(record.read_items(REQUEST, "validation")["r2"]) == 3


@pytest.mark.parametrize("name", ["model.safetensors", "codes.npz"])
@pytest.mark.parametrize("harm", ["flip", "remove"])
def test_a_changed_file_is_damage(record, name, harm):
    record.write_state({"weight": np.arange(6.0)})
    record.write_arrays("codes.npz", {"codes": np.ones((4, 2), np.float32)})
    trial = record.read_trial()
    record.write_trial(trial, trial.outcome)
    digests = record.read().digests
    assert record.damaged_file(digests) == ""
    path = record.place / name
    if harm == "flip":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    assert record.read().digests == digests
    assert record.damaged_file(digests) == f"{path} is not the file that was written"


def test_infinities_become_null(record):
    content = measured(r2=2.0)
    content["scores"]["r2"]["se"] = float("inf")
    record.write_scores(REQUEST, {**content, "seconds": float("nan")}, {})
    (path,) = (record.place / "scores").iterdir()
    assert json.loads(path.read_text())["seconds"] is None
    assert record.read_scores(REQUEST)["scores"]["r2"] == {**content["scores"]["r2"], "se": None}


def test_arrays_come_back_bit_for_bit(record):
    values = {"codes": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32), "n": np.arange(3)}
    record.write_arrays("maps.npz", values)
    again = record.read_arrays("maps.npz")
    assert all(np.array_equal(values[name], again[name]) for name in values)
    assert {name: array.dtype for name, array in again.items()} == {"codes": np.float32, "n": np.int64}


def test_pickles_are_refused(record):
    np.savez(record.place / "codes.npz", codes=np.array([{"a": "pickle"}], dtype=object))
    record.write_trial(trial(), Outcome("ok"))
    with pytest.raises(RunFolderError, match="allow_pickle=False"):
        record.read_arrays("codes.npz")


def test_states_come_back_bit_for_bit(record):
    state = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3).T, "steps": np.array(7)}
    assert record.read_state() is None
    record.write_state(state)
    record.write_trial(trial(), Outcome("ok"))
    again = Record(record.run, record.key).read_state()
    assert all(np.array_equal(state[name], again[name]) for name in state)
    assert {name: value.shape for name, value in again.items()} == {"weight": (3, 2), "steps": ()}
    record.write_state({})
    record.write_trial(trial(), Outcome("ok"))
    assert record.read_state() == {}


def test_items_are_read_by_score(record):
    assert record.read_items(REQUEST) == {}
    record.write_scores(REQUEST, measured(), {"r2": np.arange(3.0)})
    assert {score: values.tolist() for score, values in record.read_items(REQUEST).items()} == {"r2": [0, 1, 2]}


def test_forgotten_scores_are_gone(record):
    record.write_scores(REQUEST, measured(), {})
    record.forget_scores(REQUEST)
    assert record.read_scores(REQUEST) is None


def test_no_partial_files_are_left(record):
    record.write_scores(REQUEST, measured(), {"r2": np.arange(3.0)})
    record.write_state({"w": np.zeros(2)})
    assert list(record.place.rglob(".*")) == []
