"""What stands inside the page as text: JSON, and bytes in base64."""

from __future__ import annotations

import base64
import json
from typing import Any

__all__ = ["base64_text", "page_data"]


def base64_text(content: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(content).decode("ascii")


def page_data(content: Any) -> str:
    r"""Return JSON that can stand inside a script element: no text in it can end that element.

    >>> page_data({"name": "</script>"})
    '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
