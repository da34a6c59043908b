import numpy as np
import pytest
from PIL import Image

from latentbench import Model
from latentbench.benchmark import Benchmark, names_in, override
from latentbench.errors import ContractError, DataError, LatentbenchError, RequestError, UnknownNameError
from latentbench.planning.metrics import metric_requests
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins

PLUGIN = '''
from typing import ClassVar
from pydantic import Field
from latentbench import DataError, Dataset, Metric, Model, Params, Score, hookimpl

class Wide(Model):
    """Takes tuples and words."""
    label_params = ("kind",)
    class Params(Model.Params):
        hidden: tuple[int, ...] = (64,)
        kind: str = "plain"
        latent_dim: int = 2
    def encode(self, inputs): return inputs.flatten(1)

class Same(Wide):
    pass

class Broken(Dataset):
    def load(self): raise DataError("the file x.npz is damaged")

class Twice(Metric):
    scores = {"r2": Score("up", "explained variance, again")}
    def compute(self, space): return {"r2": 0.0}

class Tuned(Metric):
    scores = {"tuned": Score("up", "a number")}
    class Params(Metric.Params):
        k: int = Field(default=3, ge=1, description="a count")
    def compute(self, space): return {"tuned": self.params.k}

@hookimpl
def register_models(register):
    register("wide", Wide)

@hookimpl
def register_datasets(register):
    register("broken", Broken)

@hookimpl
def register_metrics(register):
    register("tuned", Tuned)
'''
TWICE = PLUGIN + '    register("twice", Twice)\n'


@pytest.fixture(scope="module")
def plugins():
    return Plugins()


@pytest.fixture
def extended(plugin_file):
    return Plugins(files=(plugin_file(PLUGIN),))


@pytest.fixture
def plan(tiny, plugins):
    return lambda **changes: make_plan(tiny(**changes), plugins)


def cells(plan, *names):
    return [(trial.label, *(trial.params[name] for name in names)) for trial in plan.trials]


# the grid


def test_every_model_takes_the_parameters_it_has(plan):
    made = plan(models=("ae", "beta_vae", "pca", "pixels"), params={"latent_dim": 8, "beta": 2})
    assert [trial.label for trial in made.trials] == ["ae", "beta_vae(2)", "pca", "pixels"]
    assert [trial.params.get("latent_dim") for trial in made.trials] == [8, 8, 8, None]
    assert made.trials[1].params["beta"] == 2.0


def test_values_span_a_grid(plan):
    made = plan(models=("beta_vae", "vae"), params={"latent_dim": [2, 8], "beta": [1, 4]})
    assert cells(made, "latent_dim") == [
        ("beta_vae(latent_dim=2, beta=1.0)", 2),
        ("beta_vae(latent_dim=2, beta=4.0)", 2),
        ("beta_vae(latent_dim=8, beta=1.0)", 8),
        ("beta_vae(latent_dim=8, beta=4.0)", 8),
        ("vae(latent_dim=2)", 2),
        ("vae(latent_dim=8)", 8),
    ]


def test_coupled_names_move_together(plan):
    made = plan(models=("beta_vae", "vae"), params={"latent_dim, beta": [[2, 1], [8, 4], [8, 16]]})
    assert [(trial.params["latent_dim"], trial.params.get("beta")) for trial in made.trials] == [
        (2, 1.0), (8, 4.0), (8, 16.0), (2, None), (8, None),
    ]  # fmt: skip


def test_a_key_that_names_a_model_goes_first(plan):
    made = plan(models=("vae", "beta_vae"), params={"latent_dim": [2, 8], "vae.latent_dim": 3})
    assert [(t.model, t.params["latent_dim"]) for t in made.trials] == [
        ("vae", 3), ("beta_vae", 2), ("beta_vae", 8),
    ]  # fmt: skip


def test_equal_cells_are_run_once(plan):
    assert len(plan(params={"latent_dim": [8, 8.0]}).trials) == 1
    assert len(plan(datasets=("digits", "digits")).trials) == 1
    assert len(plan(models=("ae", "pca"), references=("pca",)).trials) == 2


