"""The figure of pair scores with its captions: what `latentbench similar` writes, and the page shows."""

from __future__ import annotations

from collections.abc import Sequence

from latentbench.plugins import Plugins
from latentbench.report.charts.plots import Plot, chart
from latentbench.report.charts.similarity_figure import similarity_alt, similarity_figure, similarity_numbers
from latentbench.results import Results
from latentbench.similarity.sentences import sentences
from latentbench.similarity.similarity import Similarity
from latentbench.similarity.stored import stored_similarity
from latentbench.table.columns import datasets
from latentbench.text import counted

__all__ = ["similarity_plot", "stored_plots"]

MOST_NAMED = 3
NOTE = (
    "What the spaces of two models share, a panel for each score. Its null is what unrelated spaces reach, found "
    "by permuting the items of one: colors go from there to equal spaces, and ~ marks models that share no more. "
    "Its ceiling is the diagonal, what the seeds of one model share with each other: < marks models that share "
    "less than the seeds of either, tested over seeds and corrected for all pairs (Holm, 95 %)."
)


def similarity_plot(similarity: Similarity, left_out: Sequence[str] = ()) -> Plot:
    """Return the figure of pair scores and its captions.

    Args:
        similarity: what it shows.
        left_out: labels of the models of the run that are not compared with all others.
    """
    names = ", ".join(matrix.request.name for matrix in similarity.matrices)
    return Plot(
        similarity.dataset,
        f"similarity-{similarity.dataset}",
        "How alike the spaces are",
        NOTE,
        similarity_alt(similarity),
        chart(
            f"similarity-{similarity.dataset}",
            f"How alike models are on the test split of {similarity.dataset}: {names}",
            similarity_figure(similarity),
            similarity_numbers(similarity),
        ),
        (*sentences(similarity.matrices), *([_without(left_out)] if left_out else [])),
    )


def stored_plots(results: Results, plugins: Plugins) -> list[Plot]:
    """Draw what `latentbench similar` has kept of a run, data set by data set; nothing is computed."""
    found = (stored_similarity(results, dataset, plugins) for dataset in datasets(results))
    return [similarity_plot(stored.similarity, stored.left_out) for stored in found if stored is not None]


def _without(labels: Sequence[str]) -> str:
    more = [counted(len(labels) - MOST_NAMED, "more model")] if len(labels) > MOST_NAMED else []
    named = ", ".join([*labels[:MOST_NAMED], *more])
    return f"Not shown: {named}, for which scores are missing (`latentbench similar RUN` computes them)."
