"""What stands at a place where a file of a run should be, and how that is told."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from latentbench.files.failures import in_words
from latentbench.files.regular import IrregularFileError, opened_regular
from latentbench.upkeep.findings import FileFinding

__all__ = ["AGAIN", "UPGRADE", "fault", "outside_link"]

AGAIN = "the same command makes it again"
UPGRADE = "read it with a newer latentbench, or the one that wrote it"


def fault(run: Path, path: str, reason: str, detail: str = "", aside: Collection[str] = ()) -> FileFinding:
    """Return the finding about a file that cannot be used.

    Args:
        run: the run folder.
        path: of the file, from there on.
        reason: what is wrong with it if it is a file that can be read.
        detail: what tells this finding from others like it.
        aside: what `--repair` moves aside.
    """
    try:
        with opened_regular(run / path):
            return FileFinding("damaged", path, reason, AGAIN, detail, tuple(aside))
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(run / path):
            return FileFinding("missing", path, "is missing", AGAIN, detail, _there(run, aside))
        reason = "is a link that leads nowhere"
    except IrregularFileError as error:
        if reason != "is no folder":
            reason = f"is no file: {error}"
    except OSError as error:
        if not (run / path).is_symlink():  # it may be whole: nothing to make again
            cause, _, advice = in_words(error).partition("; ")
            return FileFinding("damaged", path, f"cannot be read: {cause}", advice, detail)
        reason = "is a link that leads nowhere"
    return FileFinding("damaged", path, reason, AGAIN, detail, tuple(aside))


def _there(run: Path, paths: Collection[str]) -> tuple[str, ...]:
    return tuple(path for path in paths if os.path.lexists(run / path))


def outside_link(run: Path, path: Path) -> bool:
    """Return whether a path is a link that leaves the run folder."""
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(run.resolve())