def test_a_model_that_uses_labels_is_an_upper_bound(plan):
    made = plan(models=("ae", "supervised"), references=("pca",))
    kinds = {trial.model: trial.traits.reference for trial in made.trials}
    assert kinds == {"ae": "", "supervised": "upper bound", "pca": "yardstick"}


def test_seeds_multiply_but_for_deterministic_models(plan):
    made = plan(models=("ae",), references=("pca", "random_projection", "pixels"), seeds=3)
    seeds = {}
    for trial in made.trials:
        seeds.setdefault(trial.label, []).append(trial.seed)
    assert seeds == {"ae": [0, 1, 2], "pca": [0], "random_projection": [0, 1, 2], "pixels": [0]}


def test_the_labels_of_tables(plan):
    assert [t.label for t in plan(models=("beta_vae",)).trials] == ["beta_vae(4)"]
    assert [t.label for t in plan(models=("beta_vae",), params={"beta": 0.5}).trials] == ["beta_vae(0.5)"]
    labels = [t.label for t in plan(models=("vae",), params={"latent_dim": [4, 8]}).trials]
    assert labels == ["vae(latent_dim=4)", "vae(latent_dim=8)"]


def test_keys_differ_in_what_decides_and_are_the_same_for_the_same_request(plan):
    def keys(**changes):
        return {trial.key for trial in plan(**changes).trials}

    assert keys() == keys()
    assert not keys() & keys(params={"latent_dim": 3})
    assert not keys() & keys(budget={"epochs": 2})
    assert keys(seeds=1) < keys(seeds=2)
    assert keys(params={"latent_dim": 2.0}) == keys(params={"latent_dim": 2})


def test_a_dataset_may_have_its_own_budget_and_parameters(plan):
    on = {"digits": {"budget": {"epochs": 9}, "params": {"latent_dim": 5}}}
    (trial,) = plan(on=on).trials
    assert (trial.budget.epochs, trial.budget.batch_size, trial.params["latent_dim"]) == (9, 64, 5)


def test_tuples_and_words_are_parameters_too(tiny, extended):
    def made(**params):
        return make_plan(tiny(models=("wide",), params=params), extended).trials

    assert [t.label for t in made()] == ["wide(plain)"]
    assert [t.params["hidden"] for t in made(hidden=[[64, 32]])] == [[64, 32]]
    assert [t.params["hidden"] for t in made(hidden=[[64, 32], [8]])] == [[64, 32], [8]]


def test_a_model_straight_from_a_file(tiny, plugins, plugin_file):
    path = plugin_file(PLUGIN)
    name = f"{path}:Wide"
    made = make_plan(tiny(models=(name,), params={f"{name}.kind": "odd"}), plugins)
    (trial,) = made.trials
    assert (trial.label, trial.model, trial.keyed_source) == ("Wide(odd)", name, True)


def test_two_models_under_one_heading_are_refused(tiny, plugins, plugin_file):
    names = (f"{plugin_file(PLUGIN)}:Wide", f"{plugin_file(PLUGIN, 'other.py')}:Wide")
    with pytest.raises(RequestError, match=r" would both stand under 'Wide\(plain\)'; rename one$"):
        make_plan(tiny(models=names, params={}), plugins)


# what is refused, each with its sentence

