"""All trials of a run, as tidy pandas frames.

The truth is the trials' own files; the frames here, and `scores.parquet` and `scores.csv`, are made from them,
of the trials and metrics that the run's last request (`run.json`) names.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from latentbench.errors import RunFolderError
from latentbench.files import canonical_json, read_json, short_hash, write_atomically
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.trial import NOT_RUN, Outcome, ScoreRequest, SplitName, Trial, deciding

if TYPE_CHECKING:
    from latentbench.latent.space import LatentSpace

__all__ = ["COUNTS", "Results"]

MISSING = Outcome("skipped", NOT_RUN, "not run yet")
FORMAT = 2
COUNTS = ("threads", "concurrency", "group_size")  # whole numbers, missing for what has not run
ALIKE = ("concurrency", "group_size")  # do not change what is found, only what it costs


class Results:
    """What a run found. Read one with `latentbench.load_results(folder)`.

    Attributes:
        path: the run's folder.
        request: the run's last request, as run.json holds it.
    """

    def __init__(self, path: Path, plugins: Plugins | None = None) -> None:
        self.path = path
        self._plugins = plugins
        if not (path / "run.json").is_file():
            raise RunFolderError(
                f"{path} is no run folder: it has no run.json (`latentbench run -o {path}` makes one)"
            )
        if not (path / "trials").is_dir():
            raise RunFolderError(
                f"{path} keeps the small files of a run, without its trials; read its table.txt or scores.csv"
            )
        self.request: dict[str, Any] = read_json(path / "run.json")
        if self.request.get("format") != FORMAT:
            raise RunFolderError(
                f"{path} was written in format {self.request.get('format')}, this version reads {FORMAT}"
            )

    @property
    def title(self) -> str:
        """Heading of the report: the datasets and the benchmark's own title."""
        names = list(dict.fromkeys(trial.dataset for trial in self.trials))
        return f"{', '.join(names)}: {self.request['title']}"

    @cached_property
    def requests(self) -> list[ScoreRequest]:
        """The metrics that were asked for."""
        return [ScoreRequest(**values) for values in self.request["requests"]]

    @cached_property
    def trials(self) -> list[Trial]:
        """The trials that were asked for, in the order of tables, each with its outcome."""
        return [self._read_trial(Trial.from_json(values)) for values in self.request["trials"]]

    def _read_trial(self, asked: Trial) -> Trial:
        record = Record(self.path, asked.key)
        if not record.exists():
            return replace(asked, outcome=MISSING)
        try:
            return replace(asked, outcome=record.read_trial().outcome)
        except RunFolderError as damage:
            warnings.warn(f"{damage}; {asked.label} seed {asked.seed} is left out", stacklevel=2)
            return replace(asked, outcome=Outcome("skipped", "Damaged", "its record is damaged"))

    @cached_property
    def failures(self) -> list[tuple[str, int, str, str]]:
        """(label, seed, status, message) of each trial that did not end well; not of what a model cannot be."""
        ended = [(trial, trial.outcome or MISSING) for trial in self.trials]
        return [(t.label, t.seed, o.status, o.message) for t, o in ended if o.status != "ok" and not o.refused]

    @property
    def complete(self) -> bool:
        """Whether every trial ended well and every score was made or is not applicable."""
        return not self.failures and bool(self.scores["status"].isin(["ok", "not applicable"]).all())

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per trial and score on the test split (docs/results.md); failures and gaps are rows too."""
        frame = _counted(pd.DataFrame(list(self._rows("test", self.requests))))
        if frame.empty:
            raise RunFolderError(f"{self.path} asks for no score of any trial")
        return _with_references(frame)

    @cached_property
    def validation(self) -> pd.DataFrame:
        """The same on the validation split, of what decides a sweep; empty where nothing was varied."""
        rows = list(self._rows("validation", deciding(self.requests)))
        frame = _counted(pd.DataFrame(rows, columns=list(self.scores.columns)))
        return frame if frame.empty else _with_references(frame)

    def _rows(self, split: SplitName, requests: Sequence[ScoreRequest]) -> Iterator[dict[str, Any]]:
        wanted = set(self.request["scores"])
        swept = self.request.get("swept", ())
        for trial in self.trials:
            if split == "validation" and trial.dataset not in swept:
                continue
            record = Record(self.path, trial.key)
            good = (trial.outcome or MISSING).status == "ok"
            for request in requests:
                stored = record.read_scores(request, split) if good else None
                rows = [
                    {**_trial_columns(trial, split), **_score_columns(trial, request, name, declared, stored)}
                    for name, declared in request.scores.items()
                    if not wanted or name in wanted or request.metric in wanted
                ]
                yield from rows

    def items(self, trial_key: str, score: str, split: SplitName = "test") -> npt.NDArray[np.float64] | None:
        """Return the value of a score for each item of a split `(n,)`, or None where it has none."""
        record = Record(self.path, trial_key)
        for request in self.requests:
            if score in request.scores and record.exists():
                return record.read_items(request, score, split)
        return None

    def latent_space(self, trial: Trial) -> LatentSpace:
        """Look at the test split through a trial's model, reloaded.

        Raises:
            NotApplicableError: the model cannot be reloaded.
        """
        from latentbench.opening import latent_space

        self._plugins = self._plugins or Plugins(
            tuple(self.request["plugin_files"]), tuple(self.request["plugins_blocked"])
        )
        return latent_space(trial, Record(self.path, trial.key), self._plugins)

    def table(self, *, every: bool = False, relative: bool = False) -> pd.DataFrame:
        """Return mean scores as a frame: one row per dataset and score, one column per model.

        Args:
            every: all scores instead of the headline ones.
            relative: (score - floor) / (ceiling - floor) instead of the score.
        """
        rows = self.scores if every else self.scores[self.scores["headline"]]
        if relative:
            span = rows["ceiling"] - rows["floor"]
            rows = rows.assign(value=(rows["value"] - rows["floor"]) / span.where(span != 0))
        order = list(dict.fromkeys(rows["label"]))
        wide = rows.pivot_table(
            index=["dataset", "score"], columns="label", values="value", aggfunc="mean", sort=False
        )
        return wide.reindex(columns=order)

    def write(self) -> None:
        """Write `scores.parquet` and `scores.csv`: the rows of both splits."""
        import io

        frame = self.scores if self.validation.empty else pd.concat([self.scores, self.validation])
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        write_atomically(self.path / "scores.parquet", buffer.getvalue())
        write_atomically(self.path / "scores.csv", frame.to_csv(index=False).encode())


def _trial_columns(trial: Trial, split: SplitName) -> dict[str, Any]:
    outcome = trial.outcome or MISSING
    machine = outcome.environment
    return {
        "dataset": trial.dataset,
        "model": trial.model.rpartition("/")[2],
        "label": trial.label,
        "params": canonical_json(trial.params),
        "epochs": trial.budget.trained_epochs,
        "budget": canonical_json(trial.budget.model_dump(mode="json")),
        "seed": trial.seed,
        "split": split,
        "train_seconds": outcome.cost.get("train_seconds", math.nan),
        "device": machine.get("device", ""),
        **{name: machine.get(name) for name in COUNTS},
        "precision": trial.budget.precision,
        "model_version": trial.model_version,
        "trial": trial.key,
        "reference": trial.traits.reference,
        "deterministic": trial.traits.deterministic,
        "varied": canonical_json(trial.traits.varied),
        "latent_dim": float(trial.params.get("latent_dim") or math.nan),
        "likelihood": _likelihood(trial.params),
        "environment": short_hash({k: machine[k] for k in sorted(machine) if k not in ALIKE}, 8),
    }


def _score_columns(
    trial: Trial, request: ScoreRequest, name: str, declared: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> dict[str, Any]:
    outcome = trial.outcome or MISSING
    row = stored["scores"].get(name) if stored else None
    if row is None:
        status: str = "missing" if outcome.status in ("ok", "skipped") else outcome.status
        status = "not applicable" if outcome.refused else status
        row = {"status": status, "reason": outcome.message or "not computed", "value": None, "se": None}
    value = math.nan if row["value"] is None else row["value"]
    flags = list(outcome.flags)
    if declared["flag"] and declared["flag_below"] is not None and value < declared["flag_below"]:
        flags.append(declared["flag"])
    return {
        "family": request.metric,
        "metric_version": request.version,
        "score": name,
        "kind": declared["kind"],
        "codes": declared["codes"],
        "value": value,
        "se": math.nan if row["se"] is None else row["se"],
        "unit": declared["unit"],
        "better": declared["better"],
        "floor": declared["floor"],
        "ceiling": declared["ceiling"],
        "status": row["status"],
        "reason": row["reason"],
        "n_eval": 0 if stored is None else 1 if declared["kind"] == "cost" else stored["n_eval"],
        "score_seconds": stored["seconds"] if stored else math.nan,
        "flags": ",".join(flags),
        "purpose": declared["purpose"],
        "headline": bool(declared["headline"]),
        "description": declared["description"],
    }


def _counted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame if frame.empty else frame.astype(dict.fromkeys(COUNTS, "Int64"))


def _with_references(frame: pd.DataFrame) -> pd.DataFrame:
    """Put numbers for floors and ceilings that name a reference model, and a trial's flags on all its rows."""
    good = frame[(frame["status"] == "ok") & (frame["reference"] != "")]
    means = {
        key: [(json.loads(str(varied)), mean) for varied, mean in own.groupby("varied")["value"].mean().items()]
        for key, own in good.groupby(["dataset", "model", "score"])
    }
    for column in ("floor", "ceiling"):
        numbers = [
            _alike(means.get((dataset, bound, score), []), varied) if isinstance(bound, str) else bound
            for dataset, score, bound, varied in zip(
                frame["dataset"], frame["score"], frame[column], frame["varied"], strict=True
            )
        ]
        frame[column] = pd.to_numeric(pd.Series(numbers, index=frame.index, dtype=object), errors="coerce")
    joined = frame.groupby("trial")["flags"].agg(
        lambda all_: ",".join(sorted({f for x in all_ for f in x.split(",") if f}))
    )
    return frame.assign(flags=frame["trial"].map(joined))


def _alike(means: Sequence[tuple[Mapping[str, Any], float]], varied: str) -> float:
    """Return the mean of the reference's settings that agree with these: another latent_dim is another floor."""
    if not means:
        return math.nan
    own = json.loads(varied)
    agreeing = [
        mean for setting, mean in means if all(own.get(name, value) == value for name, value in setting.items())
    ]
    return float(np.mean(agreeing)) if agreeing else math.nan


def _likelihood(params: Mapping[str, Any]) -> str:
    if "likelihood" not in params:
        return ""
    sigma = params.get("sigma")
    fixed = (
        ""
        if params["likelihood"] != "gaussian"
        else ", sigma learned"
        if sigma == "learned"
        else f", sigma {sigma}"
    )
    return f"{params['likelihood']}{fixed}"
