"""All results of a run: a record per trial and score, read from the trials' files, and tidy frames of them.

The files of the trials are the only truth. Records, frames, `scores.parquet` and `scores.csv` are made from them,
for the trials and metrics that the last request of the run (`run.json`) names.
"""

from __future__ import annotations

import html
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt

from latentbench.choices.chosen import Chosen
from latentbench.errors import LatentbenchError, OtherFormatError, RunFolderError
from latentbench.files.failures import refusal
from latentbench.files.json_files import damaged
from latentbench.files.reading import uncollected
from latentbench.files.regular import is_regular
from latentbench.files.run_files import read_request
from latentbench.files.writing import write_atomically
from latentbench.packed.opening import unpacked
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.remembered.memory import Memory
from latentbench.score_rows import MISSING, ScoreRow, ScoreRows, StoredScores, score_frame
from latentbench.source.trust import named_by_a_run_folder
from latentbench.table.build import comparison_table
from latentbench.table.shown import ShownTable
from latentbench.text import counted
from latentbench.trial import Outcome, ScoreRequest, SplitName, Trial, deciding

if TYPE_CHECKING:
    import pandas as pd

    from latentbench.latent.space import LatentSpace
    from latentbench.model import Model

__all__ = ["Results", "ended_badly"]

T = TypeVar("T")


