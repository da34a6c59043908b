"""Values that files hold, checked: a dataclass from JSON, every type as declared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

__all__ = ["Count", "NullableNumber", "Scalar", "Whole", "as_tuples", "checked", "checked_params"]

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


def _scalar(value: Any) -> Any:
    """Return a text, a number, a truth value or nothing.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a whole number must fit into 64 bits")
    if not (value is None or isinstance(value, str | int | float)):
        raise ValueError("must be text or a number")
    return value


Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Scalar = Annotated[Any, BeforeValidator(_scalar)]
NullableNumber = Annotated[float, BeforeValidator(lambda value: float("nan") if value is None else value)]


def checked(kind: type[T], values: Any) -> T:
    """Return a dataclass made of a JSON object; nothing is converted, and no other key may stand there.

    Lists are taken for tuples, and null for NaN where the field is a `NullableNumber`.

    Raises:
        ValueError: in one line, which names the field.
    """
    model = _validated(_model(kind), values, kind.__name__)  # type: ignore[arg-type]  # a class is hashable
    return kind(**{name: getattr(model, name) for name in model.model_fields_set})


def checked_params(kind: type[M], values: Any) -> M:
    """Return a pydantic model made of a JSON object; nothing is converted.

    Raises:
        ValueError: in one line, which names the field.
    """
    return _validated(kind, values, kind.__name__)


def _validated(kind: type[M], values: Any, name: str) -> M:
    try:
        return kind.model_validate(values, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or name
        raise ValueError(f"{place}: {first['msg']}") from None


@cache
def _model(kind: Any) -> type[BaseModel]:
    hints = get_type_hints(kind, include_extras=True)
    fields: dict[str, Any] = {
        field.name: (hints[field.name], _default(field)) for field in dataclasses.fields(kind)
    }
    config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())
    return create_model(f"Checked{kind.__name__}", __config__=config, **fields)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return Field(default_factory=field.default_factory)
    return ...


def as_tuples(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return values in which the lists of these names are tuples."""
    lists = {name: tuple(values[name]) for name in names if isinstance(values.get(name), list)}
    return {**values, **lists}
