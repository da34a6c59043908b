"""What a run finds where it is to write: nothing, a run folder, or something that is not its own."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from latentbench.errors import OtherFormatError, RunFolderError
from latentbench.files.run_files import read_request
from latentbench.packed.layout import left_out
from latentbench.packed.opening import refuse_writing

__all__ = ["check_folder"]

MADE = ("environment.json", "events.jsonl", "figures", "report.html", "scores.csv", "scores.parquet")
LINKS = ("run.json", "run.lock", "events.jsonl", "executor", "trials")


def check_folder(folder: Path) -> None:
    """Look at the place of a run before anything is written; a damaged run.json is told, since it is made again.

    Raises:
        OtherFormatError: another version of latentbench wrote its run.json, in a format unknown to this one.
        RunFolderError: it is no folder, or holds files that are not a run's and would be overwritten.
    """
    if not os.path.lexists(folder):
        return
    refuse_writing(folder, f"`latentbench merge {folder} -o FOLDER` makes a run folder of it")
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is no folder; choose another place for the run with -o")
    _refuse_links(folder)
    if parts := left_out(folder):
        raise RunFolderError(
            f"{folder} is a run that was packed without its {' and '.join(sorted(parts))}, and only to be read; "
            "choose another folder with -o"
        )
    has_trials = (folder / "trials").is_dir()
    if os.path.lexists(folder / "run.json"):
        _check_request(folder, has_trials)
    elif not has_trials and (theirs := [name for name in MADE if os.path.lexists(folder / name)]):
        raise RunFolderError(
            f"{folder} is not a run folder, and a run would overwrite its {', '.join(theirs)}; "
            "choose another folder with -o"
        )


def _refuse_links(folder: Path) -> None:
    """Raise RunFolderError for a link by which a run would write elsewhere."""
    home = folder.resolve()
    for path in (folder / name for name in LINKS):
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
            raise RunFolderError(f"{path} is a link that leaves the run folder; put a file or folder in its place")


def _check_request(folder: Path, has_trials: bool) -> None:
    path = folder / "run.json"
    if path.is_dir():
        raise RunFolderError(f"{path} is a folder; move it away, or choose another folder with -o")
    try:
        read_request(folder)
    except OtherFormatError:
        raise
    except RunFolderError as error:
        if not has_trials:
            raise RunFolderError(
                f"{path} is not that of a run ({error.__cause__ or error}); choose another folder with -o"
            ) from error
        warnings.warn(f"{path} is damaged and made again ({error.__cause__ or error})", stacklevel=3)
