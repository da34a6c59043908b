"""How the numbers of a page were made, in words."""

import json
from dataclasses import replace

import pytest

from latentbench.report.page.run_card import run_card
from latentbench.training.budget import Budget
from latentbench.trial import Outcome, Traits

ENVIRONMENT = {
    "python": "3.12.1", "system": "Linux x86_64", "processor": "a chip", "cores": 2, "cuda": "none",
    "versions": {"torch": "2.15.0", "latentbench": "1.0", "POT": "0.9"},
    "plugins": [
        {"name": "lb:models", "distribution": "latentbench", "version": "1.0", "supplies": {"model": ["ae"]}},
        {"name": "mine", "distribution": "mine", "version": "3", "error": "no torch", "sha256": "ab12"},
    ],
}  # fmt: skip
SIZES = {"fashion_mnist": {"train": 55_000, "validation": 5000, "test": 10_000}}


@pytest.fixture
def results(drawn_results, tmp_path):
    """A made-up run whose trials know their budget and their machine."""
    made = drawn_results().results()
    made.path = tmp_path
    (tmp_path / "environment.json").write_text(json.dumps(ENVIRONMENT))
    for trial in made.trials:
        trial.budget, trial.fingerprint = Budget(epochs=4, train_limit=1000), "c0ffee"
        trial.traits = Traits(steps=trial.label in ("ae", "vae"), deterministic=trial.traits.deterministic)
        trial.outcome = Outcome("ok", environment={"device": "a chip"})
    made.request = {"scores": [], "command": "latentbench run -d x", "asked_at": "2026-03-01T23:30:00+02:00"}
    return made


def test_tells_command_date_data_budget_seeds_versions_and_machine(results):
    card = run_card(results, SIZES)
    assert card.command == "latentbench run -d x"
    assert card.sentences == (
        "This command asked for the numbers on 2026-03-01, 21:30 UTC:",
        "fashion_mnist: 55,000 training, 5,000 validation and 10,000 test items; the data have the sha256 c0ffee.",
        "Models that learn step by step were trained for 4 epochs on at most 1000 training items, in batches of "
        "128 by adam, with a peak learning rate of 0.003, in float32, on 1 thread.",
        "Models that depend on the seed have 5 seeds: 0 to 4.",
        "Computed with latentbench 1.0, torch 2.15.0 and Python 3.12.1.",
        "Plugins beside those of latentbench: mine 3 (failed: no torch).",
        "Machine: a chip (2 cores, Linux x86_64, no CUDA).",
    )
    entries = dict(card.entries)
    assert entries["versions.POT"] == "0.9"
    assert entries["plugins.lb:models"] == "latentbench 1.0; model: ae"
    assert entries["plugins.mine"] == "mine 3; sha256 ab12; failed: no torch"


def test_several_values_are_all_named(results):
    for place, trial in enumerate(results.trials):
        trial.budget = Budget(epochs=1 + place % 9, learning_rate=0.1 if place % 2 else 0.2)
        trial.seed *= 3
        trial.outcome = replace(trial.outcome, environment={"device": f"chip {place % 2}"})
    _, _, budget, seeds, *_, machine = run_card(results, {}).sentences
    assert "for 3, 4, 5, 6, 7 or 4 more epochs, in batches" in budget
    assert "learning rate of 0.2 or 0.1" in budget
    assert "training items" not in budget
    assert seeds.endswith("5 seeds: 0, 3, 6, 9 and 12.")
    assert machine == "Trials ran on chip 0 and chip 1; started from a chip (2 cores, Linux x86_64, no CUDA)."


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"asked_at": "2026-03-01T21:30:00+00:00"}, "A program asked for the numbers on 2026-03-01, 21:30 UTC."),
        ({}, "The command that asked for the numbers is not recorded."),
        ({"asked_at": "yesterday"}, "The command that asked for the numbers is not recorded."),
        ({"command": "latentbench run"}, "This command asked for the numbers:"),
        (
            {"command": "latentbench run a\nlatentbench run b", "asked_at": "2026-03-01T21:30:00+00:00"},
            "These commands asked for the numbers, the last on 2026-03-01, 21:30 UTC:",
        ),
    ],
)
def test_says_what_is_not_recorded(results, request_, said):
    results.request = request_
    assert run_card(results, {}).sentences[0] == said


def test_a_run_without_environment_and_trials_has_a_card(builder, tmp_path):
    results = builder.results(path=tmp_path)
    with pytest.warns(UserWarning, match=r"environment\.json is missing"):
        card = run_card(results, {})
    assert card.sentences == ("The command that asked for the numbers is not recorded.",)
    assert card.entries == (("run", str(tmp_path)),)
