"""The spaces that are compared: those of a run's models, one a seed, and own codes beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from latentbench.codes.space import own_space
from latentbench.execution.pair_scores import common_order
from latentbench.latent.part import part_of, some_rows
from latentbench.latent.shown import shown_at
from latentbench.latent.space import LatentSpace
from latentbench.score_rows import grouped

if TYPE_CHECKING:
    from latentbench.codes.trials import OwnCodes
    from latentbench.dataset import Splits
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = [
    "MOST_TRAINING_ITEMS",
    "ComparedModel",
    "ComparedSpace",
    "models_of_codes",
    "models_of_run",
    "on_same_items",
]

MOST_TRAINING_ITEMS = 10_000  # on which maps between spaces are fitted


@dataclass(frozen=True, eq=False)
class ComparedSpace:
    """One space: a trial's model and its test split, or an array of codes.

    Attributes:
        seed: of the trial.
        key: what identifies its codes.
        make: returns it; it may take long, and is called when a score needs it.
    """

    seed: int
    key: str
    make: Callable[[], LatentSpace]

    @cached_property
    def space(self) -> LatentSpace:
        """The space, with at most MOST_TRAINING_ITEMS of its training items."""
        return _with_few_training_items(self.make())


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """A row and a column of the comparison.

    Attributes:
        label: what it is called.
        reference: "floor", "yardstick", "ceiling" or "upper bound" for reference models, else "".
        items: fingerprint of the items that its codes are of.
        spaces: one a seed; of a model that all seeds leave the same, one.
    """

    label: str
    reference: str
    items: str
    spaces: tuple[ComparedSpace, ...]


def models_of_run(results: Results, dataset: str) -> list[ComparedModel]:
    """Return the models of a run on a data set whose trials ended well, in the order of the run."""
    trials = [trial for trial in results.trials if trial.dataset == dataset and trial.ok]
    return [_of_trials(results, label, block) for label, block in grouped(trials, lambda each: each.label).items()]


def _of_trials(results: Results, label: str, trials: Sequence[Trial]) -> ComparedModel:
    first = trials[0]
    spaces = [
        ComparedSpace(trial.seed, _key_of(results, trial), lambda trial=trial: results.latent_space(trial))  # type: ignore[misc]
        for trial in sorted(trials, key=lambda trial: trial.seed)
    ]
    shown = spaces[:1] if first.traits.deterministic else spaces
    return ComparedModel(label, first.traits.reference, first.fingerprint, tuple(shown))


def _key_of(results: Results, trial: Trial) -> str:
    """Return what identifies the codes of a trial: one that was trained anew has the same key and other codes."""
    return f"{trial.key}-{results.record(trial).digests.get('codes.npz', '')[:16]}"


def models_of_codes(codes: Iterable[OwnCodes], splits: Splits | None) -> list[ComparedModel]:
    """Return the models of own codes; arrays under one name are its seeds."""
    blocks = grouped(codes, lambda each: each.trial.label)
    return [_of_codes(label, block, splits) for label, block in blocks.items()]


def _of_codes(label: str, codes: Sequence[OwnCodes], splits: Splits | None) -> ComparedModel:
    spaces = tuple(
        ComparedSpace(
            each.trial.seed,
            each.trial.key,
            lambda each=each: own_space(each.trial, each.arrays, splits),  # type: ignore[misc]
        )
        for each in codes
    )
    return ComparedModel(label, "", codes[0].trial.fingerprint, spaces)


def on_same_items(models: Sequence[ComparedModel]) -> Tensor:
    """Return the order `(n,)` in which all models' items are compared; their inputs decide it where there are any.

    Models of one fingerprint are of the same items; of others, inputs and classes are compared row by row.

    Raises:
        RequestError: the models are not of the same items.
    """
    by_items = {model.items: model.spaces[0].space for model in reversed(models)}  # the first of each
    spaces = [space.replaced(name=model.label) for model in models if (space := by_items.pop(model.items, None))]
    return common_order(spaces).cpu()


def _with_few_training_items(space: LatentSpace) -> LatentSpace:
    """Return a space with the same seeded training items as all others: codes of 60,000 take long to compute."""
    train = space.others.train
    if train is None or len(train) <= MOST_TRAINING_ITEMS:
        return space
    rows = some_rows(len(train), MOST_TRAINING_ITEMS)
    if train.data.codes is None and train.data.inputs is not None and "encoder" in train.supplies:
        return space.replaced(train=train.replaced(inputs=shown_at(train, rows), labels=None, factors=None))
    return space.replaced(train=part_of(train, rows))
