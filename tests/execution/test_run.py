"""Runs from end to end, in this process: what they write, what they do not do again, how they fail."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock

import latentbench
from latentbench import DataError, load_results
from latentbench.errors import RunFolderError
from latentbench.execution.options import Execution
from latentbench.execution.pending import inspect, pending_jobs
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.results import Results
from latentbench.table.build import comparison_table
from latentbench.table.render import render

COLUMNS = """dataset model label params epochs seed split family metric_version score kind codes value se unit
    better floor ceiling status reason n_eval score_seconds train_seconds device precision model_version flags
    trial""".split()  # noqa: SIM905 - as DESIGN section 6 promises them

ODD_MODELS = '''
import math
import time
import torch
from torch import nn
from latentbench import DataError, Dataset, GradientModel, Model, NotApplicableError, Split, hookimpl

class Flat(Model):
    """The first pixels; what is odd about it follows."""
    class Params(Model.Params):
        latent_dim: int = 2
    def encode(self, inputs): return inputs.flatten(1)[:, :self.params.latent_dim]
    def decode(self, codes):
        return nn.functional.pad(codes, (0, 64 - codes.shape[1])).reshape(-1, *self.data.shape)
    def get_state(self): return {}
    def set_state(self, state): pass

class NanCodes(Flat):
    def encode(self, inputs): return super().encode(inputs) / 0 * 0

class NotReloadable(Flat):
    def get_state(self): return None

class Raising(Flat):
    def fit(self, train, generator):
        print("about to raise")
        raise RuntimeError("no luck\\nat all")

class NoEncoder(Flat):
    encoder = "none"

class Together(NoEncoder):
    decoder = "none"
    made = 0
    def encode(self, inputs): raise NotApplicableError("never asked")
    def embed(self, inputs):
        Together.made += 1
        time.sleep(0.2)
        return super().encode(inputs) - super().encode(inputs).mean(0)

class Searched(Flat):
    encoder = "optimized"
    asked = 0
    def encode(self, inputs):
        Searched.asked += len(inputs)
        return super().encode(inputs)

class NanLoss(GradientModel):
    class Params(Model.Params):
        latent_dim: int = 2
    def __init__(self, params, data):
        super().__init__(params, data)
        self.weight = nn.Parameter(torch.ones(math.prod(data.shape), 2))
        self.register_buffer("rows_and_classes", torch.tensor([data.n_train, data.classes]))
        self.per_row = nn.Parameter(torch.zeros(data.n_train))
    def loss(self, batch, noise): return {"total": (batch.inputs.flatten(1) @ self.weight).mean() / 0 * 0}
    def encode(self, inputs): return inputs.flatten(1) @ self.weight

class LateNan(NanLoss):
    groupable = False
    steps = 0
    def loss(self, batch, noise):
        self.steps += 1
        return {"total": (batch.inputs.flatten(1) @ self.weight).mean() / (self.steps < 30)}  # 21 steps an epoch

class PerRow(NanLoss):
    def loss(self, batch, noise):
        return {"total": (batch.inputs.flatten(1) @ self.weight).mean() + self.per_row[batch.rows].mean()}
    decoder = "none"

class Game(PerRow):
    players = {"one": ("weight",), "two": ("per_row",)}
    def loss(self, batch, noise, player): return super().loss(batch, noise)

class Damaged(Dataset):
    def load(self): raise DataError("the file x.npz is damaged")

@hookimpl
def register_models(register):
    several = Flat, NanCodes, NotReloadable, Raising, NoEncoder, Together, Searched, NanLoss, LateNan, PerRow, Game
    for found in several:
        register(found.__name__, found)

@hookimpl
def register_datasets(register):
    register("damaged", Damaged)
'''
ODD_METRICS = """
import torch
from latentbench import Metric, NotApplicableError, Score, hookimpl

def metric(name, body, **declared):
    def compute(self, space): return body(space)
    scores = {name: Score("up", name, headline=True)}
    return type(name, (Metric,), {"scores": scores, "compute": compute, "__module__": __name__, **declared})

def fails(space): raise ValueError("no luck\\nat all")
def declines(space): raise NotApplicableError("no weather")

METRICS = [
    metric("good", lambda space: {"good": 3}),
    metric("items", lambda space: {"items": torch.arange(float(len(space)))}),
    metric("raises", fails),
    metric("declines", declines),
    metric("nan", lambda space: {"nan": float("nan")}),
    metric("forgets", lambda space: {}),
    metric("nothing", lambda space: None),
    metric("word", lambda space: {"word": "high"}),
    metric("square", lambda space: {"square": torch.ones(2, 2)}),
    metric("large", lambda space: {"large": 1.0}, min_items=1_000_000),
    metric("needy", lambda space: {"needy": 1.0}, needs=("factors",)),
]

