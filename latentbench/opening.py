"""From a trial and its record to its splits, its model and its latent space."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from latentbench.codes.space import own_space
from latentbench.dataset import DataSpec, Split, Splits
from latentbench.errors import DataError, NotApplicableError, RunFolderError
from latentbench.files.mapped import array_source, is_mapped
from latentbench.files.row_view import base_and_rows
from latentbench.latent.digests import split_digests
from latentbench.latent.space import LatentSpace
from latentbench.machine import seeded
from latentbench.model import GradientModel, Model
from latentbench.packed.layout import refuse_left_out
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.source.digest import source_digest
from latentbench.source.session import is_session_name
from latentbench.training.trainer import derive_seed
from latentbench.trial import SplitName, Trial

__all__ = [
    "build_model",
    "changed_data",
    "latent_space",
    "load_splits",
    "split_space",
    "trained_model",
    "training_rows",
    "training_shape",
]


def build_model(trial: Trial, plugins: Plugins, data: DataSpec) -> Model:
    """Make the model on the CPU; its weights are drawn under the trial's own seed.

    Raises:
        NotApplicableError: the model was defined in a notebook, and its source is another by now.
    """
    cls = plugins.load("model", trial.model)
    if is_session_name(trial.model) and source_digest(cls) != trial.source:
        raise NotApplicableError(
            f"{cls.__name__} has changed since {trial.label} was trained, or its source cannot be read; "
            "define it as it was, or train it again"
        )
    with seeded(derive_seed(trial.seed, "weights")):
        model: Model = cls(build_params(cls.Params, trial.params, f"model {trial.model!r}"), data)
    return model


def split_space(
    model: Model,
    trial: Trial,
    splits: Splits,
    split: SplitName,
    cost: Mapping[str, float] | None,
    codes: torch.Tensor | None = None,
) -> LatentSpace:
    """Return the latent space of one split of a trial's data, on the device of its trained model.

    `codes` are those that a model without encoder has computed for the split before.
    """
    return LatentSpace.of_model(
        model,
        getattr(splits, split),
        splits.train,
        splits.validation,
        render=splits.render,
        name=trial.label,
        fingerprint=trial.fingerprint,
        cost=cost,
        codes=codes,
    )


def training_rows(trial: Trial, train: Split) -> Split:
    """Return the rows on which the budget lets a trial train; a reloaded model is built for the same."""
    limit = trial.budget.train_limit
    if limit is None or limit >= len(train):
        return train
    return train.take(np.sort(np.random.default_rng(0).permutation(len(train))[:limit]))


@dataclass(frozen=True)
class _Loaded:
    """The splits of a dataset, and the digest of each array as it was loaded: ("train", "inputs") -> digest."""

    splits: Splits
    digests: Mapping[tuple[str, str], int]


IN_MEMORY = 2
_MEMORY: OrderedDict[tuple[Plugins, str, str], _Loaded] = OrderedDict()
_KNOWN: dict[
    tuple[str, str], Mapping[tuple[str, str], int]
] = {}  # of data that something wrote into: as they were


def _load(plugins: Plugins, dataset: str, params: str) -> _Loaded:
    key = plugins, dataset, params
    if key not in _MEMORY:
        _MEMORY[key] = _read(*key)
    _MEMORY.move_to_end(key)
    while len(_MEMORY) > IN_MEMORY:
        _MEMORY.popitem(last=False)
    return _MEMORY[key]


def _read(plugins: Plugins, dataset: str, params: str) -> _Loaded:
    cls = plugins.load("dataset", dataset)
    recorded = {**cls.unrecorded, **json.loads(params)}
    splits: Splits = cls(build_params(cls.Params, recorded, f"dataset {dataset!r}")).splits()
    loaded = _Loaded(splits, _digests(splits))
    if _KNOWN.get((dataset, params), loaded.digests) != loaded.digests:
        raise DataError(
            f"a model wrote into arrays that the dataset {dataset!r} keeps for itself; correct it, and start again"
            if not _in_file(splits)
            else f"a file of the dataset {dataset!r} has changed since the run began; start the command again"
        )
    return loaded


def _in_file(splits: Splits) -> bool:
    return is_mapped(base_and_rows(splits.train.inputs)[0])


def _digests(splits: Splits) -> dict[tuple[str, str], int]:
    return {
        (split, name): value
        for split in ("train", "validation", "test")
        for name, value in split_digests(getattr(splits, split)).items()
    }


def _of(trial: Trial) -> tuple[str, str]:
    return trial.loader or trial.dataset, json.dumps(dict(trial.dataset_params), sort_keys=True)


def load_splits(plugins: Plugins, trial: Trial) -> Splits:
    """Load a trial's dataset; the last two stay in memory."""
    return _load(plugins, *_of(trial)).splits


def training_shape(trial: Trial, plugins: Plugins, *, keep: bool) -> tuple[int, ...]:
    """Return the shape `(n, *shape)` of the inputs of a trial's training split.

    `keep`: the data stay in memory; where other processes need them, they need not be here too.
    """
    key = plugins, *_of(trial)
    return _load(*key).splits.train.inputs.shape if keep or key in _MEMORY else _shape_read(*key)


