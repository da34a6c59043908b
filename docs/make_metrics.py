"""Write docs/metrics.md from what metrics declare and their docstrings: `python docs/make_metrics.py`."""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from latentbench.metric import Metric, PairMetric
from latentbench.plugins import Plugins
from latentbench.scores import PURPOSES, Score

PAGE = Path(__file__).with_name("metrics.md")
PACKAGE = "latentbench_metrics"
Pairs = Mapping[str, tuple[type[PairMetric], str]]  # name -> class, summary
HEAD = """# Metrics

Written by `python docs/make_metrics.py` from what each metric declares, the summary it is registered with,
and the docstrings of the functions that compute it; a test fails when this page is out of date.
`latentbench info r2` shows the same for one metric or score of any plugin, and `latentbench check r2` tests
it on a small space with known answers.

Every function below takes tensors and can be imported from its module; the values shown are doctests.
`better` is the direction: up, down, near:VALUE, or none for a score that a worthless space can win: it is
shown, never starred. The floor is the score of an untrained baseline, the ceiling that of no compression:
a number, or the reference row of the same table that shows it. *Same within* is how much another order of
the items, another device or precision, or a declared invariance may change the score, relative to its value
or absolutely, whichever is larger.
"""
PAIRS = """They compare two spaces of the same items. The null is what two unrelated spaces score: the same number
with the items of one space permuted. *Unchanged by* is a change of either space."""


def page() -> str:
    """Return the whole page."""
    plugins = Plugins()
    registrations = [
        entry for entry in plugins.registrations("metric") if entry.plugin.name.startswith("latentbench:")
    ]
    metrics = {entry.name: plugins.load("metric", entry.name) for entry in registrations}
    summaries = {entry.name: entry.summary for entry in registrations}
    pairs: Pairs = {
        entry.name: (plugins.load("pair_metric", entry.name), entry.summary)
        for entry in plugins.registrations("pair_metric")
        if entry.plugin.name.startswith("latentbench:")
    }
    parts = [HEAD, _overview(metrics, summaries), _overview_of_pairs(pairs)]
    for name in _modules():
        module = import_module(f"{PACKAGE}.{name}")
        functions = list(_functions(module))
        defined = {key: cls for key, cls in metrics.items() if cls.__module__ == module.__name__}
        of_pairs = {key: given for key, given in pairs.items() if given[0].__module__ == module.__name__}
        if functions or defined or of_pairs:
            parts.append(f"## {name}\n\n{_paragraph(inspect.getdoc(module) or '')}\n")
            parts += [_function(function) for function in functions]
            parts += [_metric(key, cls, summaries[key]) for key, cls in defined.items()]
            parts += [_pair_metric(key, *given) for key, given in of_pairs.items()]
    return "\n".join(parts)


def _overview(metrics: Mapping[str, type[Metric]], summaries: Mapping[str, str]) -> str:
    rows = ["| purpose | score | better | what it is | metric | tier |", "| --- | --- | --- | --- | --- | --- |"]
    every = [(name, cls, score, cls.scores[score]) for name, cls in metrics.items() for score in cls.scores]
    every.sort(key=lambda row: (PURPOSES.index(row[3].purpose), not row[3].headline, row[2]))
    for name, cls, score, declared in every:
        shown = f"**{score}**" if declared.headline else score
        words = (declared.description or summaries[name]).replace("|", "\\|")
        rows.append(f"| {declared.purpose} | {shown} | {declared.better} | {words} | {name} | {cls.tier} |")
    return f"## All scores\n\nHeadline scores, which the default table shows, are bold.\n\n{_lines(rows)}"