@hookimpl
def register_metrics(register):
    for found in METRICS:
        register(found.__name__, found)
"""


@pytest.fixture
def plugins(plugin_file):
    """The built-in plugins and the odd ones."""
    return Plugins(files=(plugin_file(ODD_MODELS, "models.py"), plugin_file(ODD_METRICS, "metrics.py")))


@pytest.fixture(scope="module")
def usual(tiny):
    return tiny(models=("ae", "vae"), references=("pca",), seeds=2, scores=("r2", "rate", "knn10"))


@pytest.fixture(scope="module")
def done(usual, tmp_path_factory):
    """A finished run that tests only read."""
    return latentbench.run(usual, tmp_path_factory.mktemp("runs") / "done", workers=0)


def go(benchmark, folder, plugins=None, **options):
    return latentbench.run(benchmark, folder, plugins=plugins or Plugins(), workers=0, **options)


def events(folder, *kinds):
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [line for line in lines if not kinds or line["event"] in kinds]


def trained(folder):
    """How many trials have been begun in this folder so far."""
    return len(events(folder, "trial_started"))


def snapshot(folder):
    """Every file of the trials, with its time."""
    return {path: path.stat().st_mtime_ns for path in (folder / "trials").rglob("*") if path.is_file()}


def row(results, score, **where):
    frame = results.scores[results.scores["score"] == score]
    for column, value in where.items():
        frame = frame[frame[column] == value]
    (found,) = frame.to_dict("records")
    return found


# what a run leaves


def test_the_files_of_a_run(done):
    names = {path.name for path in done.path.iterdir()}
    assert {"run.json", "environment.json", "events.jsonl", "scores.parquet", "scores.csv", "trials"} <= names
    folders = sorted(path.name for path in (done.path / "trials").iterdir())
    assert folders == sorted(trial.key for trial in done.trials)
    for folder in (done.path / "trials").iterdir():
        assert {path.name for path in folder.iterdir()} == {
            "trial.json", "codes.npz", "model.safetensors", "log.txt", "scores",
        }  # fmt: skip
        assert len([path for path in (folder / "scores").iterdir() if path.suffix == ".json"]) == 3


def test_the_promised_columns(done):
    assert set(COLUMNS) <= set(done.scores.columns)
    assert len(done.scores) == 5 * 3
    assert set(done.scores["score"]) == {"r2", "rate", "knn10"}
    assert set(done.scores["status"]) == {"ok", "not applicable"}
    assert {str(done.scores[name].dtype) for name in ("value", "se", "floor", "ceiling")} == {"float64"}
    missing = done.scores[done.scores["status"] == "not applicable"]
    assert set(missing["reason"]) == {"no posterior"}
    assert missing["value"].isna().all()
    found = row(done, "r2", label="ae", seed=1)
    assert (found["n_eval"], found["epochs"], found["split"], found["dataset"]) == (360, 1, "test", "digits")
    assert json.loads(found["params"])["latent_dim"] == 2
    assert found["train_seconds"] > 0


def test_the_written_frames_are_the_results(done):
    pd.testing.assert_frame_equal(pd.read_parquet(done.path / "scores.parquet"), done.scores)
    csv = pd.read_csv(done.path / "scores.csv", keep_default_na=False, dtype=str)
    for name in ("value", "se", "seed"):  # pandas before 3 reads a number to all but its last digit
        csv[name] = [float(text or "nan") for text in csv[name]]
    assert list(csv.columns) == list(done.scores.columns)
    for name in ("value", "se", "label", "trial", "reason", "status", "seed"):
        pd.testing.assert_series_equal(csv[name], done.scores[name], check_exact=True, check_dtype=False)


def test_a_run_is_read_again(done):
    again = load_results(done.path)
    pd.testing.assert_frame_equal(again.scores, done.scores)
    assert again.complete
    assert again.failures == []
    assert [trial.outcome.status for trial in again.trials] == ["ok"] * 5
    assert list(dict.fromkeys(again.table()["model"])) == ["pca", "ae", "vae"]
    mean = done.scores.query("score == 'r2' and label == 'ae'")["value"].mean()
    assert again.table(every=True).set_index(["score", "model"])["mean"]["r2", "ae"] == pytest.approx(mean)
    assert again.items(again.trials[0].key, "r2") is None or len(again.items(again.trials[0].key, "r2")) == 360
    assert len(again.items(again.trials[0].key, "knn10")) == 360


def test_reloaded_models_give_the_stored_codes_bit_for_bit(done):
    again = load_results(done.path)
    for trial in again.trials:
        stored = Record(again.path, trial.key).read_arrays("codes.npz")["codes"]
        space = again.latent_space(trial)
        assert np.array_equal(space.codes.numpy(), stored)
        assert torch.isfinite(space.reconstructions).all()
        assert len(space.train) == 1294


def test_scores_of_a_reloaded_model_are_the_stored_ones(done):
    trial = done.trials[0]
    frame = latentbench.score(done.latent_space(trial), ["knn10"]).set_index("score")
    assert frame.loc["knn10", "value"] == row(done, "knn10", trial=trial.key)["value"]


def test_a_standard_error_is_that_of_the_items(done):
    trial = done.trials[0]
    items = done.items(trial.key, "knn10")
    found = row(done, "knn10", trial=trial.key)
    assert found["value"] == pytest.approx(items.mean())
    assert found["se"] == pytest.approx(items.std(ddof=1) / len(items) ** 0.5)


def test_the_event_log_tells_the_story(done):
    told = events(done.path)
    assert [told[0]["event"], told[-1]["event"]] == ["run_started", "run_finished"]
    kinds = [line["event"] for line in told]
    assert kinds.count("trial_started") == kinds.count("trial_finished") == 5
    assert kinds.count("epoch_finished") == 4  # pca has none
    first = next(line for line in told if line["event"] == "epoch_finished")
    assert (first["epoch"], first["losses"]["total"]) == (1, done.trials[0].outcome.history[0]["total"])
    finished = events(done.path, "trial_finished")
    assert {line["status"] for line in finished} == {"ok"}
    assert {line["trial"] for line in finished} == {trial.key for trial in done.trials}
    assert told == sorted(told, key=lambda line: line["time"])


def test_what_a_trial_ran_on_is_recorded(done):
    outcome = done.trials[0].outcome
    assert outcome.environment["threads"] == 1
    assert outcome.environment["torch"] == torch.__version__
    assert outcome.cost["train_seconds"] > 0
    assert outcome.cost["parameters"] > 1000
    told = json.loads((done.path / "environment.json").read_text())
    assert "latentbench:latentbench-models" in [plugin["name"] for plugin in told["plugins"]]


def test_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(RunFolderError, match=r"is not a run folder: it has no run\.json"):
        load_results(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(RunFolderError, match=r"without its trials; read its table\.txt or scores\.csv$"):
        load_results(tmp_path)
    (tmp_path / "trials").mkdir()
    with pytest.raises(RunFolderError, match="was written in format 99, this version reads 2"):
        load_results(tmp_path)


# resume


def test_the_same_command_again_does_nothing(tiny, tmp_path):
    first = go(tiny(seeds=2), tmp_path)
    before = snapshot(tmp_path)
    second = go(tiny(seeds=2), tmp_path)
    assert snapshot(tmp_path) == before
    assert trained(tmp_path) == 2
    pd.testing.assert_frame_equal(first.scores, second.scores)


def test_plugins_serve_several_runs(tiny, tmp_path):
    plugins = Plugins()
    go(tiny(), tmp_path / "a", plugins)
    told = len(events(tmp_path / "a"))
    go(tiny(), tmp_path / "b", plugins)
    assert len(events(tmp_path / "a")) == told
    assert len(events(tmp_path / "b")) == told


def test_more_seeds_add_what_is_missing(tiny, tmp_path):
    go(tiny(seeds=1), tmp_path)
    before = snapshot(tmp_path)
    results = go(tiny(seeds=3), tmp_path)
    assert trained(tmp_path) == 3
    after = snapshot(tmp_path)
    assert {path: after[path] for path in before} == before
    assert list(results.scores["seed"]) == [0, 1, 2]
    assert list(go(tiny(seeds=1), tmp_path).scores["seed"]) == [0]  # the table is of the last request


def test_a_trial_does_not_depend_on_what_ran_before(tiny, tmp_path, done):
    alone = go(tiny(models=("vae",), scores=("r2",), seeds=2), tmp_path)
    for seed in (0, 1):
        assert row(alone, "r2", seed=seed)["value"] == row(done, "r2", label="vae", seed=seed)["value"]


def test_a_new_metric_scores_old_trials_without_training(tiny, tmp_path, plugins):
    go(tiny(), tmp_path, plugins)
    (weights,) = tmp_path.rglob("model.safetensors")
    before = weights.stat().st_mtime_ns
    results = go(tiny(scores=("r2", "good")), tmp_path, plugins)
    assert row(results, "good")["value"] == 3
    assert weights.stat().st_mtime_ns == before
    assert len(events(tmp_path, "epoch_finished")) == 1


def harm_record(folder):
    (path,) = folder.rglob("trial.json")
    path.write_text("{")


def harm_model(folder):
    (path,) = folder.rglob("model.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for scores in folder.rglob("scores/*.json"):  # otherwise nothing would need the model
        scores.unlink()


@pytest.mark.parametrize("harm", [harm_record, harm_model])
def test_a_damaged_trial_is_told_and_made_again(harm, tiny, tmp_path):
    first = go(tiny(), tmp_path)
    harm(tmp_path)
    with pytest.warns(UserWarning, match=r"; ae seed 0 is done again$"):
        again = go(tiny(), tmp_path)
    assert trained(tmp_path) == 2
    assert row(again, "r2")["value"] == row(first, "r2")["value"]


def test_a_damaged_trial_does_not_stop_the_table_of_the_others(tiny, tmp_path):
    go(tiny(seeds=2), tmp_path)
    next(tmp_path.rglob("trial.json")).write_text("{")
    results = load_results(tmp_path)
    with pytest.warns(UserWarning, match="is left out"):
        frame = results.scores
    assert sorted(frame["status"]) == ["missing", "ok"]
    assert [message for *_, message in results.failures] == ["its record is damaged"]
    assert not results.complete


def test_damaged_scores_are_made_again_without_training(tiny, tmp_path):
    first = go(tiny(), tmp_path)
    (path,) = tmp_path.rglob("scores/*.json")
    path.write_text("{")
    with pytest.warns(UserWarning, match="is damaged and left out"):
        again = go(tiny(), tmp_path)
    assert len(events(tmp_path, "epoch_finished")) == 1
    assert row(again, "r2")["value"] == row(first, "r2")["value"]


# settings that are varied


def test_checkpoints_are_looks_at_one_training(tiny, tmp_path):
    looks = tiny(models=("vae",), references=("pca",), budget={"epochs": 3, "checkpoint": [1, 2]})
    together = go(looks, tmp_path / "together")
    assert [trial.label for trial in together.trials] == ["vae(epochs=1)", "vae(epochs=2)", "vae(epochs=3)", "pca"]
    assert len(events(tmp_path / "together", "epoch_finished")) == 3
    assert len(events(tmp_path / "together", "trial_finished")) == 4
    for stop in (1, 2):
        alone = go(tiny(models=("vae",), budget={"epochs": 3, "checkpoint": stop}), tmp_path / f"alone {stop}")
        assert row(alone, "r2")["value"] == row(together, "r2", label=f"vae(epochs={stop})")["value"]
    whole = go(tiny(models=("vae",), budget={"epochs": 3}), tmp_path / "whole")
    assert row(whole, "r2")["value"] == row(together, "r2", label="vae(epochs=3)")["value"]
    assert whole.trials[0].key == together.trials[2].key  # so that a run that is there already is not done again
    assert list(together.scores["epochs"]) == [1, 2, 3, 8]


def test_checkpoints_can_be_added_later(tiny, tmp_path):
    go(tiny(budget={"epochs": 3}), tmp_path)
    results = go(tiny(budget={"epochs": 3, "checkpoint": [2]}), tmp_path)
    assert results.complete
    assert len(events(tmp_path, "epoch_finished")) == 3 + 2


def test_a_training_that_fails_late_keeps_its_earlier_looks(tiny, tmp_path, plugins):
    budget = {"epochs": 3, "checkpoint": [1, 2], "batch_size": 64}
    looks = tiny(models=("LateNan",), scores=("good",), budget=budget)
    results = go(looks, tmp_path, plugins)
    assert [trial.outcome.status for trial in results.trials] == ["ok", "diverged", "diverged"]
    assert list(results.scores["value"].notna()) == [True, False, False]


def test_what_was_varied_is_scored_on_the_validation_split_too(tiny, tmp_path):
    results = go(tiny(params={"latent_dim": [2, 4]}, scores=("r2", "silhouette"), references=("pca",)), tmp_path)
    rows = results.validation
    assert set(rows["split"]) == {"validation"}
    assert set(rows["score"]) == {"r2"}  # silhouette is no headline score: it decides nothing
    assert set(rows["label"]) == {f"{model}(latent_dim={d})" for model in ("ae", "pca") for d in (2, 4)}
    assert set(rows["n_eval"]) == {143}
    saved = pd.read_csv(tmp_path / "scores.csv")
    assert len(saved) == len(results.scores) + len(rows)
    assert not (
        rows["value"].to_numpy() == results.scores[results.scores["score"] == "r2"]["value"].to_numpy()
    ).any()


def test_what_can_flag_a_setting_is_scored_on_the_validation_split(tiny, tmp_path):
    """A collapsed setting must not be chosen: the rate says so, which decides nothing itself."""
    asked = tiny(models=("beta_vae",), params={"beta_vae.beta": [1, 4]}, scores=("r2", "rate"))
    assert set(go(asked, tmp_path).validation["score"]) == {"r2", "rate"}


def test_more_training_rows_than_there_are_make_no_setting(tiny, tmp_path):
    results = go(tiny(budget={"epochs": 1, "train_limit": [100, 5000]}), tmp_path)
    assert list(results.scores["status"]) == ["ok", "not applicable"]
    assert results.scores["reason"].iloc[1] == "train_limit=5000, there are 1294 training rows"
    assert results.complete


def test_a_dry_run_counts_damaged_trials_and_repairs_nothing(tiny, tmp_path):
    go(tiny(), tmp_path)
    (path,) = tmp_path.rglob("trial.json")
    path.write_text("{")
    plugins = Plugins()
    plan = make_plan(tiny(), plugins)
    how = Execution(workers=1, device="cpu")
    states = inspect(plan, tmp_path, how)
    assert [state.pending for state in states] == [True]
    assert len(pending_jobs(states, plan, tmp_path, how, plugins)) == 1
    assert path.read_text() == "{"


def test_a_floor_is_that_of_the_same_setting(tiny, tmp_path):
    results = go(tiny(params={"latent_dim": [2, 8]}, scores=("knn10",), references=("untrained",)), tmp_path)
    for d in (2, 8):
        floor = row(results, "knn10", label=f"untrained(latent_dim={d})")["value"]
        assert row(results, "knn10", label=f"ae(latent_dim={d})")["floor"] == floor


def test_without_variation_nothing_is_computed_on_the_validation_split(tiny, tmp_path):
    results = go(tiny(), tmp_path)
    assert results.validation.empty
    assert not list(tmp_path.rglob("*validation*"))


def test_leftovers_of_a_killed_run_are_removed(tiny, tmp_path):
    Record.begin(tmp_path, "0" * 64)
    go(tiny(), tmp_path)
    assert not list((tmp_path / "trials").glob(".work*"))


def test_rerun_all_trains_again_and_gives_the_same(tiny, tmp_path):
    first = go(tiny(), tmp_path)
    again = go(tiny(), tmp_path, rerun="all")
    assert trained(tmp_path) == 2
    assert row(again, "r2")["value"] == row(first, "r2")["value"]


def test_rerun_failed_trains_failed_trials_and_makes_failed_scores(tiny, tmp_path, plugins):
    odd = tiny(models=("Flat", "Raising"), scores=("good", "raises"))
    go(odd, tmp_path, plugins)
    assert trained(tmp_path) == 2
    go(odd, tmp_path, plugins)
    assert trained(tmp_path) == 2  # failures stay as they are, unless asked for
    go(odd, tmp_path, plugins, rerun="failed")
    assert [line["label"] for line in events(tmp_path, "trial_started")] == ["Flat", "Raising"] * 2


def test_rerun_changed_trains_what_was_trained_from_another_source(tiny, tmp_path):
    go(tiny(models=("ae", "vae")), tmp_path)
    path = next(path for path in tmp_path.rglob("trial.json") if '"model": "vae"' in path.read_text())
    told = json.loads(path.read_text())
    told["outcome"]["source"] = "of last week"
    del told["digest"]
    path.write_text(json.dumps(told))
    with pytest.warns(UserWarning, match="the source of model vae has changed since"):
        go(tiny(models=("ae", "vae")), tmp_path)
    assert trained(tmp_path) == 2
    go(tiny(models=("ae", "vae")), tmp_path, rerun="changed")
    assert [line["label"] for line in events(tmp_path, "trial_started")] == ["ae", "vae", "vae"]
    assert json.loads(path.read_text())["outcome"]["source"] != "of last week"


def test_one_run_at_a_time_in_a_folder(tiny, tmp_path):
    (tmp_path / "trials").mkdir()
    refusal = r"^another run is at work in .*; wait for it, or choose another"
    with FileLock(tmp_path / "run.lock"), pytest.raises(RunFolderError, match=refusal):
        go(tiny(), tmp_path)
    assert row(go(tiny(), tmp_path), "r2")["status"] == "ok"


# failures are rows


def test_a_model_that_fails_is_a_row_and_the_others_finish(tiny, tmp_path, plugins):
    results = go(tiny(models=("NanLoss", "NanCodes", "Raising", "Flat"), scores=("good",)), tmp_path, plugins)
    ended = {trial.label: trial.outcome for trial in results.trials}
    assert {label: outcome.status for label, outcome in ended.items()} == {
        "NanLoss": "diverged", "NanCodes": "failed", "Raising": "failed", "Flat": "ok",
    }  # fmt: skip
    assert ended["NanLoss"].message == (
        "the loss stopped being finite in epoch 1 (total = nan); try a lower learning rate"
    )
    assert ended["NanCodes"].message == "NanCodes: 360 of 360 codes hold NaN or infinity"
    assert (ended["Raising"].error, ended["Raising"].message) == ("RuntimeError", "no luck at all (models.py:27)")
    assert row(results, "good", label="Flat")["value"] == 3
    failed = row(results, "good", label="NanLoss")
    assert (failed["status"], failed["reason"]) == ("diverged", ended["NanLoss"].message)
    assert math.isnan(failed["value"])
    assert len(results.failures) == 3
    assert not results.complete
    log = (tmp_path / "trials" / results.trials[2].key / "log.txt").read_text()
    assert "about to raise" in log
    assert "RuntimeError: no luck" in log


SCORES = {
    "good": ("ok", ""),
    "items": ("ok", ""),
    "raises": ("failed", "ValueError: no luck at all (metrics.py:10)"),
    "declines": ("not applicable", "no weather"),
    "nan": ("failed", "metric 'nan' returned nan"),
    "forgets": ("failed", "metric 'forgets' returned no score 'forgets'"),
    "nothing": ("failed", "ContractError: compute must return values by score name, got NoneType"),
    "word": ("failed", "metric 'word' must return a number, or one a test item, for 'word', got 'high'"),
    "square": (
        "failed",
        "metric 'square' must return a number, or one a test item, for 'square', got shape (2, 2)",
    ),
    "large": ("not applicable", "needs 1000000 test items, there are 360"),
    "needy": ("not applicable", "no ground-truth factors"),
}


def test_a_metric_that_fails_is_a_row_and_the_others_are_there(tiny, tmp_path, plugins):
    results = go(tiny(models=("Flat",), scores=tuple(SCORES)), tmp_path, plugins)
    rows = {name: row(results, name) for name in SCORES}
    assert {name: found["status"] for name, found in rows.items()} == {k: v for k, (v, _) in SCORES.items()}
    for name, (_, reason) in SCORES.items():
        assert rows[name]["reason"] == reason
    assert rows["items"]["value"] == 179.5
    assert results.failures == []
    assert not results.complete
    assert trained(tmp_path) == 1
    (finished,) = events(tmp_path, "trial_finished")
    assert set(finished["failed_scores"]) == {name for name, (status, _) in SCORES.items() if status == "failed"}


def test_a_model_that_cannot_be_reloaded_is_scored_with_its_trial(tiny, tmp_path, plugins):
    odd = tiny(models=("NotReloadable",), scores=("good",))
    assert row(go(odd, tmp_path, plugins), "good")["value"] == 3
    assert not list(tmp_path.rglob("model.safetensors"))
    results = go(tiny(models=("NotReloadable",), scores=("good", "items")), tmp_path, plugins)
    assert row(results, "good")["value"] == 3
    late = row(results, "items")
    assert (late["status"], late["reason"]) == (
        "not applicable", "NotReloadable cannot be reloaded; its scores come with its training",
    )  # fmt: skip
    assert trained(tmp_path) == 2
    with pytest.raises(latentbench.NotApplicableError, match="cannot be reloaded"):
        results.latent_space(results.trials[0])


def test_a_model_that_makes_no_codes_at_all_fails_alone(tiny, tmp_path, plugins):
    results = go(tiny(models=("NoEncoder", "Flat"), scores=("good", "items")), tmp_path, plugins)
    assert row(results, "items", label="Flat")["status"] == "ok"
    assert results.failures == [
        ("NoEncoder", 0, "failed", "NoEncoder declares encoder='none' but has no embed"),
    ]


@pytest.fixture
def together(tiny, tmp_path, plugins):
    """A run of a model that makes the codes of all test items together."""
    wanted = ("knn10", "r2", "knn10_noise", "train_seconds")
    return go(tiny(models=("Together", "Flat"), scores=wanted), tmp_path, plugins)


def test_codes_made_together_are_scored_and_what_they_lack_is_said(together):
    found = row(together, "knn10", label="Together")
    assert found["status"] == "ok"
    assert 0.1 < found["value"] < 1
    assert found["reason"] == (
        "codes are made of all items together (transductive); "
        "no labelled training split: seeded 5-fold on the test codes"
    )
    reasons = {name: row(together, name, label="Together")["reason"] for name in ("r2", "knn10_noise")}
    assert reasons == {
        "r2": "no decoder",
        "knn10_noise": "no encoder",
    }
    assert row(together, "knn10", label="Flat")["reason"] == ""
    assert together.complete


def test_making_codes_together_is_what_training_costs(together):
    assert row(together, "train_seconds", label="Together")["value"] >= 0.2
    assert row(together, "train_seconds", label="Flat")["value"] < 0.2


def test_codes_made_together_are_made_once_and_read_again(together, plugins):
    trial = next(trial for trial in together.trials if trial.label == "Together")
    found = plugins.load("model", "Together")
    assert found.made == 1
    space = Results(together.path, plugins).latent_space(trial)
    stored = Record(together.path, trial.key).read_arrays("codes.npz")["codes"]
    assert np.array_equal(space.codes.numpy(), stored)
    assert found.made == 1


def test_a_table_marks_codes_made_together(together):
    text = render(comparison_table(together))
    assert "Together†" in text
    assert "Flat†" not in text
    assert "† not compared: codes computed jointly for all test items (transductive)" in text


def test_settings_of_a_model_that_makes_codes_together_are_chosen_on_the_validation_split(tiny, tmp_path, plugins):
    results = go(
        tiny(models=("Together",), scores=("silhouette",), params={"latent_dim": [2, 3]}), tmp_path, plugins
    )
    assert results.validation["status"].tolist() == ["ok", "ok"]
    assert results.validation["n_eval"].tolist() == [143, 143]


def test_codes_that_were_searched_for_are_not_searched_for_again(tiny, tmp_path, plugins):
    results = go(tiny(models=("Searched",), scores=("knn10",)), tmp_path, plugins)
    (trial,) = results.trials
    stored = Record(tmp_path, trial.key).read_arrays("codes.npz")["codes"]
    model = plugins.load("model", "Searched")
    before = model.asked
    space = results.latent_space(trial)
    assert np.array_equal(space.codes.numpy(), stored)
    assert model.asked == before
    assert torch.equal(space.encode(space.inputs[:5]), space.codes[:5])  # new inputs are
    assert model.asked == before + 5


@pytest.mark.parametrize("damaged", [False, True])
def test_training_codes_are_searched_for_once(tiny, tmp_path, plugins, damaged):
    results = go(tiny(models=("Searched",), scores=("r2",)), tmp_path, plugins)
    (trial,) = results.trials
    model = plugins.load("model", "Searched")
    file = Record(tmp_path, trial.key).folder / "codes-train.npz"
    first = results.latent_space(trial).train.codes
    assert len(first) == 1294
    if damaged:
        file.write_bytes(file.read_bytes()[:200])
    before = model.asked
    again = results.latent_space(trial)
    assert torch.equal(again.train.codes, first)
    assert model.asked == before + (len(first) if damaged else 0)
    assert torch.equal(again.validation.codes, again.encode(again.validation.inputs))


def test_the_train_limit_holds_and_what_was_trained_with_it_is_reloaded(tiny, tmp_path, plugins):
    budget = {"epochs": 1, "batch_size": 64, "train_limit": 100}
    results = go(tiny(models=("PerRow",), scores=("good",), budget=budget), tmp_path, plugins)
    (trial,) = results.trials
    assert trial.outcome.status == "ok"
    assert Record(tmp_path, trial.key).read_state()["rows_and_classes"].tolist() == [100, 10]
    stored = Record(tmp_path, trial.key).read_arrays("codes.npz")["codes"]
    assert np.array_equal(results.latent_space(trial).codes.numpy(), stored)


def test_a_model_of_two_players_is_trained(tiny, tmp_path, plugins):
    results = go(tiny(models=("Game",), scores=("good",)), tmp_path, plugins)
    (trial,) = results.trials
    assert trial.outcome.message == ""
    assert set(trial.outcome.history[0]) == {"one_total", "two_total"}


def test_damaged_data_fails_its_trials_alone(tiny, tmp_path, plugins):
    both = tiny(datasets=("damaged", "digits"), models=("Flat",), scores=("good",))
    results = go(both, tmp_path, plugins)
    bad = row(results, "good", dataset="damaged")
    assert (bad["status"], bad["reason"]) == ("failed", "the file x.npz is damaged")
    assert row(results, "good", dataset="digits")["value"] == 3
    assert [status for _, _, status, _ in results.failures] == ["failed"]


def test_nothing_but_damaged_data_stops_the_request(tiny, tmp_path, plugins):
    with pytest.raises(DataError, match=r"^the file x\.npz is damaged$"):
        go(tiny(datasets=("damaged",), models=("Flat",)), tmp_path / "run", plugins)
    assert not (tmp_path / "run").exists()


def test_stray_random_numbers_and_exits_of_plugins_are_contained(tmp_path):
    (tmp_path / "stray.py").write_text(
        "import sys, torch\n"
        "from latentbench import Metric, Model, Score, hookimpl\n"
        "class Stray(Model):\n"
        "    decoder = 'none'\n"
        "    def fit(self, train, generator): self.w = torch.randn(64, 3)\n"
        "    def encode(self, inputs): return inputs.flatten(1) @ self.w\n"
        "class Quitter(Stray):\n"
        "    def fit(self, train, generator): sys.exit('I quit')\n"
        "class Dice(Metric):\n"
        "    scores = {'dice': Score('none', 'a random number')}\n"
        "    def compute(self, space): return {'dice': float(torch.rand(()))}\n"
        "@hookimpl\n"
        "def register_models(register):\n"
        "    register('stray', Stray)\n"
        "    register('quitter', Quitter)\n"
        "@hookimpl\n"
        "def register_metrics(register): register('dice', Dice)\n"
    )
    plugins = Plugins((str(tmp_path / "stray.py"),))
    benchmark = latentbench.Benchmark(
        models=("stray", "quitter"), references=("pca",), seeds=1, scores=("dice", "silhouette")
    )
    first = latentbench.run(benchmark, tmp_path / "a", plugins=plugins, workers=0)
    second = latentbench.run(benchmark, tmp_path / "b", plugins=plugins, workers=0)
    assert [label for label, *_ in first.failures] == ["quitter"]
    assert "I quit" in first.failures[0][3]
    ok = first.scores["status"] == "ok"
    assert ok.sum() == 4
    assert first.scores["value"][ok].tolist() == second.scores["value"][ok].tolist()


LIARS = """
import torch
from latentbench import Metric, Model, Score, hookimpl

