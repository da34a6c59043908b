"""`latentbench check`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from latentbench.cli.options import load_plugins, metrics_by_score, plugin_options
from latentbench.errors import RequestError, UnknownNameError, near_matches
from latentbench.plugins import KINDS, Plugins

if TYPE_CHECKING:
    from latentbench.testing import Check

__all__ = ["command"]

WIDEST = 10  # a number


@click.command("check")
@click.argument("names", nargs=-1, required=True, metavar="METRIC...")
@plugin_options
def command(names: tuple[str, ...], files: tuple[str, ...], blocked: tuple[str, ...]) -> int:
    """Test a metric, or the metric of a score, on a small space with known answers.

    Shown is each score of that space as it is, in another order and other coordinates, and spoiled: random codes,
    permuted labels, blurred images. Exit status 1 when a score is not what its metric declares.
    """
    from latentbench.testing import check_metric

    plugins = load_plugins(files, blocked)
    failed: list[str] = []
    for metric in dict.fromkeys(_metric(name, plugins) for name in names):
        cls = plugins.load("metric", metric)
        click.echo(f"{metric}, version {cls.version}: {plugins.find('metric', metric).summary}")
        click.echo(f"  same = within {cls.tolerance:g} of the first row")
        wide = [max(len(score), WIDEST) for score in cls.scores]
        click.echo(_line("", [*cls.scores], wide, ""))
        for title, group in itertools.groupby(check_metric(metric, plugins), key=lambda check: check.space):
            checks = list(group)
            failed += [f"{check.score} ({title})" for check in checks if not check.passed]
            reasons = sorted({check.reason for check in checks if math.isnan(check.value)})
            click.echo(
                _line(title, [_cell(check) for check in checks], wide, "; ".join([_verdict(checks), *reasons]))
            )
    if failed:
        click.echo(f"latentbench: not as declared: {', '.join(failed)}", err=True)
    return 1 if failed else 0


def _metric(name: str, plugins: Plugins) -> str:
    """Return the metric of this name, or the one that gives the score of this name."""
    if name in plugins.names("metric"):
        return name
    scores = metrics_by_score(plugins)
    if name in scores:
        return scores[name]
    for kind in KINDS:
        if name in plugins.names(kind):
            raise RequestError(f"check takes a metric or a score, {name!r} is a {kind}")
    raise UnknownNameError(
        f"there is no metric or score {name!r}{near_matches(name, {*scores, *plugins.names('metric')})} "
        "(`latentbench list metrics` shows all)"
    )


def _cell(check: Check) -> str:
    value = "-" if math.isnan(check.value) else f"{check.value:.5g}"
    return value if check.passed else f"{value}!"


def _verdict(checks: Sequence[Check]) -> str:
    expected = next((check.expected for check in checks if check.expected), "")
    if not expected:
        return "shown only"
    return f"ok ({expected})" if all(check.passed for check in checks) else f"FAILED ({expected})"


def _line(title: str, cells: Sequence[str], wide: Sequence[int], last: str) -> str:
    middle = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, wide, strict=False))
    return f"  {title:<24}{middle}  {last}".rstrip()
