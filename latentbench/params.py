"""What plugins declare, checked: parameters where they come in (command line, TOML, Python), and class attributes.

A typo is an error when the class is made, never a silent default.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from latentbench.errors import ContractError, RequestError, near_matches

__all__ = [
    "ContradictionError",
    "ParamInfo",
    "Params",
    "PerMember",
    "TypedText",
    "build_params",
    "check_members",
    "check_name",
    "check_number",
    "check_whole",
    "check_word",
    "check_words",
    "describe_params",
    "mismatch",
    "per_member_fields",
    "refused",
]

P = TypeVar("P", bound="Params")
_TOLD = {"told": True}  # for validators: what they refuse is told in a sentence


class PerMember:
    """Marks a parameter that may differ between trials trained together: `Annotated[float, PerMember]`.

    Inside `loss` such a parameter may be a 0-dim tensor instead of a float, so use it in arithmetic only.
    """


class Params(BaseModel):
    """Base of all parameter classes: frozen, without unknown names, infinities or NaN; tuples instead of lists."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number is wanted: pydantic would take them for 1 and 0."""
        if isinstance(value, bool):
            kinds = set(_members(cls.model_fields[str(info.field_name)].annotation))
            if kinds & {int, float} and not kinds & {bool, Any}:
                raise ValueError("should be a number")
        return value

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse list fields: parameters are part of a trial's key and must not change."""
        super().__pydantic_init_subclass__(**kwargs)
        for name, field in cls.model_fields.items():
            if _holds_list(field.annotation):
                raise TypeError(f"{cls.__qualname__}.{name} is a list; declare a tuple, parameters are frozen")


def _holds_list(annotation: Any) -> bool:
    return list in (annotation, get_origin(annotation)) or any(map(_holds_list, get_args(annotation)))


@dataclass(frozen=True)
class ParamInfo:
    """One parameter as `latentbench info` shows it."""

    name: str
    type: str
    default: Any
    limits: str
    description: str


class TypedText(str):
    """A value as typed on the command line, where all is text: the parameter's type decides how it is read."""

    __slots__ = ()

    @property
    def as_number(self) -> Any:
        """What it says as a number or as true or false; itself where it says neither."""
        if self in ("true", "false"):
            return self == "true"
        for kind in (int, float):
            with suppress(ValueError):
                return kind(self)
        return str(self)


class ContradictionError(ValueError):
    """What a validator of several values raises: a sentence that needs no value added."""


def build_params(cls: type[P], values: Mapping[str, Any], owner: str) -> P:
    """Check `values` against `cls`; `owner` names the plugin in the error, as in "model 'vae'".

    Text that was typed (`TypedText`) is read as the parameter's type wants it; where both a number and text are
    allowed, "1" is a number.

    Raises:
        RequestError: names the first wrong value in one sentence, with the allowed range or similar names.
    """
    try:
        return _read(cls, values)
    except ValidationError as error:
        raise refused(cls, error, values, owner) from None


def refused(cls: type[Params], error: ValidationError, values: Mapping[str, Any], owner: str) -> RequestError:
    """Return what pydantic found wrong with `values` of a class first, in one sentence."""
    first = error.errors()[0]
    if isinstance(first["input"], TypedText) and not isinstance(first["input"].as_number, bool):
        first["input"] = first["input"].as_number
    if isinstance(cause := first.get("ctx", {}).get("error"), ContradictionError):
        return RequestError(f"{owner}: {cause}")
    name = ".".join(str(part) for part in first["loc"]) or "parameters"
    if first["type"] == "extra_forbidden":
        known = ", ".join(cls.model_fields) or "none"
        hint = near_matches(name, cls.model_fields)
        return RequestError(f"{owner} has no parameter {name!r}{hint} (its parameters: {known})")
    if first["type"] == "missing":
        return RequestError(f"{owner} needs a value for its parameter {name!r}")
    if _is_union(cls, first["loc"]):  # the rest of `loc` names a member of the union
        name = str(first["loc"][0])
        expected = dict.fromkeys(_expected(part["msg"]) for part in error.errors() if part["loc"][0] == name)
        return RequestError(f"{owner}: {name} {' or '.join(expected)}, got {values[name]!r}")
    return RequestError(f"{owner}: {name} {_expected(first['msg'])}, got {first['input']!r}")


