"""Models and metrics that write into what they share fail by name, and nobody else's numbers change."""

import numpy as np
import pytest

import latentbench
from latentbench import DataError
from latentbench.execution import split_scores
from latentbench.opening import changed_data, load_splits
from latentbench.plugins import Plugins

MODELS = """
import numpy as np, torch
from latentbench import Dataset, Model, Split, hookimpl

class Plain(Model):
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 2
    def encode(self, inputs): return inputs.flatten(1)[:, 20 : 20 + self.params.latent_dim]
    def get_state(self): return {}
    def set_state(self, state): pass

class Zeroes(Plain):
    def fit(self, train, generator): train.inputs[:] = 0

class Shuffles(Plain):
    def fit(self, train, generator): np.random.default_rng(0).shuffle(train.inputs)

class Relabels(Plain):
    def fit(self, train, generator): torch.from_numpy(train.labels)[3] += 1

class Raises(Plain):
    def fit(self, train, generator):
        train.inputs.reshape(-1)[0] += 1
        raise ValueError("and then this")

class Later(Plain):
    def fit(self, train, generator): self.train = train
    def encode(self, inputs):
        if hasattr(self, "train"): self.train.inputs[5] += 1
        return super().encode(inputs)

class InPlace(Plain):
    def encode(self, inputs):
        codes = super().encode(inputs).clone()
        inputs.mul_(0)
        return codes

class InNumpy(Plain):
    def encode(self, inputs):
        codes = super().encode(inputs).clone()
        inputs.numpy().sort(axis=0)
        return codes

class Defaults(Plain):
    def fit(self, train, generator):
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)

class Moves(Plain):
    def fit(self, train, generator):
        import os
        os.chdir("/")

ALL = Zeroes, Shuffles, Relabels, Raises, Later, InPlace, InNumpy, Defaults, Moves, Plain

@hookimpl
def register_models(register):
    for model in ALL: register(model.__name__, model)

KEPT = Split(np.random.default_rng(0).random((40, 4), np.float32), np.arange(40) % 2)

class Keeps(Dataset):
    def load(self): return KEPT, KEPT

@hookimpl
def register_datasets(register): register("keeps", Keeps)
"""
METRICS = """
import os
import numpy as np, torch
from latentbench import Metric, Score, hookimpl

def metric(name, body):
    def compute(self, space):
        value = body(space)
        return {name: 1.0 if value is None else value}
    return type(name, (Metric,), {"scores": {name: Score("up", name)}, "compute": compute, "__module__": __name__})

def raises(space):
    space.codes.numpy()[:] = 0
    raise ValueError("and then this")

def defaults(space):
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    np.seterr(all="raise")
    os.chdir("/")

def everything(space):
    labels = (space.labels * space.codes[:, 0]).double().sum()
    codes = space.codes.double().sum() + space.train.codes.double().sum()
    return float(codes + space.inputs.double().sum() + labels)

METRICS = [
    metric("a_honest", lambda space: float(space.codes.double().sum())),
    metric("b_codes", lambda space: space.codes.numpy().__setitem__(slice(None), 0)),
    metric("b_labels", lambda space: np.asarray(space.labels).sort()),
    metric("b_train", lambda space: space.train.codes.numpy().fill(0)),
    metric("b_view", lambda space: space.inputs.flatten(1).numpy().__setitem__((7, 1), 2)),
    metric("b_raises", raises),
    metric("c_defaults", defaults),
    metric("d_honest", everything),
]

@hookimpl
def register_metrics(register):
    for found in METRICS: register(found.__name__, found)
"""
HONEST = ("a_honest", "d_honest", "knn10")
WRITERS = {
    "Zeroes": "fit wrote into train.inputs, which other models share; work on a copy",
    "Shuffles": "fit wrote into train.inputs, which other models share; work on a copy",
    "Relabels": "fit wrote into train.labels, which other models share; work on a copy",
    "Raises": "and then this (models.py:25)",
    "Later": "Later wrote into inputs of the train split, which all share; work on a copy",
}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "models.py").write_text(MODELS)
    (folder / "metrics.py").write_text(METRICS)
    return Plugins(files=(str(folder / "models.py"), str(folder / "metrics.py")))


@pytest.fixture(scope="module")
def run(tiny, plugins, tmp_path_factory):
    """A function that runs models and scores in this process, with all of the training data."""

    def go(models, scores):
        benchmark = tiny(models=models, scores=scores, budget={"epochs": 1, "batch_size": 64})
        return latentbench.run(benchmark, tmp_path_factory.mktemp("run"), plugins=plugins, workers=0)

    return go


