"""From the arrays that a trial's folder keeps to the latent space of own codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from latentbench.dataset import Split, Splits
from latentbench.errors import RunFolderError
from latentbench.latent.parts import SpaceData
from latentbench.latent.space import LatentSpace, OtherSplits
from latentbench.trial import Trial

__all__ = ["own_space"]

Arrays = Mapping[str, npt.NDArray[Any]]
NO_TRAINING_CODES = "no codes of training items"


def own_space(trial: Trial, arrays: Arrays, splits: Splits | None) -> LatentSpace:
    """Return the space of codes that others computed, on the CPU.

    Args:
        trial: the arrays as a trial.
        arrays: what its codes.npz holds.
        splits: of its data set, if one was named.

    Raises:
        RunFolderError: the arrays lack the codes, or are not of the data set's items.
    """
    if "codes" not in arrays:
        raise RunFolderError(f"the folder of {trial.label} holds no codes; give its arrays again")
    which = str(trial.params.get("split", "test"))
    data = _data(trial, arrays, None if splits is None else splits.whole(which))
    train = None
    if "train_codes" in arrays:
        named = {name.removeprefix("train_"): array for name, array in arrays.items() if name.startswith("train_")}
        known = {name: arrays[name] for name in ("class_names", "center") if name in arrays}
        of_train = _data(trial, {**named, **known}, None if splits is None else splits.whole("train"))
        train = LatentSpace(of_train, name=f"{trial.label}, train", note=of_train.note)
    return LatentSpace(
        data,
        others=OtherSplits(train),
        name=trial.label,
        fingerprint=trial.fingerprint,
        note=data.note,
        absent={} if train is not None else {"train": NO_TRAINING_CODES},
    )


def _data(trial: Trial, arrays: Arrays, split: Split | None) -> SpaceData:
    """Return codes beside what a split, and the arrays themselves, say of their items."""
    codes = torch.from_numpy(arrays["codes"])
    if split is not None and len(split) != len(codes):
        raise RunFolderError(
            f"{trial.label} has {len(codes):,} codes of {len(split):,} items; give its arrays again"
        )
    data = SpaceData() if split is None else SpaceData.shown(split)
    tensors = {
        name: torch.from_numpy(np.asarray(arrays[name]))
        for name in ("labels", "factors", "center")
        if name in arrays
    }
    names: dict[str, Any] = {
        name: tuple(arrays[name].tolist())
        for name in ("class_names", "factor_names", "factor_sizes")
        if name in arrays
    }
    return replace(data, codes=codes, **{**tensors, **names})
