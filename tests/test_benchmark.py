import os

import pytest
from pydantic import ValidationError

import latentbench
from latentbench import Benchmark, LatentSpace
from latentbench.benchmark import read_benchmark
from latentbench.errors import RequestError, UnknownNameError
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins

TOML = """
title = "a test"
datasets = ["digits"]
models = ["ae", "beta_vae"]
seeds = 2

[budget]
epochs = 3
batch_size = 32

[params]
"ae.channels" = 4
"latent_dim, beta" = [[2, 1], [4, 8]]

[on.digits.budget]
epochs = 5

[on.digits.params]
latent_dim = 6
"""


@pytest.fixture
def toml(tmp_path):
    def write(text=TOML):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_defaults_are_a_benchmark():
    assert Benchmark().datasets == ("digits",)
    assert Benchmark().models == ("ae", "vae", "beta_vae")
    assert Benchmark() == read_benchmark("quick")


def test_a_file_is_read(toml):
    read = read_benchmark(toml())
    assert (read.title, read.models, read.seeds) == ("a test", ("ae", "beta_vae"), 2)
    assert (read.budget["epochs"], read.budget["batch_size"]) == (3, 32)
    assert read.params["latent_dim, beta"] == [[2, 1], [4, 8]]
    assert (read.on["digits"]["budget"]["epochs"], read.on["digits"]["params"]["latent_dim"]) == (5, 6)


def test_flags_replace_keys_of_the_file(toml):
    read = read_benchmark(toml(), {"models": ("vae",), "seeds": 1, "budget": {}, "params": {}})
    assert (read.models, read.seeds, read.budget["epochs"]) == (("vae",), 1, 3)


def test_flags_go_before_a_dataset_s_own_table_and_that_before_the_file_s(toml):
    def trial(**changes):
        return make_plan(read_benchmark(toml(), changes), Plugins()).trials[0]

    from_file = trial()
    assert (from_file.budget.epochs, from_file.params["latent_dim"]) == (5, 6)
    assert from_file.budget.batch_size == 32
    by_flags = trial(budget={"epochs": 7}, params={"latent_dim": 3})
    assert (by_flags.budget.epochs, by_flags.params["latent_dim"]) == (7, 3)
    assert by_flags.budget.batch_size == 32


def test_a_flag_takes_the_place_of_a_coupled_key(toml):
    read = read_benchmark(toml(), {"params": {"beta": 2}})
    assert read.params == {"ae.channels": 4, "beta": 2, "latent_dim": 16}


def test_own_codes_are_scored_in_full_where_nothing_else_is_asked_for():
    assert Benchmark(codes={"mine": "mine.npy"}).tiers == ("quick", "full")
    assert Benchmark(codes={"mine": "mine.npy"}, tiers=("quick",)).tiers == ("quick",)


def test_every_preset_can_be_planned():
    from latentbench.benchmark import SUITES

    presets = sorted(path.stem for path in SUITES.glob("*.toml"))
    assert "quick" in presets
    for preset in presets:
        read = read_benchmark(preset, {"datasets": ("digits",)})
        assert {"pca", "pixels", "random_projection", "untrained"} <= set(read.references)
        assert make_plan(read, Plugins()).trials


BAD = {
    "syntax": ("title = ", "{path} must be a benchmark in TOML, it cannot be read ("),
    "bytes": ("\xff", "{path} must be a benchmark in TOML, it cannot be read ("),
    "unknown key": ("model = ['ae']", "benchmark mine.toml has no parameter 'model'; did you mean 'models'"),
    "unknown table": (
        "[on.digits.budgets]\nepochs = 1",
        "a benchmark's [on.digits] may hold budget and params, got 'budgets'",
    ),
    "no dataset": ("datasets = []", "benchmark mine.toml: datasets "),
    "no seeds": ("seeds = 0", "benchmark mine.toml: seeds should be greater than or equal to 1, got 0"),
    "unknown tier": (
        "tiers = ['slow']",
        "benchmark mine.toml: tiers.0 should be 'quick', 'full' or 'headline', got 'slow'",
    ),
    "seeds as text": ("seeds = 'many'", "benchmark mine.toml: seeds should be a valid integer, got 'many'"),
    "budget is no table": ("budget = 3", "budget in a benchmark must be a table of names and values, got 3"),
    "params is no table": ("params = [1]", "params in a benchmark must be a table of names and values, got [1]"),
    "on is no table": ("on = 3", "on in a benchmark must be a table of names and values, got 3"),
    "on holds no table": (
        "[on]\ndigits = 3",
        "on.digits in a benchmark must be a table of names and values, got 3",
    ),
    "on.x.budget is no table": (
        "[on.digits]\nbudget = 3",
        "on.digits.budget in a benchmark must be a table of names and values, got 3",
    ),
}


