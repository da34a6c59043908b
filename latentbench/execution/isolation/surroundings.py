"""Settings that a process has one of, beside those that numbers depend on."""

from __future__ import annotations

import contextlib
import gc
import locale
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

from latentbench.execution.isolation.setting import Shared, attribute

__all__ = ["surroundings"]

# torch sets the handler of CHLD once and for all where a DataLoader has workers
SIGNALS = ("HUP", "INT", "QUIT", "ABRT", "USR1", "USR2", "PIPE", "ALRM", "TERM", "VTALRM", "PROF")
OF_LIBRARIES = b"KMP_", b"TORCHINDUCTOR_", b"TRITON_"  # they set these when they are imported, and count on them


def _read_folder() -> str | None:
    with contextlib.suppress(OSError):
        return os.getcwd()  # noqa: PTH109 - may fail
    return None


def _write_folder(before: str | None) -> None:
    if before is not None:
        os.chdir(before)


def _read_environment() -> dict[bytes, bytes]:
    return {name: value for name, value in os.environb.items() if not name.startswith(OF_LIBRARIES)}


def _write_environment(before: dict[bytes, bytes]) -> None:
    for name in _read_environment().keys() - before.keys():
        del os.environb[name]
    os.environb.update(before)


def _read_mask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _read_signals() -> dict[int, Any]:
    names = [f"SIG{name}" for name in SIGNALS if hasattr(signal, f"SIG{name}")]
    return {int(number): signal.getsignal(number) for number in (getattr(signal, name) for name in names)}


def _write_signals(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and _in_main_thread():
            signal.signal(number, handler)


def _read_timer() -> bool:
    return hasattr(signal, "getitimer") and signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _write_timer(before: bool) -> None:
    if not before:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _loggers() -> list[logging.Logger]:
    return _host_loggers(len(logging.root.manager.loggerDict))


@lru_cache(maxsize=1)
def _host_loggers(known: int) -> list[logging.Logger]:  # noqa: ARG001 - new ones may be among more
    """Return the loggers on which the log of a trial depends."""
    named = [logger for name, logger in logging.root.manager.loggerDict.items() if name.startswith("latentbench")]
    return [logging.root, *(logger for logger in named if isinstance(logger, logging.Logger))]


def _read_logging() -> dict[Any, Any]:
    loggers = {
        logger: (logger.level, logger.disabled, logger.propagate, tuple(logger.handlers), tuple(logger.filters))
        for logger in _loggers()
    }
    return {None: logging.root.manager.disable, **loggers}


def _write_logging(before: dict[Any, Any]) -> None:
    for logger, value in before.items():
        if logger is None:
            logging.disable(value)
        else:
            logger.setLevel(value[0])
            logger.disabled, logger.propagate = value[1:3]
            logger.handlers, logger.filters = list(value[3]), list(value[4])


def _some_differ(before: dict[Any, Any], now: dict[Any, Any]) -> bool:
    return any(now.get(name) != value for name, value in before.items())


def _read_limits() -> list[tuple[int, int]]:
    with contextlib.suppress(ImportError):
        import resource

        return [resource.getrlimit(number) for number in range(resource.RLIMIT_AS + 1)]
    return []


def _write_limits(before: list[tuple[int, int]]) -> None:
    import resource

    for number, limit in enumerate(before):
        resource.setrlimit(number, limit)


def _read_sklearn(*, fresh: bool = False) -> dict[str, Any]:
    sklearn = sys.modules.get("sklearn")
    if sklearn is None or not hasattr(sklearn, "get_config"):
        return {}
    if not fresh:
        return dict(sklearn.get_config())
    with ThreadPoolExecutor(1) as pool:  # the configuration is each thread's own
        return dict(pool.submit(sklearn.get_config).result())


def _write_sklearn(before: dict[str, Any]) -> None:
    sys.modules["sklearn"].set_config(**(before or _read_sklearn(fresh=True)))


def _sklearn_differs(before: dict[str, Any], now: dict[str, Any]) -> bool:
    return now != (before or _read_sklearn(fresh=True))


def _start_method() -> str | None:
    return multiprocessing.get_start_method(allow_none=True)


def _write_start_method(before: str | None) -> None:
    multiprocessing.set_start_method(before, force=True)


def _start_method_differs(before: str | None, now: str | None) -> bool:
    """Whether another was chosen; using the default settles on it."""
    return now not in (before, before or multiprocessing.get_all_start_methods()[0])


def surroundings() -> Iterator[Shared]:
    """Yield what else a plugin may leave changed."""
    yield Shared("current folder", _read_folder, _write_folder)
    yield Shared("environment", _read_environment, _write_environment)
    yield Shared("mask of new files", _read_mask, os.umask)
    yield Shared("locale", partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL))
    yield Shared("handler of signals", _read_signals, _write_signals)
    yield Shared("timer", _read_timer, _write_timer)
    yield Shared("logging", _read_logging, _write_logging, _some_differ)
    yield Shared("limit of resources", _read_limits, _write_limits)
    yield Shared("configuration of scikit-learn", _read_sklearn, _write_sklearn, _sklearn_differs)
    yield Shared("way to start processes", _start_method, _write_start_method, _start_method_differs)
    yield Shared("timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout)
    yield Shared("limit of recursion", sys.getrecursionlimit, sys.setrecursionlimit)
    yield Shared("collection of garbage", gc.isenabled, lambda before: gc.enable() if before else gc.disable())
    yield Shared("threshold of garbage", gc.get_threshold, lambda before: gc.set_threshold(*before))
    yield Shared(
        "list of import paths", lambda: list(sys.path), lambda before: sys.path.__setitem__(slice(None), before)
    )
    yield Shared(
        "list of arguments", lambda: list(sys.argv), lambda before: sys.argv.__setitem__(slice(None), before)
    )
    for name in ("stdin", "stdout", "stderr", "excepthook", "displayhook"):
        yield attribute(sys, name, f"sys.{name}")
    yield Shared("tracer", sys.gettrace, sys.settrace)
    yield Shared("profiler", sys.getprofile, sys.setprofile)
