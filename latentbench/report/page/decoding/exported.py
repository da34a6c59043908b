"""A latent space's decoder in the form that the page computes, compared with the decoder itself."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentbench.drawing.pictures import EDGE, as_pictures, shows_distances
from latentbench.errors import NotApplicableError
from latentbench.latent.space import LatentSpace
from latentbench.report.page.decoding.program import DecoderProgram, Precision
from latentbench.report.page.decoding.reading import decoded
from latentbench.report.page.decoding.recording import record
from latentbench.report.page.decoding.translation import program_of
from latentbench.report.page.embedding import base64_floats, base64_text

__all__ = ["exported_decoder"]

TRIED = 8  # codes of items that the program is tried at, and as many mixtures of two
GOLDEN = 4  # of them are in the page, with their pictures
LIMITS: dict[Precision, float] = {"float16": 2e-3, "float32": 1e-3}  # largest difference of a pixel in [0, 1]
MOST_TEXT = 2_000_000  # characters of a program
MOST_PRODUCTS = 1_000_000_000  # of two numbers, for one picture: over a second in a browser
LEVELS = 65535  # of a pixel in the pictures that the page compares with


def exported_decoder(space: LatentSpace, codes: Tensor) -> dict[str, Any]:
    """Return a decoder for the page: its program, how its output is drawn, and codes with their pictures.

    Weights have 16 bits where no tried pixel changes by more than 0.002 (half of one of 255 levels), else 32.

    Args:
        space: a latent space with inputs and a decoder.
        codes: `(m, d)`, m at least 2, that the page will show.

    Raises:
        NotApplicableError: the page cannot compute or draw it; the text says why.
    """
    if space.inputs.ndim == 5:
        raise NotApplicableError("its items are bodies in space; the page decodes flat pictures alone")
    if "decoder" not in space.supplies or space.maps.decode is None:
        raise NotApplicableError("it has no decoder")
    tried = _tried(codes)
    pictures = as_pictures(space.decode(tried), like=space.inputs)
    program = program_of(record(space.maps.decode, tried[:1]))
    products = _bearable_work(program)
    edge = EDGE if shows_distances(space.inputs) else 0.0
    data, difference = _written(program, tried, pictures, edge)
    golden = np.linspace(0, len(tried) - 1, GOLDEN).round().astype(int)
    return {
        "program": data,
        "edge": edge,
        "products": products,
        "difference": difference,
        "golden": {
            "codes": base64_floats(tried[golden]),
            "pictures": base64_text((pictures[golden] * LEVELS).round().astype("<u2").tobytes()),
        },
    }


def _tried(codes: Tensor) -> Tensor:
    """Return codes of items spread over those given, then mixtures of each two that follow each other."""
    places = np.linspace(0, len(codes) - 1, min(TRIED, len(codes))).round().astype(int)
    chosen = codes[torch.from_numpy(places).to(codes.device)]
    return torch.cat([chosen, (chosen + chosen.roll(1, 0)) / 2])


def _written(
    program: DecoderProgram, codes: Tensor, pictures: NDArray[Any], edge: float
) -> tuple[dict[str, Any], float]:
    """Return the program with the shortest weights that serve, and its largest difference from the decoder."""
    reasons = []
    for precision, limit in LIMITS.items():
        try:
            data = program.data(precision)
        except NotApplicableError as error:
            reasons.append(str(error))
            continue
        difference = float(np.abs(_drawn(decoded(data, codes.cpu().numpy()), edge) - pictures).max())
        if difference <= limit:
            return _of_bearable_size(data), difference
        reasons.append(
            f"its decoder computes something else than was recorded (pixels differ by {difference:.2g}); it must "
            "depend on the code alone"
        )
    raise NotApplicableError(reasons[-1])


def _drawn(values: NDArray[Any], edge: float) -> NDArray[Any]:
    """Draw what a decoder puts out, as `as_pictures` does."""
    if edge:
        return np.asarray(1 / (1 + np.exp(np.clip(values / edge, -30, 30))))
    return values.clip(0, 1)


def _of_bearable_size(data: dict[str, Any]) -> dict[str, Any]:
    size = len(data["weights"])
    if size > MOST_TEXT:
        raise NotApplicableError(
            f"its decoder takes {size / 1e6:.1f} MB; the page holds those of at most {MOST_TEXT / 1e6:.0f} MB"
        )
    return data


def _bearable_work(program: DecoderProgram) -> int:
    """Return the number of products for a picture; refuse a decoder that would take seconds."""
    shapes = [(1, program.dim), *(array.shape for array in program.constants)]
    products = 0
    for operation in program.operations:
        if operation.kind == "matmul":
            products += prod(operation.shape) * shapes[operation.inputs[0]][-1]
        elif "convolution" in operation.kind:
            products += _products(operation.kind, operation.shape, shapes, operation.inputs)
        shapes.append(operation.shape)
    if products > MOST_PRODUCTS:
        raise NotApplicableError(
            f"its decoder multiplies {products / 1e9:.1f} billion numbers for a picture; the page takes at most "
            f"{MOST_PRODUCTS / 1e9:.0f} billion"
        )
    return products


def _products(kind: str, made: tuple[int, ...], shapes: list[tuple[int, ...]], inputs: tuple[int, ...]) -> int:
    image, weight = (shapes[number] for number in inputs[:2])
    pixels = made if kind == "convolution" else image
    return prod(weight) * prod(pixels[2:])
