"""One thing that all plugins of a process share."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

__all__ = ["Shared", "attribute"]


@dataclass(frozen=True)
class Shared:
    """Something that all plugins of a process share.

    Attributes:
        name: how the log calls it.
        read: returns how it is.
        write: makes it so again.
        differs: whether what is read now is another than what was read before.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    differs: Callable[[Any, Any], bool] = operator.ne


def attribute(owner: Any, name: str, label: str) -> Shared:
    """Return an attribute as a setting."""
    return Shared(label, partial(getattr, owner, name), partial(setattr, owner, name))