SENTENCES = {
    "unknown model": (
        {"models": ("vea",)},
        "there is no model 'vea'; did you mean 'vae'? (`latentbench list models` shows all)",
    ),
    "unknown reference": ({"references": ("pcaa",)}, "there is no model 'pcaa'; did you mean 'pca'?"),
    "unknown dataset": ({"datasets": ("digit",)}, "there is no dataset 'digit'; did you mean 'digits'?"),
    "unknown score": (
        {"scores": ("r3",)},
        "there is no score 'r3'; did you mean 'r2'? (`latentbench list metrics`)",
    ),
    "misspelt parameter": (
        {"params": {"latent_dims": 8}},
        "no model of this benchmark has a parameter 'latent_dims'; did you mean 'latent_dim'?",
    ),
    "misspelt parameter of a model": (
        {"params": {"ae.latent": 8}},
        "model 'ae' has no parameter 'latent'; did you mean 'latent_dim'?",
    ),
    "a parameter of another model": (
        {"params": {"beta_vae.beta": 8}},
        "parameter 'beta_vae.beta' is of 'beta_vae', which this benchmark does not use",
    ),
    "a parameter of a misspelt model": (
        {"models": ("vae",), "params": {"vea.latent_dim": 8}},
        "parameter 'vea.latent_dim' is of 'vea', which this benchmark does not use; did you mean 'vae'",
    ),
    "misspelt parameter on a dataset": (
        {"on": {"digits": {"params": {"latent": 8}}}},
        "no model of this benchmark has a parameter 'latent'; did you mean 'latent_dim'?",
    ),
    "negative": (
        {"params": {"latent_dim": -3}},
        "model 'ae': latent_dim should be greater than or equal to 1, got -3",
    ),
    "no number": (
        {"params": {"latent_dim": "many"}},
        "model 'ae': latent_dim should be a valid integer, got 'many'",
    ),
    "one bad value of a grid": (
        {"params": {"latent_dim": [2, 0]}},
        "model 'ae': latent_dim should be greater than or equal to 1, got 0",
    ),
    "coupled values of another width": (
        {"models": ("beta_vae",), "params": {"latent_dim, beta": [[1, 2], [3]]}},
        "params 'latent_dim, beta' couples 2 names: each value must be a row of 2, got [3]",
    ),
    "coupled without rows": (
        {"models": ("beta_vae",), "params": {"latent_dim, beta": 3}},
        "params 'latent_dim, beta' couples 2 names: each value must be a row of 2, got 3",
    ),
    "misspelt budget": ({"budget": {"epoch": 3}}, "budget has no parameter 'epoch'; did you mean 'epochs'?"),
    "no epochs": (
        {"budget": {"epochs": 0}},
        "budget: epochs should be greater than or equal to 1, got 0",
    ),
    "dataset without a value": (
        {"datasets": ("fashion_mnist:path",)},
        "dataset 'fashion_mnist:path': expected NAME:KEY=VALUE, got 'path'",
    ),
    "dataset with an unknown key": (
        {"datasets": ("fashion_mnist:pth=/x",)},
        "dataset 'fashion_mnist' has no parameter 'pth'; did you mean 'path'?",
    ),
    "a word for a number of a metric": (
        {"params": {"knn.nonsense": 3}},
        "parameter 'knn.nonsense' is of 'knn', which this benchmark does not use",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_a_wrong_request_is_refused_in_one_sentence(plan, case):
    changes, sentence = SENTENCES[case]
    with pytest.raises(RequestError) as caught:
        plan(**changes)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_of_their_own_kind(plan):
    with pytest.raises(UnknownNameError):
        plan(models=("nonsense",))


def test_a_metric_that_computes_a_score_of_latentbench_is_left_out(tiny, plugin_file):
    path = plugin_file(TWICE)
    plugins = Plugins(files=(path,))
    sentence = f"score 'r2' is computed by metrics r2 of latentbench:latentbench-metrics and twice of {path}"
    with pytest.warns(UserWarning, match=f"metric twice is left out: {sentence}"):
        planned = make_plan(tiny(scores=("r2",)), plugins)
    assert [request.metric for request in planned.requests] == ["r2"]
    with pytest.raises(RequestError, match=sentence):
        make_plan(tiny(scores=("twice",)), plugins)


# data


def test_a_dataset_takes_parameters_from_its_name_and_from_params(plan, tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        plan(datasets=(f"fashion_mnist:path={tmp_path}",))
    with pytest.raises(DataError, match=str(tmp_path)):
        plan(datasets=("fashion_mnist",), params={"fashion_mnist.path": str(tmp_path)})


def test_damaged_data_beside_healthy_data_becomes_failed_trials(tiny, extended):
    made = make_plan(tiny(datasets=("broken", "digits"), seeds=2), extended)
    ended = [(trial.dataset, trial.outcome and trial.outcome.status) for trial in made.trials]
    assert ended == [("broken", "failed")] * 2 + [("digits", None)] * 2
    outcome = made.trials[0].outcome
    assert (outcome.error, outcome.message) == ("DataError", "the file x.npz is damaged")


def test_nothing_but_damaged_data_is_an_error(tiny, extended):
    with pytest.raises(DataError, match=r"^the file x\.npz is damaged$"):
        make_plan(tiny(datasets=("broken",)), extended)


# metrics


def test_scores_are_asked_for_by_their_own_name_or_by_their_metric(plan):
    def asked(*scores):
        return [request.metric for request in plan(scores=scores).requests]

    assert asked("r2") == ["r2"]
    assert asked("knn10", "reconstruction") == ["knn", "reconstruction"]
    assert len(asked()) > 10


def test_tiers_choose_metrics(plan, plugins):
    quick = plan(scores=(), tiers=("quick",)).requests
    full = plan(scores=(), tiers=("full",)).requests
    assert {request.metric for request in (*quick, *full)} == set(plugins.names("metric"))
    assert all(plugins.load("metric", request.metric).tier == "quick" for request in quick)


def test_the_headline_tier_is_what_the_default_table_shows_and_what_the_first_look_computes(plan, plugins):
    asked = {request.metric: request for request in plan(scores=(), tiers=("headline",)).requests}
    metrics = {name: plugins.load("metric", name) for name in plugins.names("metric")}
    shown = {name for name, metric in metrics.items() if any(score.headline for score in metric.scores.values())}
    assert asked.keys() == shown > {"r2", "walk_kd", "edit_gain"}
    first_look = {request.metric for request in make_plan(Benchmark(seeds=1), plugins).requests}
    assert first_look == shown | {name for name, metric in metrics.items() if metric.tier == "quick"}
    assert "iwae" not in first_look
    of_standard = {request.metric for request in make_plan(Benchmark(preset="full"), plugins).requests}
    assert of_standard == metrics.keys()


def test_a_metric_takes_parameters(tiny, extended):
    made = make_plan(tiny(scores=("tuned",), params={"tuned.k": 7}), extended)
    assert made.requests[0].params == {"k": 7}
    with pytest.raises(RequestError, match=r"^metric 'tuned': k should be greater than or equal to 1, got 0$"):
        make_plan(tiny(scores=("tuned",), params={"tuned.k": 0}), extended)


def test_requests_without_a_benchmark(plugins):
    assert [request.metric for request in metric_requests(("r2",), plugins)] == ["r2"]
    assert len(metric_requests((), plugins)) == len(plugins.names("metric"))
    with pytest.raises(LatentbenchError, match="there is no score 'nonsense'"):
        metric_requests(("nonsense",), plugins)


# small parts


def test_every_score_is_described_in_its_row(plugins):
    """Tables, page and scores.csv show the description; the only score of a metric has the metric's summary."""
    requests = {request.metric: request for request in metric_requests((), plugins)}
    words = {name: score["description"] for request in requests.values() for name, score in request.scores.items()}
    assert [name for name, description in words.items() if not description] == []
    assert words["r2"] == plugins.find("metric", "r2").summary


def test_a_stronger_key_takes_out_every_key_that_shares_a_name():
    table = {"latent_dim, beta": [[8, 1]], "vae.latent_dim": 3, "sigma": 1.0}
    assert override(table, {"latent_dim": 4}) == {"vae.latent_dim": 3, "sigma": 1.0, "latent_dim": 4}
    assert override(table, {}) == table
    assert names_in(" a ,b,c ") == ["a", "b", "c"]


def test_a_dataset_asked_for_twice_is_refused():
    with pytest.raises(RequestError, match="'fashion_mnist' is given twice"):
        make_plan(Benchmark(datasets=("fashion_mnist", "fashion_mnist:path=x"), seeds=1), Plugins())


def test_a_table_for_a_dataset_that_does_not_exist_is_refused():
    with pytest.raises(UnknownNameError, match="no dataset 'digitz'; did you mean 'digits'"):
        make_plan(Benchmark(on={"digitz": {"params": {"latent_dim": 2}}}), Plugins())


def test_a_path_names_a_dataset_and_is_kept_whole(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "mine.npz", x=rng.normal(size=(80, 5)).astype(np.float32), y=np.arange(80) % 2)
    monkeypatch.chdir(tmp_path)
    made = make_plan(Benchmark(datasets=("./mine.npz",), models=("vae",), params={"backbone": "mlp"}), Plugins())
    trial = made.trials[0]
    assert (trial.dataset, trial.loader) == ("mine", "arrays")
    assert trial.dataset_params["path"] == str(tmp_path / "mine.npz")


def test_a_path_given_as_a_parameter_is_kept_whole(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    made = make_plan(Benchmark(datasets=("arrays",), params={"arrays.path": "a.npy"}), Plugins())
    assert made.trials[0].dataset_params["path"] == str(tmp_path / "a.npy")


# budgets that vary


def test_a_budget_with_several_values_makes_a_grid(plan):
    made = plan(references=("pca",), budget={"epochs": 2, "train_limit": [100, 200], "batch_size": 64})
    varied = [(trial.label, trial.traits.varied, trial.budget.train_limit) for trial in made.trials]
    assert varied == [
        (f"{model}(train_limit={limit})", {"train_limit": limit}, limit)
        for model in ("ae", "pca")
        for limit in (100, 200)
    ]
    assert made.swept == ("digits",)


def test_checkpoints_end_with_the_whole_training_and_leave_other_models_alone(plan):
    made = plan(references=("pca",), budget={"epochs": 5, "checkpoint": [1, 2, 5]})
    stops = [(trial.label, trial.budget.checkpoint, trial.traits.varied) for trial in made.trials]
    assert stops == [
        ("ae(epochs=1)", 1, {"epochs": 1}),
        ("ae(epochs=2)", 2, {"epochs": 2}),
        ("ae(epochs=5)", None, {"epochs": 5}),
        ("pca", None, {}),
    ]


def test_a_model_without_steps_is_the_same_trial_for_any_number_of_epochs(plan):
    few, many = (plan(references=("pca",), budget={"epochs": n}) for n in (1, 9))
    assert few.trials[1].key == many.trials[1].key
    assert few.trials[0].key != many.trials[0].key


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"epochs": 5, "checkpoint": [1, 6]}, "checkpoint 6 is past the last epoch, 5; give more epochs"),
        (
            {"epochs": [2, 5], "checkpoint": [1]},
            "checkpoints belong to one training; give one number of epochs",
        ),
        ({"epochs": 5, "checkpoint": [0]}, "budget: checkpoint should be greater than or equal to 1, got 0"),
        ({"epochs": [0, 2]}, "budget: epochs should be greater than or equal to 1, got 0"),
    ],
)
def test_bad_budgets_say_so(budget, message, plan):
    with pytest.raises(RequestError) as caught:
        plan(budget=budget)
    assert message in str(caught.value)