@pytest.mark.parametrize("changes", [None, {"budget": {"epochs": 1}, "params": {}}], ids=["alone", "with flags"])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_one_sentence(toml, tmp_path, case, changes):
    text, sentence = BAD[case]
    path = toml()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RequestError) as caught:
        read_benchmark(path, changes)
    assert str(caught.value).startswith(sentence.format(path=path))
    assert "\n" not in str(caught.value)


def test_a_file_or_preset_that_is_not_there_says_so(tmp_path):
    with pytest.raises(RequestError, match=r"none\.toml must be a file, nothing is there; check the path$"):
        read_benchmark(tmp_path / "none.toml")
    with pytest.raises(UnknownNameError, match=r"^there is no preset 'quik'; did you mean 'quick'\? \(presets: "):
        read_benchmark("quik")


def test_a_benchmark_is_frozen_and_knows_its_fields():
    with pytest.raises(ValidationError):
        Benchmark().seeds = 3
    with pytest.raises(RequestError, match=r"^benchmark has no parameter 'dataset'; did you mean 'datasets'\?"):
        Benchmark(dataset=["digits"])
    with pytest.raises(RequestError, match=r"^benchmark: datasets should be a valid tuple, got 'digits'$"):
        Benchmark(datasets="digits")
    with pytest.raises(RequestError, match=r"^benchmark: seeds should be .* got 0$"):
        Benchmark(seeds=0)
    with pytest.raises(RequestError, match=r"^benchmark: models must name at least one, got none$"):
        Benchmark(models=())


# one latent space, without a run


def test_score_gives_one_row_a_score(rng_space):
    frame = latentbench.score(rng_space, ["knn", "mse", "rate"])
    assert list(frame.columns) == ["score", "value", "se", "better", "unit", "status", "reason"]
    rows = frame.set_index("score")
    assert rows.loc["mse", "status"] == "ok"
    assert rows.loc["mse", "value"] == 0
    assert rows.loc["rate", "status"] == "not applicable"
    assert rows.loc["rate", "reason"] == "no posterior"
    assert rows["value"].isna().tolist() == (rows["status"] != "ok").tolist()


def test_score_computes_every_metric_or_says_why_not(rng_space):
    frame = latentbench.score(rng_space)
    assert set(frame["status"]) <= {"ok", "not applicable"}
    assert (frame[frame["status"] == "not applicable"]["reason"] != "").all()
    assert frame["score"].is_unique


def test_score_of_an_unknown_name_is_refused(rng_space):
    with pytest.raises(RequestError, match="there is no score 'nonsense'"):
        latentbench.score(rng_space, ["nonsense"])


@pytest.fixture
def rng_space():
    import numpy as np

    rng = np.random.default_rng(0)
    inputs = rng.random((60, 1, 8, 8), dtype=np.float32)
    return LatentSpace.from_arrays(
        codes=inputs.reshape(60, 64), labels=rng.integers(0, 3, 60), inputs=inputs, reconstructions=inputs
    )


def test_a_dotted_name_needs_no_quotes_in_toml(tmp_path):
    path = tmp_path / "b.toml"
    path.write_text("[params]\nbeta_vae.beta = [1, 4]\n[on.digits.params]\nvae.latent_dim = 3\n")
    benchmark = read_benchmark(path)
    assert benchmark.params["beta_vae.beta"] == [1, 4]
    assert benchmark.on["digits"]["params"]["vae.latent_dim"] == 3


HOSTILE = {
    "nested lists": "a = " + "[" * 9000 + "]" * 9000,
    "nested tables": "[params]\n" + "a." * 9000 + "b = 1",
    "many digits": "seeds = " + "9" * 9000,
    "large": "#" * 2_000_000,
    "zeros": "\0" * 99,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_in_one_sentence(tmp_path, case):
    (tmp_path / "mine.toml").write_text(HOSTILE[case])
    with pytest.raises(RequestError, match=r"mine\.toml must be "):
        read_benchmark(tmp_path / "mine.toml")


@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "folder"])
def test_what_is_no_file_is_not_read(tmp_path, kind):
    path = tmp_path / "mine.toml"
    make = {"pipe": os.mkfifo, "folder": os.mkdir, "loop": lambda path: path.symlink_to(path)}
    make.get(kind, lambda path: path.symlink_to("/dev/zero"))(path)
    with pytest.raises(RequestError, match=r"^benchmark .* must be a file, "):
        read_benchmark(path)
