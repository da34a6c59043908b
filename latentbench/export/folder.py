"""Writes a trained model into a folder of its own: weights, parameters, and a loader of a few lines."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from latentbench.errors import NotApplicableError, RequestError
from latentbench.export.model_card import FILE, DataCard, ModelCard
from latentbench.export.programs import program
from latentbench.files.failures import refusal
from latentbench.files.writing import write_atomically
from latentbench.latent.arithmetic import in_batches
from latentbench.model import Model, as_inputs
from latentbench.opening import load_splits
from latentbench.plugins import Plugins
from latentbench.results import Results
from latentbench.trial import Trial

__all__ = ["Form", "export_model"]

Form = Literal["torch", "sklearn"]
WEIGHTS, LOADER = "model.safetensors", "load.py"
PROGRAMS = ("encode.pt2", "decode.pt2")
NAMES = {FILE, WEIGHTS, LOADER, *PROGRAMS, "__pycache__"}
LOOSE = "file"  # what stands for the distribution of a plugin that is a file
TRIED = 32  # test items that a program is tried on

TORCH_LOADER = '''\
"""A trained model; needs torch alone. `python load.py` tries it."""

from pathlib import Path

import torch

HERE = Path(__file__).parent
{maps}

if __name__ == "__main__":
    {trial}
'''
MAP = {
    "encode": '{name} = torch.export.load(HERE / "{name}.pt2").module()  # {inputs} -> codes (n, {dim})',
    "decode": '{name} = torch.export.load(HERE / "{name}.pt2").module()  # codes (n, {dim}) -> {inputs}',
}
SKLEARN_LOADER = '''\
"""A trained model as a scikit-learn transformer; needs latentbench. `python load.py` tries it."""

from pathlib import Path

import numpy as np

from latentbench import ModelTransformer

transformer = ModelTransformer.load(Path(__file__).parent)  # rows (n, {size}){unit} -> codes (n, {dim})

if __name__ == "__main__":
    print(transformer.transform(np.zeros((2, {size}))).shape)
'''


def export_model(
    results: Results, trial: Trial, plugins: Plugins, folder: Path, form: Form = "torch"
) -> list[Path]:
    """Write a trained model for use without its run; return the files.

    Args:
        results: the run.
        trial: which of its trials.
        plugins: where its model and data come from.
        folder: a new or empty folder, or one that an export wrote.
        form: "torch" (programs, which run without latentbench) or "sklearn" (a `ModelTransformer`, which can be
            trained anew).

    Raises:
        RequestError: the folder holds other files, or the model has no such form.
        NotApplicableError: the model cannot be reloaded.
    """
    _check_folder(folder)
    model = results.model(trial)
    label = f"{trial.label} on {trial.dataset}"
    if form == "sklearn":
        _check_registered(trial, plugins, label)
    inputs = as_inputs(load_splits(plugins, trial).test.inputs[:TRIED])
    maps = _programs(model, inputs, label) if form == "torch" else {}
    weights = _weights(results, trial)
    content = {**maps, WEIGHTS: weights}
    card = _card(trial, model, _dim(model, inputs), hashlib.sha256(weights).hexdigest())
    content[LOADER] = (_torch_loader(card, maps) if form == "torch" else _sklearn_loader(card)).encode()
    return _write(folder, content, card)


def _check_folder(folder: Path) -> None:
    if os.path.lexists(folder) and not folder.is_dir():
        raise RequestError(f"-o {folder} must be a folder, a file is there; choose another place")
    others = sorted(path.name for path in folder.iterdir() if path.name not in NAMES) if folder.is_dir() else []
    if others:
        raise RequestError(
            f"{folder} holds other files than an exported model ({', '.join(others[:3])}); choose a new folder "
            "with -o"
        )


def _check_registered(trial: Trial, plugins: Plugins, label: str) -> None:
    """Refuse a model of a loose file, which nobody finds by its name elsewhere."""
    if plugins.find("model", trial.model).plugin.distribution == LOOSE:
        raise RequestError(
            f"{label} is made by a file, not by an installed plugin, so that no other environment can train it; "
            "install it as a package, or leave out --to sklearn"
        )


def _weights(results: Results, trial: Trial) -> bytes:
    """Return the trained weights in the form of safetensors."""
    from safetensors.numpy import save

    state = results.record(trial).read_state()
    if state is None:
        raise NotApplicableError(f"{trial.label} cannot be reloaded, so it cannot be exported")
    data: bytes = save(state)
    return data


def _programs(model: Model, inputs: Tensor, label: str) -> dict[str, bytes]:
    """Return the maps of a model that exist by the names of their files.

    Raises:
        RequestError: there is none.
    """
    maps: dict[str, bytes] = {}
    if model.encoder == "amortized":
        maps["encode.pt2"] = program(model, "encode", inputs, label)
    if model.decoder == "differentiable":
        maps["decode.pt2"] = program(model, "decode", _codes(model, inputs), label)
    if not maps:
        raise RequestError(
            f"{label} has neither an encoder nor a decoder in torch that could be exported; choose another --model"
        )
    return maps


def _codes(model: Model, inputs: Tensor) -> Tensor:
    """Return codes to try the decoder on; those of a model without encoder are drawn."""
    if model.encoder == "amortized":
        return in_batches(model.encode, inputs, model.rows_at_once)
    return torch.randn(len(inputs), _latent_dim(model), generator=torch.Generator().manual_seed(0))


def _dim(model: Model, inputs: Tensor) -> int:
    return int(_codes(model, inputs[:1]).shape[1]) if model.encoder != "none" else 0


def _latent_dim(model: Model) -> int:
    return int(model.params.model_dump().get("latent_dim", 0))


def _card(trial: Trial, model: Model, dim: int, weights: str) -> ModelCard:
    return ModelCard(
        model=trial.model,
        model_version=trial.model_version,
        source=trial.outcome.source if trial.outcome else "",
        label=trial.label,
        params=trial.params,
        budget=trial.budget,
        seed=trial.seed,
        dataset=trial.dataset,
        data=DataCard.of(model.data),
        latent_dim=dim,
        trial=trial.key,
        weights=weights,
        latentbench=version("latentbench"),
        torch=str(torch.__version__),
    )


def _torch_loader(card: ModelCard, maps: dict[str, bytes]) -> str:
    """Return the text of load.py; it holds no text of the run folder, which somebody else may have written."""
    shape = ", ".join(map(str, card.data.shape))
    inputs = f"({'n, ' + shape}) float32{' in [0, 1]' * (card.data.dtype == 'uint8')}"
    names = [file.partition(".")[0] for file in maps]
    lines = [MAP[name].format(name=name, inputs=inputs, dim=card.latent_dim) for name in names]
    calls = {
        ("encode",): f"print(encode(torch.zeros(2, {shape})).shape)",
        ("decode",): f"print(decode(torch.zeros(2, {card.latent_dim})).shape)",
        ("encode", "decode"): f"print(decode(encode(torch.zeros(2, {shape}))).shape)",
    }
    return TORCH_LOADER.format(maps="\n".join(lines), trial=calls[tuple(names)])


def _sklearn_loader(card: ModelCard) -> str:
    unit = " in [0, 1]" * (card.data.dtype == "uint8")
    return SKLEARN_LOADER.format(size=prod(card.data.shape), unit=unit, dim=card.latent_dim)


def _write(folder: Path, content: dict[str, bytes], card: ModelCard) -> list[Path]:
    """Write all files, the parameters last, and remove those of an earlier export in another form."""

    def write_all() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in {FILE, *PROGRAMS} - set(content):
            (folder / name).unlink(missing_ok=True)
        for name, data in content.items():
            write_atomically(folder / name, data)
        card.write(folder)

    _refused(write_all, folder)
    return [*(folder / name for name in content), folder / FILE]


def _refused(write: Callable[[], None], folder: Path) -> None:
    """Say in one sentence why a folder cannot be written."""
    try:
        write()
    except OSError as error:
        raise refusal(error, f"{folder} cannot be written", RequestError) from error
