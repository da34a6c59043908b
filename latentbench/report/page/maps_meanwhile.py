"""Small maps for the page of a run, made by another process while charts are drawn."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from latentbench.execution.maps import SMALL
from latentbench.execution.side_by_side.fork import Fork, Tell, can_fork
from latentbench.machine import available_cores, limited_threads
from latentbench.report.page.making_maps import completed_maps
from latentbench.report.page.pictures import median_trials
from latentbench.table.columns import datasets

if TYPE_CHECKING:
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["maps_meanwhile"]


@contextlib.contextmanager
def maps_meanwhile(results: Results, methods: Sequence[str]) -> Iterator[None]:
    """Make the page's maps of few codes beside what is done within, and wait for them at its end.

    They are put into the run, where `completed_maps` finds them, and makes what is missing: maps of many codes,
    which take all cores by themselves, and all of them where no second process is to be had.

    Args:
        results: of the run.
        methods: of `latentbench.latent.maps.projection.METHODS`.
    """
    possible = methods and available_cores() > 1 and can_fork()
    trials = _with_few_codes(results) if possible else []
    fork = _forked(results, trials, methods) if trials else None
    try:
        yield
        for _ in () if fork is None else fork.messages(to_the_end=True):
            pass
    finally:
        if fork is not None:
            fork.end()


def _with_few_codes(results: Results) -> list[Trial]:
    """Return the trials that get small maps; their data are read here, so that both processes have them."""
    trials: list[Trial] = []
    for dataset in datasets(results):
        contenders = [trial for trial in median_trials(results, dataset)[0] if not trial.traits.reference]
        with contextlib.suppress(Exception):  # it is the page that tells what cannot be opened
            if contenders and len(results.latent_space(contenders[0])) < SMALL:
                trials += contenders
    return trials


def _forked(results: Results, trials: Sequence[Trial], methods: Sequence[str]) -> Fork | None:
    def make(_: Tell) -> None:
        with Path(os.devnull).open("w") as nowhere, warnings.catch_warnings():
            sys.stdout = sys.stderr = nowhere  # what goes wrong is told where it is tried again
            warnings.simplefilter("ignore")
            _make(results, trials, methods)

    with contextlib.suppress(OSError):  # no process more to be had
        return Fork(make)
    return None


def _make(results: Results, trials: Sequence[Trial], methods: Sequence[str]) -> None:
    with limited_threads(1):
        for trial in trials:
            with contextlib.suppress(Exception):
                completed_maps(results, trial, results.latent_space(trial), (), methods)