def _read(cls: type[P], values: Mapping[str, Any]) -> P:
    """Validate `values`, typed text in the first reading that its field allows."""
    typed = {name: value for name, value in values.items() if isinstance(value, TypedText)}
    numbers = {name: value.as_number for name, value in typed.items()}
    wanted = [name for name in typed if name in cls.model_fields and _prefers_number(cls.model_fields[name])]
    read = {**values, **{name: numbers[name] for name in wanted}}
    try:
        return cls.model_validate(read, context=_TOLD)
    except ValidationError as error:
        refused = {str(part["loc"][0]) for part in error.errors() if part["loc"]} & set(typed)
    other = {name: typed[name] if name in wanted else numbers[name] for name in refused}
    try:
        return cls.model_validate({**read, **other}, context=_TOLD)
    except ValidationError as error:
        still = {str(part["loc"][0]) for part in error.errors() if part["loc"]}
    return cls.model_validate(
        {**read, **{name: value for name, value in other.items() if name not in still}}, context=_TOLD
    )


def _prefers_number(field: FieldInfo) -> bool:
    """Whether typed text is a number first: a field that takes numbers and text alike, or anything."""
    kinds = set(_members(field.annotation))
    return Any in kinds or (str in kinds and bool(kinds & {int, float, bool}))


def _members(annotation: Any) -> Iterator[Any]:
    """Yield a type, or the members of a union."""
    if get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _is_union(cls: type[Params], place: tuple[int | str, ...]) -> bool:
    if len(place) < 2 or not isinstance(place[1], str) or place[0] not in cls.model_fields:
        return False
    return get_origin(cls.model_fields[str(place[0])].annotation) in (Union, UnionType)


def _expected(message: str) -> str:
    """Pydantic's message without subject and reason."""
    return re.sub(r"^(Value error, |Input |\w+ (?=should ))|, unable to .*$", "", message)


def describe_params(cls: type[Params]) -> list[ParamInfo]:
    """List the parameters of `cls` in the order they were declared."""
    rows = []
    schema = cls.model_json_schema()
    for name, field in cls.model_fields.items():
        limits = [
            f"{sign} {getattr(mark, word)}"
            for mark in field.metadata
            for word, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
            if getattr(mark, word, None) is not None
        ]
        default = "required" if field.is_required() else field.get_default(call_default_factory=True)
        kind = _type_name(schema["properties"][name], schema)
        rows.append(ParamInfo(name, kind, default, ", ".join(limits), field.description or ""))
    return rows


def _type_name(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """Describe a JSON-schema fragment in a few words, as "number or 'learned'"."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in schema:
        return " or ".join(_type_name(part, root) for part in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    if "const" in schema:
        return repr(schema["const"])
    words = {"null": "nothing", "array": "tuple", "string": "text"}
    kind = str(schema.get("type", "any"))
    return words.get(kind, kind)


def per_member_fields(cls: type[Params]) -> frozenset[str]:
    """Names of the parameters that may differ inside a group of trials trained together.

    >>> from typing import Annotated
    >>> from pydantic import create_model
    >>> beta, latent_dim = (Annotated[float, PerMember], 1.0), (int, 8)
    >>> P = create_model("P", __base__=Params, beta=beta, latent_dim=latent_dim)
    >>> sorted(per_member_fields(P))
    ['beta']
    """
    return frozenset(name for name, field in cls.model_fields.items() if PerMember in field.metadata)


NAME = re.compile(r"[^\W\d][^\s,:=/\\]*")  # these signs separate names on the command line


def mismatch(where: str, expected: str, value: object, known: Sequence[str] = ()) -> ContractError:
    """Return the error for `value` at `where`: what was expected, what was given, and names close to it."""
    hint = near_matches(value, known) if isinstance(value, str) else ""
    return ContractError(f"correct {where}: expected {expected}, got {value!r}{hint}")


def check_members(cls: type, base: type) -> None:
    """Check that a class has Params of the right kind, and properties and methods where `base` has them.

    Raises:
        ContractError: the sentence names the member and what it must be.
    """
    given: object = getattr(cls, "Params", Params)
    if not (isinstance(given, type) and issubclass(given, Params)):
        expected = f"a class that inherits from {base.__name__}.Params"
        raise mismatch(f"{cls.__name__}.Params", expected, given)
    for name, member in vars(base).items():
        own = vars(cls).get(name)
        if isinstance(member, property) and inspect.isfunction(own):
            raise mismatch(f"{cls.__name__}.{name}", "a property (write @property above it)", own)
        if inspect.isfunction(member) and isinstance(own, property):
            raise mismatch(f"{cls.__name__}.{name}", "a method (leave out @property)", own)


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
    if not isinstance(name, str) or not NAME.fullmatch(name) or not name.isprintable():
        raise mismatch(
            where,
            "a name that starts with a letter and holds no space, no control character and none of , : = / or a "
            "backslash",
            name,
        )
