"""What the server answers: bytes of pictures, JSON of an encoded image, a sentence where something goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentbench.errors import LatentbenchError, RequestError
from latentbench.report.page.embedding import base64_floats
from latentbench.serving.models import Encoded, ServedModels

__all__ = ["ANSWERS", "Answer", "answered", "told_why"]

BYTES, JSON = "application/octet-stream", "application/json"


@dataclass(frozen=True)
class Answer:
    """One answer: the status of HTTP, the kind of the content, the content."""

    status: int
    kind: str
    content: bytes


def answered(path: str, query: Mapping[str, str], body: bytes, models: ServedModels) -> Answer:
    """Do what is asked for; whatever fails is told in a sentence, and the server goes on."""
    try:
        with models.lock:
            return ANSWERS[path](query, body, models)
    except LatentbenchError as error:
        return told_why(422, f"{error}")
    except MemoryError:
        return told_why(500, "this machine has not enough memory for it")
    except Exception as error:  # noqa: BLE001 - a stranger's model may raise anything
        return told_why(500, " ".join(f"the model failed, {type(error).__name__}: {error}".split()))


def told_why(status: int, sentence: str) -> Answer:
    """Return an answer that says why nothing was done."""
    return Answer(status, JSON, json.dumps({"error": sentence.rstrip(".")}).encode())


def _decode(query: Mapping[str, str], body: bytes, models: ServedModels) -> Answer:
    """Answer codes `(m, d)` with pictures `(m, c, h, w)`, both as little-endian float32."""
    model = models.numbered(query.get("model", ""))
    width = 4 * model.space.dim
    if len(body) % width:
        raise RequestError(f"codes of {model.label} have {width} bytes each, got {len(body)} bytes")
    codes = np.frombuffer(body, "<f4").reshape(-1, model.space.dim)
    return Answer(200, BYTES, model.pictures(codes).tobytes())


def _encode(query: Mapping[str, str], body: bytes, models: ServedModels) -> Answer:
    """Answer a file of an image with what the model makes of it."""
    model = models.numbered(query.get("model", ""))
    return Answer(200, JSON, json.dumps(_as_json(model.encoded(body, query.get("invert") == "yes"))).encode())


def _as_json(made: Encoded) -> dict[str, Any]:
    return {
        "words": made.words,
        "shape": list(made.picture.shape),
        "picture": base64_floats(made.picture),
        "code": [float(f"{number:.6g}") for number in made.code.tolist()],
        "reconstruction": None if made.reconstruction is None else base64_floats(made.reconstruction),
        "mse": made.mse,
        "names": made.names,
        "distances": made.distances,
        "pictures": [base64_floats(picture) for picture in made.pictures],
        "place": made.place.tolist(),
    }


ANSWERS: Mapping[str, Callable[[Mapping[str, str], bytes, ServedModels], Answer]] = {
    "/decode": _decode,
    "/encode": _encode,
}
