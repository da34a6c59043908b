"""What is stored of a run is read back, and nothing is computed for it."""

from types import SimpleNamespace

import pytest
import torch

from latentbench import LatentSpace
from latentbench.plugins import Plugins
from latentbench.similarity import measuring
from latentbench.similarity.requests import pair_requests
from latentbench.similarity.similarity import compare_models
from latentbench.similarity.sources import FOLDER
from latentbench.similarity.spaces import models_of_run
from latentbench.similarity.stored import stored_similarity

ITEMS = 40


class MadeUpRun:
    """Trials with codes; `close` lets nobody open a model any more."""

    def __init__(self, path, **seeds):
        generator = torch.Generator().manual_seed(0)
        self.path, self.source = path, path
        self.codes, self.trials = {}, []
        for label, count in seeds.items():
            for seed in range(count):
                self.codes[f"{label}-{seed}"] = torch.randn(ITEMS, 2, generator=generator)
                self.trials.append(
                    SimpleNamespace(
                        dataset="digits", label=label, seed=seed, key=f"{label}-{seed}", ok=True, fingerprint="f",
                        traits=SimpleNamespace(deterministic=count == 1, reference=""),
                    )
                )  # fmt: skip

    def record(self, trial):
        codes = self.codes[trial.key]
        return SimpleNamespace(
            digests={"codes.npz": f"{codes.sum():.6f}"}, read_arrays=lambda name: {"codes": codes}
        )

    def latent_space(self, trial):
        return LatentSpace.from_arrays(codes=self.codes[trial.key], name=trial.label)

    def close(self):
        self.latent_space = None


@pytest.fixture(scope="module")
def plugins():
    return Plugins()


@pytest.fixture
def run(tmp_path):
    return MadeUpRun(tmp_path, ae=3, vae=2, pca=1)


@pytest.fixture
def keep(run, plugins):
    """A function that compares models of the run, then closes it; the result is what was told."""

    def compare(names=("cka", "linear_r2"), labels=("ae", "vae", "pca")):
        models = [model for model in models_of_run(run, "digits") if model.label in labels]
        return compare_models("digits", models, pair_requests(names, plugins), run.path / FOLDER)

    return compare


def test_what_is_stored_says_what_was_told(run, keep, plugins, monkeypatch):
    told = keep()
    run.close()
    for name in ("compared", "prepared", "given_to_pair"):
        monkeypatch.setattr(measuring, name, None)
    found = stored_similarity(run, "digits", plugins)
    assert found.left_out == ()
    assert found.similarity.items == ITEMS
    assert found.similarity.matrices == told.matrices


def test_nothing_stored_is_nothing(run, plugins, tmp_path):
    assert stored_similarity(run, "digits", plugins) is None
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "cka-v0-000000000000.json").write_text("of another version")
    assert stored_similarity(run, "digits", plugins) is None


def test_only_models_that_were_compared_are_shown_and_the_others_are_named(run, keep, plugins):
    keep(labels=("ae", "pca"))
    found = stored_similarity(run, "digits", plugins)
    assert set(found.similarity.matrices[0].models) == {"ae", "pca"}
    assert found.left_out == ("vae",)


def test_only_scores_that_are_complete_for_these_models_are_shown(run, keep, plugins):
    keep(["cka"])
    keep(["linear_r2"], labels=("ae", "pca"))
    (matrix,) = stored_similarity(run, "digits", plugins).similarity.matrices
    assert matrix.request.name == "cka"
    assert set(matrix.models) == {"ae", "vae", "pca"}


def test_a_model_that_was_trained_anew_is_left_out(run, keep, plugins):
    keep()
    run.codes["vae-1"] = run.codes["vae-1"] + 1
    assert stored_similarity(run, "digits", plugins).left_out == ("vae",)


def test_a_pair_without_its_null_is_not_complete(run, keep, plugins, monkeypatch):
    monkeypatch.setattr(measuring, "_null", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        keep(["cka"])
    assert stored_similarity(run, "digits", plugins) is None


def test_a_damaged_file_is_left_out_with_a_warning(run, keep, plugins):
    keep()
    path = next((run.path / FOLDER).glob("cka-*"))
    path.write_text(path.read_text().replace("0.", "0.1", 1))
    with pytest.warns(UserWarning, match=r"cka is left out of how alike models are: .* cannot be read"):
        found = stored_similarity(run, "digits", plugins)
    assert [matrix.request.name for matrix in found.similarity.matrices] == ["linear_r2"]