@lru_cache(16)  # all models of a data set ask
def _shape_read(plugins: Plugins, dataset: str, params: str) -> tuple[int, ...]:
    return _read(plugins, dataset, params).splits.train.inputs.shape


def changed_data(plugins: Plugins, trial: Trial) -> list[str]:
    """Name the arrays of a trial's data that something wrote into; if there are any, the data are read again."""
    loaded = _MEMORY.get((plugins, *_of(trial)))
    if loaded is None:
        return []
    now = _digests(loaded.splits)
    changed = [
        f"{name} of the {split} split{_changed_file(getattr(getattr(loaded.splits, split), name))}"
        for (split, name), value in loaded.digests.items()
        if now[split, name] != value
    ]
    if changed:
        _KNOWN[_of(trial)] = loaded.digests
        del _MEMORY[(plugins, *_of(trial))]
    return changed


def _changed_file(array: Any) -> str:
    """Name the file of a mapped array, which nothing but a change of the file can change."""
    base, _ = base_and_rows(array)
    return f" in {array_source(base).path}, which has changed on the disk" if is_mapped(base) else ""


def trained_model(trial: Trial, record: Record, plugins: Plugins, device: str = "cpu") -> Model:
    """Return a trial's model with what it has learned, ready to encode and decode.

    Raises:
        NotApplicableError: the model cannot be reloaded.
        RunFolderError: its files are damaged.
    """
    if trial.given:
        raise NotApplicableError(f"{trial.label} has codes that were given, and no model")
    if record.reloadable:
        refuse_left_out(record.run, "models")
    state = record.read_state()
    if state is None:
        raise NotApplicableError(f"{trial.label} cannot be reloaded; its scores come with its training")
    splits = load_splits(plugins, trial)
    model = build_model(trial, plugins, DataSpec.of(training_rows(trial, splits.train)))
    model.set_state(state)
    if isinstance(model, GradientModel):
        model.place(device).eval()
    return model


def latent_space(
    trial: Trial,
    record: Record,
    plugins: Plugins,
    model: Model | None = None,
    device: str = "cpu",
    split: SplitName = "test",
) -> LatentSpace:
    """Return the latent space of a split under a trial's model, which is reloaded unless it is given.

    Raises:
        NotApplicableError: the model cannot be reloaded.
        RunFolderError: its files are damaged.
    """
    if trial.given:
        if split != "test":
            raise NotApplicableError("own codes: none of the validation split")
        splits = load_splits(plugins, trial) if trial.loader else None
        refuse_left_out(record.run, "codes")
        return own_space(trial, record.read_arrays("codes.npz"), splits)
    splits = load_splits(plugins, trial)
    if model is None:
        model = trained_model(trial, record, plugins, device)
    elif isinstance(model, GradientModel):
        model.place(device).eval()
    codes = None
    if model.encoder != "amortized" and split == "test":  # the codes that were scored; a search takes long
        codes = _codes(record)
    space = split_space(model, trial, splits, split, trial.outcome.cost if trial.outcome else None, codes)
    if model.encoder != "optimized":
        return space
    others = {"train", "validation"} & space.supplies
    return space.replaced(
        **{name: _searched_once(getattr(space, name), record, f"codes-{name}.npz") for name in others}
    )


def _codes(record: Record) -> torch.Tensor:
    """Read the codes that were scored."""
    refuse_left_out(record.run, "codes")
    arrays = record.read_arrays("codes.npz")
    if "codes" not in arrays:
        raise RunFolderError(
            f"{record.folder / 'codes.npz'} holds no codes; remove it and run the same command again"
        )
    return torch.from_numpy(arrays["codes"])


def _searched_once(space: LatentSpace, record: Record, name: str) -> LatentSpace:
    """Return the space with codes that are searched for once and then read from the trial's folder."""

    def codes() -> torch.Tensor:
        stored = _stored_codes(record, name, len(space.inputs))
        if stored is not None:
            return stored.to(space.device)
        searched = space.encode(space.inputs)
        with suppress(OSError):  # a folder that cannot be written costs time the next time, nothing else
            made_from = np.array(record.digests["model.safetensors"])
            record.write_arrays(name, {"codes": searched.cpu().numpy(), "model": made_from})
        return searched

    return space.replaced(codes=codes)


def _stored_codes(record: Record, name: str, rows: int) -> torch.Tensor | None:
    """Read codes `(rows, d)` of this trial's model; None where they are not there, damaged or of another model."""
    with suppress(RunFolderError):
        arrays = record.read_arrays(name)
        codes, model = arrays.get("codes"), arrays.get("model")
        of_this = model is None or str(model) == record.digests.get("model.safetensors")
        if codes is not None and of_this and codes.dtype == np.float32 and codes.shape[:1] == (rows,):
            return torch.from_numpy(codes) if codes.ndim == 2 and np.isfinite(codes).all() else None
    return None
