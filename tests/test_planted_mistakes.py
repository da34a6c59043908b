"""A plugin's mistake stays the plugin's: others are not touched, and the sentence names plugin, rule and cure."""

import textwrap
import warnings

import pytest

from latentbench.errors import LatentbenchError
from latentbench.plan import make_plan
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
