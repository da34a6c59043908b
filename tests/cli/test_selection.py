import pytest
import torch

import latentbench
from latentbench.cli._shared.selection import applicable, check_item, open_trial
from latentbench.errors import NotApplicableError, RequestError, UnknownNameError
from latentbench.plugins import Plugins
from latentbench.report.page.pictures import median_trial

PLUGIN = '''
from latentbench import Model, hookimpl

class Fails(Model):
    """Cannot be trained."""
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 2
    def fit(self, train, generator): raise RuntimeError("no luck")
    def encode(self, inputs): return inputs.flatten(1)[:, :2]

class Forgets(Fails):
    """Cannot be reloaded."""
    def fit(self, train, generator): pass

@hookimpl
def register_models(register):
    register("fails", Fails, summary="fails")
    register("forgets", Forgets, summary="forgets")
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny):
    """A run folder with models that went well, one that failed and one that cannot be reloaded."""
    folder = tmp_path_factory.mktemp("selection")
    (folder / "odd.py").write_text(PLUGIN)
    models = ("ae", "beta_vae", "fails", "forgets")
    benchmark = tiny(models=models, seeds=2, params={"latent_dim": 2, "beta_vae.beta": (1, 4)})
    plugins = Plugins((str(folder / "odd.py"),), ())
    latentbench.run(benchmark, folder / "run", plugins=plugins, workers=0)
    return folder / "run"


@pytest.fixture
def select(run):
    plugins = Plugins((str(run.parent / "odd.py"),), ())
    return lambda *arguments, **options: open_trial(str(run), "verb", plugins, *arguments, **options)


def test_the_trial_of_the_median_seed_is_selected(select, run):
    selected = select("ae")
    assert selected.trial.key == median_trial(selected.results, "digits", "ae").key
    assert selected.folder == run / "verb"
    assert selected.about == {"dataset": "digits", "model": "ae", "seed": selected.trial.seed}
    assert selected.name == f"ae on digits, seed {selected.trial.seed}"
    assert selected.space.codes.shape[1] == 2
    assert len(selected.space) == len(selected.space.inputs)


def test_a_seed_and_a_folder_can_be_chosen(select, tmp_path):
    for seed in (0, 1):
        selected = select("ae", "digits", seed, str(tmp_path))
        assert (selected.trial.seed, selected.folder) == (seed, tmp_path)
    assert not torch.equal(select("ae", seed=0).space.codes, select("ae", seed=1).space.codes)


WRONG = {
    "several models": ({}, RequestError, "this run has several: choose a model with --model, one of ae, "),
    "unknown model": ({"model": "beta_va"}, UnknownNameError, "this run has no model 'beta_va'; did you mean "),
    "unknown data": ({"dataset": "digit"}, UnknownNameError, "no data set 'digit'; did you mean 'digits'"),
    "unknown seed": ({"model": "ae", "seed": 7}, RequestError, "--seed must be one of 0, 1, got 7"),
    "failed": ({"model": "fails"}, RequestError, "no trial of fails on digits succeeded; see `latentbench table"),
    "failed seed": ({"model": "fails", "seed": 1}, RequestError, "fails with seed 1 did not succeed"),
    "cannot be reloaded": (
        {"model": "forgets"},
        RequestError,
        "its scores come with its training; choose another --model",
    ),
    "ambiguous": ({"model": "beta_vae"}, UnknownNameError, "this run has no model 'beta_vae'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_choice_is_one_sentence(select, case):
    options, kind, sentence = WRONG[case]
    with pytest.raises(kind, match=sentence.replace("`", ".")) as raised:
        select(**options)
    assert raised.value.exit_status == 2
    assert "\n" not in str(raised.value)


def test_a_label_with_a_parameter_is_known_by_it(select):
    assert select("beta_vae(beta=4.0)").trial.label == "beta_vae(beta=4.0)"


def test_items_are_checked(select):
    space = select("ae").space
    assert check_item(space, 0, "--from") == 0
    assert check_item(space, len(space) - 1, "--from") == len(space) - 1
    for number in (-1, len(space)):
        with pytest.raises(
            RequestError, match=f"--from must be a test item from 0 to {len(space) - 1}, got {number}"
        ):
            check_item(space, number, "--from")


def test_what_a_model_lacks_is_a_wrong_request(select):
    with (
        pytest.raises(RequestError, match="ae on digits: no posterior; choose another --model"),
        applicable(select("ae")),
    ):
        raise NotApplicableError("no posterior")
    with pytest.raises(ZeroDivisionError), applicable(select("ae")):
        _ = 1 / 0
