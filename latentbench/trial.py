"""What a trial is and how it ended, and which scores are asked for: plain data, to and from JSON."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

from latentbench.errors import ContractError
from latentbench.files.json_files import canonical_json, short_hash
from latentbench.files.shapes import Count, NullableNumber, Scalar, Whole, as_tuples, checked, checked_params
from latentbench.scores import Score
from latentbench.training.budget import Budget

__all__ = [
    "NOT_RUN",
    "UPPER_BOUND",
    "Outcome",
    "ScoreRequest",
    "SplitName",
    "Status",
    "Traits",
    "Trial",
    "TrialResult",
    "deciding",
]


Status = Literal["ok", "failed", "timeout", "diverged", "skipped"]
SplitName = Literal["test", "validation"]
NOT_RUN = "NotRun"  # the error of a trial whose record is not there
UPPER_BOUND = "upper bound"  # the reference kind of a model that learns from labels


@dataclass(frozen=True)
class Traits:
    """What tables and pictures need to know of a trial's model.

    Attributes:
        reference: "" for a contender, else "floor", "yardstick" or "ceiling", see `latentbench.Model`; or "upper
            bound" of a model that uses labels: it is shown, neither starred nor a baseline of others.
        deterministic: the seed changes nothing.
        encoder: "amortized", "optimized" or "none"; "given" of codes that others computed.
        steps: trained by gradient steps: its epochs and batch size count.
        likelihood: what its model declares, as "gaussian, sigma learned"; "" for none. None in records of versions
            to which models did not declare it: tables then guess it from the parameters, as those versions did.
        varied: the parameters and fields of the budget (a checkpoint as epochs) in which the trials of this model
            differ on this dataset, and of whose values one is to be chosen.
        compared: the parameters in which they differ as models of their own do (`latentbench.Model`).
    """

    reference: str = ""
    deterministic: bool = False
    encoder: str = "amortized"
    steps: bool = True
    likelihood: str | None = None
    varied: Mapping[str, Any] = field(default_factory=dict)
    compared: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """One cell of the grid: dataset x model with parameters x budget x seed.

    Attributes:
        dataset: name in tables; `loader`, its registered name, and `dataset_params` say how it is loaded.
        fingerprint: sha256 of the data.
        preparation: how their inputs differ from what the files hold, as "standardized", for the head of tables.
        model: registered name, or `/path/file.py:Class`, of which the key holds `file.py:Class`.
        label: column heading in tables.
        params: all parameters of the model, as JSON.
        budget: what training may spend.
        seed: the trial's seed.
        model_version: version the model declares.
        source: sha256 of the model's source; in the key only where its author is at work on it (`keyed_source`).
        traits: what its model declares, and what was varied.
        outcome: how it ended, or None when it has not been run.
    """

    dataset: str
    fingerprint: str
    model: str
    label: str
    params: Mapping[str, Any]
    budget: Budget
    seed: Count
    model_version: Whole = 1
    source: str = ""
    keyed_source: bool = False
    loader: str = ""
    dataset_params: Mapping[str, Any] = field(default_factory=dict)
    preparation: str = ""
    traits: Traits = field(default_factory=lambda: Traits())
    outcome: Outcome | None = field(default=None, compare=False)

    @cached_property
    def key(self) -> str:
        """64 hex digits that name the trial: the same request has the same key on any machine."""
        named = {
            "dataset": [self.dataset, self.fingerprint],
            "model": [self.model.rpartition("/")[2], self.model_version, self.source if self.keyed_source else ""],
            "params": self.params,
            "budget": self.budget.model_dump(mode="json"),
            "seed": self.seed,
        }
        return hashlib.sha256(canonical_json(named).encode()).hexdigest()

    @property
    def training_key(self) -> str:
        """Key of the whole training, of which a trial with a checkpoint is a look on the way."""
        return replace(self, budget=self.budget.model_copy(update={"checkpoint": None})).key

    @property
    def given(self) -> bool:
        """Whether its codes were given: there is no model."""
        return self.traits.encoder == "given"

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.outcome is not None and self.outcome.status == "ok"

    def to_json(self) -> dict[str, Any]:
        """Return all but the outcome as JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "outcome"}
        return {**values, "budget": self.budget.model_dump(mode="json"), "traits": asdict(self.traits)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], outcome: Outcome | None = None) -> Trial:
        """Read back what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it gave something else.
        """
        budget = checked_params(Budget, values["budget"])
        traits = checked(Traits, values["traits"])
        return checked(cls, {**values, "budget": budget, "traits": traits, "outcome": outcome})


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: ok, failed, timeout, diverged or skipped.
        error: type of the error, empty when ok.
        message: its sentence.
        history: mean losses of each epoch.
        flags: as "not converged".
        cost: train_seconds, images_per_second, parameters, peak_memory_bytes, latent_dim.
        environment: device, versions, threads, concurrency and the like: recorded, not keyed.
        source: sha256 of the model's source when it was trained.
    """

    status: Status
    error: str = ""
    message: str = ""
    history: tuple[Mapping[str, NullableNumber], ...] = ()
    flags: tuple[str, ...] = ()
    cost: Mapping[str, NullableNumber] = field(default_factory=dict)
    environment: Mapping[str, Scalar] = field(default_factory=dict)
    source: str = ""

    @property
    def refused(self) -> bool:
        """Whether the model said that there is no such model: PCA with more components than pixels."""
        return self.status == "skipped" and self.error == "NotApplicableError"

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Outcome:
        """Read back `asdict(outcome)`.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        return checked(cls, as_tuples(values, "history", "flags"))


