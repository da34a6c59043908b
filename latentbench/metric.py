"""What a metric plugin implements."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from torch import Tensor

import latentbench.params
from latentbench.errors import NotApplicableError
from latentbench.latent.part import some_rows
from latentbench.params import (
    check_members,
    check_name,
    check_number,
    check_whole,
    check_word,
    check_words,
    mismatch,
)
from latentbench.scores import Score

if TYPE_CHECKING:
    from latentbench.latent.space import LatentSpace

__all__ = ["Invariance", "Metric", "Need", "Tier"]

Need = Literal[
    "inputs",
    "labels",
    "factors",
    "train",
    "validation",
    "encoder",
    "decoder",
    "decoder_gradient",
    "posterior",
    "prior",
    "likelihood",
    "render",
    "cost",
]
Invariance = Literal["shift", "scale", "rotation", "permutation", "axis_scale"]
Tier = Literal["quick", "full"]
Computed = Mapping[str, float | Tensor | NotApplicableError]


class Metric(ABC):
    """Computes one or more named scores of a latent space.

    A metric declares what it needs; where a space cannot supply it, the host leaves the metric out and the table
    says why.

    Attributes:
        scores: score name -> its declaration. Names are unique over all metrics.
        needs: any of inputs, labels, factors, train, validation, encoder, decoder, decoder_gradient, posterior,
            prior, likelihood, render, cost.
        version: increase it when the same space would give another number.
        tier: "quick" (under 5 s on one CPU core at n = 2000) or "full".
        invariances: changes of the codes (and of the maps with them) that do not affect the scores: any of shift,
            scale (of all dimensions by one factor), rotation (which includes swapping and flipping dimensions),
            permutation (of dimensions, with flips), axis_scale (each dimension by its own factor).
        tolerance: how much another order of the items, another device or precision, or a declared invariance may
            change a score, relative to its value or absolutely, whichever is larger.
        min_items: the fewest test items it can be computed from.
        max_items: the most test items it uses, or None for all; of more, `compute` is given a seeded subset.
        on_host: computed on the CPU whatever the trial's device (exact transport, trees): such scores can be
            computed beside the next training. All others stay on the device of the space's tensors.
    """

    class Params(latentbench.params.Params):
        """Parameters of the metric; none unless a subclass declares some."""

    scores: ClassVar[Mapping[str, Score]]
    needs: ClassVar[tuple[Need, ...]] = ()
    version: ClassVar[int] = 1
    tier: ClassVar[Tier] = "quick"
    invariances: ClassVar[tuple[Invariance, ...]] = ()
    tolerance: ClassVar[float] = 1e-4
    min_items: ClassVar[int] = 2
    max_items: ClassVar[int | None] = None
    on_host: ClassVar[bool] = False
    params: Params

    def __init_subclass__(cls, **options: Any) -> None:
        """Check what the class declares; a class without `scores` is one for others to inherit from.

        Raises:
            ContractError: a misspelled need, invariance or tier, or a number or a name that cannot be.
        """
        super().__init_subclass__(**options)
        check_members(cls, Metric)
        _check_traits(cls)
        if hasattr(cls, "scores"):
            _check_scores(f"{cls.__name__}.scores", cls.scores)

    def __init__(self, params: Params) -> None:
        self.params = params

    def chosen_rows(self, total: int) -> Tensor | None:
        """Return the row numbers of the items that `compute` is given of `total`, or None for all.

        By default `max_items` of them, chosen by a fixed seed, ascending. A metric that needs others, as pairs of
        which no two share an item, overrides it.
        """
        most = self.max_items
        return None if most is None or total <= most else some_rows(total, most)

    @abstractmethod
    def compute(self, space: LatentSpace) -> Computed | tuple[Computed, str]:
        """Return every declared score, or these and a note: what a reader must know of how they were made.

        Items come in the order of `LatentSpace.arranged`, which their inputs decide where there are any; of more
        than `max_items` there are those that `chosen_rows` names.

        A value is a float, or a 1-dim tensor with one number per test item: the score is then its mean, and its
        spread gives the standard error. A NotApplicableError in place of a value says why this score has none.

        Raises:
            NotApplicableError: the space cannot supply something; its text is the reason in the table.
        """

    @classmethod
    def explain(cls, summary: str) -> str:
        """Return what `latentbench info` and the docs say of the metric.

        That is the summary it is registered with, as a sentence, then what its docstring adds.
        """
        sentence = summary and f"{summary[0].upper()}{summary[1:].rstrip('.')}."
        details = inspect.cleandoc(cls.__doc__ or "")
        return "\n\n".join(text for text in (sentence, details) if text)

    def note(self, space: LatentSpace) -> str:  # noqa: ARG002 - overridden where there is something to note
        """Return what a reader must know of how the scores were made; it is shown as their `reason`.

        The space is the one that `compute` was given; what `compute` knows better, it returns itself.
        """
        return ""


def _check_traits(cls: type[Metric]) -> None:
    check_words(f"{cls.__name__}.needs", cls.needs, get_args(Need))
    check_words(f"{cls.__name__}.invariances", cls.invariances, get_args(Invariance))
    check_word(f"{cls.__name__}.tier", cls.tier, get_args(Tier))
    check_whole(f"{cls.__name__}.version", cls.version, 1)
    check_number(f"{cls.__name__}.tolerance", cls.tolerance, 0)
    check_whole(f"{cls.__name__}.min_items", cls.min_items, 1)
    if cls.max_items is not None:
        check_whole(f"{cls.__name__}.max_items", cls.max_items, cls.min_items)


def _check_scores(where: str, scores: object) -> None:
    if not isinstance(scores, Mapping) or not scores:
        raise mismatch(where, "a mapping of at least one name to a Score", scores)
    for name, score in scores.items():
        check_name(where, name)
        if not isinstance(score, Score):
            raise mismatch(where, f"the declaration of {name!r} to be a Score", score)
        if not score.description and len(scores) > 1:
            raise mismatch(
                where, f"a description of {name!r}, as the metric has several scores", score.description
            )
