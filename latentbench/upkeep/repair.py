"""What is damaged is moved aside inside the run folder, so that the same command makes it anew."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from latentbench.errors import RunFolderError
from latentbench.files.failures import refusal
from latentbench.results import Results
from latentbench.upkeep.examine import Examination, examine
from latentbench.upkeep.lock import held
from latentbench.upkeep.places import outside_link

__all__ = ["ASIDE", "repair"]

ASIDE = "aside"


def repair(run: Path) -> tuple[Examination, Mapping[str, str]]:
    """Move what is damaged into RUN/aside/NUMBER, and write the tables of scores again if they are not current.

    A damaged trial goes as a whole, a damaged score file with its values per item. Nothing is deleted, and files
    that another version wrote stay where they are.

    Returns:
        What was found before, and old path -> new one of all that was moved, from the run folder on.

    Raises:
        RunFolderError: a run is at work there, it is no run folder, or it cannot be written.
    """
    for name in ("trials", ASIDE):
        if outside_link(run, run / name):
            raise RunFolderError(f"{run / name} is a link that leaves the run folder; put a folder in its place")
    with held(run, "repair"):
        found = examine(run, locked=True)
        moved = _moved(run, [path for finding in found.findings for path in finding.aside])
        current = not any(each.kind == "outdated" or each.path.startswith("scores.") for each in found.findings)
        newer = any(each.kind == "newer" for each in found.findings)
        if found.request is not None and not newer and (moved or not current):
            _write_tables(run)
    return found, moved


def _moved(run: Path, paths: Iterable[str]) -> dict[str, str]:
    """Rename paths into a new folder; what lies in a folder that goes as a whole goes with it."""
    distinct = list(dict.fromkeys(paths))
    apart = [path for path in distinct if not any(path.startswith(f"{other}/") for other in distinct)]
    if not apart:
        return {}
    try:
        place = _new_folder(run / ASIDE)
        moved = {path: str((place / path).relative_to(run)) for path in apart}
        for old, new in moved.items():
            (run / new).parent.mkdir(parents=True, exist_ok=True)
            (run / old).rename(run / new)
    except OSError as error:
        raise refusal(error, f"{run} cannot be repaired", RunFolderError) from error
    return moved


def _new_folder(parent: Path) -> Path:
    """Make the first of the folders 1, 2, ... that is not there yet."""
    parent.mkdir(exist_ok=True)
    number = 1
    while True:
        with suppress(FileExistsError):
            (parent / str(number)).mkdir()
            return parent / str(number)
        number += 1


def _write_tables(run: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is missing now: the findings tell it
        with suppress(RunFolderError):  # no score is asked for, or run.json has gone aside
            Results(run).write()
