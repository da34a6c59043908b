"""Archives that somebody else made: read whole, or refused in a sentence before anything lies anywhere."""

import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentbench.errors import LatentbenchError, RequestError, RunFolderError
from latentbench.files.cache import cache_dir
from latentbench.packed.layout import write_manifest
from latentbench.packed.opening import is_archive, is_packed_run, refuse_writing, unpacked
from latentbench.packed.writing import refuse_other_file, write_archive

KEY = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path):
    """Name in the archive -> file, of a run that holds no more than names."""
    source = tmp_path / "source"
    source.mkdir()
    contents = {
        "run.json": b"{}" * 1000,
        f"trials/{KEY}/trial.json": b"{}",
        f"trials/{KEY}/codes.npz": bytes(range(256)) * 40,
        f"trials/{KEY}/scores/r2-v1-0.json": b"[]",
    }
    files = {"packed.json": write_manifest(source, [])}
    for number, (name, content) in enumerate(contents.items()):
        files[name] = source / str(number)
        files[name].write_bytes(content)
    return files


@pytest.fixture
def archive(files, tmp_path):
    write_archive(tmp_path / "run.zip", files)
    return tmp_path / "run.zip"


def hostile(path, *members, files=None, comment=b""):
    """Write an archive of a run with members added, each (ZipInfo or name, content)."""
    with zipfile.ZipFile(path, "w") as made:
        for name, source in (files or {}).items():
            made.writestr(name, source.read_bytes())
        for member, content in members:
            made.writestr(member, content)
        made.comment = comment
    return path


def outside(tmp_path):
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if "cache" not in path.parts)


def test_the_same_files_give_the_same_bytes(files, archive, tmp_path):
    for path in files.values():
        os.utime(path, (1, 1))
    write_archive(tmp_path / "again.zip", dict(reversed(files.items())))
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_what_was_packed_comes_out(files, archive):
    place = unpacked(archive)
    assert {name: (place / name).read_bytes() for name in files} == {
        name: path.read_bytes() for name, path in files.items()
    }
    assert place.parent == cache_dir() / "packed"
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_arrays_are_stored_and_text_is_compressed(archive):
    kinds = {info.filename: info.compress_type for info in zipfile.ZipFile(archive).infolist()}
    assert kinds[f"trials/{KEY}/codes.npz"] == zipfile.ZIP_STORED
    assert kinds["run.json"] == zipfile.ZIP_DEFLATED
    assert list(kinds) == sorted(kinds)


def test_it_is_unpacked_once(archive):
    place = unpacked(archive)
    stamp = (place / "run.json").stat().st_mtime_ns
    assert unpacked(archive) == place
    assert (place / "run.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_it_is_unpacked_again_where_files_are_not_whole(harm, archive):
    place = unpacked(archive)
    path = place / f"trials/{KEY}/codes.npz"
    path.unlink() if harm == "gone" else path.write_bytes(b"x")
    assert (unpacked(archive) / path.relative_to(place)).stat().st_size == 256 * 40


def test_another_archive_goes_elsewhere(files, archive, tmp_path):
    files["run.json"].write_bytes(b"other")
    write_archive(tmp_path / "other.zip", files)
    assert unpacked(tmp_path / "other.zip") != unpacked(archive)


def test_a_folder_is_its_own_place(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "pipe"):
        assert unpacked(path) == path
        assert not is_archive(path)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x.zip").write_text("text")
    with pytest.raises(RunFolderError, match="is a file, and no packed run"):
        unpacked(tmp_path / "x.zip")


@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "/evil", "trials/../../evil", "..\\evil", "evil.py", "trials/", "run.lock", "x/run.json"),
        *(f"trials/{KEY}/../../../evil", f"trials/{KEY}/scores/\x1b[31m.json", f"trials/{KEY}/scores/a/b.json"),
    ],
)
def test_what_is_no_file_of_a_run_is_refused(name, files, tmp_path):
    before = outside(tmp_path)
    path = hostile(tmp_path / "evil.zip", (name, b"x"), files=files)
    with pytest.raises(RunFolderError, match=r"evil\.zip is damaged, or no packed run \(.* is no file of a run\)"):
        unpacked(path)
    assert outside(tmp_path) == sorted([*before, "evil.zip"])
    assert not (tmp_path / "cache").exists()


def linked(kind):
    about = zipfile.ZipInfo(f"trials/{KEY}/log.txt")
    about.create_system, about.external_attr = 3, (kind | 0o777) << 16
    return about


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind, files, tmp_path):
    path = hostile(tmp_path / "evil.zip", (linked(kind), b"/etc/passwd"), files=files)
    with pytest.raises(RunFolderError, match="is no regular file"):
        unpacked(path)


