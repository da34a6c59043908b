"""Every built-in model keeps the contract of models."""

import pytest

from latentbench import GradientModel
from latentbench.plugins import Plugins
from latentbench.testing import check_model
from latentbench.testing.specimens import specimens

PLUGINS = Plugins()
MODELS = [name for name in PLUGINS.names("model") if PLUGINS.find("model", name).plugin.name.endswith("-models")]
SMALL = {
    "latent_dim": 3, "channels": 4, "hidden": 16, "projection": 8, "width": 16, "points": 16, "dimensions": 3,
    "n_neighbors": 5, "perplexity": 5, "iterations": 250, "fit_points": 16, "fit_steps": 5,
    "source": "torch.nn:Flatten", "pipeline": "StandardScaler | GaussianRandomProjection",
}  # fmt: skip
TOGETHER = "umap-learn places items together: a place depends on what is placed with it"
EXPECTED = {
    "umap": dict.fromkeys(("codes_of_single_rows", "codes_in_another_order", "codes_among_others"), TOGETHER)
}
SLOW = {"umap"}  # numba compiles for most of a minute
MANY_PIXELS = "color 32 x 32"  # of pca, by covariances of 3,072 numbers, 3 s a fit
FEW = "odd 17 x 23", "vectors of 12"  # suffice where the backbone is that of ae and vae


def broken(name, **changes):
    fields = PLUGINS.load("model", name).Params.model_fields
    params = {key: value for key, value in {**SMALL, **changes}.items() if key in fields}
    data = specimens()
    if name == "pca":
        del data[MANY_PIXELS]
    if PLUGINS.load("model", name).__module__.count(".") > 1:  # in a room
        data = {title: data[title] for title in FEW}
    findings = check_model(name, params=params, data=data, expected=EXPECTED.get(name), plugins=PLUGINS)
    assert any(found.status == "ok" for found in findings)
    return [f"{found.rule} {found.on}: {found.reason}" for found in findings if not found.passed]


@pytest.mark.filterwarnings("ignore:(ICA|NMF) had not converged:UserWarning")  # on so few rows
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in MODELS]
)
def test_a_built_in_model_keeps_every_rule(name):
    assert broken(name) == []


OTHERWISE = [
    (name, {"backbone": "mlp"})
    for name in MODELS
    if {"backbone", "likelihood"} <= {*PLUGINS.load("model", name).Params.model_fields}
]


@pytest.mark.parametrize(("name", "changes"), OTHERWISE, ids=str)
def test_it_keeps_them_with_another_backbone(name, changes):
    assert issubclass(PLUGINS.load("model", name), GradientModel)
    assert broken(name, **changes) == []
