"""A plugin's mistake stays the plugin's: others are not touched, and the sentence names plugin, rule and cure."""

import textwrap
import warnings

import pytest

import latentbench
from latentbench.errors import LatentbenchError
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins

HEAD = "from latentbench import Dataset, Metric, Model, Score\n"
COMPUTE = """
    def compute(self, space):
        return {"bad": 0.0}
"""
MISTAKES = {  # kind, body of the module, what the sentence says
    "a metric without scores": (
        "metric",
        f"class Bad(Metric):{COMPUTE}",
        'declares no scores; add scores = {"name": Score("up")}',
    ),
    "a metric without compute": (
        "metric",
        """
class Bad(Metric):
    scores = {"bad": Score("up")}
""",
        "lacks compute, which every Metric has",
    ),
    "a version that is no number": (
        "metric",
        f"""
class Bad(Metric):
    scores = {{"bad": Score("up")}}
    version = "1.0"
{COMPUTE}""",
        "correct Bad.version: expected a whole number of at least 1, got '1.0'",
    ),
    "Params of a metric that are a plain class": (
        "metric",
        f"""
class Bad(Metric):
    scores = {{"bad": Score("up")}}
    class Params:
        k = 3
{COMPUTE}""",
        "correct Bad.Params: expected a class that inherits from Metric.Params",
    ),
    "a score of latentbench": (
        "metric",
        f"""
class Bad(Metric):
    scores = {{"r2": Score("up")}}
{COMPUTE}""",
        "score 'r2' is computed by metrics",
    ),
    "Params of a model that are a plain class": (
        "model",
        """
class Bad(Model):
    class Params:
        k = 3
    def encode(self, inputs):
        return inputs
""",
        "correct Bad.Params: expected a class that inherits from Model.Params",
    ),
    "a prior that is a method": (
        "model",
        """
class Bad(Model):
    def encode(self, inputs):
        return inputs
    def prior(self):
        return None
""",
        "correct Bad.prior: expected a property (write @property above it)",
    ),
    "a posterior that is a property": (
        "model",
        """
class Bad(Model):
    def encode(self, inputs):
        return inputs
    @property
    def posterior(self):
        return None
""",
        "correct Bad.posterior: expected a method (leave out @property)",
    ),
    "a class of another kind": ("model", "class Bad: pass", "must be a subclass of latentbench.Model"),
    "no class": ("model", "Bad = 5", "must be a class"),
    "an import that fails": ("model", "import there_is_no_such_thing", "No module named 'there_is_no_such_thing'"),
    "a dataset that does not load": ("dataset", "class Bad(Dataset): pass", "lacks "),
}
ASKED = {"metric": "scores", "model": "models", "dataset": "datasets"}


@pytest.fixture
def broken(install):
    """Install a package whose one class has a mistake."""

    def write(kind, body, name="bad"):
        offer = f"""
            from latentbench import hookimpl

            @hookimpl
            def register_{kind}s(register):
                register({name!r}, "broken_class:Bad", summary="broken")
        """
        install("broken", {"broken.py": offer, "broken_class.py": HEAD + textwrap.dedent(body)})
        return Plugins()

    return write


def planned(tiny, plugins, **changes):
    """Keys of the trials, requests for scores, and what is warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plan = make_plan(tiny(**changes), plugins)
    return [trial.key for trial in plan.trials], plan.requests, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("case", MISTAKES)
def test_a_run_that_does_not_ask_for_it_is_the_same(case, broken, tiny):
    kind, body, _ = MISTAKES[case]
    before = planned(tiny, Plugins())[:2]
    *after, warned = planned(tiny, broken(kind, body))
    assert tuple(after) == before
    assert len(warned) == (kind == "metric")
    assert all("metric bad is left out" in sentence and "broken:broken" in sentence for sentence in warned)


@pytest.mark.parametrize("case", MISTAKES)
def test_who_asks_for_it_is_told_plugin_and_cure(case, broken, tiny):
    kind, body, sentence = MISTAKES[case]
    plugins = broken(kind, body)
    with pytest.raises(LatentbenchError) as caught:
        planned(tiny, plugins, **{ASKED[kind]: ("bad",)})
    assert sentence in str(caught.value)
    assert "broken:broken" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("kind", "name"), [("model", "ae"), ("metric", "r2"), ("dataset", "digits")])
def test_a_name_of_latentbench_stays_its_own(kind, name, broken, tiny):
    before = planned(tiny, Plugins())
    plugins = broken(kind, "Bad = 5", name)
    assert planned(tiny, plugins) == before
    assert plugins.find(kind, name).plugin.own
    (told,) = plugins.conflicts()
    assert told == (
        f"{kind} {name!r} of broken:broken is left out, as latentbench has one of that name; "
        "register it under another"
    )


OWN = """
import numpy as np
import torch

from latentbench import GradientModel, Metric, Model, Posterior, Score, hookimpl


class Undeclared(Metric):
    scores = {"undeclared": Score("up")}

    def compute(self, space):
        return {"undeclared": 0.0, "undeclered": 1.0}


class Outside(Metric):
    scores = {"outside": Score("up", range=(0, 1))}

    def compute(self, space):
        return {"outside": 1.25}