def test_on_the_validation_split_only_what_decides_is_asked_for(plan):
    made = plan(params={"latent_dim": [2, 4]}, scores=("r2", "silhouette"))
    splits = [(split, request.metric) for split, request in made.asked(made.trials[0])]
    assert {metric for split, metric in splits if split == "validation"} == {"r2"}
    named = plan(params={"latent_dim": [2, 4]}, scores=("silhouette",))
    assert [request.metric for request in named.validation_requests(named.trials[0])] == ["separation"]
    assert plan().validation_requests(made.trials[0]) == ()


def test_an_empty_list_is_refused(plan):
    with pytest.raises(RequestError, match=r"^params 'latent_dim' needs a value, got an empty list$"):
        plan(params={"latent_dim": []})
    with pytest.raises(RequestError, match=r"^budget: epochs needs a value, got an empty list$"):
        plan(budget={"epochs": []})


ODD_PATHS = ["a:b", "a:size=3", "a,b:c", "x=1:y=2", "a b#c%d"]


@pytest.mark.parametrize("name", ODD_PATHS)
def test_a_path_with_odd_signs_takes_parameters(tmp_path, monkeypatch, name):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    for row in range(60):
        Image.new("L", (3, 3), row).save(tmp_path / name / f"{row}.png")
    labels = tmp_path / "of:all,rows.csv"
    labels.write_text("file,label\n" + "".join(f"{row}.png,{row % 3}\n" for row in range(60)))
    for path in (tmp_path / name, f"./{name}", name):
        spec = f"{path}:size=8:labels={labels}:test_share=0.3"
        (trial,) = make_plan(
            Benchmark(datasets=(spec,), models=("pca",), references=(), seeds=1), Plugins()
        ).trials
        assert trial.outcome is None
        params = trial.dataset_params
        assert (params["path"], params["size"]) == (str(tmp_path / name), 8)
        assert (params["labels"], params["test_share"]) == (str(labels), 0.3)