@dataclass(frozen=True)
class TrialResult(Mapping[str, Any]):
    """What the hook `trial_finished` learns of a trial; its fields can also be read as `result["status"]`.

    Attributes:
        status: ok, failed, timeout, diverged or skipped.
        error: type of the error, empty when ok.
        message: its sentence.
        seconds: that training and scoring took.
        failed_scores: score name -> message of each that could not be computed.
    """

    status: Status
    error: str = ""
    message: str = ""
    seconds: float = 0.0
    failed_scores: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)


@dataclass(frozen=True)
class ScoreRequest:
    """A metric that a run wants computed.

    Attributes:
        metric: registered name.
        version: version it declares.
        params: all its parameters, as JSON.
        source: sha256 of its source, in the file name only while its author is at work on it (`keyed_source`).
        scores: score name -> its declaration, as JSON.
        on_host: it computes on the CPU whatever the trial's device.
        max_items: the most test items it is to use, 0 for all; None: as many as it declares.
    """

    metric: str
    version: Whole
    params: Mapping[str, Any]
    scores: Mapping[str, Mapping[str, Any]]
    source: str = ""
    keyed_source: bool = False
    on_host: bool = False
    max_items: Count | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ScoreRequest:
        """Read back `asdict(request)`.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        request = checked(cls, values)
        for declared in request.scores.values():
            checked(_Declared, as_tuples(declared, "range")).check()
        return request

    @cached_property
    def stem(self) -> str:
        """File name without ending: metric, version and a hash of what else decides its numbers."""
        decides: list[Any] = [self.params, self.source if self.keyed_source else ""]
        decides += [] if self.max_items is None else [self.max_items]
        name = self.metric.replace("/", "_").replace(":", "_")
        return f"{name}-v{self.version}-{short_hash(decides, 12)}"

    def file(self, split: SplitName, ending: str) -> str:
        """Name of the file that holds its scores (`ending` json) or their items (items.npz) on a split.

        >>> ScoreRequest("neighbors", 1, {}, {}).file("validation", "json")
        'scores/neighbors-v1-...validation.json'
        """
        return f"{self._start}{'' if split == 'test' else f'.{split}'}.{ending}"

    @cached_property
    def names(self) -> list[str]:
        """Names of its scores."""
        return list(self.scores)

    @cached_property
    def _start(self) -> str:
        return f"scores/{self.stem}"

    @property
    def chooses(self) -> bool:
        """Whether it can decide a sweep: has a headline score of quality with a better direction."""
        return any(
            score["headline"] and score["kind"] == "quality" and score["better"] != "none"
            for score in self.scores.values()
        )

    @cached_property
    def flags(self) -> bool:
        """Whether it can flag a trial: what is flagged is not chosen."""
        return any(score["flag"] for score in self.scores.values())


@dataclass(frozen=True)
class _Declared:
    """What `ScoreRequest.scores` must hold of each score."""

    better: Any
    headline: bool
    kind: Any
    codes: Any
    purpose: Any
    unit: str
    description: str
    flag: str
    flag_below: float | None
    floor: float | str | None
    ceiling: float | str | None
    range: tuple[float | None, float | None] = (None, None)
    per_likelihood: bool = False

    def check(self) -> None:
        """Raise ValueError unless a metric may declare this."""
        low, high = self.range
        bounds = (-math.inf if low is None else low, math.inf if high is None else high)
        below = -math.inf if self.flag_below is None else self.flag_below
        try:
            Score(**{**vars(self), "range": bounds, "flag_below": below})
        except ContractError as error:
            raise ValueError(str(error)) from None


def deciding(requests: Iterable[ScoreRequest]) -> tuple[ScoreRequest, ...]:
    """Return what decides a sweep, on the validation split: all of `requests` where none is meant for that."""
    known = tuple(requests)
    if not any(request.chooses for request in known):
        return known
    return tuple(request for request in known if request.chooses or request.flags)
