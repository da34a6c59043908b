"""All exceptions that latentbench raises on purpose.

::

    LatentbenchError              something failed for a reason that one sentence can state    exit status 1
    +-- RequestError              the request cannot be carried out; the user must change it   exit status 2
    |   +-- UnknownNameError      no plugin supplies this dataset, model, metric or score
    |   +-- PluginError           a plugin's registration cannot be used
    |   |   +-- UntrustedCodeError  a run folder names code that this user has not allowed to run
    |   +-- DataError             a data file is missing, damaged or of the wrong kind
    |   +-- RunFolderError        a run folder cannot be read or written, or is in use
    |       +-- OtherFormatError  another version of latentbench wrote it
    +-- ContractError             a plugin returned something that its contract forbids (shape, NaN)
    +-- DivergedError             a training loss became infinite or NaN
    +-- NotApplicableError        a latent space lacks what a score needs: a row, not a failure
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

__all__ = [
    "ContractError",
    "DataError",
    "DivergedError",
    "LatentbenchError",
    "NotApplicableError",
    "OtherFormatError",
    "PluginError",
    "RequestError",
    "RunFolderError",
    "UnknownNameError",
    "UntrustedCodeError",
    "near_matches",
]

AS_CLOSE = 0.15  # difference of likeness, in [0, 1], within which two names are equally close


class LatentbenchError(Exception):
    """Base of all these errors; the text is one sentence for the user."""

    exit_status = 1


class RequestError(LatentbenchError):
    """The request was wrong: nothing was run, and the user has something to change."""

    exit_status = 2


class UnknownNameError(RequestError):
    """A name that no plugin supplies."""


class PluginError(RequestError):
    """A plugin whose registration cannot be used."""


class UntrustedCodeError(PluginError):
    """Code that a run folder names, and that this user has not allowed to run; the text says how to allow it."""


class DataError(RequestError):
    """A data file that is missing, damaged or not of the expected kind."""


class RunFolderError(RequestError):
    """A run folder that cannot be read or written, or that another process is using."""


class OtherFormatError(RunFolderError):
    """A file of a run folder in a format that this version does not know: it is left as it is."""


class ContractError(LatentbenchError):
    """A plugin returned something that its contract forbids."""


class DivergedError(LatentbenchError):
    """A training loss became infinite or NaN."""


class NotApplicableError(LatentbenchError):
    """A latent space lacks what a score needs; the text is the reason shown in the table."""


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'a' or 'b'?` for the names closest to `name`, or an empty text; case does not count.

    >>> near_matches("pcaa", ["pca", "ica"]), near_matches("VAES", ["vae", "vas"])
    ("; did you mean 'pca'?", "; did you mean 'vas' or 'vae'?")
    """
    spellings: dict[str, list[str]] = {}
    for spelling in known:
        spellings.setdefault(_folded(spelling), []).append(spelling)
    close = difflib.get_close_matches(_folded(name), spellings, n=3, cutoff=0.5)
    alike = [difflib.SequenceMatcher(None, folded, _folded(name)).ratio() for folded in close]
    closest = [folded for folded, ratio in zip(close, alike, strict=True) if ratio > alike[0] - AS_CLOSE]
    meant = [spelling for folded in closest for spelling in spellings[folded]][:3]
    return f"; did you mean {' or '.join(map(repr, meant))}?" if meant else ""


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
