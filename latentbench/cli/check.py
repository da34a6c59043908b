"""`latentbench check`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from latentbench.cli.layout import print_table
from latentbench.cli.options import TEXT, load_plugins, metrics_by_score, plugin_options
from latentbench.errors import RequestError, UnknownNameError, near_matches
from latentbench.plugins import KINDS, Plugins
from latentbench.terminal.output import echo

if TYPE_CHECKING:
    from latentbench.testing import Check

__all__ = ["command"]


@click.command("check")
@click.argument("names", nargs=-1, required=True, metavar="METRIC...", type=TEXT)
@plugin_options
def command(names: tuple[str, ...], files: tuple[str, ...], blocked: tuple[str, ...]) -> int:
    """Test a metric, or the metric of a score, on a small latent space with known answers.

    Prints each score of that space as it is, with its items in another order, in other coordinates, and spoiled:
    random codes, permuted labels, blurred images. Exit status 1 if a score breaks what its metric declares.
    """
    from latentbench.testing import check_metric

    plugins = load_plugins(files, blocked)
    failed: list[str] = []
    for metric in dict.fromkeys(_metric(name, plugins) for name in names):
        cls = plugins.load("metric", metric)
        echo(f"{metric}, version {cls.version}: {plugins.find('metric', metric).summary}")
        echo(f"  same = within {cls.tolerance:g} of the space as it is")
        checks = list(check_metric(metric, plugins))
        print_table(_rows(checks), ("space", "score", "value", "verdict"), numbers={2})
        failed += [f"{check.score} ({check.space})" for check in checks if not check.passed]
    if failed:
        echo(f"latentbench: not as declared: {', '.join(failed)}", err=True)
    return 1 if failed else 0


def _metric(name: str, plugins: Plugins) -> str:
    """Return the metric of this name, or the metric that computes the score of this name."""
    if name in plugins.names("metric"):
        return name
    scores = metrics_by_score(plugins)
    if name in scores:
        return scores[name]
    for kind in KINDS:
        if name in plugins.names(kind):
            raise RequestError(f"check takes a metric or a score, but {name!r} is a {kind}")
    raise UnknownNameError(
        f"there is no metric or score {name!r}{near_matches(name, {*scores, *plugins.names('metric')})} "
        "(`latentbench list metrics` shows all)"
    )


def _rows(checks: Iterable[Check]) -> Iterator[tuple[str, str, str, str]]:
    """One row a score; the space is named in the first of its rows alone."""
    for space, scores in itertools.groupby(checks, key=lambda check: check.space):
        for position, check in enumerate(scores):
            value = "-" if math.isnan(check.value) else f"{check.value:.5g}"
            yield "" if position else space, check.score, value, _verdict(check)


def _verdict(check: Check) -> str:
    judged = f"{'ok' if check.passed else 'FAILED'} ({check.expected})" if check.expected else "shown only"
    return f"{judged}; {check.reason}" if check.reason and math.isnan(check.value) else judged
