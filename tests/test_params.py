from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

from latentbench import Params, PerMember
from latentbench.errors import RequestError
from latentbench.params import ParamInfo, TypedText, build_params, describe_params, per_member_fields


class VAEParams(Params):
    beta: Annotated[float, PerMember] = Field(default=4, gt=0, le=99, description="weight of the KL term")
    sigma: float | Literal["learned"] = "learned"
    widths: tuple[int, ...] = (32, 64)
    kind: Literal["conv", "mlp"] = "conv"
    path: Path | None = None
    latent_dim: int = Field(default=8, ge=1)
    skip: bool = False
    tag: str = Field(default="ab", max_length=3)

    @field_validator("latent_dim")
    @classmethod
    def no_thirteen(cls, value):
        if value == 13:
            raise ValueError("must not be 13")
        return value

    @model_validator(mode="after")
    def no_clash(self):
        if self.beta == 99 and self.skip:
            raise ValueError("cannot have beta 99 with skip")
        return self


class Needy(Params):
    path: Path


# build_params


def test_values_are_checked_and_converted():
    params = build_params(
        VAEParams, {"beta": 1, "widths": [1, 2], "sigma": "0.5", "latent_dim": "16"}, "model 'vae'"
    )
    assert params == VAEParams(beta=1.0, widths=(1, 2), sigma=0.5, latent_dim=16)
    assert isinstance(params.widths, tuple)
    assert isinstance(params.beta, float)


def test_defaults_are_converted_too():
    assert isinstance(build_params(VAEParams, {}, "model 'vae'").beta, float)