class Results:
    """The results of a run. Read them with `latentbench.load_results(folder)`.

    Attributes:
        path: the run's folder; of an archive, where it lies unpacked.
        source: what was named, the folder or the archive.
        request: the run's last request, as run.json holds it.
    """

    def __init__(
        self, path: Path, plugins: Plugins | None = None, record: Callable[[Path, str], Record] | None = None
    ) -> None:
        self.source = path
        self.path = path = unpacked(path)
        self._plugins = plugins
        self._make_record = record  # None: what they held before is remembered
        self._items: dict[tuple[str, str], dict[str, npt.NDArray[Any]]] = {}
        self._records: dict[str, Record] = {}
        self._memory = Memory(path)
        if not is_regular(path / "run.json"):
            raise RunFolderError(
                f"{path} is not a run folder: it has no run.json (`latentbench run -o {path}` creates one)"
            )
        if not (path / "trials").is_dir():
            raise RunFolderError(
                f"{path} holds the small files of a run without its trials; read its table.txt or scores.csv"
            )
        self.request = read_request(path)

    @property
    def title(self) -> str:
        """Heading of the report: the data sets and the title of the benchmark."""
        names = list(dict.fromkeys(trial.dataset for trial in self.trials))
        return f"{', '.join(names)}: {self.request['title']}"

    @cached_property
    def requests(self) -> list[ScoreRequest]:
        """The metrics that were requested."""
        return self._parsed("requests", ScoreRequest.from_json)

    @cached_property
    def chosen(self) -> list[Chosen]:
        """The settings that were chosen on the validation split, with what was tried."""
        return self._parsed("chosen", Chosen.from_json)

    @cached_property
    def trials(self) -> list[Trial]:
        """The trials that were requested, in the order of tables, each with its outcome."""
        with uncollected():
            return [self._read_trial(trial) for trial in self._parsed("trials", Trial.from_json)]

    def _parsed(self, name: str, parse: Callable[[Mapping[str, Any]], T]) -> list[T]:
        """Return what run.json holds under a name.

        Raises:
            RunFolderError: it is damaged.
        """
        try:
            return [parse(values) for values in self.request[name]]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise damaged(self.path / "run.json", f"{name}: {type(error).__name__}: {error}") from error

    @cached_property
    def per_likelihood(self) -> frozenset[str]:
        """Names of the scores in which only models with the same likelihood can be compared."""
        declared = (pair for request in self.requests for pair in request.scores.items())
        return frozenset(name for name, score in declared if score.get("per_likelihood"))

    def record(self, trial: Trial) -> Record:
        """Return the files of a trial."""
        return self._record_of(trial.key)

    def _record_of(self, key: str) -> Record:
        if key not in self._records:
            if self._make_record is None:
                self._records[key] = Record(self.path, key, known=self._memory.trial(key))
            else:
                self._records[key] = self._make_record(self.path, key)
        return self._records[key]

    def _read_trial(self, requested: Trial) -> Trial:
        record = self.record(requested)
        if not record.exists():
            if os.path.lexists(record.place):  # it was made whole, and is not any more
                left_out = f"{requested.label} seed {requested.seed} is left out; the same command makes it again"
                warnings.warn(f"{record.place / 'trial.json'} is no file; {left_out}", stacklevel=2)
            return replace(requested, outcome=MISSING)
        try:
            return replace(requested, outcome=record.read_outcome())
        except OtherFormatError:
            raise
        except RunFolderError as damage:
            warnings.warn(f"{damage}; {requested.label} seed {requested.seed} is left out", stacklevel=2)
            return replace(requested, outcome=Outcome("skipped", "Damaged", "its record is damaged"))

    @cached_property
    def failures(self) -> list[tuple[str, int, str, str]]:
        """(label, seed, status, message) of each trial that went wrong; impossible configurations did not."""
        return ended_badly(self.trials)

    @property
    def complete(self) -> bool:
        """Whether every trial ended well and every score was computed or is not applicable."""
        return not self.failures and all(row.status in ("ok", "not applicable") for row in self.rows)

    @cached_property
    def rows(self) -> list[ScoreRow]:
        """One row per trial and score on the test split; failures and gaps are rows too.

        Raises:
            RunFolderError: the run asks for no score of any trial.
        """
        with uncollected():
            return self._test_rows.chosen()

    def rows_of(
        self, dataset: str | None = None, labels: Set[str] | None = None, scores: Set[str] | None = None
    ) -> list[ScoreRow]:
        """Return those of `rows` that are of a data set, of the models with these labels, of these scores.

        No other rows are made: of thousands of trials, all of them take most of the memory.

        Raises:
            RunFolderError: the run asks for no score of any trial.
        """
        with uncollected():
            return self._test_rows.chosen(
                lambda trial: dataset in (None, trial.dataset) and (labels is None or trial.label in labels),
                scores,
            )

    @property
    def first_rows(self) -> list[ScoreRow]:
        """One of `rows` for each trial, for what all rows of a trial share."""
        return self._test_rows.firsts()

    @cached_property
    def validation_rows(self) -> list[ScoreRow]:
        """The same on the validation split, of what decides a sweep; empty where nothing was varied."""
        with uncollected():
            return ScoreRows(list(self._stored("validation", deciding(self.requests))), "validation").chosen()

    @cached_property
    def _test_rows(self) -> ScoreRows:
        with uncollected():
            stored = list(self._stored("test", self.requests))
            if not any(each.names for each in stored):
                raise RunFolderError(f"{self.path} asks for no score of any trial")
            return ScoreRows(stored, "test")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """`rows` as a tidy frame (docs/results.md)."""
        return score_frame(self.rows)

    @cached_property
    def validation(self) -> pd.DataFrame:
        """`validation_rows` as a tidy frame."""
        return score_frame(self.validation_rows)

    def _stored(self, split: SplitName, requests: Sequence[ScoreRequest]) -> Iterator[StoredScores]:
        """Read the score files of all trials; on the validation split, of data sets on which something varied.

        Files that are not there are told once all have been read: tables show fewer values for them.
        """
        swept = self.request.get("swept", ())
        asked, missing = 0, []
        named = [(request, self._names_of(request)) for request in requests]
        for trial in self.trials:
            if split == "validation" and trial.dataset not in swept:
                continue
            record, ok = self.record(trial), trial.ok
            asked += len(named) * ok
            for request, names in named:
                stored = record.score_file(request, split) if ok else None
                if ok and stored is None and record.lacks_scores(request, split):
                    missing.append(record.scores_path(request, split))
                yield StoredScores(trial, request, names, stored)
        self._memory.keep()
        if missing:
            warnings.warn(
                f"score files are missing ({len(missing)} of {asked}), the first {missing[0]}; "
                "their scores count as not computed, and the same command computes them",
                stacklevel=2,
            )

    def _names_of(self, request: ScoreRequest) -> list[str]:
        """Return the scores of a metric that the run was asked for; all where it names none."""
        wanted = set(self.request["scores"])
        named = not wanted or request.metric in wanted
        return [name for name in request.scores if named or name in wanted]

    def items(self, trial_key: str, score: str, split: SplitName = "test") -> npt.NDArray[np.float64] | None:
        """Return the value of a score for each item of a split `(n,)`, or None where it has none."""
        for request in self.requests:
            if score in request.scores:
                return self._items_of(trial_key, request, split).get(score)
        return None

    def _items_of(self, trial_key: str, request: ScoreRequest, split: SplitName) -> dict[str, npt.NDArray[Any]]:
        """Read the values for each item of all scores of a metric, once: marks, charts and page ask for each."""
        name = trial_key, request.file(split, "items.npz")
        if name not in self._items:
            self._items[name] = self._record_of(trial_key).read_items(request, split)
        return self._items[name]

    def latent_space(self, trial: Trial) -> LatentSpace:
        """Return the latent space of a trial: its model, reloaded, and the test split.

        Raises:
            NotApplicableError: the model cannot be reloaded.
            UntrustedCodeError: it needs code of files that nobody has allowed to run (`latentbench.trust`).
            RunFolderError: its files are damaged.
        """
        from latentbench.opening import latent_space

        with named_by_a_run_folder():
            return latent_space(trial, self.record(trial), self.loaded_plugins())

    def model(self, trial: Trial, device: str = "cpu") -> Model:
        """Return the trained model of a trial.

        `encode` maps float32 inputs `(n, *shape)`, images in [0, 1], to codes `(n, d)`; `decode` maps them back.
        A model that was trained by gradients is a `torch.nn.Module`, on the device and in evaluation mode; others
        compute on the CPU.

        Raises:
            NotApplicableError: the model cannot be reloaded.
            UntrustedCodeError: it needs code of files that nobody has allowed to run (`latentbench.trust`).
            RunFolderError: its files are damaged.
        """
        from latentbench.opening import trained_model

        with named_by_a_run_folder():
            return trained_model(trial, self.record(trial), self.loaded_plugins(), device)

    def loaded_plugins(self) -> Plugins:
        """Return the plugins that were given, or else those that the run names."""
        self._plugins = self._plugins or Plugins(
            tuple(self.request["plugin_files"]), tuple(self.request["plugins_blocked"])
        )
        return self._plugins

    def comparison(
        self, purposes: Sequence[str] = (), *, every: bool = False, relative: bool = False, ranks: bool = False
    ) -> ShownTable:
        """Return the comparison table with its marks, sentences and legend, as `latentbench table` prints it.

        Args:
            purposes: show all scores of these purposes, and no others.
            every: show all scores, and the reference models that feed the floor, instead of the headline ones.
            relative: show (score - floor) / (ceiling - floor), where no model exceeds the ceiling.
            ranks: show the best and the worst rank that significance allows.

        Raises:
            UnknownNameError: a purpose is unknown.
            RequestError: both `relative` and `ranks`.
        """
        return ShownTable(comparison_table(self, purposes, every, relative, ranks))

    def table(self, purposes: Sequence[str] = (), *, every: bool = False, relative: bool = False) -> pd.DataFrame:
        """Return the comparison table as a frame: one row for each data set, score and model.

        Its columns: dataset, purpose, score, likelihood (that a row is of, where models have several), better,
        unit, model; mean over seeds, low and high (ends of its 95 % t-interval; NaN for one seed), mark ("*" best,
        "=" not separable from it), seeds (number of values), status and reason; floor, ceiling, and n, the number
        of test items. The arguments are those of `comparison`.

        `results.table().pivot(index="score", columns="model", values="mean")` has a column for each model.
        """
        return self.comparison(purposes, every=every, relative=relative).frame

    def __repr__(self) -> str:
        return f"<Results of {self.source}: {self._summary()}>"

    def _repr_html_(self) -> str:
        """Return the comparison table, for notebooks."""
        try:
            return self.comparison()._repr_html_()
        except LatentbenchError as error:
            return f"<p>{html.escape(str(error))}</p>"

    def _summary(self) -> str:
        """Tell how much is there, as "3 models on digits, 9 of 9 trials ok, 24 scores"."""
        models = dict.fromkeys(trial.label for trial in self.trials)
        datasets = dict.fromkeys(trial.dataset for trial in self.trials)
        scores = {name for request in self.requests for name in request.scores}
        ok = sum(trial.ok for trial in self.trials)
        ended = f"{ok} of {counted(len(self.trials), 'trial')} ok"
        return (
            f"{counted(len(models), 'model')} on {', '.join(datasets)}, {ended}, {counted(len(scores), 'score')}"
        )

    @property
    def exported(self) -> pd.DataFrame:
        """The rows of both splits as one tidy frame, as `write` writes them."""
        import pandas as pd

        return self.scores if self.validation.empty else pd.concat([self.scores, self.validation])

    def write(self, folder: Path | None = None) -> None:
        """Write `scores.parquet` and `scores.csv`, the rows of both splits, into a folder; None: the run's own.

        Raises:
            RunFolderError: they cannot be written there.
            LatentbenchError: the disk is full or fails.
        """
        frame = self.exported
        tables: dict[str, Callable[[BinaryIO], None]] = {
            "scores.parquet": lambda file: frame.to_parquet(file, index=False),
            "scores.csv": lambda file: frame.to_csv(file, index=False),
        }
        for path, content in (((folder or self.path) / name, content) for name, content in tables.items()):
            try:
                write_atomically(path, content)
            except OSError as error:
                raise refusal(error, f"{path} cannot be written", RunFolderError) from error


def ended_badly(trials: Iterable[Trial]) -> list[tuple[str, int, str, str]]:
    """Return (label, seed, status, message) of the trials that went wrong; impossible configurations did not."""
    ended = [(trial, trial.outcome or MISSING) for trial in trials]
    return [(t.label, t.seed, o.status, o.message) for t, o in ended if o.status != "ok" and not o.refused]