def _overview_of_pairs(pairs: Pairs) -> str:
    rows = [
        "| score | better | range | what it is | symmetric | unchanged by | needs | null | tier |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, (cls, summary) in pairs.items():
        cells = [
            f"[{name}](#pair-metric-{name})",
            cls.score.better,
            _range(cls.score),
            cls.score.description or summary,
            "yes" if cls.symmetric else "no",
            ", ".join(cls.invariances) or "nothing",
            _pair_needs(cls),
            "permuted items" if cls.has_null else "none",
            cls.tier,
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return f"## Pair metrics\n\n{PAIRS}\n\n{_lines(rows)}"


def _pair_needs(cls: type[PairMetric]) -> str:
    needs = [*cls.needs, *(f"{need} of the second" for need in cls.needs_second)]
    return ", ".join(needs) or "codes only"


def _modules() -> list[str]:
    """Return the modules that define metrics or score functions, relative to the package, as "edits.gains"."""
    folder = Path(str(import_module(PACKAGE).__file__)).parent
    return sorted(".".join(path.relative_to(folder).with_suffix("").parts) for path in folder.rglob("[a-z]*.py"))


def _functions(module: ModuleType) -> Iterator[Callable[..., Any]]:
    """Yield the score functions that a module defines: those whose docstring names a source."""
    for name in module.__all__:
        member = getattr(module, name)
        if inspect.isfunction(member) and member.__module__ == module.__name__ and "\nSource: " in _doc(member):
            yield member


def _function(function: Callable[..., Any]) -> str:
    text = _doc(function)
    before, *doctests = re.split(r"(?m)^(?=>>> )", text, maxsplit=1)
    prose = re.split(r"(?m)^(?:Args|Returns|Raises):$", before)[0]
    blocks = [_paragraph(block) for block in prose.strip().split("\n\n")]
    blocks = [
        words for block in blocks if (words := re.sub(r"\s*Arguments( and errors)? as for `\w+`\.", "", block))
    ]
    labelled = [re.sub(r"^(Source|Traps): ", r"- \1: ", block) for block in blocks]
    plain, marked = ([block for block in labelled if block.startswith("- ") is side] for side in (False, True))
    names = ", ".join(inspect.signature(function).parameters)
    parts = [f"### `{function.__name__}({names})`\n", "\n\n".join(plain) + "\n", "\n".join(marked) + "\n"]
    if doctests:
        parts.append(f"```python\n{doctests[0].rstrip()}\n```\n")
    return "\n".join(parts)


def _metric(name: str, cls: type[Metric], summary: str) -> str:
    rows = [
        "| score | what it is | better | range | codes | floor | ceiling |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [_score(score, declared, summary) for score, declared in cls.scores.items()]
    most = f", at most {cls.max_items}" if cls.max_items else ""
    facts = [
        f"version {cls.version}, tier {cls.tier}",
        f"needs {', '.join(cls.needs) or 'codes only'}",
        f"from {cls.min_items} test items{most}",
        f"unchanged by {', '.join(cls.invariances)}" if cls.invariances else "depends on the codes' coordinates",
        f"same within {cls.tolerance:g}",
    ]
    within = [score for score, declared in cls.scores.items() if declared.per_likelihood]
    facts += [f"{', '.join(within)} compared only among models with the same likelihood"] * bool(within)
    return f"### Metric `{name}`\n\n{_paragraph(cls.explain(summary))}\n\n{'; '.join(facts)}.\n\n{_lines(rows)}"


def _pair_metric(name: str, cls: type[PairMetric], summary: str) -> str:
    facts = [
        f"{_range(cls.score)}, better {cls.score.better}",
        "symmetric" if cls.symmetric else "not symmetric",
        f"version {cls.version}, tier {cls.tier}",
        f"needs {_pair_needs(cls)}",
        f"from {cls.min_items} test items{f', at most {cls.max_items}' if cls.max_items else ''}",
        f"unchanged by {', '.join(cls.invariances)} of either space"
        if cls.invariances
        else "depends on coordinates",
        f"same within {cls.tolerance:g}",
        "null: items of one space permuted" if cls.has_null else "no null",
    ]
    return f"### Pair metric `{name}`\n\n{_paragraph(cls.explain(summary))}\n\n{'; '.join(facts)}.\n"


def _range(score: Score) -> str:
    unit = f" {score.unit}" if score.unit else ""
    low, high = (f"{bound:g}" if math.isfinite(bound) else "unbounded" for bound in score.range)
    return f"{low} to {high}{unit}"


def _score(name: str, score: Score, summary: str) -> str:
    bounds = _bound(score.floor), _bound(score.ceiling)
    cells = [name, score.description or summary, score.better, _range(score), score.codes, *bounds]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _bound(value: float | str | None) -> str:
    if value is None:
        return "none"
    return f"row {value}" if isinstance(value, str) else f"{value:g}"


def _doc(thing: object) -> str:
    return inspect.getdoc(thing) or ""


def _paragraph(text: str) -> str:
    """Join the lines of each paragraph."""
    return "\n\n".join(" ".join(block.split()) for block in text.strip().split("\n\n"))


def _lines(rows: list[str]) -> str:
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv and PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE.name} is old: run python docs/make_metrics.py")
    PAGE.write_text(page(), encoding="utf-8")
