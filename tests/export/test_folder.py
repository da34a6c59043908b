"""Trained models in folders of their own, which another process uses without the run."""

import json
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import latentbench
from latentbench import Benchmark, ModelTransformer
from latentbench.cli import main
from latentbench.errors import RunFolderError

OWN = """
import numpy as np
import torch
from latentbench import Model, hookimpl

class Numpy(Model):
    deterministic = True
    decoder = "opaque"
    def encode(self, inputs): return torch.from_numpy(np.asarray(inputs.flatten(1))[:, :2].copy())
    def decode(self, codes): return torch.zeros(len(codes), *self.data.shape)
    def get_state(self): return {}
    def set_state(self, state): pass

@hookimpl
def register_models(register): register("numpy_model", Numpy)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a small vae on digits, and its results."""
    asked = Benchmark(
        models=("vae",), references=("pca", "untrained"), seeds=1, scores=("r2",), budget={"epochs": 1},
        params={"latent_dim": 3, "backbone": "mlp", "channels": 1},
    )  # fmt: skip
    return latentbench.run(asked, tmp_path_factory.mktemp("run") / "run", workers=0)


@pytest.fixture
def export(run, capsys):
    """A function that types the verb and returns status, output and messages."""

    def typed(*words):
        with pytest.raises(SystemExit) as ended:
            main(["export", str(run.path), *map(str, words)])
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    return typed


def trial_of(results, label):
    return next(trial for trial in results.trials if trial.label == label)


def test_the_model_of_a_trial_is_a_module_that_encodes_and_decodes(run):
    trial = trial_of(run, "vae")
    model, space = run.model(trial), run.latent_space(trial)
    assert isinstance(model, torch.nn.Module)
    assert not model.training
    with torch.no_grad():
        codes = model.encode(space.inputs)
        torch.testing.assert_close(codes, space.codes)
        torch.testing.assert_close(model.decode(codes), space.reconstructions)


@pytest.mark.parametrize(("label", "files"), [
    ("vae", {"encode.pt2", "decode.pt2", "load.py", "model.json", "model.safetensors"}),
    ("untrained", {"encode.pt2", "load.py", "model.json", "model.safetensors"}),
])  # fmt: skip
def test_the_folder_holds_programs_of_the_maps_that_there_are(run, export, tmp_path, label, files):
    status, out, _ = export("--model", label, "-o", tmp_path / "model")
    assert (status, out.startswith(f"{label} on digits, seed 0: {tmp_path / 'model'} holds ")) == (0, True)
    assert {path.name for path in (tmp_path / "model").iterdir()} == files
    space = run.latent_space(trial_of(run, label))
    loaded = runpy.run_path(str(tmp_path / "model" / "load.py"), run_name="__main__")
    with torch.no_grad():
        torch.testing.assert_close(loaded["encode"](space.inputs), space.codes, rtol=1e-4, atol=1e-5)
    loader = (tmp_path / "model" / "load.py").read_text()
    assert len(loader.splitlines()) <= 14
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    assert (card["params"]["latent_dim"], card["label"], card["latent_dim"]) == (3, label, 3)


def test_the_other_form_is_a_transformer_with_the_same_codes(run, export, tmp_path):
    assert export("--model", "vae", "--to", "sklearn", "-o", tmp_path / "model")[0] == 0
    trial = trial_of(run, "vae")
    transformer = ModelTransformer.load(tmp_path / "model")
    space = run.latent_space(trial)
    images = space.inputs.flatten(1).numpy()
    np.testing.assert_allclose(transformer.transform(images), space.codes.numpy(), rtol=1e-4, atol=1e-5)
    assert transformer.get_params()["params"]["latent_dim"] == 3
    few = load_digits().data[:40] / 16
    assert transformer.fit(few).transform(few).shape == (40, 3)
    assert "transformer" in runpy.run_path(str(tmp_path / "model" / "load.py"), run_name="__main__")


def test_programs_run_without_latentbench_and_the_run(run, export, tmp_path):
    assert export("--model", "pca", "-o", tmp_path / "model")[0] == 0
    space = run.latent_space(trial_of(run, "pca"))
    np.save(tmp_path / "inputs.npy", space.inputs.numpy())
    code = """
import sys
sys.modules["latentbench"] = sys.modules["latentbench_models"] = None  # as if they were not installed
import numpy as np, torch
from load import decode, encode
codes = encode(torch.from_numpy(np.load("../inputs.npy")))
np.savez("../maps.npz", codes=codes.detach(), reconstructions=decode(codes).detach())
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "model", check=True)
    with np.load(tmp_path / "maps.npz") as maps:
        np.testing.assert_allclose(maps["codes"], space.codes.numpy(), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(maps["reconstructions"], space.reconstructions.numpy(), rtol=1e-4, atol=1e-4)


def test_another_form_replaces_the_first_and_other_files_are_left_alone(export, tmp_path):
    assert export("--model", "pca", "-o", tmp_path)[0] == 0
    assert export("--model", "pca", "--to", "sklearn", "-o", tmp_path)[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"load.py", "model.json", "model.safetensors"}
    (tmp_path / "thesis.tex").write_text("")
    status, _, err = export("--model", "pca", "-o", tmp_path)
    assert (status, err) == (
        2,
        f"latentbench: {tmp_path} holds other files than an exported model (thesis.tex); choose a new folder "
        "with -o\n",
    )


def test_damage_is_one_sentence(export, tmp_path):
    assert export("--model", "pca", "--to", "sklearn", "-o", tmp_path)[0] == 0
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(RunFolderError, match="is damaged"):
        ModelTransformer.load(tmp_path)
    shutil.copy(tmp_path / "load.py", tmp_path / "model.json")
    with pytest.raises(RunFolderError, match=r"model\.json cannot be read"):
        ModelTransformer.load(tmp_path)


def test_a_model_that_does_not_compute_in_torch_or_lies_in_a_file_says_so(plugin_file, tmp_path, capsys):
    path = plugin_file(OWN)
    plugins = latentbench.plugins.Plugins(files=(path,))
    asked = Benchmark(models=("numpy_model",), references=(), seeds=1, scores=("compression",))
    latentbench.run(asked, tmp_path / "run", plugins=plugins, workers=0)
    words = ["export", str(tmp_path / "run"), "--plugin", path, "-o", str(tmp_path / "model")]
    for more, sentence in (
        ((), "numpy_model on digits: torch.export cannot record encode ("),
        (
            ("--to", "sklearn"),
            "numpy_model on digits is made by a file, not by an installed plugin",
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words, *more])
        assert ended.value.code == 2
        err = capsys.readouterr().err
        assert err.startswith(f"latentbench: {sentence}")
        assert err.count("\n") == 1
    assert not (tmp_path / "model").exists()
