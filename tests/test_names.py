"""Names: one form of their letters, near matches whatever the case, and whose parameters they are."""

import numpy as np
import pytest

from latentbench.benchmark import Benchmark, default_folder
from latentbench.cli._shared.options import read_params
from latentbench.errors import PluginError, RequestError, UnknownNameError
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins

COMPOSED, APART = "caf\u00e9", "cafe\u0301"
PLUGIN = """
from latentbench import Model, hookimpl

class Plain(Model):
    class Params(Model.Params):
        name: str = ""
    def encode(self, inputs): return inputs.flatten(1)

@hookimpl
def register_models(register):
    register({name!r}, Plain)
"""


@pytest.fixture
def registered(plugin_file):
    return lambda name: Plugins(files=(plugin_file(PLUGIN.format(name=name)),))


@pytest.mark.parametrize(("known", "typed"), [(COMPOSED, APART), (APART, COMPOSED), (COMPOSED, COMPOSED)])
def test_a_name_is_found_in_either_form_of_its_letters(tiny, registered, known, typed):
    plan = make_plan(tiny(models=(typed,), params={f"{typed}.name": "x"}), registered(known))
    assert [(trial.model, trial.params["name"]) for trial in plan.trials] == [(COMPOSED, "x")]


@pytest.mark.parametrize("where", ["params", "codes"])
def test_one_name_in_two_forms_is_refused(where):
    with pytest.raises(RequestError, match="are one name in two Unicode forms; give it once"):
        Benchmark.model_validate({where: {f"{COMPOSED}.a": "1", f"{APART}.a": "2"}})


@pytest.mark.parametrize("form", [COMPOSED, APART])
def test_a_file_gives_the_same_name_and_folder_in_either_form(tiny, tmp_path, form):
    np.savez(tmp_path / f"{form}.npz", x=np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32))
    benchmark = tiny(datasets=(str(tmp_path / f"{APART}.npz"),), models=("pca",))
    assert {trial.dataset for trial in make_plan(benchmark, Plugins()).trials} == {COMPOSED}
    assert str(default_folder(benchmark)) == f"results/{COMPOSED}-quick"


@pytest.mark.parametrize("name", ["red\x1b[31m", "bell\x07", "two\nlines", "", " ", 5])
def test_a_name_that_cannot_be_printed_is_not_registered(registered, name):
    with pytest.raises(PluginError, match="a model needs a name of letters that can be printed"):
        registered(name)


@pytest.mark.parametrize(("typed", "meant"), [("VAE", "vae"), ("Beta_VAE", "beta_vae"), ("PCA", "pca")])
def test_another_case_is_suggested_and_not_taken(tiny, typed, meant):
    with pytest.raises(UnknownNameError, match=f"there is no model '{typed}'; did you mean '{meant}'"):
        make_plan(tiny(models=(typed,)), Plugins())


@pytest.mark.parametrize("text", ["1", "1e5", "true", "007"])
def test_a_parameter_that_wants_text_gets_what_was_typed(tiny, registered, text):
    params = read_params([f"plain.name={text}"])
    (trial,) = make_plan(tiny(models=("plain",), params=params), registered("plain")).trials
    assert (trial.params["name"], trial.label) == (text, "plain")


def test_a_list_of_typed_text_is_a_grid(tiny, registered):
    plan = make_plan(tiny(models=("plain",), params=read_params(["name=1,x,1"])), registered("plain"))
    assert [trial.label for trial in plan.trials] == ["plain(name=1)", "plain(name=x)"]


def test_a_label_holds_no_control_characters(tiny, registered):
    params = read_params(["name=\x1b[31m,b"])
    plan = make_plan(tiny(models=("plain",), params=params), registered("plain"))
    assert [trial.label for trial in plan.trials] == ["plain(name=\\x1b[31m)", "plain(name=b)"]


@pytest.mark.parametrize("more", [{}, {"preset": "standard", "datasets": ("digits",)}, {"preset": "full"}])
def test_the_parameters_of_a_preset_may_find_no_model(tiny, registered, more):
    values = {"models": ("plain",), "references": (), "seeds": 1, "scores": ("r2",), "datasets": ("digits",)}
    plan = make_plan(Benchmark(**{**values, **more}), registered("plain"))
    assert [trial.label for trial in plan.trials] == ["plain"]


@pytest.mark.parametrize("params", [{"latent_dim": 3}, {"latnt_dim": 16}, {"plain.latent_dim": 16}])
def test_parameters_of_ones_own_must_find_one(registered, params):
    benchmark = Benchmark(models=("plain",), references=(), scores=("r2",), params=params)
    with pytest.raises(RequestError, match=r"has (no|a) parameter"):
        make_plan(benchmark, registered("plain"))


@pytest.mark.parametrize("preset", [5, ["quick"], None, "../suites/quick", "Quick"])
def test_a_preset_is_the_name_of_one(preset):
    with pytest.raises(RequestError, match="preset"):
        Benchmark(preset=preset)
