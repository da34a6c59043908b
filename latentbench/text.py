"""Text that others wrote (names, labels, messages): how it is compared, and printed without control characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["counted", "normalized", "printable", "same_names", "shortened"]

# controls, separators of lines and paragraphs, what turns the direction of writing, lone surrogates, no characters
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def counted(number: int, what: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "trial"), counted(12_000, "item")
    ('1 trial', '12,000 items')
    """
    return f"{number:,} {what}{'s' * (number != 1)}"


def normalized(name: str) -> str:
    r"""Return the one form (NFC) of a name whose letters can be written in several ways.

    >>> normalized("re\u0301sume\u0301") == "r\u00e9sum\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)


def same_names(names: Iterable[str]) -> str:
    r"""Return a sentence about the first two different texts that are one name, or nothing.

    >>> same_names(["e\u0301", "e", "\u00e9"])
    "'e\\u0301' and '\\xe9' are one name in two Unicode forms; give it once"
    """
    known: dict[str, str] = {}
    for name in names:
        if (first := known.setdefault(normalized(name), name)) != name:
            return f"{first!a} and {name!a} are one name in two Unicode forms; give it once"
    return ""


def printable(text: str, keep: str = "") -> str:
    r"""Return a text in which characters that steer a terminal, or that XML forbids, stand as escapes.

    Args:
        text: any text, as a file name or a label.
        keep: such characters to leave, as a line feed.

    >>> printable("\x1b[31mred\x07")
    '\\x1b[31mred\\x07'
    """
    if text.isprintable():
        return text
    return UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` characters (four or more), its middle left out where it is longer.

    >>> shortened("a name that goes on and on", 12)
    'a nam...d on'
    """
    if len(text) <= most:
        return text
    head = (most - 2) // 2
    return f"{text[:head].rstrip()}...{text[len(text) - (most - 3 - head) :].lstrip()}"


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