REFUSED = {
    "below": ({"beta": 0}, "model 'vae': beta should be greater than 0, got 0"),
    "above": ({"beta": 100}, "model 'vae': beta should be less than or equal to 99, got 100"),
    "no number": ({"beta": "much"}, "model 'vae': beta should be a valid number, got 'much'"),
    "nan": ({"beta": float("nan")}, "model 'vae': beta should be a finite number, got nan"),
    "infinity": ({"beta": float("inf")}, "model 'vae': beta should be a finite number, got inf"),
    "text of nan": ({"beta": "nan"}, "model 'vae': beta should be a finite number, got 'nan'"),
    "union": ({"sigma": "x"}, "model 'vae': sigma should be a valid number or should be 'learned', got 'x'"),
    "infinite union": (
        {"sigma": float("-inf")},
        "model 'vae': sigma should be a finite number or should be 'learned', got -inf",
    ),
    "member of a tuple": ({"widths": (1, "q")}, "model 'vae': widths.1 should be a valid integer, got 'q'"),
    "no tuple": ({"widths": 3}, "model 'vae': widths should be a valid tuple, got 3"),
    "literal": ({"kind": "cnn"}, "model 'vae': kind should be 'conv' or 'mlp', got 'cnn'"),
    "fraction": (
        {"latent_dim": 2.5},
        "model 'vae': latent_dim should be a valid integer, got a number with a fractional part, got 2.5",
    ),
    "validator": ({"latent_dim": 13}, "model 'vae': latent_dim must not be 13, got 13"),
    "bool": ({"skip": "maybe"}, "model 'vae': skip should be a valid boolean, got 'maybe'"),
    "text": ({"tag": "abcd"}, "model 'vae': tag should have at most 3 characters, got 'abcd'"),
    "together": (
        {"beta": 99, "skip": True},
        "model 'vae': parameters cannot have beta 99 with skip, got {'beta': 99, 'skip': True}",
    ),
    "unknown": (
        {"laten_dim": 3},
        "model 'vae' has no parameter 'laten_dim'; did you mean 'latent_dim'? "
        "(its parameters: beta, sigma, widths, kind, path, latent_dim, skip, tag)",
    ),
    "the first of two": ({"beta": 0, "kind": "cnn"}, "model 'vae': beta should be greater than 0, got 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_value_is_told_in_one_sentence(case):
    values, expected = REFUSED[case]
    with pytest.raises(RequestError) as caught:
        build_params(VAEParams, values, "model 'vae'")
    assert str(caught.value) == expected


def test_an_unknown_name_where_there_are_no_parameters():
    with pytest.raises(RequestError) as caught:
        build_params(Params, {"beta": 3}, "model 'pca'")
    assert str(caught.value) == "model 'pca' has no parameter 'beta' (its parameters: none)"


def test_a_missing_value():
    with pytest.raises(RequestError) as caught:
        build_params(Needy, {}, "dataset 'arrays'")
    assert str(caught.value) == "dataset 'arrays' needs a value for its parameter 'path'"


# Params


def test_params_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        VAEParams().beta = 3.0
    assert hash(VAEParams()) == hash(VAEParams())


@pytest.mark.parametrize(
    "annotation",
    [list, list[int], list[int] | None, tuple[list[int], ...], Annotated[list[str], PerMember]],
    ids=str,
)
def test_lists_are_refused_when_declared(annotation):
    with pytest.raises(TypeError, match=r"Listed\.widths is a list; declare a tuple, parameters are frozen$"):
        type("Listed", (Params,), {"__annotations__": {"widths": annotation}, "__module__": __name__})


def test_a_wrong_default_is_refused():
    class Wrong(Params):
        beta: float = Field(default=-1, gt=0)

    with pytest.raises(RequestError, match=r"^model 'wrong': beta should be greater than 0, got -1$"):
        build_params(Wrong, {}, "model 'wrong'")


# per_member_fields


def test_per_member_fields_survive_a_field_with_limits():
    assert per_member_fields(VAEParams) == {"beta"}
    assert per_member_fields(Params) == frozenset()


def test_per_member_fields_are_inherited_until_declared_anew():
    class Child(VAEParams):
        gamma: Annotated[float, PerMember] = 1.0

    class Fixed(VAEParams):
        beta: float = 1.0

    assert per_member_fields(Child) == {"beta", "gamma"}
    assert per_member_fields(Fixed) == frozenset()


# describe_params


def test_parameters_are_described_in_the_order_declared():
    assert describe_params(VAEParams) == [
        ParamInfo("beta", "number", 4, "> 0, <= 99", "weight of the KL term"),
        ParamInfo("sigma", "number or 'learned'", "learned", "", ""),
        ParamInfo("widths", "tuple", (32, 64), "", ""),
        ParamInfo("kind", "'conv' or 'mlp'", "conv", "", ""),
        ParamInfo("path", "text or nothing", None, "", ""),
        ParamInfo("latent_dim", "integer", 8, ">= 1", ""),
        ParamInfo("skip", "boolean", False, "", ""),
        ParamInfo("tag", "text", "ab", "", ""),
    ]


def test_a_required_parameter_is_described_as_such():
    assert describe_params(Needy) == [ParamInfo("path", "text", "required", "", "")]
    assert describe_params(Params) == []


# what is typed on the command line


class Typed(Params):
    count: int = Field(default=1, ge=1)
    weight: Annotated[float, PerMember] = 1.0
    name: str = ""
    note: str | None = None
    on: bool = False
    place: Path | None = None
    sigma: float | Literal["learned"] = 1.0
    either: int | str = 1
    word: Literal["1", "2"] = "1"
    number: Literal[1, 2] = 1
    code: str = Field(default="a", pattern="^a")
    anything: Any = None


TYPED = {
    "a text of digits": ("name", "1", "1"),
    "a text like a float": ("name", "1e5", "1e5"),
    "a text like a truth": ("name", "true", "true"),
    "a text with zeros": ("name", "007", "007"),
    "a text like no number": ("note", "nan", "nan"),
    "a path of digits": ("place", "1", Path("1")),
    "a word of digits": ("word", "2", "2"),
    "a whole number": ("count", "8", 8),
    "a whole number as a float": ("count", "1e3", 1000),
    "a float": ("weight", "4", 4.0),
    "a truth": ("on", "true", True),
    "a number of a list": ("number", "2", 2),
    "a union": ("sigma", "0.5", 0.5),
    "a word of a union": ("sigma", "learned", "learned"),
    "a number where both may be": ("either", "5", 5),
    "a text where both may be": ("either", "x", "x"),
    "anything": ("anything", "5", 5),
}


@pytest.mark.parametrize("case", TYPED)
def test_typed_text_is_read_by_the_type_of_its_parameter(case):
    name, text, value = TYPED[case]
    read = getattr(build_params(Typed, {name: TypedText(text)}, "model 'm'"), name)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("count", "-1", "count should be greater than or equal to 1, got -1"),
        ("count", "x", "count should be a valid integer, got 'x'"),
        ("count", "true", "count should be a valid integer, got 'true'"),
        ("count", "1.5", "count should be a valid integer, got 1.5"),
        ("weight", "nan", "weight should be a finite number, got nan"),
        ("number", "3", "number should be 1 or 2, got 3"),
        ("code", "5", "code should match pattern '^a', got 5"),
        ("sigma", "x", "sigma should be a valid number or should be 'learned', got 'x'"),
    ],
)
def test_typed_text_that_its_parameter_does_not_allow(name, text, sentence):
    others = {"name": TypedText("5"), "weight": TypedText("1e3"), name: TypedText(text)}
    with pytest.raises(RequestError) as refused:
        build_params(Typed, others, "model 'm'")
    assert str(refused.value) == f"model 'm': {sentence}"


@pytest.mark.parametrize("name", ["count", "weight", "sigma"])
@pytest.mark.parametrize("truth", [True, False])
def test_true_and_false_are_no_numbers(name, truth):
    with pytest.raises(RequestError, match=rf"^model 'm': {name} should be a number, got {truth}$"):
        build_params(Typed, {name: truth}, "model 'm'")


@pytest.mark.parametrize(("name", "value"), [("name", 1), ("note", 1e5), ("place", 1), ("name", True)])
def test_values_of_a_file_keep_their_type(name, value):
    with pytest.raises(RequestError, match=f"^model 'm': {name} "):
        build_params(Typed, {name: value}, "model 'm'")
