"""Every mistake in the traits of a model class is an error when the class is made."""

from __future__ import annotations

import pytest

from latentbench.errors import ContractError
from latentbench.model import GradientModel, Model, SklearnModel, declared_likelihood
from latentbench.params import Params


class Strength(Params):
    """One parameter."""

    strength: float = 1.0


def declare(base=Model, **traits):
    return type("Blur", (base,), {"Params": Strength, **traits})


def test_sound_traits_are_taken():
    model = declare(
        encoder="optimized",
        decoder="none",
        reference="floor",
        version=2,
        label_params=("strength",),
        rows_at_once=9,
    )
    assert (model.encoder, model.label_params) == ("optimized", ("strength",))


MISTAKES = {
    "encoder": ({"encoder": "amortised"}, "Blur.encoder: expected one of 'amortized'.*; did you mean 'amortized'"),
    "decoder": ({"decoder": "differentiabel"}, "Blur.decoder: .*; did you mean 'differentiable'"),
    "reference": ({"reference": "flor"}, "Blur.reference: .*; did you mean 'floor'"),
    "reference with labels": (
        {"reference": "floor", "uses_labels": True},
        "Blur.reference: expected none, as a model that uses labels is an upper bound, got 'floor'",
    ),
    "version": ({"version": 1.5}, "Blur.version: expected a whole number of at least 1, got 1.5"),
    "rows_at_once": ({"rows_at_once": 0}, "Blur.rows_at_once: .*at least 1, got 0"),
    "label": ({"label_params": ("strenght",)}, "Blur.label_params: .*; did you mean 'strength'"),
    "label without a comma": ({"label_params": ("strength")}, "Blur.label_params: expected a tuple"),
    "label of no parameter": (
        {"Params": Model.Params, "label_params": ("strength",)},
        "Blur.label_params: expected an empty tuple, got .'strength',.",
    ),
}


@pytest.mark.parametrize("base", [Model, GradientModel, SklearnModel])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(base, mistake):
    traits, sentence = MISTAKES[mistake]
    with pytest.raises(ContractError, match=f"^correct {sentence}"):
        declare(base, **traits)


def test_a_subclass_whose_params_lack_an_inherited_label_is_refused():
    parent = declare(label_params=("strength",))
    with pytest.raises(ContractError, match=r"^correct Sharp\.label_params"):
        type("Sharp", (parent,), {"Params": Model.Params})


class Quiet(Model):
    def encode(self, inputs):
        return inputs.flatten(1)


class Loud(Quiet):
    class Params(Model.Params):
        scale: float = 1.0

    @classmethod
    def likelihood_name(cls, params):
        return f" laplace,\n scale {params.scale:g} "

    def log_likelihood(self, inputs, codes):
        return codes.sum(1)


class Other(Loud):
    def log_likelihood(self, inputs, codes):
        return codes.mean(1)


class Named(Other):
    @classmethod
    def likelihood_name(cls, params):
        return "cauchy"


class Silent(Quiet):
    def log_likelihood(self, inputs, codes):
        return codes.sum(1)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Quiet, ""),
        (Loud, "laplace, scale 1"),
        (type("Heir", (Loud,), {}), "laplace, scale 1"),
        (Other, "likelihood not declared"),  # what it inherits was said of another function
        (Named, "cauchy"),
        (Silent, "likelihood not declared"),
    ],
)
def test_a_model_declares_its_likelihood(cls, name):
    assert declared_likelihood(cls, cls.Params()) == name


@pytest.mark.parametrize("name", [None, 3, "x" * 41])
def test_a_likelihood_has_a_short_name(name):
    cls = type("Odd", (Silent,), {"likelihood_name": classmethod(lambda cls, params: name)})
    with pytest.raises(ContractError, match=r"correct Odd\.likelihood_name: expected a text of at most 40 char"):
        declared_likelihood(cls, cls.Params())
