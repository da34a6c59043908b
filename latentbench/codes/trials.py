"""Arrays of codes as trials: what identifies them, and what a trial's folder keeps of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from latentbench.codes.items import Items, Source
from latentbench.errors import ContractError, DataError
from latentbench.latent.parts import SpaceData
from latentbench.machine import environment
from latentbench.records import Record
from latentbench.training.budget import Budget
from latentbench.trial import Outcome, Traits, Trial

__all__ = ["MODEL", "OwnCodes", "Shown", "digest_of", "own_codes", "write_codes"]

MODEL = "codes"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Shown:
    """The items that codes are of, and where they come from.

    Attributes:
        items: of the split that is scored.
        dataset: heading in tables; `loader`, `dataset_params` and `fingerprint` are those of a trial.
        split: the split of the data set that the codes are of.
        keeps: whether labels and factors must be kept with the codes, as no data set has them.
    """

    items: Items
    dataset: str
    fingerprint: str
    loader: str = ""
    dataset_params: Mapping[str, Any] | None = None
    split: str = "test"
    keeps: bool = True


@dataclass(frozen=True)
class OwnCodes:
    """One array of codes as a trial.

    Attributes:
        trial: its model is `codes`, its label the name that was given.
        arrays: what codes.npz holds: codes, and what belongs to them.
    """

    trial: Trial
    arrays: Mapping[str, Array]


def own_codes(
    shown: Shown,
    codes: Mapping[str, Sequence[Source]],
    train: Mapping[str, Sequence[Source]],
    train_labels: Array | None = None,
) -> list[OwnCodes]:
    """Return the trials of arrays, of which several under one name are seeds.

    Args:
        shown: the items.
        codes: name -> arrays `(n, d)`.
        train: name -> arrays `(m, d)` of the training items, in the same order; of each name all or none.
        train_labels: class numbers `(m,)` of the training items, or None.

    Raises:
        DataError: an array is none of codes, or cannot be held in float32.
    """
    made = []
    for name, sources in codes.items():
        trained = train.get(name, ())
        if trained and len(trained) != len(sources):
            raise DataError(
                f"{name} has {len(sources)} arrays of codes and {len(trained)} of training codes; give as many of "
                "these as of those"
            )
        for seed, source in enumerate(sources):
            arrays = _arrays(shown, source, trained[seed] if trained else None, train_labels)
            made.append(OwnCodes(_trial(shown, name, seed, len(sources), arrays), arrays))
    return made


def _arrays(shown: Shown, source: Source, trained: Source | None, train_labels: Array | None) -> dict[str, Array]:
    others: list[SpaceData] = []
    names = shown.items.class_names
    if trained is not None:
        others = [_data(trained, train_labels, names)]
    data = _data(source, shown.items.labels if shown.keeps else None, names, others)
    widths = [_width(each) for each in (data, *others)]
    if len(set(widths)) > 1:
        raise DataError(f"{source.name}: codes must have as many columns as the training codes, got {widths}")
    kept: dict[str, Any] = {"codes": data.codes, "center": data.center}
    if trained is not None:
        kept |= {"train_codes": others[0].codes, "train_labels": others[0].labels}
    arrays = {name: tensor.numpy() for name, tensor in kept.items() if tensor is not None}
    if shown.keeps:
        items = shown.items
        about = {
            "labels": items.labels,
            "class_names": np.array(names) if names else None,
            "factors": items.factors,
            "factor_names": np.array(items.factor_names) if items.factor_names else None,
            "factor_sizes": np.array(items.factor_sizes) if items.factor_sizes else None,
        }
        arrays |= {name: array for name, array in about.items() if array is not None}
    return arrays


def _data(
    source: Source, labels: Array | None, names: tuple[str, ...], others: Sequence[SpaceData] = ()
) -> SpaceData:
    try:
        return SpaceData.of_arrays(class_names=names, others=others, codes=source.values, labels=labels)
    except ContractError as error:
        raise DataError(f"{source.name}: {error}") from error


def _width(data: SpaceData) -> int:
    return int(data.codes.shape[1]) if isinstance(data.codes, Tensor) else 0


def _trial(shown: Shown, name: str, seed: int, seeds: int, arrays: Mapping[str, Array]) -> Trial:
    params = {"name": name, "latent_dim": int(arrays["codes"].shape[1]), "sha256": digest_of(arrays)}
    return Trial(
        dataset=shown.dataset,
        fingerprint=shown.fingerprint,
        model=MODEL,
        label=name,
        params=params if shown.split == "test" else {**params, "split": shown.split},
        budget=Budget(threads=1),
        seed=seed,
        loader=shown.loader,
        dataset_params=dict(shown.dataset_params or {}),
        traits=Traits(deterministic=seeds == 1, encoder="given", steps=False),
    )


def digest_of(arrays: Mapping[str, Array]) -> str:
    """Return the sha256 of named arrays: names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes() if array.dtype.kind == "U" else array.data)  # text has no buffer of bytes
    return digest.hexdigest()


def write_codes(own: OwnCodes, record: Record, device: str, concurrency: int) -> None:
    """Write the record of an array of codes, unless it is there."""
    if record.exists():
        return
    made = Record.begin(record.run, own.trial.key)
    made.write_arrays("codes.npz", own.arrays)
    machine = environment(device, own.trial.budget.threads, concurrency)
    made.write_trial(own.trial, Outcome("ok", environment=machine))
    made.publish()
