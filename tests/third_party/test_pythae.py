"""A model of another library keeps the contract when it is wrapped, in a few lines, and stands beside ours."""

from pathlib import Path

import pytest

import latentbench
from latentbench.plugins import Plugins
from latentbench.testing import check_model

FILE = Path(__file__).parent / "latentbench_pythae" / "latentbench_pythae.py"


@pytest.fixture(scope="module")
def plugins():
    return Plugins((str(FILE),))


def test_the_wrapper_is_short():
    assert len(FILE.read_text().splitlines()) < 60


def test_it_keeps_every_rule(plugins):
    findings = check_model("pythae_vae", params={"latent_dim": 4}, plugins=plugins)
    assert [f"{found.rule} {found.on}: {found.reason}" for found in findings if not found.passed] == []
    assert sum(found.status == "ok" for found in findings) > 50


def test_it_stands_in_a_table_beside_ours(plugins, tiny, tmp_path):
    asked = tiny(models=("pythae_vae", "vae", "pca"), scores=("r2", "knn10", "elbo", "rate"))
    results = latentbench.run(asked, tmp_path / "run", plugins=plugins, workers=0)
    assert results.complete
    values = results.scores[results.scores["label"] == "pythae_vae"].set_index("score")["value"]
    assert values.notna().all()
    shown = repr(results.comparison())
    assert "pythae_vae" in shown
    assert "gaussian, sigma 1" in shown
