"""--format and --animation: one rule for all verbs that draw."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from latentbench.cli._shared.options import TEXT, split_names
from latentbench.drawing.formats import MOVING_FORMS, STILL_FORMS, Formats, StillForm
from latentbench.errors import RequestError

__all__ = ["FORMAT_HELP", "format_options", "read_forms", "still_forms"]

F = TypeVar("F", bound=Callable[..., Any])

FORMAT_HELP = f"Formats of the picture, of {', '.join(STILL_FORMS)}, separated by commas. Its numbers are CSV."


def format_options(*, moving: bool = False) -> Callable[[F], F]:
    """Add --format, and --animation where something moves, passed on as `formats`."""

    def add(command: F) -> F:
        @wraps(command)
        def bundled(*selection: Any, form: str, moving: Any = "none", **arguments: Any) -> None:
            formats = Formats(still_forms(form), None if moving == "none" else moving)
            command(*selection, formats=formats, **arguments)

        added: Any = bundled
        if moving:
            added = click.option(
                "--animation",
                "moving",
                type=click.Choice([*MOVING_FORMS, "none"]),
                default="webp",
                show_default=True,
                help="Format of the animation, where something moves.",
            )(added)
        return click.option(  # type: ignore[no-any-return]  # a click command takes its options by name
            "--format",
            "form",
            type=TEXT,
            metavar="FORMAT,...",
            default="png",
            show_default=True,
            help=FORMAT_HELP,
        )(added)

    return add


def still_forms(text: str) -> tuple[StillForm, ...]:
    """Read the formats of pictures.

    Raises:
        RequestError: there is no such format, or none is named.

    >>> still_forms("svg, png")
    ('png', 'svg')
    """
    return read_forms(split_names(text) or (text,))


def read_forms(names: tuple[str, ...], others: tuple[str, ...] = ()) -> tuple[StillForm, ...]:
    """Return the formats of pictures among these names; `others` may be named beside them.

    Raises:
        RequestError: there is no such format.
    """
    known = (*others, *STILL_FORMS)
    if unknown := [name for name in names if name not in known]:
        listed = f"{', '.join(known[:-1])} and {known[-1]}"
        raise RequestError(f"--format takes {listed}, separated by commas, not {unknown[0]!r}")
    return tuple(form for form in STILL_FORMS if form in names)
