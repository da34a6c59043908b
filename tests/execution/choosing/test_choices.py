"""Settings are chosen on the validation split, once, with one seed; the table shows the chosen ones alone."""

import json
import re

import pytest

import latentbench
from latentbench import Benchmark, load_results
from latentbench.benchmark import merge
from latentbench.errors import RequestError, UnknownNameError
from latentbench.execution.choosing.choices import as_far_as_known
from latentbench.execution.options import Execution
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.table.render import render

PLUGIN = '''
from typing import ClassVar
import torch
from torch import nn
from latentbench import GradientModel, Metric, Model, NotApplicableError, Score, hookimpl

class Wide(Model):
    """The first pixels."""
    fitted: ClassVar[list] = []
    stopped: ClassVar[int] = 0
    label_params = ("width",)
    class Params(Model.Params):
        width: int = 2
    def fit(self, train, generator):
        Wide.stopped -= 1
        if Wide.stopped == 0:
            raise KeyboardInterrupt
        Wide.fitted.append(self.params.width)
        if self.params.width > 50:
            raise RuntimeError("too wide")
    def encode(self, inputs): return inputs.flatten(1)[:, :self.params.width]
    def get_state(self): return {}
    def set_state(self, state): pass

class Learned(GradientModel):
    """Learns nothing, in steps."""
    label_params = ("width",)
    class Params(Model.Params):
        width: int = 2
    def __init__(self, params, data):
        super().__init__(params, data)
        self.number = nn.Parameter(torch.zeros(1))
    def loss(self, batch, noise): return {"total": self.number.square().sum()}
    def encode(self, inputs): return inputs.flatten(1)[:, :self.params.width]
    decoder = "none"

class Placeless(Wide):
    encoder = "none"
    def embed(self, inputs): return super().encode(inputs)

class Width(Metric):
    """More codes are better on the validation split, worse on the test split: who looks there is found out."""
    scores = {"wider": Score("up", "numbers of a code", headline=True),
              "odd": Score("down", "how near 9 a code is", headline=True),
              "level": Score("up", "the same for all"), "aimless": Score("none", "no better")}
    def compute(self, space):
        width = space.codes.shape[1]
        if width == 13:
            raise NotApplicableError("not of 13")
        sign = 1 if len(space.inputs) < 200 else -1
        return {"wider": sign * width, "odd": abs(width - 9), "level": 1.0, "aimless": 0.0}

class Worthless(Metric):
    scores = {"sound": Score("none", "no flag", flag="worthless", flag_below=0)}
    def compute(self, space): return {"sound": -1.0 if space.codes.shape[1] == 40 else 1.0}

@hookimpl
def register_models(register):
    for name, model in (("wide", Wide), ("learned", Learned), ("placeless", Placeless)):
        register(name, model)

@hookimpl
def register_metrics(register):
    register("width", Width)
    register("worthless", Worthless)
'''


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugins") / "choosing.py"
    path.write_text(PLUGIN)
    return Plugins((str(path),))


@pytest.fixture
def wide(plugins):
    model = plugins.load("model", "wide")
    model.fitted.clear()
    model.stopped = 0
    return model


@pytest.fixture
def asking(tiny):
    def made(**changes):
        about = {"models": ("wide",), "seeds": 2, "scores": ("width", "worthless"), "params": {}}
        return tiny(**{**about, "choose": {"wide.width": [2, 8, 4]}, "choose_by": ("wider",), **changes})

    return made


def run(benchmark, folder, plugins, **options):
    return latentbench.run(benchmark, folder, plugins=plugins, workers=0, progress=False, **options)


def table(results):
    return " ".join(render(latentbench.table.build.comparison_table(results)).split())


def test_what_does_best_on_validation_stands_in_the_table_with_all_seeds(asking, plugins, wide, tmp_path):
    results = run(asking(), tmp_path / "run", plugins)
    assert [(trial.label, trial.seed) for trial in results.trials] == [("wide(8)", 0), ("wide(8)", 1)]
    assert wide.fitted == [2, 8, 4, 8]  # seed 0 of the chosen one is that of the search
    assert {row.label for row in results.rows} == {"wide(8)"}
    assert "chosen on the validation split with seed 0, by wider wide(8): width=8 of 2, 8, 4" in table(results)
    (choice,) = results.chosen
    assert [(each.values, each.scores, each.rank) for each in choice.tried] == [
        ({"width": 2}, {"wider": 2.0}, 3.0),
        ({"width": 8}, {"wider": 8.0}, 1.0),
        ({"width": 4}, {"wider": 4.0}, 2.0),
    ]


def test_trials_of_the_search_are_kept_and_never_repeated(asking, plugins, wide, tmp_path):
    first = run(asking(), tmp_path, plugins)
    wide.fitted.clear()
    again = run(asking(), tmp_path, plugins)
    assert (wide.fitted, again.chosen, table(again)) == ([], first.chosen, table(first))
    more = run(asking(seeds=3, choose={"wide.width": [2, 8, 4, 16]}), tmp_path, plugins)
    assert wide.fitted == [16, 16, 16]
    assert {trial.label for trial in more.trials} == {"wide(16)"}


def test_an_interrupted_search_goes_on_where_it_was(asking, plugins, wide, tmp_path):
    wide.stopped = 3
    with pytest.raises(KeyboardInterrupt):
        run(asking(), tmp_path, plugins)
    between = load_results(tmp_path)
    assert "width=2, the first of 2, 8, 4; not chosen yet" in table(between)
    results = run(asking(), tmp_path, plugins)
    assert wide.fitted == [2, 8, 4, 8]
    assert results.chosen[0].setting.label == "wide(8)"


