"""Models that are made before the first trial: what stops a run, what does not, and what is said."""

import pytest

import latentbench
from latentbench import Benchmark, cli
from latentbench.errors import RequestError
from latentbench.plugins import Plugins

PLUGIN = """
from latentbench import DataError, Model, NotApplicableError, hookimpl

class Choosy(Model):
    built_first = {first}
    decoder = "none"
    deterministic = True

    class Params(Model.Params):
        what: str = "fine"

    def __init__(self, params, data):
        super().__init__(params, data)
        errors = {{"wrong": DataError, "unsuited": NotApplicableError, "broken": ValueError}}
        if params.what in errors:
            raise errors[params.what](f"this is {{params.what}}")

    def encode(self, inputs):
        return inputs.flatten(1)[:, :3]

    def remarks(self):
        return ("it keeps three pixels",)

@hookimpl
def register_models(register):
    register("choosy", Choosy)
"""


@pytest.fixture
def run(plugin_file, tmp_path):
    """A function that runs the model with a parameter in a folder, and returns the results."""

    def ran(*what, first=True):
        asked = Benchmark(
            models=("choosy",), references=(), seeds=1, scores=("compression",), params={"choosy.what": [*what]}
        )
        plugins = Plugins(files=(plugin_file(PLUGIN.format(first=first)),))
        return latentbench.run(asked, tmp_path / "run", plugins=plugins, workers=0)

    return ran


def test_what_is_wrong_with_one_setting_stops_the_run(run, tmp_path):
    with pytest.raises(RequestError, match=r"^choosy\(what=wrong\) on digits: this is wrong$"):
        run("fine", "wrong")
    assert not (tmp_path / "run").exists()


def test_without_the_trait_the_trial_fails(run):
    assert [failure[2:] for failure in run("wrong", first=False).failures] == [
        ("failed", "this is wrong (loose.py:16)")
    ]


@pytest.mark.filterwarnings("ignore:choosy on digits")
def test_what_does_not_suit_the_data_or_breaks_is_recorded_with_the_trial(run):
    results = run("fine", "unsuited", "broken")
    ended = {trial.params.get("what"): trial.outcome for trial in results.trials}
    assert ended["unsuited"].refused
    assert (ended["broken"].status, ended["broken"].message) == ("failed", "this is broken (loose.py:16)")
    assert ended["fine"].status == "ok"


def test_remarks_are_made_once(run, recwarn):
    with pytest.warns(UserWarning, match="^choosy on digits: it keeps three pixels$") as said:
        run("fine", "good")
    assert len(said) == 1
    run("fine", "good")


def test_the_dry_run_says_the_same(plugin_file, capsys, tmp_path):
    path = plugin_file(PLUGIN.format(first=True))
    words = ["run", "--plugin", path, "-m", "choosy", "--dry-run", "-o", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 0
    assert "choosy on digits: it keeps three pixels\n" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "-p", "choosy.what=wrong"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "latentbench: choosy on digits: this is wrong\n"
