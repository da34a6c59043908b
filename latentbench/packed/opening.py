"""Opening an archive of a run: unpacked once into the cache, whatever somebody put into it.

Only files that belong to a run are taken out, by names that cannot leave the folder; links, other compressions and
contents that promise far more than data do are refused before anything is written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from latentbench.errors import LatentbenchError, RunFolderError
from latentbench.files.cache import cache_dir
from latentbench.files.failures import refusal
from latentbench.files.reading import check_unpacked
from latentbench.files.regular import is_regular, opened_regular
from latentbench.files.removing import discard
from latentbench.packed.layout import MANIFEST, is_of_a_run, part_of

__all__ = ["is_archive", "is_packed_run", "refuse_writing", "unpacked"]

ZIP_START = b"PK\x03\x04"
LARGEST_TEXT = 2**28  # bytes; compressed files of a run are text
PIECE = 2**20


def is_archive(path: Path) -> bool:
    """Return whether a path leads to a zip file."""
    if not is_regular(path):
        return False
    try:
        with opened_regular(path) as file:
            return file.read(len(ZIP_START)) == ZIP_START
    except (OSError, ValueError):
        return False


def is_packed_run(path: Path) -> bool:
    """Return whether a path leads to an archive that `pack` may have written."""
    if not is_archive(path):
        return False
    try:
        with opened_regular(path) as file, ZipFile(file) as archive:
            return MANIFEST in archive.namelist()
    except Exception:  # noqa: BLE001 - damaged zip files raise a dozen types
        return False


def refuse_writing(path: Path, instead: str) -> None:
    """Raise RunFolderError where `path` is an archive, into which nothing is written.

    Args:
        path: a run.
        instead: what else the user can do, as "give a folder with -o".
    """
    if is_archive(path):
        raise RunFolderError(f"{path} is a packed run, into which nothing is written; {instead}")


def unpacked(path: Path) -> Path:
    """Return the folder of the run at `path`: itself, or where its archive lies unpacked.

    An archive is unpacked once, to `packed/DIGEST` in the cache, and again if files are not whole there.

    Raises:
        RunFolderError: it is a file, and no archive of a run.
        LatentbenchError: the cache cannot hold it.
    """
    if not is_regular(path):
        return path
    if not is_archive(path):
        raise RunFolderError(f"{path} is a file, and no packed run; name a run folder, or what `pack` wrote")
    try:
        with opened_regular(path) as file:
            place = cache_dir() / "packed" / _digest(file)
            with ZipFile(file) as archive:
                members = _checked(path, archive.infolist())
                if not _is_whole(place, members):
                    _unpack(path, archive, members, place)
    except LatentbenchError:
        raise
    except OSError as error:
        raise refusal(error, f"{path} cannot be read", RunFolderError) from error
    except Exception as error:  # damaged zip files raise a dozen types
        raise _broken(path, str(error) or type(error).__name__) from error
    return place


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()[:32]


def _broken(path: Path, reason: str) -> RunFolderError:
    return RunFolderError(f"{path} is damaged, or no packed run ({reason}); get it again from where it was packed")


def _checked(path: Path, members: list[ZipInfo]) -> list[ZipInfo]:
    """Return the members of an archive, all of which belong to a run.

    Raises:
        RunFolderError: one does not, or the archive promises more than it can hold.
        DataError: it unpacks to far more than data do.
    """
    for member in members:
        if reason := _objection(member):
            raise _broken(path, f"{member.filename[:100]!a} {reason}")
    twice = [name for name, count in Counter(member.filename for member in members).items() if count > 1]
    if twice:
        raise _broken(path, f"{twice[0]!a} stands in it twice")
    if not {MANIFEST, "run.json"} <= {member.filename for member in members}:
        raise _broken(path, f"it lacks {MANIFEST} or run.json")
    packed = sum(member.compress_size for member in members)
    if packed > path.stat().st_size:
        raise _broken(path, "its files overlap")
    check_unpacked(path, packed, sum(member.file_size for member in members))
    return members


def _objection(member: ZipInfo) -> str:
    """Return why a member cannot be one of a packed run, or ""."""
    if not is_of_a_run(member.filename):
        return "is no file of a run"
    if member.external_attr >> 16 & 0o170000 not in (0, 0o100000):
        return "is no regular file"
    if member.flag_bits & 1:
        return "is encrypted"
    if member.compress_type == ZIP_STORED:
        return "" if member.file_size == member.compress_size else "has two sizes"
    if member.compress_type != ZIP_DEFLATED or part_of(member.filename):
        return "is compressed in another way"
    return "" if member.file_size <= LARGEST_TEXT else f"promises {member.file_size:,} bytes"


def _is_whole(place: Path, members: Iterable[ZipInfo]) -> bool:
    """Whether all files lie unpacked at a place, each of its size."""
    try:
        return all(os.lstat(place / member.filename).st_size == member.file_size for member in members)
    except (OSError, ValueError):
        return False


def _unpack(path: Path, archive: ZipFile, members: list[ZipInfo], place: Path) -> None:
    part = place.with_name(f".{place.name}.{os.getpid()}")
    discard(part)
    try:
        part.mkdir(parents=True)
        _check_space(path, part, sum(member.file_size for member in members))
        folders = {(part / member.filename).parent for member in members}
        for folder in sorted(folders):
            folder.mkdir(parents=True, exist_ok=True)
        for member in members:
            _take_out(archive, member, part / member.filename)
        _settle(part, place, members)
    except OSError as error:
        raise refusal(error, f"{path} cannot be unpacked to the cache {place.parent}", RunFolderError) from error
    finally:
        discard(part)


def _settle(part: Path, place: Path, members: Iterable[ZipInfo]) -> None:
    """Rename a folder into its place, unless another process was first."""
    discard(place)
    try:
        part.rename(place)
    except OSError:
        if not _is_whole(place, members):
            raise


def _check_space(path: Path, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise LatentbenchError(
            f"{path} takes {size / 1e9:,.1f} GB unpacked, and {folder.parent} has {free / 1e9:,.1f} GB left; "
            "free some, or set LATENTBENCH_CACHE to another disk"
        )


def _take_out(archive: ZipFile, member: ZipInfo, place: Path) -> None:
    """Write one file; more bytes than it promised, or others, are damage."""
    left = member.file_size
    with archive.open(member) as source, place.open("xb") as file:
        while piece := source.read(PIECE):
            left -= len(piece)
            if left < 0:
                raise BadZipFile(f"{member.filename!a} is larger than promised")
            file.write(piece)
    if left:
        raise BadZipFile(f"{member.filename!a} is smaller than promised")
