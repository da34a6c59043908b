"""Rules that a plugin is held to, and what comes of them.

A rule is a plain function of one argument. It returns nothing where it holds, raises `RuleBrokenError` where it
does not, and `NotApplicableError` where there is nothing to hold it to. Its docstring says the rule.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from latentbench.errors import ContractError, NotApplicableError, RequestError, near_matches
from latentbench.execution.isolation.failures import described
from latentbench.source.places import place_of

__all__ = ["Case", "Rule", "RuleBrokenError", "RuleResult", "expecting"]

Rule = Callable[[Any], None]


class RuleBrokenError(AssertionError):
    """A plugin breaks a rule; the text says what was found and what to do."""


@dataclass(frozen=True)
class RuleResult:
    """What came of one rule.

    Attributes:
        rule: its name, as "codes_repeat".
        on: what it was tried on, as "grey 28 x 28"; empty where there is but one thing.
        status: "ok", "failed", "not applicable", or "expected" of a failure that was expected.
        reason: why it is not "ok": of a failure what was found and what to do.
    """

    rule: str
    on: str
    status: Literal["ok", "failed", "not applicable", "expected"]
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.status != "failed"


@dataclass(frozen=True)
class Case:
    """One rule and what it is tried on. Call it in a test: it fails, is skipped or passes as the rule does.

    Attributes:
        name: of the plugin.
        rule: the function.
        on: what it is tried on, in words.
        make: returns what the rule takes; NotApplicableError where that cannot be.
        cls: the plugin's class.
        expected: why a failure is expected, if it is.
    """

    name: str
    rule: Rule
    on: str
    make: Callable[[], Any]
    cls: type
    expected: str = ""

    @property
    def title(self) -> str:
        """The rule's name."""
        return self.rule.__name__.removeprefix("check_")

    def finding(self) -> RuleResult:
        """Try it; whatever is raised becomes a finding."""
        found = self._tried()
        if not self.expected:
            return found
        if found.status == "ok":
            reason = f"it holds, but was expected to fail ({self.expected}); take it out of the expected failures"
            return replace(found, status="failed", reason=reason)
        return replace(found, status="expected", reason=self.expected) if found.status == "failed" else found

    def _tried(self) -> RuleResult:
        try:
            self.rule(self.make())
        except NotApplicableError as error:
            return RuleResult(self.title, self.on, "not applicable", described(error))
        except (RuleBrokenError, ContractError) as error:
            return RuleResult(self.title, self.on, "failed", described(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            place = place_of(error, self.cls)
            where = f" at {place}" if place else ""
            what = f"could not be tried: {type(error).__name__}{where}: {described(error)}"
            return RuleResult(self.title, self.on, "failed", what)
        return RuleResult(self.title, self.on, "ok")

    def __call__(self) -> None:
        """Fail, be skipped or pass under pytest.

        Raises:
            AssertionError: the rule is broken, or could not be tried.
        """
        import pytest

        found = self.finding()
        if found.status == "failed":
            said = (inspect.getdoc(self.rule) or "").partition("\n")[0]
            raise AssertionError(f"{self.name} breaks {self.title} ({said}): {found.reason}")
        if found.status == "not applicable":
            pytest.skip(found.reason)
        if found.status == "expected":
            pytest.xfail(found.reason)


def expecting(cases: list[Case], expected: Mapping[str, str]) -> list[Case]:
    """Return the cases with the reasons of the failures that are expected of rules.

    Raises:
        RequestError: there is no such rule, or no reason is given.
    """
    titles = sorted({case.title for case in cases})
    for name, reason in expected.items():
        if name not in titles:
            raise RequestError(
                f"there is no rule {name!r}{near_matches(name, titles)}; rules: {', '.join(titles)}"
            )
        if not isinstance(reason, str) or not reason.strip():
            raise RequestError(f"say why {name!r} is expected to fail, got {reason!r}")
    return [replace(case, expected=expected.get(case.title, "")) for case in cases]
