"""The maps of a trained model as programs that torch runs without latentbench."""

from __future__ import annotations

import io
import warnings
from typing import Any, Literal

import torch
from torch import Tensor, nn

from latentbench.errors import LatentbenchError, RequestError
from latentbench.model import GradientModel, Model

__all__ = ["program"]

ROWS = 3  # of the example that a map is recorded with: 0 and 1 are recorded as constants
TOLERANCE = 1e-4  # relative: other kernels round otherwise
REASON_LENGTH = 200  # characters


def program(model: Model, name: Literal["encode", "decode"], example: Tensor, label: str) -> bytes:
    """Return one map of a model as `torch.export.save` writes it, tried on an example.

    Args:
        model: trained, in evaluation mode, on the CPU.
        name: which map.
        example: inputs `(n, *shape)` or codes `(n, d)`, at least three.
        label: the model's name in errors.

    Raises:
        RequestError: torch cannot record the map, or what it recorded computes something else.
    """
    several = torch.export.Dim("n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own workings
            exported = torch.export.export(
                _Map(model, name).eval(), (example[:ROWS].clone(),), dynamic_shapes=({0: several},)
            )
            file = io.BytesIO()
            torch.export.save(exported, file)
    except LatentbenchError:
        raise
    except Exception as error:  # torch.export raises whatever its parts raise
        raise RequestError(
            f"{label}: torch.export cannot record {name} ({_short(error)}); it takes models that compute with "
            "torch alone"
        ) from error
    _check(file, getattr(model, name), name, example, label)
    return file.getvalue()


class _Map(nn.Module):
    """One map of a model as a module; the networks of a model that is none itself are its parts."""

    def __init__(self, model: Model, name: str) -> None:
        super().__init__()
        self.map = getattr(model, name)
        if isinstance(model, GradientModel):
            self.model = model
        for part, value in vars(model).items() if not isinstance(model, nn.Module) else ():
            if isinstance(value, nn.Module):
                self.add_module(f"part_{part}", value)

    def forward(self, rows: Tensor) -> Any:
        """Apply the map."""
        return self.map(rows)


def _check(file: io.BytesIO, function: Any, name: str, example: Tensor, label: str) -> None:
    """Compare what the file computes with what the model computes."""
    file.seek(0)
    recorded = torch.export.load(file).module()
    with torch.no_grad():
        for rows in (example, example[:1]):
            expected, got = function(rows.clone()), recorded(rows.clone())
            scale = expected.abs().max().clamp(min=1e-12)
            if got.shape != expected.shape or float((got - expected).abs().max() / scale) > TOLERANCE:
                raise RequestError(
                    f"{label}: {name} computes something else as a torch program; it must depend on its rows alone"
                )


def _short(error: Exception) -> str:
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= REASON_LENGTH else f"{line[:REASON_LENGTH]} ..."