def test_a_file_that_stands_twice_is_refused(files, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = hostile(tmp_path / "evil.zip", ("run.json", b"other"), files=files)
    with pytest.raises(RunFolderError, match=r"'run\.json' stands in it twice"):
        unpacked(path)


def test_a_bomb_is_refused_before_it_is_unpacked(files, tmp_path):
    about = zipfile.ZipInfo(f"trials/{KEY}/log.txt")
    about.compress_type = zipfile.ZIP_DEFLATED
    path = hostile(tmp_path / "evil.zip", (about, bytes(200_000_000)), files=files)
    with pytest.raises(RequestError, match=r"promises 200,[0-9,]+ bytes packed into"):
        unpacked(path)
    assert not (tmp_path / "cache").exists()


def test_a_huge_text_is_refused(files, tmp_path, monkeypatch):
    monkeypatch.setattr("latentbench.packed.opening.LARGEST_TEXT", 1000)
    about = zipfile.ZipInfo(f"trials/{KEY}/log.txt")
    about.compress_type = zipfile.ZIP_DEFLATED
    path = hostile(tmp_path / "evil.zip", (about, bytes(2000)), files=files)
    with pytest.raises(RunFolderError, match="promises 2,000 bytes"):
        unpacked(path)


def test_arrays_that_are_compressed_are_refused(files, tmp_path):
    about = zipfile.ZipInfo(f"trials/{KEY}/model.safetensors")
    about.compress_type = zipfile.ZIP_LZMA
    path = hostile(tmp_path / "evil.zip", (about, bytes(2000)), files=files)
    with pytest.raises(RunFolderError, match="is compressed in another way"):
        unpacked(path)


def test_files_that_overlap_are_refused(archive, tmp_path):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as made:
        start = made.start_dir
    stored = [
        place for place in places(bytes(content), b"PK\x01\x02") if content[place + 10 : place + 12] == b"\0\0"
    ]
    for place in [place for place in stored if place >= start]:  # two sizes in the directory, far over the file's
        content[place + 20 : place + 28] = struct.pack("<II", 10**8, 10**8)
    (tmp_path / "evil.zip").write_bytes(content)
    with pytest.raises(RunFolderError, match="its files overlap"):
        unpacked(tmp_path / "evil.zip")


def places(content, sign):
    found = content.find(sign)
    while found >= 0:
        yield found
        found = content.find(sign, found + 1)


def test_an_archive_that_is_no_runs_is_refused(tmp_path):
    path = hostile(tmp_path / "x.zip", ("run.json", b"{}"))
    with pytest.raises(RunFolderError, match=r"it lacks packed\.json or run\.json"):
        unpacked(path)
    assert not is_packed_run(path)


def test_a_disk_that_is_too_small_is_told(archive, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with pytest.raises(
        LatentbenchError, match=r"GB unpacked, and .* has 0\.0 GB left; free some, or set LATENTBENCH"
    ):
        unpacked(archive)
    assert [*(cache_dir() / "packed").iterdir()] == []


def opened(path):
    try:
        return unpacked(path), ""
    except LatentbenchError as error:
        return None, str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_gives_the_same_files_or_a_sentence(data, archive, files, tmp_path_factory):
    content = archive.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    if data.draw(st.booleans()):
        changed[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del changed[place:]
    harmed = tmp_path_factory.mktemp("harmed") / "run.zip"
    harmed.write_bytes(changed)
    folder, told = opened(harmed)
    assert "\n" not in told
    if folder is None:
        return
    for name, path in files.items():
        if (Path(folder) / name).exists():
            assert (folder / name).read_bytes() == path.read_bytes()


# what is written over


def test_only_packed_runs_are_replaced(archive, tmp_path):
    refuse_other_file(archive)
    refuse_other_file(tmp_path / "new.zip")
    for name in ("text.zip", "other.zip"):
        path = tmp_path / name
        path.write_text("x") if name == "text.zip" else hostile(path, ("a", b"b"))
        with pytest.raises(RequestError, match="is there already and is no packed run"):
            refuse_other_file(path)
    with pytest.raises(RequestError, match="is a folder; name the archive with -o"):
        refuse_other_file(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(RequestError, match="is no packed run"):
        refuse_other_file(tmp_path / "loop")


def test_nothing_is_written_into_an_archive(archive, tmp_path):
    refuse_writing(tmp_path, "do something else")
    with pytest.raises(
        RunFolderError, match=r"is a packed run, into which nothing is written; do something else$"
    ):
        refuse_writing(archive, "do something else")