def test_what_is_only_tried_is_not_scored_on_the_test_split(asking, plugins, tmp_path):
    asked = asking(models=("learned",), choose={"learned.width": [2, 8]}, seeds=1)
    results = run(asked, tmp_path, plugins)
    files = {
        each.values["width"]: {
            path.name.split(".", 1)[1] for path in (tmp_path / "trials" / each.trial).glob("scores/*")
        }
        for each in results.chosen[0].tried
    }
    assert files == {2: {"validation.json"}, 8: {"validation.json", "json"}}


def test_ranks_in_several_scores_count_alike_and_the_first_of_equal_ones_is_chosen(asking, plugins, tmp_path):
    by_default = run(asking(choose_by=(), choose={"wide.width": [2, 8, 20]}), tmp_path / "a", plugins)
    assert by_default.chosen[0].by == ("wider", "odd")
    assert [each.rank for each in by_default.chosen[0].tried] == [2.5, 1.5, 2.0]
    level = run(asking(choose_by=("level",)), tmp_path / "a", plugins)
    assert level.trials[0].label == "wide(2)"


def test_what_failed_or_is_worthless_is_not_chosen(asking, plugins, tmp_path):
    results = run(asking(choose={"wide.width": [60, 40, 13, 3]}), tmp_path, plugins)
    assert results.chosen[0].setting.label == "wide(3)"
    assert [each.rank for each in results.chosen[0].tried] == [None, None, None, 1.0]
    worthless = run(asking(choose={"wide.width": [60, 40]}, seeds=1), tmp_path, plugins)
    assert worthless.trials[0].label == "wide(40)"
    failed = run(asking(choose={"wide.width": [60, 55]}, seeds=1), tmp_path, plugins)
    assert failed.trials[0].label == "wide(60)"
    assert "wide(60): width=60, the first of 60, 55; none of them has a score" in table(failed)


def test_each_setting_of_a_grid_gets_its_own_choice(asking, plugins):
    asked = asking(models=("ae",), params={"latent_dim": [2, 4]}, choose={"ae.backbone": ["mlp", "conv"]})
    plan = make_plan(asked, plugins)
    labels = [[each.first.label for each in group.settings] for group in plan.candidates]
    assert len(labels) == 2
    assert [group.settings[0].first.params["latent_dim"] for group in plan.candidates] == [2, 4]


def test_an_estimate_counts_the_search_and_what_comes_after_it(asking, plugins, wide, tmp_path):
    plan = make_plan(asking(), plugins)
    execution = Execution(0).settled(1)
    assert len(as_far_as_known(plan, ("wider",), tmp_path, execution).trials) == 4
    run(asking(), tmp_path, plugins)
    known = as_far_as_known(plan, ("wider",), tmp_path, execution)
    assert [trial.label for trial in known.trials] == ["wide(8)", "wide(8)"]


def test_everything_is_done_anew_once_where_that_is_asked_for(asking, plugins, wide, tmp_path):
    run(asking(), tmp_path, plugins)
    wide.fitted.clear()
    run(asking(), tmp_path, plugins, rerun="all")
    assert wide.fitted == [2, 8, 4, 8]


REFUSED = {
    "one value": ({"choose": {"wide.width": [2]}}, "wide.width has one value, so there is nothing to choose"),
    "no encoder": (
        {"models": ("placeless",), "choose": {"placeless.width": [2, 4]}},
        "cannot be chosen on the validation split, as placeless has no encoder",
    ),
    "given too": ({"params": {"wide.width": 3}}, "wide.width stands in params and in choose"),
    "of a dataset": ({"choose": {"digits.classes": [1, 2]}}, "digits.classes is a parameter of a dataset"),
    "unknown parameter": ({"choose": {"wide.wdth": [1, 2]}}, "has no parameter 'wdth'; did you mean 'width'"),
    "unknown score": ({"choose_by": ("widr",)}, "'widr' is no score of this benchmark; did you mean 'wider'"),
    "no direction": ({"choose_by": ("aimless",)}, "'aimless' has no better direction"),
    "no table": ({"choose": [1]}, "choose in a benchmark must be a table of names and values"),
}


@pytest.mark.parametrize(("changes", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_chosen_is_told_before_anything_is_run(asking, plugins, changes, sentence):
    with pytest.raises((RequestError, UnknownNameError), match=re.escape(sentence)):
        make_plan(asking(**changes), plugins)


def test_what_is_given_is_not_chosen_and_what_is_chosen_is_not_given():
    weak = {"params": {"latent_dim": 8}, "choose": {"a.x": [1, 2], "b.y": [3, 4]}}
    merged = merge(weak, {"params": {"a.x": 5}, "choose": {"latent_dim": [2, 4]}})
    assert merged["params"] == {"a.x": 5}
    assert merged["choose"] == {"b.y": [3, 4], "latent_dim": [2, 4]}


def test_scores_added_to_a_run_keep_what_was_chosen(asking, plugins, tmp_path):
    from latentbench.execution.joining import plan_of

    results = run(asking(), tmp_path, plugins)
    assert plan_of(results, plugins).chosen == tuple(results.chosen)
    assert json.loads((tmp_path / "run.json").read_text())["chosen"][0]["by"] == ["wider"]


def test_a_benchmark_says_what_is_chosen_in_toml(tmp_path, plugins):
    from latentbench.benchmark import read_benchmark

    path = tmp_path / "mine.toml"
    path.write_text('models = ["beta_vae"]\nchoose_by = ["r2"]\n[choose]\nbeta_vae.beta = [1, 4]\n')
    read = read_benchmark(path)
    assert (read.choose, read.choose_by) == ({"beta_vae.beta": [1, 4]}, ("r2",))
    assert isinstance(read, Benchmark)
