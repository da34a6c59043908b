"""`run --choose`, its dry run, and `table --variance`, as typed."""

import re

import pytest

SMALL = ["-s", "r2,knn10", "--epochs", 1, "--train-limit", 150, "--seeds", 2, "-p", "latent_dim=2"]


@pytest.fixture(scope="module")
def chosen(finished_run):
    options = [str(word) for word in SMALL]
    return finished_run(
        'references = []\nmodels = ["beta_vae", "ae"]\n', *options, "--choose", "beta_vae.beta=1,4"
    )


def test_the_table_says_what_was_chosen_among_what(chosen, cli):
    status, out, _ = cli("table", chosen)
    assert status == 0
    assert "chosen on the validation split with seed 0, by the mean rank in" in " ".join(out.split())
    assert re.search(r"beta_vae\((1|4)\): beta=\1 of 1, 4\n", out)


def test_a_dry_run_counts_what_the_search_has_left(chosen, cli, tmp_path):
    words = ["run", chosen.parent / "mine.toml", *SMALL, "--choose", "beta_vae.beta=1,4", "--workers", 0]
    assert "0 of 4 trials to run" in cli(*words, "-o", chosen, "--dry-run")[1]
    assert "5 of 5 trials to run" in cli(*words, "-o", tmp_path / "new", "--dry-run")[1]


def test_a_choice_needs_a_name_and_values(cli, tmp_path):
    status, _, err = cli("run", "-m", "beta_vae", "--choose", "beta_vae.beta", "-o", tmp_path)
    assert (status, err) == (
        2,
        "latentbench: --choose takes NAME=VALUE or NAME=VALUE,VALUE,..., got 'beta_vae.beta'\n",
    )


def test_the_variance_of_a_run_is_printed_in_the_width_of_the_terminal(chosen, cli):
    status, out, _ = cli("table", chosen, "--variance")
    assert status == 0
    assert "digits: variance  2 methods  2 settings  4 trials" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert cli("table", chosen, "--variance", "--ranks")[::2] == (
        2,
        "latentbench: --variance prints shares of the scores as they are; leave out --relative and --ranks\n",
    )