@pytest.fixture(scope="module")
def expected(run):
    """Score -> value of the model that does nothing wrong, with metrics that do nothing wrong."""
    frame = run(("Plain",), HONEST).scores.set_index("score")
    assert set(frame["status"]) == {"ok"}
    return frame["value"].to_dict()


@pytest.fixture(scope="module")
def spoilt_by_models(run):
    return run((*WRITERS, "InPlace", "InNumpy", "Defaults", "Moves", "Plain"), HONEST)


@pytest.fixture(scope="module", params=[0.0, 1e9], ids=["each metric is checked", "all are checked at the end"])
def spoilt_by_metrics(run, request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_scores, "CHECKING", 1e9 if request.param == 0 else 0.0)
        names = "a_honest b_codes b_labels b_train b_view b_raises c_defaults d_honest knn10"
        return run(("Plain",), tuple(names.split()))


@pytest.mark.parametrize("model", WRITERS)
def test_a_model_that_writes_into_the_data_fails_by_name(spoilt_by_models, model):
    failures = {label: (status, message) for label, _, status, message in spoilt_by_models.failures}
    assert failures[model] == ("failed", WRITERS[model])
    rows = spoilt_by_models.scores[spoilt_by_models.scores["label"] == model]
    assert set(rows["status"]) == {"failed"}


@pytest.mark.parametrize("model", ["InPlace", "InNumpy", "Defaults", "Moves", "Plain"])
def test_the_models_after_it_have_the_numbers_they_would_have_alone(spoilt_by_models, expected, model):
    rows = spoilt_by_models.scores[spoilt_by_models.scores["label"] == model].set_index("score")
    assert rows["value"].to_dict() == expected


def test_no_other_model_fails(spoilt_by_models):
    assert {label for label, *_ in spoilt_by_models.failures} == set(WRITERS)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("b_codes", "ContractError: compute wrote into codes of the space; work on a copy"),
        ("b_labels", "ContractError: compute wrote into labels of the space; work on a copy"),
        ("b_train", "ContractError: compute wrote into train codes of the space; work on a copy"),
        ("b_view", "ContractError: compute wrote into inputs of the space; work on a copy"),
        ("b_raises", "ValueError: and then this (metrics.py:14)"),
    ],
)
def test_a_metric_that_writes_into_the_space_fails_by_name(spoilt_by_metrics, metric, reason):
    (row,) = spoilt_by_metrics.scores[spoilt_by_metrics.scores["score"] == metric].to_dict("records")
    assert (row["status"], row["reason"]) == ("failed", reason)


@pytest.mark.parametrize("metric", HONEST)
def test_the_metrics_after_it_have_the_numbers_they_would_have_alone(spoilt_by_metrics, expected, metric):
    (row,) = spoilt_by_metrics.scores[spoilt_by_metrics.scores["score"] == metric].to_dict("records")
    assert (row["status"], row["value"]) == ("ok", expected[metric])


@pytest.mark.parametrize("writer", ["b_codes", "b_raises"])
def test_a_space_that_a_metric_wrote_into_gives_no_more_scores(plugins, writer):
    codes, labels = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    space = latentbench.LatentSpace.from_arrays(codes=codes, labels=labels)
    scores = latentbench.score(space, ("a_honest", writer, "knn5"), plugins).set_index("score")
    assert scores["status"].to_dict() == {"a_honest": "ok", writer: "failed", "knn5": "failed"}
    assert scores.loc["knn5", "reason"] == (
        "ContractError: codes changed since the space was first scored; build the space again"
    )


def test_state_that_was_left_behind_is_said_in_the_log(spoilt_by_models, spoilt_by_metrics):
    def log(results, label):
        (trial,) = (trial for trial in results.trials if trial.label == label)
        return (results.path / "trials" / trial.key / "log.txt").read_text()

    changed = "left changed, now put back: default dtype of torch, default device of torch"
    assert f"the training of Defaults {changed}, mode of gradients\n" in log(spoilt_by_models, "Defaults")
    assert "the training of Moves left changed, now put back: current folder\n" in log(spoilt_by_models, "Moves")
    assert f"metric c_defaults {changed}, handling of errors in numpy, current" in log(spoilt_by_metrics, "Plain")


def test_arrays_that_a_dataset_keeps_are_not_taken_for_its_data(tiny, plugins):
    from latentbench.planning.plan import make_plan

    (trial,) = make_plan(tiny(datasets=("keeps",), models=("Plain",), scores=("knn10",)), plugins).trials
    splits = load_splits(plugins, trial)
    assert changed_data(plugins, trial) == []
    splits.test.inputs[0] += 1
    assert changed_data(plugins, trial) == ["inputs of the test split"]
    with pytest.raises(DataError, match="a model wrote into arrays that the dataset 'keeps' keeps for itself"):
        load_splits(plugins, trial)
    splits.test.inputs[0] -= 1
