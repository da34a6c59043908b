"""One score of one trial as a typed record, and the pandas frame that is an export of such records."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from latentbench.executor import LOCAL
from latentbench.files.json_files import canonical_json, short_hash
from latentbench.score_files import MISSING, StoredScores, likelihood_of, number_of
from latentbench.scores import PURPOSES
from latentbench.text import printable
from latentbench.training.budget import Budget
from latentbench.trial import SplitName, Trial

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COUNTS",
    "MISSING",
    "ScoreRow",
    "ScoreRows",
    "StoredScores",
    "grouped",
    "likelihood_of",
    "purpose_place",
    "score_frame",
]

T = TypeVar("T")

TEXTS = ("params", "budget", "varied", "flags")  # columns that a frame holds as text
COUNTS = ("threads", "concurrency", "group_size")  # whole numbers, missing for what has not run
NO_INFLUENCE = ("concurrency", "group_size", "node")  # on quality: they change what a trial costs


@dataclass(slots=True)  # not frozen: a large run has hundreds of thousands, and frozen ones are slow to make
class ScoreRow:
    """One score of one trial on one split: the columns of docs/results.md, in their order, and `compared`.

    Nothing changes a row once it is made; `dataclasses.replace` makes another.

    Attributes:
        dataset: heading of the data set.
        model: its registered name, without a path.
        label: column heading in tables, as "beta_vae(4)".
        params: all parameters of the model.
        epochs: how many were trained.
        budget: what training was allowed to spend.
        seed: the trial's seed.
        split: the split that was scored.
        train_seconds: time to train; NaN where that was not recorded. `device`, "" likewise.
        node: name of the machine; "" where that was not recorded.
        threads: torch threads of the trial. None for what has not run; `concurrency` and `group_size` likewise.
        concurrency: jobs that ran at the same time.
        group_size: trials trained together, 1 for a trial alone.
        precision: of training.
        model_version: version the model declares.
        trial: the trial's key.
        reference: "" for a contender, else "floor", "yardstick", "ceiling" or "upper bound".
        deterministic: the seed changes nothing.
        varied: the parameters and fields of the budget in which this model's settings differ.
        compared: the parameters in which they differ as models of their own do, as the layer of a network.
        latent_dim: length of a code; NaN for a model without that parameter.
        likelihood: as "gaussian, sigma learned"; "" for a model without one.
        environment: hash of the versions and the hardware that quality may depend on.
        family: the metric; `metric_version` is the version it declares.
        score: name of the score.
        kind: "quality" or "cost".
        codes: "mean" or "sample" of the posterior.
        value: NaN unless status is "ok".
        se: standard error over test items; NaN where the score is no mean over them.
        unit: as "nats"; "" for a pure number.
        better: "up", "down", "near:v" or "none".
        floor: score of an untrained baseline; NaN where none is known.
        ceiling: score without compression; NaN where none is known.
        status: "ok", "not applicable", "failed", "diverged", "timeout" or "missing".
        reason: why there is no value, or how it was computed.
        n_eval: number of items that were scored.
        score_seconds: time to compute the metric; NaN where it was not computed.
        flags: of the whole trial, sorted, as ("collapsed", "not converged").
        purpose: what a reader wants a space for.
        headline: stands in the default table.
        description: one line about the score.
    """

    dataset: str
    model: str
    label: str
    params: Mapping[str, Any]
    epochs: int
    budget: Budget
    seed: int
    split: SplitName
    train_seconds: float
    device: str
    node: str
    threads: int | None
    concurrency: int | None
    group_size: int | None
    precision: str
    model_version: int
    trial: str
    reference: str
    deterministic: bool
    varied: Mapping[str, Any]
    compared: Mapping[str, Any]
    latent_dim: float
    likelihood: str
    environment: str
    family: str
    metric_version: int
    score: str
    kind: str
    codes: str
    value: float
    se: float
    unit: str
    better: str
    floor: float
    ceiling: float
    status: str
    reason: str
    n_eval: int
    score_seconds: float
    flags: tuple[str, ...]
    purpose: str
    headline: bool
    description: str

    def __post_init__(self) -> None:
        if not (self.reason.isprintable() and self.description.isprintable()):
            self.reason = printable(self.reason, keep="\n")  # both may quote what a model or a metric raised
            self.description = printable(self.description, keep="\n")

    @property
    def contender(self) -> str:
        """The model among whose settings one is chosen: of each layer of a network that is compared, one."""
        named = ", ".join(f"{name}={value}" for name, value in self.compared.items())
        return f"{self.model}({named})" if named else self.model

    @property
    def has_value(self) -> bool:
        """Whether the score was computed."""
        return self.status == "ok" and not math.isnan(self.value)


OF_TRIAL = tuple(field.name for field in fields(ScoreRow))[: ScoreRow.__match_args__.index("family")]
COLUMNS = tuple(field.name for field in fields(ScoreRow) if field.name != "compared")  # stands in label and params


class _References:
    """Scores of the reference models, by which floors and ceilings are named; `varied` is what they vary."""

    def __init__(self, stored: Sequence[StoredScores]) -> None:
        self._values: dict[tuple[str, ...], dict[str, list[float]]] = {}
        self._known: dict[tuple[str, ...], list[tuple[Mapping[str, Any], float]]] = {}
        self._settings: dict[str, Mapping[str, Any]] = {}
        for each in stored:
            if each.trial.traits.reference:
                self._add(each)
        self.varied = sorted({name for setting in self._settings.values() for name in setting})

    def _add(self, stored: StoredScores) -> None:
        trial = stored.trial
        setting = canonical_json(trial.traits.varied)
        self._settings[setting] = trial.traits.varied
        for name, (_, _, number, _) in zip(stored.names, stored.scored(), strict=True):
            if not math.isnan(value := number_of(number)):
                key = trial.dataset, _short_name(trial), name, stored.nats_of(name)
                by_setting = self._values.setdefault(key, {})
                by_setting.setdefault(setting, []).append(value)

    def _means(self, *key: str) -> list[tuple[Mapping[str, Any], float]]:
        """Return (setting, mean over seeds) of a reference model on a data set in a score, of one likelihood."""
        if key not in self._known:
            by_setting = sorted(self._values.get(key, {}).items())
            self._known[key] = [(self._settings[setting], fmean(values)) for setting, values in by_setting]
        return self._known[key]

    def bound(self, declared: float | str | None, stored: StoredScores, score: str) -> float:
        """Return a floor or ceiling as a number: another latent_dim has another one. NaN where there is none."""
        if not isinstance(declared, str):
            return number_of(declared)
        key = stored.trial.dataset, declared, score, stored.nats_of(score)
        varied = stored.trial.traits.varied
        fitting = [
            mean
            for setting, mean in self._means(*key)
            if all(varied.get(name, value) == value for name, value in setting.items())
        ]
        return float(np.mean(fitting)) if fitting else math.nan


class ScoreRows:
    """The rows of a split: one per trial and score; failures and gaps are rows too.

    Those of a metric of a trial are made when they are first asked for: of thousands of settings few are shown.
    """

    def __init__(self, stored: Sequence[StoredScores], split: SplitName) -> None:
        self._split = split
        self._stored = grouped(stored, lambda each: each.trial.key)
        self._references = _References(stored)
        self._columns: dict[tuple[Any, ...], list[_Columns]] = {}
        self._shared: dict[str, _Shared] = {}
        self._rows: dict[int, list[ScoreRow]] = {}

    def chosen(
        self, chooses: Callable[[Trial], bool] = lambda _: True, scores: Set[str] | None = None
    ) -> list[ScoreRow]:
        """Return the rows of the trials for which `chooses` holds, in their order; of these scores, or all."""
        return [
            row
            for stored in self._stored.values()
            if chooses(stored[0].trial)
            for each in stored
            if scores is None or not scores.isdisjoint(each.names)
            for row in self._of(each)
            if scores is None or row.score in scores
        ]

    def firsts(self) -> list[ScoreRow]:
        """Return one row of each trial."""
        return [next(row for each in stored for row in self._of(each)) for stored in self._stored.values()]

    def _of(self, stored: StoredScores) -> list[ScoreRow]:
        place = id(stored)
        if place not in self._rows:
            shared = self._shared_of(stored.trial)
            columns = self._columns_of(stored, shared.bounded_by)
            self._rows[place] = list(_rows_of(stored, columns, shared.about, shared.flags))
        return self._rows[place]

    def _shared_of(self, trial: Trial) -> _Shared:
        key = trial.key
        if key not in self._shared:
            varied = trial.traits.varied
            setting = canonical_json({name: varied[name] for name in self._references.varied if name in varied})
            self._shared[key] = _Shared(
                _of_trial(trial, key, self._split),
                tuple(sorted({flag for each in self._stored[key] for flag in each.flags()})),
                (trial.dataset, likelihood_of(trial), setting),
            )
        return self._shared[key]

    def _columns_of(self, stored: StoredScores, bounded_by: tuple[str, ...]) -> list[_Columns]:
        place = id(stored.request), id(stored.names), bounded_by
        if place not in self._columns:
            self._columns[place] = [_columns(stored, name, self._references) for name in stored.names]
        return self._columns[place]


class _Shared(NamedTuple):
    """What the rows of a trial share: their first columns, its flags, and what floors and ceilings depend on."""

    about: tuple[Any, ...]
    flags: tuple[str, ...]
    bounded_by: tuple[str, ...]


class _Columns(NamedTuple):
    """What the rows of a score share that have the same floor and ceiling, in the order of the columns."""

    head: tuple[Any, ...]
    middle: tuple[Any, ...]
    tail: tuple[Any, ...]
    is_cost: bool


def _columns(stored: StoredScores, name: str, references: _References) -> _Columns:
    request = stored.request
    declared = request.scores[name]
    bounds = (references.bound(declared[bound], stored, name) for bound in ("floor", "ceiling"))
    return _Columns(
        (request.metric, request.version, name, declared["kind"], declared["codes"]),
        (declared["unit"], declared["better"], *bounds),
        (declared["purpose"], bool(declared["headline"]), declared["description"]),
        declared["kind"] == "cost",
    )


def _rows_of(
    stored: StoredScores, declared: Sequence[_Columns], about: tuple[Any, ...], flags: tuple[str, ...]
) -> Iterator[ScoreRow]:
    """Yield the rows of one metric of one trial."""
    content = stored.content
    scored, seconds = (0, math.nan) if content is None else (content.n_eval, content.seconds)
    for (head, middle, tail, is_cost), (status, reason, value, error) in zip(
        declared, stored.scored(), strict=True
    ):
        yield ScoreRow(  # type: ignore[call-arg]  # mypy counts each * as one argument or more
            *about,
            *head,
            math.nan if value is None else float(value),
            math.nan if error is None else float(error),
            *middle,
            status,
            reason,
            1 if is_cost and content is not None else scored,
            seconds,
            flags,
            *tail,
        )


def _of_trial(trial: Trial, key: str, split: SplitName) -> tuple[Any, ...]:
    """Return the first columns, which all rows of a trial share."""
    outcome = trial.outcome or MISSING
    machine = outcome.environment
    influential = {name: machine[name] for name in sorted(machine) if name not in NO_INFLUENCE}
    if "executor" in influential:
        influential["executor"] = LOCAL  # has no influence either; runs of old hold it in their hashes
    columns = {
        "dataset": trial.dataset,
        "model": _short_name(trial),
        "label": trial.label,
        "params": trial.params,
        "epochs": trial.budget.trained_epochs,
        "budget": trial.budget,
        "seed": trial.seed,
        "split": split,
        "train_seconds": outcome.cost.get("train_seconds", math.nan),
        "device": str(machine.get("device") or ""),
        "node": str(machine.get("node") or ""),
        **{name: count if isinstance(count := machine.get(name), int) else None for name in COUNTS},
        "precision": trial.budget.precision,
        "model_version": trial.model_version,
        "trial": key,
        "reference": trial.traits.reference,
        "deterministic": trial.traits.deterministic,
        "varied": trial.traits.varied,
        "compared": trial.traits.compared,
        "latent_dim": float(dim) if isinstance(dim := trial.params.get("latent_dim"), int | float) else math.nan,
        "likelihood": likelihood_of(trial),
        "environment": short_hash(influential, 8),
    }
    return tuple(columns[name] for name in OF_TRIAL)


def score_frame(rows: Sequence[ScoreRow]) -> pd.DataFrame:
    """Return rows as a tidy frame: mappings and budgets become JSON, flags are joined by commas."""
    import pandas as pd

    texts: dict[tuple[str, int], str] = {}  # of a mapping, which all rows of a trial share

    def text(name: str, value: Any) -> str:
        if (name, id(value)) not in texts:
            texts[name, id(value)] = _text_of(value)
        return texts[name, id(value)]

    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    columns |= {name: [text(name, value) for value in columns[name]] for name in TEXTS}
    frame = pd.DataFrame(columns, columns=list(COLUMNS))
    return frame if frame.empty else frame.astype(dict.fromkeys(COUNTS, "Int64"))


def _text_of(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return canonical_json(value.model_dump(mode="json") if isinstance(value, Budget) else value)


def grouped(rows: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Return the rows of each key, keys and rows in the order they come in."""
    groups: defaultdict[str, list[T]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)


def purpose_place(purpose: str) -> int:
    """Return where tables show the scores of a purpose; those of an unknown one come last."""
    return PURPOSES.index(purpose) if purpose in PURPOSES else len(PURPOSES)


def _short_name(trial: Trial) -> str:
    """Return the model's name without the path of its file."""
    return trial.model.rpartition("/")[2]
