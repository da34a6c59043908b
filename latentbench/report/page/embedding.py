"""What stands inside the page as text: JSON, and bytes in base64."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

__all__ = ["base64_floats", "base64_text", "page_data"]


def base64_text(content: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(content).decode("ascii")


def base64_floats(values: ArrayLike | torch.Tensor) -> str:
    """Return numbers, row after row, as little-endian float32 in base64.

    >>> base64_floats([1.0])
    'AACAPw=='
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().to("cpu", torch.float32).numpy()
    return base64_text(np.ascontiguousarray(values, "<f4").tobytes())


def page_data(content: Any) -> str:
    r"""Return JSON that can stand inside a script element: no text in it can end that element.

    >>> page_data({"name": "</script>"})
    '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
