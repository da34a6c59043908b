"""Every damage to a run folder is found, told as what it is, and nothing is changed by looking."""

import hashlib
import json
import os
import shutil

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentbench.errors import RunFolderError
from latentbench.files.json_files import read_sealed, write_sealed
from latentbench.upkeep.examine import examine
from latentbench.upkeep.findings import FileFinding, alike, is_sound, summary

TRIAL = "trials/[0-9a-f]*"
FILES = {
    "run.json": "run.json",
    "environment.json": "environment.json",
    "scores.csv": "scores.csv",
    "scores.parquet": "scores.parquet",
    "trial.json": f"{TRIAL}/trial.json",
    "codes": f"{TRIAL}/codes.npz",
    "model": f"{TRIAL}/model.safetensors",
    "scores": f"{TRIAL}/scores/*[0-9a-f].json",
    "items": f"{TRIAL}/scores/*.items.npz",
}


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-2])


def emptied(path):
    path.write_bytes(b"")


def a_folder(path):
    path.unlink()
    path.mkdir()


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def a_loop(path):
    path.unlink()
    path.symlink_to(path.name)


def nowhere(path):
    path.unlink()
    path.symlink_to("nothing/there")


def a_device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


HARMS = [flipped, cut, emptied, a_folder, a_pipe, a_loop, nowhere, a_device]


def snapshot(folder):
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.name != "run.lock"
    }


def first(folder, kind):
    return sorted(folder.glob(FILES[kind]))[0]


def found(folder):
    return examine(folder).findings


def wrong(folder):
    return [finding for finding in found(folder) if finding.kind != "note"]


def test_a_whole_run_is_sound(whole):
    examination = examine(whole)
    assert examination.findings == ()
    assert is_sound(examination.findings)
    assert summary(examination.count, examination.findings) == "3 trials: all files as written"


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_a_damaged_file_is_found_and_left(kind, harm, folder):
    path = first(folder, kind)
    harm(path)
    before = snapshot(folder)
    findings = wrong(folder)
    assert snapshot(folder) == before
    named = [finding for finding in findings if finding.path == str(path.relative_to(folder))]
    assert [finding.kind for finding in named] == ["outdated" if kind.startswith("scores.") else "damaged"]
    others = {finding.path for finding in findings} - {named[0].path}
    assert others <= {"scores.csv", "scores.parquet"}  # which show the numbers of what is damaged
    assert "\n" not in named[0].sentence


@pytest.mark.parametrize("kind", FILES)
def test_a_missing_file_is_found(kind, folder):
    path = first(folder, kind)
    path.unlink()
    assert ("missing", str(path.relative_to(folder))) in {(each.kind, each.path) for each in found(folder)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_of_a_sealed_file_is_found(data, whole, tmp_path_factory):
    sealed = [path for kind in FILES for path in sorted(whole.glob(FILES[kind]))]
    path = data.draw(st.sampled_from(sealed))
    content = path.read_bytes()
    place, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    harmed = tmp_path_factory.mktemp("bits") / "run"
    shutil.copytree(whole, harmed, copy_function=os.link)
    target = harmed / path.relative_to(whole)
    target.unlink()
    target.write_bytes(changed)
    if path.suffix == ".json" and same_json(content, bytes(changed)):
        return  # a space for a line feed: the values are those that were written
    assert str(path.relative_to(whole)) in {finding.path for finding in wrong(harmed)}
    shutil.rmtree(harmed)


def same_json(one, other):
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False


@pytest.mark.parametrize("kind", ["trial.json", "codes", "model", "scores"])
def test_files_swapped_between_trials_are_found(kind, folder):
    vaes = [
        path.parent for path in sorted(folder.glob(FILES["model"])) if len([*path.parent.glob("scores/*.npz")])
    ]
    by_name = {}
    for path in sorted(folder.glob(FILES[kind])):
        by_name.setdefault(path.name, []).append(path)
    one, other = next(paths for paths in by_name.values() if len(paths) > 1)[:2]
    mine, others = one.read_bytes(), other.read_bytes()
    assert mine != others
    one.write_bytes(others)
    other.write_bytes(mine)
    swapped = {str(path.relative_to(folder)) for path in (one, other)}
    assert swapped <= {finding.path for finding in wrong(folder) if finding.kind == "damaged"}
    assert vaes


@pytest.mark.parametrize("kind", ["run.json", "environment.json", "trial.json", "scores"])
def test_a_newer_format_is_told_as_such(kind, folder):
    path = first(folder, kind)
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "format": 3}))
    (finding,) = wrong(folder)
    assert (finding.kind, finding.path, finding.aside) == ("newer", str(path.relative_to(folder)), ())
    assert "read it with a newer latentbench" in finding.sentence


def test_a_table_of_scores_that_somebody_changed_is_outdated(folder):
    text = (folder / "scores.csv").read_text()
    (folder / "scores.csv").write_text(text.replace("0.", "1.", 1))
    (finding,) = wrong(folder)
    assert finding.sentence == (
        "scores.csv differs from what the trials' files say; --repair, or the next run, writes it again"
    )