class Few(Model):
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 3
    def encode(self, inputs): return inputs.flatten(1)[:100, :3]

class Wide(Few):
    def encode(self, inputs): return inputs.flatten(1)

class Whole(Few):
    def encode(self, inputs): return inputs.flatten(1)[:, :3].long()

class Eraser(Metric):
    scores = {"eraser": Score("none", "erases the codes")}
    def compute(self, space):
        space.codes.mul_(0)
        return {"eraser": 0.0}

class Short(Metric):
    scores = {"short": Score("none", "too few values")}
    def compute(self, space): return {"short": torch.ones(7)}

@hookimpl
def register_models(register):
    for name, found in {"few": Few, "wide": Wide, "whole": Whole}.items():
        register(name, found)

@hookimpl
def register_metrics(register):
    register("eraser", Eraser)
    register("short", Short)
"""


def test_models_and_metrics_that_would_falsify_numbers_are_caught(plugin_file, tmp_path):
    plugins = Plugins(files=(plugin_file(LIARS, "liars.py"),))
    benchmark = latentbench.Benchmark(
        models=("few", "wide", "whole"),
        references=("pca",),
        seeds=1,
        params={"latent_dim": 3},
        scores=("eraser", "short", "r2", "silhouette"),
    )
    results = go(benchmark, tmp_path / "run", plugins)
    messages = {label: message for label, _, _, message in results.failures}
    assert re.search(r"360 inputs were encoded to [123]\d\d codes", messages["few"])  # 100 a batch
    assert "gives codes of length 64, latent_dim is 3" in messages["wide"]
    assert "floats, got torch.int64" in messages["whole"]
    pca = results.scores[results.scores["label"] == "pca"].set_index("score")
    assert pca.loc["eraser", "reason"].endswith("compute wrote into codes of the space; work on a copy")
    assert "returned 7 values for 360 test items" in pca.loc["short", "reason"]
    honest = go(
        benchmark.model_copy(update={"scores": ("r2", "silhouette"), "models": ("pca",)}), tmp_path / "honest"
    )
    expected = honest.scores.set_index("score")["value"]
    assert pca.loc["r2", "value"] == expected["r2"]
    assert pca.loc["silhouette", "value"] == expected["silhouette"]
