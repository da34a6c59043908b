"""A process that has imported everything, and forks a child for each call of the command line.

Importing torch takes seconds, forking milliseconds, so thousands of calls take minutes. Run as a script with the
numbers of open sockets: for each, one dispatcher serves one call after the other, a line of JSON each way. A child
is the leader of its own session, in the call's folder, with a limit of memory, without a network and without the
superuser's power to read what permissions forbid. When it has ended, or its time is up, its session is ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pkgutil
import resource
import signal
import socket
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path[0] = ""  # this folder is none to import from
    sys.path.remove("")
    sys.path.append(str(ROOT))

from benchmarks.robust.calls import Call  # noqa: E402 - needs the line above

__all__ = ["main"]

HEAVY = (
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
    "matplotlib.pyplot",
    "ot",
    "pandas",
    "pyarrow.parquet",
    "sklearn.manifold",
    "torch._dynamo",  # which an optimizer imports
    "umap",
)
PAUSE = 0.01
CAPABILITIES = 0x20080522  # linux/capability.h: version 3


def preload() -> None:
    """Import all that a verb may import, and start nothing."""
    import torch

    torch.set_num_threads(1)
    for package in ("latentbench", "latentbench_datasets", "latentbench_models", "latentbench_metrics"):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not module.name.endswith(("__main__", ".worker")):
                import_module(module.name)
    for name in HEAVY:
        import_module(name)


def serve(channel: socket.socket) -> None:
    """Serve calls until the other end closes."""
    with channel.makefile("rw", encoding="utf-8") as lines:
        print("ready", file=lines, flush=True)
        for line in lines:
            reply = json.dumps(run(Call.from_json(line), channel))
            try:
                print(reply, file=lines, flush=True)
            except BrokenPipeError:  # nobody waits for it any more
                os._exit(1)


def run(call: Call, channel: socket.socket) -> dict[str, Any]:
    """Run a call in a child and end whatever is left of it."""
    child = os.fork()
    if child == 0:
        channel.close()
        _become(call)
    hung, seconds = _watch(child, call.seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    left = _end_session(child)
    _, status = os.waitpid(child, 0)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "hung": hung,
        "seconds": round(seconds, 3),
        "children": left,
    }


def _watch(child: int, limit: float) -> tuple[bool, float]:
    """Wait for a child to end or to be out of time, and leave it to be reaped: its number is not given away."""
    started, seconds = time.monotonic(), 0.0
    while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        seconds = time.monotonic() - started - waited(child)
        if seconds > limit:
            return True, seconds
        time.sleep(PAUSE)
    return False, max(seconds, time.monotonic() - started - waited(child))


def waited(process: int) -> float:
    """Seconds that a process stood ready while others had the processor."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text(encoding="utf-8").split()[1]) * 1e-9
    except (OSError, IndexError):
        return 0.0


def _end_session(leader: int) -> int:
    """Kill the processes of a session and return how many lived on after their leader."""
    processes = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    left = [process for process in processes if _in(process, leader)]
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(left)


def _in(process: int, leader: int) -> bool:
    with contextlib.suppress(OSError, ValueError, IndexError):
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return process != leader and int(state[3]) == leader and state[0] != "Z"
    return False


def _become(call: Call) -> NoReturn:
    """Be the child: never returns."""
    status = 1
    try:
        _enter(call)
        module, _, function = call.code.partition(":")
        import_module(module).__dict__[function](list(call.arguments))
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - what a process would print when it dies of it
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(status)


def _enter(call: Call) -> None:
    os.setsid()
    for name, number in (("out", 1), ("err", 2)):
        handle = os.open(Path(call.folder).parent / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(call.folder)
    os.environ.update(call.environment)
    for name, stream in (("stdout", 1), ("stderr", 2)):
        errors = "strict" if name == "stdout" else "backslashreplace"
        setattr(sys, name, open(stream, "w", encoding="utf-8", errors=errors, closefd=False))  # noqa: SIM115
    sys.argv = ["latentbench", *call.arguments]
    size = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + call.memory, size + call.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    socket.socket.connect = _unreachable  # type: ignore[method-assign]
    _drop_capabilities()


def _unreachable(*_: object) -> NoReturn:
    raise OSError(101, "Network is unreachable")


def _drop_capabilities() -> None:
    """Give up the superuser's capabilities: files without permission cannot be read then, as for anybody."""
    if os.geteuid() == 0:
        header, data = (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
        ctypes.CDLL(None, use_errno=True).capset(ctypes.byref(header), ctypes.byref(data))


def main() -> None:
    """Import everything, then fork a dispatcher for each socket."""
    channels = [socket.socket(fileno=int(number)) for number in sys.argv[1:]]
    preload()
    dispatchers = []
    for channel in channels:
        process = os.fork()
        if process == 0:
            for other in channels:
                if other is not channel:
                    other.close()
            serve(channel)
            os._exit(0)
        dispatchers.append(process)
    for channel in channels:
        channel.close()
    for process in dispatchers:
        os.waitpid(process, 0)


if __name__ == "__main__":
    main()