def test_a_trial_that_is_asked_for_and_not_there_is_missing(folder):
    gone = sorted(folder.glob(TRIAL))[0]
    shutil.rmtree(gone)
    missing = [finding for finding in wrong(folder) if finding.kind == "missing"]
    assert [finding.path for finding in missing] == [f"trials/{gone.name}"]
    assert missing[0].detail.endswith("seed 0)") or "seed" in missing[0].detail


def test_scores_of_older_requests_are_checked_too(folder):
    path = first(folder, "scores")
    older = path.with_name("elder-v1-0123456789ab.json")
    values = read_sealed(path)
    write_sealed(older, {**values, "metric": "elder", "items": ""})
    assert wrong(folder) == []
    older.write_text(older.read_text().replace('"version"', '"visions"'))
    assert [(finding.kind, finding.path) for finding in wrong(folder)] == [
        ("damaged", str(older.relative_to(folder)))
    ]


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_damaged_pair_scores_are_found_and_can_be_moved_aside(harm, folder):
    path = folder / "similarity" / "cka-v1-0123456789ab.json"
    path.parent.mkdir()
    write_sealed(path, {"pairs": {"a b": [0.5, ""]}, "nulls": {}})
    assert wrong(folder) == []
    harm(path)
    (finding,) = wrong(folder)
    assert (finding.kind, finding.path, finding.aside) == (
        "damaged",
        "similarity/cka-v1-0123456789ab.json",
        ("similarity/cka-v1-0123456789ab.json",),
    )


def test_pair_scores_of_a_newer_format_are_told_as_such(folder):
    path = folder / "similarity" / "cka-v1-0123456789ab.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"format": 99, "pairs": {}, "nulls": {}}))
    assert [finding.kind for finding in wrong(folder)] == ["newer"]


def test_what_killed_runs_left_is_no_damage(folder):
    key = sorted(folder.glob(TRIAL))[0].name
    (folder / "trials" / f".work-{key}-1").mkdir()
    (folder / "trials" / f".progress-{key}.safetensors").write_bytes(b"x")
    os.mkfifo(folder / "trials" / f".progress-{key[::-1]}.safetensors")
    (folder / "trials" / "notes.txt").write_text("mine")
    findings = found(folder)
    assert [finding.kind for finding in findings] == ["note"] * 4
    told = " ".join(finding.sentence for finding in findings)
    assert "the same command continues it" in told
    assert "the next run removes it" in told
    assert "is no trial; nothing reads it" in told


def test_a_link_that_leaves_the_folder_is_told(folder, tmp_path):
    path = first(folder, "codes")
    path.rename(tmp_path / "codes.npz")
    path.symlink_to(tmp_path / "codes.npz")
    (finding,) = found(folder)
    assert (finding.kind, finding.what) == ("note", "is a link that leaves the run folder")


def test_a_run_at_work_is_told(folder):
    with FileLock(folder / "run.lock"):
        assert [finding.path for finding in found(folder)] == ["run.lock"]
    assert found(folder) == ()


@pytest.mark.parametrize("made", ["nothing", "folder", "file", "pipe"])
def test_what_is_no_run_is_refused(made, tmp_path):
    place = tmp_path / "x"
    {"nothing": lambda: None, "folder": place.mkdir, "file": place.touch, "pipe": lambda: os.mkfifo(place)}[made]()
    with pytest.raises(RunFolderError, match=r"is not a run folder: it has neither run\.json nor trials"):
        examine(place)


def test_a_run_of_another_program_is_damaged_and_not_read(tmp_path):
    (tmp_path / "run.json").write_text("[]")
    assert {(finding.kind, finding.path) for finding in wrong(tmp_path)} == {
        ("damaged", "run.json"),
        ("missing", "environment.json"),
    }


def test_findings_that_say_the_same_stand_together():
    models = [
        FileFinding("damaged", f"trials/{number}/model.safetensors", "is other", "do", str(number))
        for number in "123"
    ]
    note = FileFinding("note", "trials/x", "is no trial", "nothing reads it")
    assert alike([note, *models]) == [models, [note]]
    assert summary(1200, [note, *models]) == "1,200 trials: found 3 damaged"


def test_every_file_is_read_once(whole, monkeypatch):
    opened = []
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **more: opened.append(str(path)) or real(path, *rest, **more)
    )
    examine(whole)
    read = [path for path in opened if "/trials/" in path and os.path.isfile(path)]  # noqa: PTH113
    assert len(read) == len(set(read)) >= 20


def test_digests_are_those_of_the_files(whole):
    for trial in examine(whole).trials.values():
        for name, digest in trial.record.digests.items():
            assert hashlib.sha256((trial.record.folder / name).read_bytes()).hexdigest() == digest
        assert {"trial.json", "log.txt", *trial.record.digests} <= set(trial.files)
