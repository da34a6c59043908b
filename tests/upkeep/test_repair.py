"""What is damaged goes aside, nothing is deleted, and the same command makes the run whole again."""

import shutil

import pytest
from filelock import FileLock

from latentbench import load_results
from latentbench.errors import RunFolderError
from latentbench.upkeep.examine import examine
from latentbench.upkeep.findings import is_sound
from latentbench.upkeep.repair import repair


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def values(folder):
    return {(row.trial, row.score): row.value for row in load_results(folder).rows if row.kind == "quality"}


def test_nothing_moves_in_a_whole_run(folder):
    before = files_of(folder)
    found, moved = repair(folder)
    assert (found.findings, moved) == ((), {})
    assert files_of(folder) == before


@pytest.mark.parametrize(
    ("pattern", "goes"),
    [
        ("trials/*/trial.json", "trial"),
        ("trials/*/codes.npz", "trial"),
        ("trials/*/scores/*[0-9a-f].json", "scores"),
        ("trials/*/scores/*.items.npz", "scores"),
        ("run.json", "file"),
        ("environment.json", "file"),
    ],
)
def test_what_is_damaged_goes_aside_and_comes_again(pattern, goes, folder, whole, make_run):
    path = sorted(folder.glob(pattern))[0]
    path.write_bytes(b"{")
    before = files_of(folder)
    _, moved = repair(folder)
    name = str(path.relative_to(folder))
    key = "/".join(name.split("/")[:2])
    assert {"trial": key, "scores": name, "file": name}[goes] in moved
    assert all(new == f"aside/1/{old}" for old, new in moved.items())
    assert (folder / "aside" / "1" / name).read_bytes() == b"{"
    tables = {"scores.csv", "scores.parquet"}
    assert sorted(c for n, c in before.items() if n not in tables) == sorted(
        content for file, content in files_of(folder).items() if file not in tables
    )
    assert not any(finding.kind == "damaged" for finding in examine(folder).findings)
    make_run(folder)
    assert is_sound(examine(folder).findings)
    assert values(folder) == values(whole)
    assert (folder / "aside" / "1" / name).read_bytes() == b"{"


def test_trials_that_are_whole_are_not_trained_again(folder, make_run):
    damaged, *others = sorted(folder.glob("trials/*/trial.json"))
    damaged.write_bytes(b"")
    stamps = {path: path.stat().st_mtime_ns for path in others}
    repair(folder)
    make_run(folder)
    assert {path: path.stat().st_mtime_ns for path in others} == stamps


def test_asides_of_two_repairs_lie_side_by_side(folder, make_run):
    for number in ("1", "2"):
        sorted(folder.glob("trials/*/trial.json"))[0].write_text(number)
        repair(folder)
        make_run(folder)
    texts = [path.read_text() for path in sorted(folder.glob("aside/*/trials/*/trial.json"))]
    assert texts == ["1", "2"]


def test_tables_that_are_not_current_are_written_again(folder, whole):
    (folder / "scores.csv").write_text("mine")
    (folder / "scores.parquet").unlink()
    _, moved = repair(folder)
    assert moved == {}
    assert files_of(folder)["scores.csv"] == files_of(whole)["scores.csv"]
    assert is_sound(examine(folder).findings)


def test_what_another_version_wrote_stays(folder):
    path = sorted(folder.glob("trials/*/trial.json"))[0]
    path.write_text(path.read_text().replace('"format": 2', '"format": 3'))
    before = files_of(folder)
    found, moved = repair(folder)
    assert moved == {}
    assert {finding.kind for finding in found.findings} == {"newer"}
    assert files_of(folder) == before


def test_progress_of_trainings_stays(folder):
    sorted(folder.glob("trials/*/trial.json"))[0].write_text("")
    progress = folder / "trials" / f".progress-{'0' * 64}.safetensors"
    progress.write_bytes(b"x")
    repair(folder)
    assert progress.read_bytes() == b"x"


def test_a_run_at_work_is_not_repaired(folder):
    with (
        FileLock(folder / "run.lock"),
        pytest.raises(RunFolderError, match=r"a run is at work in .*; repair it when that has ended"),
    ):
        repair(folder)


@pytest.mark.parametrize("name", ["trials", "aside"])
def test_nothing_is_moved_out_of_the_folder(name, folder, tmp_path):
    if name == "trials":
        shutil.move(folder / name, tmp_path / name)
    else:
        (tmp_path / name).mkdir()
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(RunFolderError, match=f"{name} is a link that leaves the run folder"):
        repair(folder)
