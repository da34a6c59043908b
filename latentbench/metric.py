"""What a plugin of metrics implements: scores of one latent space, and scores of two."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from torch import Tensor

import latentbench.params
from latentbench.errors import ContractError, NotApplicableError
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

__all__ = ["Invariance", "Metric", "Need", "PairMetric", "Tier"]

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
        return _explained(cls, summary)

    def note(self, space: LatentSpace) -> str:  # noqa: ARG002 - overridden where there is something to note
        """Return what a reader must know of how the scores were made; it is shown as their `reason`.

        The space is the one that `compute` was given; what `compute` knows better, it returns itself.
        """
        return ""


class PairMetric(ABC):
    """Compares two latent spaces of the same items: one score, under the name that the metric is registered with.

    Both spaces hold the same n items in the same order (`LatentSpace.arranged`), and of more than `max_items` the
    same seeded ones. Their codes are `(n, d)` and `(n, e)`, and d need not be e.

    Attributes:
        score: what the number means: its direction, range and description. Where its range ends at a best value,
            that is the value of two spaces that are the same.
        symmetric: whether a compared with b is b compared with a; else the host asks for both directions.
        needs: what both spaces must supply besides codes, in the words of a metric's `needs`.
        needs_second: what the second space must supply besides that.
        invariances: changes of the codes of either space, with its maps, that do not affect the score, in the
            words of a metric's `invariances`.
        version: increase it when the same two spaces would give another number.
        tier: "quick" (under 5 s on one CPU core at n = 2000) or "full".
        tolerance: how much another order of the items, another device or precision, or a declared invariance may
            change the score, relative to its value or absolutely, whichever is larger.
        min_items: the fewest test items it can be computed from.
        max_items: the most test items it uses, or None for all.
        has_null: whether it is computed for permuted items too, which says what two unrelated spaces score.
    """

    class Params(latentbench.params.Params):
        """Parameters of the pair metric; none unless a subclass declares some."""

    score: ClassVar[Score]
    symmetric: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ()
    needs_second: ClassVar[tuple[Need, ...]] = ()
    invariances: ClassVar[tuple[Invariance, ...]] = ()
    version: ClassVar[int] = 1
    tier: ClassVar[Tier] = "quick"
    tolerance: ClassVar[float] = 1e-4
    min_items: ClassVar[int] = 3
    max_items: ClassVar[int | None] = None
    has_null: ClassVar[bool] = True
    params: Params

    def __init_subclass__(cls, **options: Any) -> None:
        """Check what the class declares; a class without `score` is one for others to inherit from.

        Raises:
            ContractError: a misspelled need, invariance or tier, a number that cannot be, or `prepare` without
                the `reordered` that goes with it.
        """
        super().__init_subclass__(**options)
        check_members(cls, PairMetric)
        _check_traits(cls)
        _check_pair_traits(cls)

    def __init__(self, params: Params) -> None:
        self.params = params

    def prepare(self, space: LatentSpace) -> Any:
        """Return what `compute` is given of a space; by default the space itself.

        It is made once a space and used for all its partners and permutations: neighbor lists, Gram matrices,
        factors.

        Raises:
            NotApplicableError: the space cannot be compared; its text is the reason in the table.
        """
        return space

    @abstractmethod
    def compute(self, a: Any, b: Any) -> float | tuple[float, str]:
        """Return the score of two spaces, given what `prepare` returned of each; a note may follow.

        The note says what a reader must know of how the score was made.

        Raises:
            NotApplicableError: these two cannot be compared; its text is the reason in the table.
        """

    def reordered(self, prepared: Any, order: Tensor, train_order: Tensor | None) -> Any:
        """Return what `prepare` returns of the same space with its items in another order.

        The null compares one space with another that is reordered so. A metric whose `prepare` returns something
        else than a space overrides it.

        Args:
            prepared: what `prepare` returned.
            order: row numbers `(n,)` of the items, each once.
            train_order: row numbers `(m,)` of the items of the training split, each once; None: as they are.
        """
        space: LatentSpace = prepared.take(order)
        return space if train_order is None else space.replaced(train=space.train.take(train_order))

    @classmethod
    def explain(cls, summary: str) -> str:
        """Return what `latentbench info` and the docs say of the metric, as `Metric.explain` does."""
        return _explained(cls, summary)


def _explained(cls: type, summary: str) -> str:
    sentence = summary and f"{summary[0].upper()}{summary[1:].rstrip('.')}."
    details = inspect.cleandoc(cls.__doc__ or "")
    return "\n\n".join(text for text in (sentence, details) if text)


def _check_traits(cls: type[Metric] | type[PairMetric]) -> None:
    check_words(f"{cls.__name__}.needs", cls.needs, get_args(Need))
    check_words(f"{cls.__name__}.invariances", cls.invariances, get_args(Invariance))
    check_word(f"{cls.__name__}.tier", cls.tier, get_args(Tier))
    check_whole(f"{cls.__name__}.version", cls.version, 1)
    check_number(f"{cls.__name__}.tolerance", cls.tolerance, 0)
    check_whole(f"{cls.__name__}.min_items", cls.min_items, 1)
    if cls.max_items is not None:
        check_whole(f"{cls.__name__}.max_items", cls.max_items, cls.min_items)


def _check_pair_traits(cls: type[PairMetric]) -> None:
    check_words(f"{cls.__name__}.needs_second", cls.needs_second, get_args(Need))
    for name in ("symmetric", "has_null"):
        if not isinstance(getattr(cls, name), bool):
            raise mismatch(f"{cls.__name__}.{name}", "True or False", getattr(cls, name))
    if not isinstance(score := getattr(cls, "score", None), Score | None):
        raise mismatch(f"{cls.__name__}.score", "a Score", score)
    own_prepare = cls.prepare is not PairMetric.prepare
    if own_prepare and cls.has_null and cls.reordered is PairMetric.reordered:
        raise ContractError(
            f"add reordered to {cls.__name__}: its prepare returns something of its own, which the null puts in "
            "another order; without a null, declare has_null = False"
        )


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
