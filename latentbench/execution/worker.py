"""A worker process: `python -m latentbench.execution.worker`.

It reads one JSON line a job from standard input and writes one JSON line an event to standard output; whatever
else prints goes to standard error. When standard input ends, because the main process has, it ends at once.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading

__all__ = ["main"]


def main() -> None:
    """Run jobs until standard input ends, or a failed capture has made this process unsafe."""
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # plugins that print do not get between the events
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    setup = json.loads(lines.get())

    from latentbench.execution.events import TrialEvent
    from latentbench.execution.job import Job, execute_job
    from latentbench.plugins import Plugins
    from latentbench.training.graphs import StepGraphs

    plugins = Plugins(tuple(setup["files"]), tuple(setup["blocked"]))

    def send(event: TrialEvent) -> None:
        events.write(json.dumps(event.to_json()) + "\n")

    while not StepGraphs.broken:
        execute_job(Job.from_json(json.loads(lines.get())), plugins, send)


def _read(lines: queue.Queue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(1)  # the main process is gone, or wants us gone: nothing half written is ever renamed into place


if __name__ == "__main__":
    main()
