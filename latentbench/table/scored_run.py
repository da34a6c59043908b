"""What a table needs of a run: the promise that `latentbench.results.Results` keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    import numpy as np
    import numpy.typing as npt

    from latentbench.choices.chosen import Chosen
    from latentbench.score_rows import ScoreRow
    from latentbench.trial import SplitName, Trial

__all__ = ["ScoredRun"]


class ScoredRun(Protocol):
    """A run whose trials have been scored."""

    @property
    def request(self) -> Mapping[str, Any]:
        """What run.json holds."""
        ...

    @property
    def title(self) -> str:
        """Heading of the report."""
        ...

    @property
    def trials(self) -> Sequence[Trial]:
        """The trials in the order of tables, each with its outcome."""
        ...

    @property
    def chosen(self) -> Sequence[Chosen]:
        """The settings that were chosen on the validation split, with what was tried."""
        ...

    @property
    def rows(self) -> Sequence[ScoreRow]:
        """One row per trial and score on the test split."""
        ...

    def rows_of(
        self, dataset: str | None = None, labels: Set[str] | None = None, scores: Set[str] | None = None
    ) -> Sequence[ScoreRow]:
        """Return those of `rows` that are of a data set, of the models with these labels, of these scores."""
        ...

    @property
    def validation_rows(self) -> Sequence[ScoreRow]:
        """The same on the validation split, of what decides a sweep."""
        ...

    @property
    def per_likelihood(self) -> Set[str]:
        """Names of the scores in which only models with the same likelihood can be compared."""
        ...

    def items(self, trial_key: str, score: str, split: SplitName = "test") -> npt.NDArray[np.float64] | None:
        """Return the value of a score for each item of a split `(n,)`, or None where it has none."""
        ...
