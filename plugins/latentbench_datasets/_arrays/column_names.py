"""Names of columns as parameters: `columns=age,height`."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

__all__ = ["ColumnNames", "SomeColumns"]


def _as_names(value: Any) -> Any:
    """Take a single name for a tuple of one, and numbers for names; letters in one form, no spaces around."""
    values = (value,) if isinstance(value, str | int) else value
    if not isinstance(values, tuple | list) or any(isinstance(each, bool | float) for each in values):
        return values
    return tuple(unicodedata.normalize("NFC", str(each).strip()) for each in values)


def _distinct_names(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"must name each column once (here {twice[0]!r} is there twice)")
    if not all(names):
        raise ValueError("must hold names of columns, as age,height")
    return names


def _some_names(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if names == ():
        raise ValueError("must name at least 1 column, as age,height")
    return names


ColumnNames = Annotated[tuple[str, ...], BeforeValidator(_as_names), AfterValidator(_distinct_names)]
SomeColumns = Annotated[ColumnNames | None, AfterValidator(_some_names)]
