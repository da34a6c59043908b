"""What classes and items are called, and which class a name or a number asks for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from latentbench.errors import RequestError, UnknownNameError, near_matches
from latentbench.text import normalized, printable, shortened

if TYPE_CHECKING:
    from latentbench.latent.space import LatentSpace

__all__ = ["class_pair", "class_words", "find_class", "is_number", "item_words", "known_classes", "no_such_class"]

LONGEST = 24  # characters of a name in titles and captions
LISTED = 20  # classes that a message lists
NUMBER = re.compile(r"0|[1-9][0-9]*")


def class_words(number: int, names: Sequence[str] = (), most: int = LONGEST) -> str:
    r"""Return what a class is called: its name, or "class 7" where it has none or the name is itself a number.

    Long names are shortened in the middle, and followed by the number of the class where that makes two alike;
    control characters stand as escapes; a name in which nothing can be seen is quoted.

    Args:
        number: the number of the class.
        names: of class 0, 1, ...; empty where classes have numbers alone.
        most: characters of a name.

    >>> names = ("sneaker", "7", " ", "a very long name " * 3)
    >>> [class_words(number, names) for number in (0, 1, 2, 3, 4)]
    ['sneaker', 'class 7', 'class " "', 'a very long...long name', 'class 4']
    """
    if number >= len(names):
        return f"class {number}"
    if not _seen(names[number]):
        return f'class "{printable(ascii(names[number])[1:-1])}"'
    short = _short(names[number], most)
    if short != names[number] and sum(_short(name, most) == short for name in names) > 1:
        short = f"{short} [{number}]"
    return short if _is_word(names[number]) else f"class {short}"


def item_words(space: LatentSpace, item: int, most: int = LONGEST) -> str:
    """Return what an item is called: "item 3 (sneaker)", "item 3 (class 7)", or "item 3" without labels.

    Raises:
        IndexError: the space has no such item.
    """
    if "labels" not in space.supplies:
        return f"item {item}"
    return f"item {item} ({class_words(int(space.labels[item]), space.class_names, most)})"


def find_class(request: int | str, names: Sequence[str], known: Iterable[int]) -> int | None:
    """Return the number of the class that a name or a number asks for, or None.

    A name may be written in another case where that is unambiguous. A number is a name first: only where no class
    is called by a number does it count the classes.

    Args:
        request: a name or a number, as text or as a whole number.
        names: of class 0, 1, ...; empty where classes have numbers alone.
        known: the numbers of the classes that there are.

    >>> find_class("Sneaker", ("sandal", "sneaker"), [0, 1]), find_class("1", ("sandal", "sneaker"), [0, 1])
    (1, 1)
    >>> find_class(9, ("5", "9"), [0, 1]), find_class(1, ("5", "9"), [0, 1])
    (1, None)
    """
    numbers = list(known)
    text = normalized(str(request))
    named = {number: normalized(names[number]) for number in numbers if number < len(names)}
    for folded in (False, True):
        for wanted in (text, text.strip(), _without_class(text)):
            alike = [number for number, name in named.items() if _fold(name, folded) == _fold(wanted, folded)]
            if alike:
                return alike[0] if len(alike) == 1 else None
    counted = NUMBER.fullmatch(_without_class(text)) and not any(map(is_number, named.values()))
    number = int(_without_class(text)) if counted else -1
    return number if number in numbers else None


def class_pair(
    text: str, separators: Sequence[str], form: str, names: Sequence[str], known: Iterable[int]
) -> tuple[int, int]:
    """Return the two classes that a text names with a separator between; names may hold the separator, too.

    Args:
        text: the request.
        separators: what may stand between the two, the first that the text holds counts.
        form: how a pair is written, for messages.
        names: of class 0, 1, ...; empty where classes have numbers alone.
        known: the numbers of the classes that there are.

    Raises:
        RequestError: the text names no two different classes, or can be read in several ways.
        UnknownNameError: there is no such class.

    >>> class_pair("T-shirt-bag", ("->", "-"), "A-B", ("T-shirt", "bag"), [0, 1])
    (0, 1)
    """
    numbers = list(known)
    separator = next((each for each in separators if each in text), separators[-1])
    cuts = [match.start() for match in re.finditer(f"(?={re.escape(separator)})", text)]
    sides = [(text[:cut].strip(), text[cut + len(separator) :].strip()) for cut in cuts]
    asked = [[find_class(side, names, numbers) for side in pair] for pair in sides]
    pairs = {(first, last) for first, last in asked if first is not None and last is not None}
    if len(pairs) > 1:
        raise RequestError(f"{text!r} names two classes in several ways; give their numbers, written {form}")
    if pairs and len(set(*pairs)) == 2:
        return pairs.pop()
    if pairs or not sides or not all(map(all, sides)):
        raise RequestError(f"two different classes are written {form}, got {text!r}")
    near = max(range(len(sides)), key=lambda cut: sum(each is not None for each in asked[cut]))
    unknown = next(side for side, each in zip(sides[near], asked[near], strict=True) if each is None)
    raise UnknownNameError(no_such_class(unknown, names, numbers))


def no_such_class(request: int | str, names: Sequence[str], known: Iterable[int]) -> str:
    """Say that there is no such class, which names are near, and which classes there are."""
    numbers = list(known)
    text = repr(printable(request)) if isinstance(request, str) and not NUMBER.fullmatch(request) else request
    near = printable(_near(str(request), [names[number] for number in numbers if number < len(names)]))
    return f"there is no class {text}{near}; classes are {known_classes(names, numbers)}"


def known_classes(names: Sequence[str], known: Iterable[int]) -> str:
    """List classes as they can be asked for: "5, 9", or "sandal (0), bag (1)" where names are no numbers.

    >>> known_classes(("sandal", "bag"), [0, 1]), known_classes((), [0, 1, 4]), known_classes(("5", "9"), [0, 1])
    ('sandal (0), bag (1)', '0, 1, 4', '5, 9')
    """
    numbers = list(known)
    counts = bool(names) and not any(is_number(names[number]) for number in numbers if number < len(names))
    listed = [_listed(number, names, counts) for number in numbers]
    if len(listed) <= LISTED:
        return ", ".join(listed)
    if all(map(is_number, listed)):
        return f"{listed[0]} to {listed[-1]}"
    return f"{', '.join(listed[:LISTED])} and {len(listed) - LISTED} more"


def is_number(name: str) -> bool:
    """Whether a name is a plain whole number, as "7" or "-1", which would be taken for the number of a class."""
    return NUMBER.fullmatch(name.strip().removeprefix("-")) is not None


def _near(request: str, names: Sequence[str]) -> str:
    alike = [name for name in names if _fold(name, True) == _fold(request, True)]
    if alike:
        return f"; did you mean {' or '.join(map(repr, alike))}?"
    if is_number(request):
        return ""
    return near_matches(request.casefold(), [name.casefold() for name in names])


def _listed(number: int, names: Sequence[str], counts: bool) -> str:
    if number >= len(names):
        return str(number)
    name = _short(names[number], LONGEST) if _seen(names[number]) else repr(names[number])
    return f"{name} ({number})" if counts else name


def _short(name: str, most: int) -> str:
    return shortened(printable(" ".join(normalized(name).split())), most)


def _seen(name: str) -> bool:
    """Whether a name holds anything that can be seen: no spaces, no characters of format."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in name)


def _is_word(name: str) -> bool:
    """Whether a name cannot be taken for a number or a sign."""
    try:
        float(name)
    except ValueError:
        return any(character.isalpha() for character in name)
    return False


def _without_class(text: str) -> str:
    return re.sub(r"^\s*class\s+", "", text, flags=re.IGNORECASE).strip()


def _fold(name: str, folded: bool) -> str:
    return normalized(name.casefold().strip()) if folded else name