def test_a_parameter_that_is_given_twice_is_refused():
    with pytest.raises(RequestError, match=r"size is given twice; give it once$"):
        make_plan(Benchmark(datasets=("./a:size=3:size=4",), seeds=1), Plugins())


LAYERS = """
from latentbench import Model, hookimpl

class Layers(Model):
    deterministic = True
    compared_params = ("layer",)

    class Params(Model.Params):
        layer: str = "last"
        pool: str = "mean"
        sides: tuple[int, ...] = ()

    def encode(self, inputs): return inputs.flatten(1)

@hookimpl
def register_models(register):
    register("layers", Layers)
"""


@pytest.mark.parametrize(
    ("params", "labels", "varied", "swept"),
    [
        ({"layer": ["a", "b"]}, ["layers(layer=a)", "layers(layer=b)"], [{}, {}], ()),
        (
            {"pool": ["mean", "max"], "layer": ["a", "b"]},
            [f"layers(layer={layer}, pool={pool})" for pool in ("mean", "max") for layer in "ab"],
            [{"pool": pool} for pool in ("mean", "max") for _ in "ab"],
            ("digits",),
        ),
        ({"layer": "a"}, ["layers"], [{}], ()),
        ({"sides": [3, 4]}, ["layers"], [{}], ()),
        (
            {"sides": [[3, 4], [5]]},
            ["layers(sides=[3, 4])", "layers(sides=[5])"],
            [{"sides": [3, 4]}, {"sides": [5]}],
            ("digits",),
        ),
    ],
)
def test_what_is_compared_is_told_from_what_is_chosen_between(plugin_file, params, labels, varied, swept):
    plugins = Plugins(files=(plugin_file(LAYERS),))
    given = {f"layers.{name}": value for name, value in params.items()}
    made = make_plan(Benchmark(models=("layers",), references=(), scores=("knn10",), params=given), plugins)
    assert [trial.label for trial in made.trials] == labels
    assert [dict(trial.traits.varied) for trial in made.trials] == varied
    assert made.swept == swept
    if isinstance(params.get("layer"), list):
        assert {trial.traits.compared["layer"] for trial in made.trials} == {"a", "b"}


def test_a_compared_parameter_must_be_one():
    with pytest.raises(ContractError, match=r"Layers\.compared_params: expected .*'lair'"):
        type("Layers", (Model,), {"compared_params": ("lair",)})


def test_a_model_and_a_metric_of_one_name_have_parameters_of_their_own(plugins):
    asked = {"models": ("factor_vae",), "references": (), "scores": ("factor_vae_score",), "seeds": 1}
    plan = make_plan(Benchmark(**asked, params={"factor_vae.gamma": 7.0}), plugins)
    assert plan.trials[0].params["gamma"] == 7
    assert plan.requests[0].params == {}
    with pytest.raises(RequestError, match="model 'factor_vae' has no parameter 'gama'; did you mean 'gamma'"):
        make_plan(Benchmark(**asked, params={"factor_vae.gama": 7.0}), plugins)
