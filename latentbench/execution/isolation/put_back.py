"""What a plugin has left changed in its process is put back when the plugin has had its turn."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch

from latentbench.execution.isolation.arithmetic import arithmetic
from latentbench.execution.isolation.setting import Shared
from latentbench.execution.isolation.surroundings import surroundings

__all__ = ["ARITHMETIC", "SETTINGS", "Spoiled", "put_back"]

LOG = logging.getLogger(__name__)
ARITHMETIC = tuple(arithmetic())
SETTINGS = (*ARITHMETIC, *surroundings())


class Spoiled:
    """Whether something could not be put back: this process is no place for another trial.

    Attributes:
        process: it is so.
    """

    process: ClassVar[bool] = False


@contextlib.contextmanager
def put_back(culprit: str, settings: Sequence[Shared] = SETTINGS) -> Iterator[None]:
    """Put back, at the end, what has changed of `settings`; the log says what that was, and who the `culprit` is.

    A process that was forked by a plugin and comes back out of it ends here: it would do the rest a second time.
    """
    process = os.getpid()
    before = [(setting, setting.read()) for setting in settings]
    try:
        with warnings.catch_warnings():
            yield
    finally:
        if os.getpid() != process:
            os._exit(1)
        changed = [(setting, value) for setting, value in before if _differs(setting, value)]
        stuck = [setting.name for setting, value in changed if not _restored(setting, value)]
        torch.clear_autocast_cache()  # else the next autocast may go on with copies of older weights
        if changed:
            LOG.warning("%s left changed, now put back: %s", culprit, ", ".join(each.name for each, _ in changed))
        if stuck:
            LOG.error("cannot be put back, so no other trial runs in this process: %s", ", ".join(stuck))
            Spoiled.process = True


def _differs(setting: Shared, before: Any) -> bool:
    try:
        return setting.differs(before, setting.read())
    except Exception:  # noqa: BLE001 - what cannot even be read has changed
        return True


def _restored(setting: Shared, value: Any) -> bool:
    with contextlib.suppress(Exception):
        setting.write(value)
    return not _differs(setting, value)
