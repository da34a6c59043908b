"""What a run is asked for, from TOML or from Python."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from latentbench.errors import DataError, RequestError, UnknownNameError, near_matches
from latentbench.files.lookup import existing
from latentbench.files.reading import is_there, open_regular, reading
from latentbench.params import ContradictionError, Params, build_params, refused
from latentbench.source.session import name_in_session
from latentbench.text import normalized, same_names

__all__ = ["Benchmark", "default_folder", "merge", "named", "names_in", "override", "read_benchmark", "split_spec"]

SUITES = Path(__file__).parent / "suites"
MOST_BYTES = 1_000_000  # of a benchmark file
MOST_DOTS = 1000  # of a line: the time that a dotted key takes grows with their square
PAIR = re.compile(r":(?=[^\W\d]\w*=)")  # starts a parameter in NAME:KEY=VALUE
Table = dict[str, Any]


class Benchmark(Params):
    """What a run is asked for: a preset and what differs from it. The same fields stand in a TOML file.

    `Benchmark()` is the preset "quick". Keys of `params` are "latent_dim" (every model that has it),
    "beta_vae.beta" (one model), "fashion_mnist.path" (a dataset), or names coupled by commas ("latent_dim, beta",
    with rows as values); each value is one number or several, and the grid is their product.

    Of the values that `choose` gives a parameter, each model gets one: all are tried with seed 0, and what does
    best on the validation split stands in the table, with all seeds. What was tried stands below the table.

    Models and metrics may be classes that stand in no file, as those of a notebook. They run in this very process
    (workers=0), and what is stored of them counts as long as their source stays the same.

    Raises:
        RequestError: there is no such preset, an unknown field, or a value out of range.
    """

    preset: str = Field(default="quick", description="the benchmark this one differs from")
    title: str = Field(description="heading of tables and report")
    datasets: tuple[str, ...] = Field(description="names, or NAME:KEY=VALUE; may be none where `codes` are given")
    models: tuple[str, ...] = Field(description="names, file.py:Class, or classes; likewise")
    references: tuple[str, ...] = Field(description="models that stand beside in every table")
    seeds: int = Field(ge=1, le=1000, description="trials of each model, with seeds 0, 1, ...")
    scores: tuple[str, ...] = Field(
        default=(), description="names of scores or metrics, or metrics as classes; empty: all of `tiers`"
    )
    tiers: tuple[Literal["quick", "full", "headline"], ...] = Field(
        default=("quick", "full"),
        description="cost tiers of metrics to compute; headline: those of the default table, whatever they cost",
    )
    maps: tuple[Literal["pca", "tsne", "umap"], ...] = Field(
        default=(), description="maps of each compared model that `latentbench run` makes for its page"
    )
    max_items: int | None = Field(
        default=None, ge=0, description="test items that a metric uses at most, 0 for all; None: as it declares"
    )
    budget: Table = Field(default_factory=dict, description="fields of the budget that differ from their default")
    params: Table = Field(default_factory=dict, description="parameters that differ from their default")
    on: dict[str, Table] = Field(default_factory=dict, description="budget and params for one dataset")
    choose: Table = Field(
        default_factory=dict,
        description="parameters of models of whose values one is chosen on the validation split, with seed 0",
    )
    choose_by: tuple[str, ...] = Field(
        default=(), description="scores that choose, by the mean of ranks in them; empty: all headline ones"
    )
    codes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="own codes: name -> file, or a file for each seed"
    )
    train_codes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="own codes of the training items, likewise"
    )
    labels: str = Field(default="", description="file of the labels of own codes")
    train_labels: str = Field(default="", description="file of the labels of `train_codes`")
    factors: str = Field(default="", description="file of the factors of own codes")
    split: Literal["test", "train", "validation"] = Field(
        default="test", description="the split of the dataset that own codes are of"
    )

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, values: Table) -> Table:
        preset = values.get("preset", "quick")
        start = _read_toml(_preset_path(preset))
        if values.get("codes"):  # nothing is trained beside own codes unless it is asked for
            of_training = "on", "params", "budget", "tiers", "choose", "choose_by"
            start = {name: value for name, value in start.items() if name not in of_training}
            start |= {"title": "codes", "datasets": [], "models": [], "references": []}
        return merge(start, {**_with_one_spelling(values), "preset": preset})

    @field_validator("models", "references", "scores", mode="before")
    @classmethod
    def _name_classes(cls, values: Any) -> Any:
        return tuple(map(named, values)) if isinstance(values, list | tuple) else values

    @field_validator("datasets", mode="before")
    @classmethod
    def _refuse_classes(cls, values: Any) -> Any:
        for value in values if isinstance(values, list | tuple) else ():
            if isinstance(value, type):
                raise RequestError(
                    f"datasets of a benchmark must be names, got the class {value.__name__}; register it in a "
                    "plugin file, or save its arrays and name their file"
                )
        return values

    @field_validator("codes", "train_codes", mode="before")
    @classmethod
    def _one_file_or_several(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {name: (files,) if isinstance(files, str | Path) else files for name, files in values.items()}

    @model_validator(mode="after")
    def _check_what_is_compared(self) -> Self:
        if not self.codes:
            for name in ("datasets", "models"):
                if not getattr(self, name):
                    raise ContradictionError(f"{name} must name at least one, got none")
            for name in ("train_codes", "labels", "train_labels", "factors"):
                if getattr(self, name):
                    raise ContradictionError(f"{name} must stand beside codes; name their files in codes")
            return self
        if len(self.datasets) > 1 or (self.models and not self.datasets):
            given = ", ".join(self.datasets) or "none"
            raise ContradictionError(f"datasets must name the one that the codes are of, got {given}")
        for name in self.train_codes:
            if name not in self.codes:
                known = ", ".join(self.codes)
                hint = near_matches(name, self.codes)
                raise ContradictionError(f"train_codes must have the names of codes ({known}), got {name!r}{hint}")
        return self

    @model_validator(mode="after")
    def _check_choices(self) -> Self:
        """Refuse a parameter that is both given and chosen."""
        tables = [self.params, *(on.get("params", {}) for on in self.on.values())]
        given = {name for table in tables for key in table for name in names_in(key)}
        for name in (name for key in self.choose for name in names_in(key)):
            if name in given:
                raise ContradictionError(f"{name} stands in params and in choose; leave it out of one of them")
        return self

    @model_validator(mode="wrap")  # the last one is around all others
    @classmethod
    def _told_in_a_sentence(
        cls, values: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            if info.context is not None:  # `build_params` tells it
                raise
            raise refused(cls, error, values, "benchmark") from None

    @property
    def own_parameters(self) -> list[str]:
        """Names of the parameters that it sets and its preset does not, or sets to something else."""
        preset = _read_toml(_preset_path(self.preset))
        pairs = [(self.params, preset.get("params", {})), (self.choose, preset.get("choose", {}))]
        on = preset.get("on", {})
        pairs += [(table.get("params", {}), on.get(name, {}).get("params", {})) for name, table in self.on.items()]
        keys = [key for mine, its in pairs for key, value in mine.items() if its.get(key) != value]
        return list(dict.fromkeys(name for key in keys for name in names_in(key)))


def named(item: Any) -> Any:
    """Return the name under which this process finds a class again; anything else as it is."""
    return name_in_session(item) if isinstance(item, type) else item


def read_benchmark(source: str | Path, changes: Mapping[str, Any] | None = None) -> Benchmark:
    """Read a benchmark from a TOML file or the name of a preset; `changes` replace its keys.

    Raises:
        RequestError: no such file or preset, bad TOML, an unknown key or a value out of range.
    """
    path = existing(Path(source))
    if path.suffix == ".toml":
        values = {"title": path.stem, **_read_toml(path)}
    else:
        _preset_path(str(source))
        values = {"preset": str(source)}
    return build_params(Benchmark, merge(values, changes or {}), f"benchmark {path.name}")


def merge(weak: Mapping[str, Any], strong: Mapping[str, Any]) -> Table:
    """Return benchmark `weak` with the keys of `strong` put over it.

    Tables are merged key by key; what `strong` says of all datasets goes before what `weak` says of one. A
    parameter that `strong` gives is not chosen any more, and one that it chooses is not given.

    Raises:
        RequestError: budget, params, choose or on are not the tables they should be.

    >>> merge({"on": {"digits": {"params": {"latent_dim": 8}}}}, {"params": {"latent_dim": 2}})["on"]
    {'digits': {'budget': {}, 'params': {'latent_dim': 2}}}
    """
    for values in (weak, strong):
        _check_tables(values, ("budget", "params", "choose", "on"), "")
        for name, tables in values.get("on", {}).items():
            _check_tables({f"on.{name}": tables}, (f"on.{name}",), "")
            _check_tables(tables, ("budget", "params"), f"on.{name}.", only=True)
    merged = {**weak, **strong}
    weak = _decided_anew(weak, strong)
    for kind in ("budget", "params", "choose"):
        merged[kind] = override(weak.get(kind, {}), strong.get(kind, {}))
    merged["on"] = {**weak.get("on", {}), **strong.get("on", {})}
    for name in merged["on"]:
        below, above = weak.get("on", {}).get(name, {}), strong.get("on", {}).get(name, {})
        merged["on"][name] = {
            kind: override(override(below.get(kind, {}), strong.get(kind, {})), above.get(kind, {}))
            for kind in ("budget", "params")
        }
    return merged


def _decided_anew(weak: Mapping[str, Any], strong: Mapping[str, Any]) -> Table:
    """Return `weak` without what `strong` chooses where `weak` gives it, or the other way round."""
    given, chosen = strong.get("params", {}), strong.get("choose", {})
    on = {
        name: {**tables, "params": _without(tables.get("params", {}), chosen)}
        for name, tables in weak.get("on", {}).items()
    }
    left = {"params": _without(weak.get("params", {}), chosen), "choose": _without(weak.get("choose", {}), given)}
    return {**weak, **left, "on": on}


def _without(table: Mapping[str, Any], taken: Mapping[str, Any]) -> Table:
    """Return what of a table sets none of the names that another one sets."""
    names = {name for key in taken for name in names_in(key)}
    return {key: value for key, value in table.items() if not names & set(names_in(key))}


def _check_tables(values: Mapping[str, Any], names: tuple[str, ...], prefix: str, *, only: bool = False) -> None:
    for name, value in values.items():
        if name in names and not isinstance(value, Mapping):
            raise RequestError(f"{prefix}{name} in a benchmark must be a table of names and values, got {value!r}")
        if only and name not in names:
            raise RequestError(
                f"a benchmark's [{prefix.rstrip('.')}] may hold {' and '.join(names)}, got {name!r}"
            )


def default_folder(benchmark: Benchmark) -> Path:
    """Return results/DATASET-TITLE, where a run goes unless it is told otherwise."""
    data = "-".join(Path(split_spec(spec)[0]).stem for spec in benchmark.datasets)
    return Path("results") / re.sub(r"[^\w.-]+", "_", normalized(f"{data}-{benchmark.title}".strip("-")))


def split_spec(text: str) -> tuple[str, list[str]]:
    """Split a dataset as it is asked for, NAME:KEY=VALUE:KEY=VALUE, into its name and its parameters.

    The name may be a path with colons, and so may a value; the longest path that is there is the name.

    >>> split_spec("./a:b:size=8:labels=c:d.csv")
    ('./a:b', ['size=8', 'labels=c:d.csv'])
    """
    parts = PAIR.split(text)
    for count in range(len(parts), 1, -1):
        if is_there(":".join(parts[:count])):
            return ":".join(parts[:count]), parts[count:]
    name, *pairs = parts
    if not pairs and not is_there(name) and not _is_path(name):
        name, *pairs = name.split(":")  # a parameter without its value is told as such
    return name, pairs


def _is_path(name: str) -> bool:
    return len(Path(name).parts) > 1 or name.startswith(".")


def _preset_path(name: object) -> Path:
    known = sorted(suite.stem for suite in SUITES.glob("*.toml"))
    if not isinstance(name, str):
        raise RequestError(f"preset must be the name of one, {', '.join(known)}, got {name!r}")
    path = SUITES / f"{name}.toml"
    if name not in known:
        raise UnknownNameError(
            f"there is no preset {name!r}{near_matches(name, known)} "
            f"(presets: {', '.join(known)}; a benchmark of your own is a file that ends in .toml)"
        )
    return path


def _read_toml(path: Path) -> Table:
    try:
        with open_regular(path, MOST_BYTES) as file:
            content = file.read()
    except DataError as error:
        raise RequestError(f"benchmark {error}") from None
    with reading(path, "a benchmark in TOML", "correct it", RequestError):
        if any(line.count(b".") > MOST_DOTS for line in content.splitlines()):
            raise ValueError(f"a line holds over {MOST_DOTS:,} dots")
        values = tomllib.loads(content.decode("utf-8"))
        for tables in (values, *_tables_in(values.get("on"))):
            for name in ("params", "choose"):
                if isinstance(tables.get(name), dict):
                    tables[name] = dict(_flat(tables[name]))
        repr(values)  # what is nested too deep fails here, not where it is used
    return values


def _with_one_spelling(values: Any) -> Any:
    """Return tables with their keys in the one form in which names are compared, and names of scores likewise.

    Values may be paths, which stay as they are.

    Raises:
        RequestError: two keys are the same name.
    """
    if not isinstance(values, Mapping):
        return values
    if twice := same_names(map(str, values)):
        raise RequestError(twice)
    table = {normalized(str(key)): _with_one_spelling(value) for key, value in values.items()}
    if isinstance(table.get("scores"), list | tuple):
        table["scores"] = tuple(normalized(name) if isinstance(name, str) else name for name in table["scores"])
    return table


def _tables_in(value: Any) -> list[Table]:
    return [table for table in value.values() if isinstance(table, dict)] if isinstance(value, dict) else []


def _flat(table: Table, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Undo TOML's reading of an unquoted beta_vae.beta = 4 as a table in a table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def names_in(key: str) -> list[str]:
    """Split a coupled key.

    >>> names_in("latent_dim, beta")
    ['latent_dim', 'beta']
    """
    return [normalized(name.strip()) for name in key.split(",")]


def override(table: Mapping[str, Any], stronger: Mapping[str, Any]) -> Table:
    """Return `table` with the keys of `stronger`; a key goes when a stronger one sets any of its names.

    >>> override({"latent_dim, beta": [[8, 1]], "sigma": 1.0}, {"beta": 4})
    {'sigma': 1.0, 'beta': 4}
    """
    return {**_without(table, stronger), **stronger}
