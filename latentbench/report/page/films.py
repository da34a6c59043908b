"""Tours that `latentbench tour` has filmed of the models of a run, for its page."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from latentbench.drawing.formats import MOVING_FORMS
from latentbench.drawing.montage import data_uri
from latentbench.files.naming import file_name
from latentbench.files.regular import is_regular, read_regular

if TYPE_CHECKING:
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["Film", "tour_films"]

MOST_BYTES = 6_000_000  # of all films of a data set: the page is mailed
SIGNS = {"webp": (b"RIFF", "image/webp"), "gif": (b"GIF8", "image/gif")}  # form -> how its files begin, its type


@dataclass(frozen=True)
class Film:
    """One film.

    Attributes:
        label: the model and its seed.
        uri: the film itself, as a data URI.
    """

    label: str
    uri: str


def tour_films(results: Results, dataset: str) -> tuple[list[Film], str]:
    """Return the tours that RUN/tour holds of a data set, and which are left out as the page would be too large.

    The sentence is empty where all are shown. A file that is no film is passed over with a warning.
    """
    films: list[Film] = []
    left_out: list[str] = []
    room = MOST_BYTES
    for trial, path in _paths(results, dataset):
        if _size(path) > room:
            left_out.append(path.name)
        elif content := _content(path):
            room -= len(content)
            films.append(Film(f"{trial.label}, seed {trial.seed}", data_uri(content, SIGNS[path.suffix[1:]][1])))
    named = f"Left out, as they would make this page too large: {', '.join(left_out)} in the folder tour."
    return films, named * bool(left_out)


def _paths(results: Results, dataset: str) -> Iterator[tuple[Trial, Path]]:
    """Find the films of each trial by their names, which begin with data set, model and seed."""
    paths = sorted(path for form in MOVING_FORMS for path in (results.path / "tour").glob(f"*.{form}"))
    for trial in results.trials if paths else ():
        if trial.dataset == dataset:
            start = file_name(trial.dataset, trial.label, f"seed{trial.seed}")
            yield from ((trial, path) for path in paths if path.stem == start or path.stem.startswith(f"{start}-"))


def _size(path: Path) -> int:
    return path.stat().st_size if is_regular(path) else 0


def _content(path: Path) -> bytes:
    """Read a film; nothing, with a warning, where it is none."""
    try:
        content = read_regular(path, MOST_BYTES)
        if not content.startswith(SIGNS[path.suffix[1:]][0]):
            raise ValueError("it is no film")
    except (OSError, ValueError) as error:
        warnings.warn(f"{path} is left out of the page: {error}", stacklevel=2)
        return b""
    return content
