"""Names of files that hold names of users: of data sets, models and choices."""

from __future__ import annotations

import hashlib
import re

from latentbench.text import normalized

__all__ = ["LONGEST", "file_name"]

LONGEST = 150  # characters; file systems take 255 bytes, endings included


def file_name(*parts: str) -> str:
    """Join the parts of a file name, without characters that a file system may refuse.

    >>> file_name("digits", "vae(beta=4)", "", "label:3->8")
    'digits-vae_beta=4-label_3_8'
    """
    name = "-".join(re.sub(r"->|[^\w.=+-]+", "_", normalized(part)).strip("_") for part in parts if part)
    if len(name.encode()) <= LONGEST:
        return name
    digest = hashlib.sha256("-".join(parts).encode()).hexdigest()[:8]
    return f"{name.encode()[: LONGEST - 9].decode(errors='ignore')}-{digest}"
