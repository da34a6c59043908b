"""Checkpoints as people have them: which state dict of a file is the network's, and what is said otherwise."""

import argparse
import os
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from latentbench import DataError
from latentbench_models.checkpoints import read_weights, state_of


def network(width=3):
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width))


def filled(value, prefix="", width=3):
    return {f"{prefix}{name}": torch.full_like(old, value) for name, old in network(width).state_dict().items()}


def loaded(content, tmp_path, key="", name="w.pt"):
    """The value that fills the weights that are taken from a file."""
    path = str(tmp_path / name)
    save_file(content, path) if name.endswith("safetensors") else torch.save(content, path)
    net = network()
    net.load_state_dict(state_of(read_weights(path), net.state_dict(), name, key))
    return net[0].weight[0, 0].item()


OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(3, 4)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
SCRIPT = {"epoch": 7, "args": argparse.Namespace(lr=0.1), "best": np.float64(0.5), "optimizer": OPTIMIZER}
FITTING = {
    "plain": filled(2),
    "data parallel": filled(2, "module."),
    "compiled": filled(2, "_orig_mod."),
    "a script's": {**SCRIPT, "state_dict": filled(2)},
    "prefixes in a script's": {**SCRIPT, "model_state_dict": filled(2, "module.")},
    "lightning": {
        "epoch": 1, "pytorch-lightning_version": "2",
        "state_dict": {**filled(2, "model."), "loss.weight": torch.ones(1)},
        "optimizer_states": [OPTIMIZER], "hyper_parameters": {"lr": 0.1},
    },
    "another network beside it": {"net": filled(2), "teacher": filled(1, width=5)},
    "names and prefixes": {"a": {"b": filled(2, "module.model.")}},
    "without counters": {name: value for name, value in filled(2).items() if "num_batches" not in name},
    "half precision": {"model": {name: value.half() for name, value in filled(2).items()}},
}  # fmt: skip


@pytest.mark.parametrize("case", FITTING)
def test_the_one_state_dict_that_fits_is_taken(case, tmp_path):
    assert loaded(FITTING[case], tmp_path) == 2


@pytest.mark.parametrize("ending", ["ckpt", "pth.tar", "bin", "pth"])
def test_names_that_checkpoints_have(ending, tmp_path):
    assert loaded({"state_dict": filled(2)}, tmp_path, name=f"w.{ending}") == 2


def test_prefixes_in_safetensors(tmp_path):
    assert loaded(filled(2, "model."), tmp_path, name="w.safetensors") == 2


def test_the_old_format_of_torch_is_read(tmp_path):
    torch.save({"net": filled(2)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert set(read_weights(str(tmp_path / "old.pt"))) == {"net"}


TWO = {"state_dict": filled(1, "module."), "ema": {"module": filled(2)}, "epoch": 3}


@pytest.mark.parametrize("key", ["ema", "ema.module"])
def test_of_several_the_key_chooses(key, tmp_path):
    assert loaded(TWO, tmp_path, key) == 2


SAID = {
    "several": (
        TWO,
        "",
        "network.weights: w.pt holds 2 state dicts of this network: ema.module, state_dict.module; choose one by "
        "network.key",
    ),
    "wrong key": (TWO, "emma", "network.key: w.pt holds no weights under 'emma'; it holds ema.module, state_dict"),
    "wider": (
        {"model": filled(1, width=5)},
        "",
        "network.weights: w.pt is not of this network: its model has other shapes for 0.bias, 0.weight, 1.bias, ",
    ),
    "another head": (
        {"epoch": 1, "model": {"0.weight": torch.ones(3, 4), "fc.bias": torch.ones(2)}},
        "",
        "network.weights: w.pt is not of this network: its model lacks 0.bias, 1.bias, 1.running_mean, "
        "1.running_var, 1.weight and also holds fc.bias",
    ),
    "no tensors": (
        {"epoch": 1, "history": [0.1]},
        "",
        "network.weights: w.pt must hold a state dict, it holds epoch, history and no tensors; save ",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_does_not_fit_is_said_in_a_sentence(case, tmp_path):
    content, key, sentence = SAID[case]
    with pytest.raises(DataError) as caught:
        loaded(content, tmp_path, key)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_whole_network_is_refused_by_its_name(tmp_path):
    torch.save(network(), tmp_path / "w.pt")
    with pytest.raises(DataError, match=r"run code \(it holds a torch.nn.modules.container.Sequential\); save"):
        read_weights(str(tmp_path / "w.pt"))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "w.pt")
    with pytest.raises(DataError, match="must be a file, a pipe is there"):
        read_weights(str(tmp_path / "w.pt"))


def test_what_unpacks_to_far_more_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in range(120):
            archive.writestr(f"w/data/{part}", bytes(1_000_000))
    with pytest.raises(DataError, match="promises 120,000,000 bytes"):
        read_weights(str(tmp_path / "w.pt"))