class NumpyItems(Metric):
    scores = {"numpy_items": Score("up")}

    def compute(self, space):
        return {"numpy_items": space.inputs.flatten(1).mean(1).numpy()}


class TorchItems(Metric):
    scores = {"torch_items": Score("up")}

    def compute(self, space):
        return {"torch_items": space.inputs.flatten(1).mean(1)}


class Fails(Metric):
    scores = {"fails": Score("up")}

    def compute(self, space):
        return {"fails": {}["mean"]}


class NoFloor(Metric):
    scores = {"no_floor": Score("up", floor="untrainde")}

    def compute(self, space):
        return {"no_floor": 0.0}


class NumpyCodes(Model):
    deterministic = True
    decoder = "none"

    def encode(self, inputs):
        return inputs.flatten(1).numpy()


class Negative(Model):
    deterministic = True
    decoder = "none"

    def encode(self, inputs):
        return inputs.flatten(1)

    def posterior(self, inputs):
        return Posterior(inputs.flatten(1), inputs.flatten(1) - 0.5)


class Tuple(Negative):
    def posterior(self, inputs):
        return inputs.flatten(1), torch.ones(len(inputs), 64)


class NoNoise(GradientModel):
    def __init__(self, params, data):
        super().__init__(params, data)
        self.weight = torch.nn.Parameter(torch.ones(1))

    def encode(self, inputs):
        return inputs.flatten(1) * self.weight

    def decode(self, codes):
        return codes.reshape(-1, *self.data.shape)

    def loss(self, batch, noise):
        return {"total": (self.weight * noise["eps"]).square().mean()}


class Raises(Model):
    deterministic = True

    def fit(self, train, generator):
        raise KeyError("mean")

    def encode(self, inputs):
        return inputs.flatten(1)


@hookimpl
def register_models(register):
    for cls in (NumpyCodes, Negative, Tuple, NoNoise, Raises):
        register(cls.__name__, cls)


@hookimpl
def register_metrics(register):
    for cls in (Undeclared, Outside, NumpyItems, TorchItems, Fails, NoFloor):
        register(cls.__name__, cls)
"""


def line_of(text):
    return 1 + next(number for number, line in enumerate(OWN.splitlines()) if text in line)


@pytest.fixture
def ran(tiny, tmp_path, plugin_file):
    """A function that runs models and scores of `OWN` and returns label and score -> status, value, reason."""
    file = plugin_file(OWN, name="own.py")

    def run(models, scores):
        benchmark = tiny(models=models, scores=scores, references=())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "metric NoFloor is left out")
            return latentbench.run(benchmark, tmp_path / "run", plugins=Plugins((file,)), workers=0)

    return run


def test_mistakes_of_metrics_are_told_with_their_cure_and_harm_no_other_score(ran):
    names = ("undeclared", "outside", "numpy_items", "torch_items", "fails", "r2")
    rows = ran(("pca",), names).scores.set_index("score")
    reasons = rows["reason"].to_dict()
    assert rows["status"].to_dict() == {
        "undeclared": "failed", "outside": "failed", "fails": "failed",
        "numpy_items": "ok", "torch_items": "ok", "r2": "ok",
    }  # fmt: skip
    assert reasons["undeclared"] == (
        "ContractError: compute returned the score 'undeclered', which Undeclared.scores does not declare; "
        "did you mean 'undeclared'?"
    )
    assert reasons["outside"] == (
        "metric 'Outside' returned 1.25 for 'outside', which declares the range 0 to 1; correct one of them"
    )
    place = f"own.py:{line_of('{}[')}"
    assert reasons["fails"] == f"KeyError: 'mean' ({place})"
    assert rows.loc["numpy_items", ["value", "se"]].tolist() == rows.loc["torch_items", ["value", "se"]].tolist()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("NumpyCodes", "NumpyCodes.encode must return a tensor, got ndarray; use torch.as_tensor"),
        (
            "Negative",
            "a variance of its posterior is -0.5, it must be positive; let the network give its logarithm",
        ),
        ("Tuple", "posterior must return a Posterior, got tuple"),
        ("NoNoise", "loss asks for the noise 'eps', noise_spec declares none; return {'eps': Draw(\"normal\""),
        ("Raises", f"'mean' (own.py:{line_of('raise KeyError')})"),
    ],
)
def test_mistakes_of_models_are_told_as_theirs_and_others_finish(ran, model, words):
    results = ran((model, "pca"), ("r2",))
    outcomes = {trial.label: trial.outcome for trial in results.trials}
    assert outcomes["pca"].status == "ok"
    assert outcomes[model].status == "failed"
    assert words in outcomes[model].message
    assert "\n" not in outcomes[model].message


def test_a_floor_that_names_no_model_is_told_and_that_metric_alone_left_out(tiny, plugin_file):
    plugins = Plugins((plugin_file(OWN, name="own.py"),))
    *_, told = planned(tiny, plugins)
    (sentence,) = told
    assert "the floor of its score 'no_floor' names no model, 'untrainde'; did you mean 'untrained'" in sentence
    with pytest.raises(LatentbenchError, match="names no model"):
        planned(tiny, plugins, scores=("no_floor",))
