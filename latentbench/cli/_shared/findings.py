"""What came of the rules of a plugin, as lines of a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from latentbench.cli._shared.layout import print_table
from latentbench.terminal.output import echo

if TYPE_CHECKING:
    from latentbench.testing import RuleResult

__all__ = ["print_findings", "sentences"]

NUMBER = re.compile(r"\d[\d.]*")  # one mistake has other numbers on other data


def print_findings(findings: Sequence[RuleResult]) -> None:
    """Print a line a rule, and below them what data the plugin does not take."""
    rules = list(dict.fromkeys(finding.rule for finding in findings))
    refused = _refused(findings)
    shown = [finding for finding in findings if finding.on not in refused]
    print_table(
        ((rule, _verdict([finding for finding in shown if finding.rule == rule])) for rule in rules),
        ("rule", "verdict"),
    )
    for title, reason in refused.items():
        echo(f"  not tried on {title}: {reason}")


def sentences(name: str, findings: Iterable[RuleResult]) -> Iterator[str]:
    """Yield a sentence for each thing that is wrong, with the rules and the data that it was seen on."""
    seen: dict[str, list[RuleResult]] = {}
    for finding in findings:
        if not finding.passed:
            seen.setdefault(NUMBER.sub("#", finding.reason), []).append(finding)
    for several in seen.values():
        rules = ", ".join(dict.fromkeys(finding.rule for finding in several))
        on = ", ".join(dict.fromkeys(finding.on for finding in several if finding.on))
        yield f"{name} breaks {rules}{f' on {on}' if on else ''}: {several[0].reason}"


def _refused(findings: Iterable[RuleResult]) -> dict[str, str]:
    """Return title -> reason of the data on which no rule is applicable."""
    found: dict[str, list[RuleResult]] = {}
    for finding in findings:
        if finding.on:
            found.setdefault(finding.on, []).append(finding)
    return {
        title: several[0].reason
        for title, several in found.items()
        if all(finding.status == "not applicable" for finding in several)
    }


def _verdict(findings: Sequence[RuleResult]) -> str:
    words = []
    for status in dict.fromkeys(finding.status for finding in findings):
        of_status = [finding for finding in findings if finding.status == status]
        on = ", ".join(finding.on for finding in of_status)
        where = f" on {on}" if on and len(of_status) < len(findings) else ""
        reasons = "; ".join(dict.fromkeys(finding.reason for finding in of_status))
        if status == "ok":
            words.append(f"ok{where}")
        elif status == "failed":
            words.append(f"FAILED{where}")
        else:
            what = "fails as expected" if status == "expected" else "not applicable"
            words.append(f"{what}{where}: {reasons}")
    return "; ".join(words) or "not applicable"
