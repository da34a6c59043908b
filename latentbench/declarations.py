"""Checks of what plugin classes declare: a typo is an error when the class is made, never a silent default."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from latentbench.errors import ContractError, near_matches

__all__ = ["check_name", "check_number", "check_whole", "check_word", "check_words", "mismatch"]

NAME = re.compile(r"[^\W\d][^\s,:=/\\]*")  # these signs separate names on the command line


def mismatch(where: str, expected: str, value: object, known: Sequence[str] = ()) -> ContractError:
    """Return the error for `value` at `where`: what was expected, what was given, and names close to it."""
    hint = near_matches(value, known) if isinstance(value, str) else ""
    return ContractError(f"correct {where}: expected {expected}, got {value!r}{hint}")


def check_word(where: str, word: object, known: Sequence[str]) -> None:
    """Check that `word` is one of `known`.

    Args:
        where: what holds the word, as "Spread.tier".
        word: what was declared.
        known: every word that is allowed.

    Raises:
        ContractError: it is none of them.
    """
    if word not in known:
        raise mismatch(where, f"one of {', '.join(map(repr, known))}", word, known)


def check_words(where: str, words: object, known: Sequence[str]) -> None:
    """Check a tuple of words, each as `check_word` does.

    Raises:
        ContractError: it is no tuple (as a word in parentheses without a comma), or a word is not known.
    """
    if not isinstance(words, tuple) or (words and not known):
        raise mismatch(where, f"a tuple of words, such as ({known[0]!r},)" if known else "an empty tuple", words)
    for word in words:
        check_word(where, word, known)


def check_whole(where: str, number: object, least: int) -> None:
    """Check that `number` is an integer of at least `least`.

    Raises:
        ContractError: it is not.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise mismatch(where, f"a whole number of at least {least}", number)


def check_number(where: str, number: object, least: float = -math.inf) -> None:
    """Check that `number` is finite and at least `least`.

    Raises:
        ContractError: it is not.
    """
    if not (isinstance(number, int | float) and math.isfinite(number) and number >= least):
        limit = f" of at least {least:g}" if math.isfinite(least) else ""
        raise mismatch(where, f"a finite number{limit}", number)


def check_name(where: str, name: object) -> None:
    """Check that `name` can be typed on the command line, where spaces and some signs separate names.

    Raises:
        ContractError: it cannot.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise mismatch(
            where, "a name that starts with a letter and holds no space and none of , : = / or a backslash", name
        )
