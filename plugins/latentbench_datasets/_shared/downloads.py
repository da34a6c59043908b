"""Downloads of single files, checked by their md5."""

from __future__ import annotations

from collections.abc import Sequence
from http.client import HTTPException

__all__ = ["fetch"]


def fetch(name: str, md5: str, mirrors: Sequence[str], folder: str) -> None:
    """Download one file from the first mirror that has it whole.

    Raises:
        OSError: no mirror has; it says what each answered.
    """
    from torchvision.datasets.utils import download_url

    answers = []
    for mirror in mirrors:
        try:
            download_url(mirror + name, folder, name, md5)
        except (OSError, RuntimeError, ValueError, HTTPException) as error:
            answers.append(f"{mirror}{name} gave {str(error).rstrip('.') or type(error).__name__}")
        else:
            return
    raise OSError(", ".join(answers))
