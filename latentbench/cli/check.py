"""`latentbench check`."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from latentbench.cli._shared.findings import print_findings, sentences
from latentbench.cli._shared.layout import print_table
from latentbench.cli._shared.options import (
    NAME_OR_PATH,
    SETTING,
    load_plugins,
    metrics_by_score,
    plugin_options,
    read_params,
)
from latentbench.errors import PluginError, UnknownNameError, near_matches
from latentbench.plugins import Kind, Plugins
from latentbench.registrations import spoken
from latentbench.terminal.output import echo

if TYPE_CHECKING:
    from latentbench.testing import Check, RuleResult

__all__ = ["command"]

CHECKED: tuple[Kind, ...] = ("dataset", "model", "metric", "pair_metric")  # an executor is tried by a run
PARAM = "Parameter of the model, dataset or pair metric, as latent_dim=8."


@click.command("check")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", type=NAME_OR_PATH)
@click.option("-p", "--param", "pairs", multiple=True, type=SETTING, metavar="NAME=VALUE", help=PARAM)
@plugin_options
def command(
    names: tuple[str, ...], pairs: tuple[str, ...], files: tuple[str, ...], blocked: tuple[str, ...]
) -> int:
    """Test whether models, metrics, pair metrics and datasets keep their contract.

    NAME is registered, or file.py:Class; a name of several is tested as each, and that of a score stands for its
    metric. A model is tried on small images, vectors and grids. A dataset is loaded several times. A metric is
    computed on a latent space with known answers, in other coordinates, and spoiled; a pair metric is tried on two
    spaces of the same items. Exit status 1 if a rule is broken; docs/plugins.md tells all rules.
    """
    plugins = load_plugins(files, blocked)
    params = read_params(pairs)
    failed: list[str] = []
    for kind, found in dict.fromkeys(each for name in names for each in _found(name, plugins)):
        failed += _check_metric(found, plugins) if kind == "metric" else _check(kind, found, plugins, params)
    for sentence in failed:
        echo(f"latentbench: {sentence}", err=True)
    return 1 if failed else 0


def _check(kind: Kind, name: str, plugins: Plugins, params: Mapping[str, Any]) -> list[str]:
    """Print what comes of the rules of a plugin; return a sentence for each that is broken."""
    from latentbench.testing import check_dataset, check_model, check_pair_metric

    checks: dict[Kind, Callable[..., list[RuleResult]]]
    checks = {"model": check_model, "dataset": check_dataset, "pair_metric": check_pair_metric}
    found = plugins.find(kind, name)
    echo(f"{name}, version {plugins.load(kind, name).version}: {found.summary or spoken(kind)}")
    findings = checks[kind](name, params=params, plugins=plugins)
    print_findings(findings)
    return list(sentences(name, findings))


def _check_metric(name: str, plugins: Plugins) -> list[str]:
    """Print the scores of a metric on all spaces; return a sentence on those that are not as declared."""
    from latentbench.testing import check_metric

    cls = plugins.load("metric", name)
    echo(f"{name}, version {cls.version}: {plugins.find('metric', name).summary}")
    echo(f"  same = within {cls.tolerance:g} of the space as it is")
    checks = list(check_metric(name, plugins))
    print_table(_rows(checks), ("space", "score", "value", "verdict"), numbers={2})
    failed = [f"{check.score} ({check.space})" for check in checks if not check.passed]
    return [f"{name}: not as declared: {', '.join(failed)}"] if failed else []


def _found(name: str, plugins: Plugins) -> list[tuple[Kind, str]]:
    """Return all that this is the name of, or the metric that computes the score of this name."""
    if name.rpartition(":")[0].endswith(".py"):
        for kind in CHECKED:
            with contextlib.suppress(PluginError):
                plugins.load(kind, name)
                return [(kind, name)]
        plugins.load("model", name)  # says what is wrong
    if found := [(kind, name) for kind in CHECKED if name in plugins.names(kind)]:
        return found
    scores = metrics_by_score(plugins)
    if name in scores:
        return [("metric", scores[name])]
    known = {*scores, *(each for kind in CHECKED for each in plugins.names(kind))}
    raise UnknownNameError(
        f"there is no model, metric, pair metric, score or dataset {name!r}{near_matches(name, known)} "
        "(`latentbench list models`, `list metrics`, `list pair_metrics` and `list datasets` show all)"
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
