"""Runs that were found to be finished: where nothing has changed since, the same command has nothing to find out.

To see that nothing is left to do, a run imports all models and metrics, reads the data, and looks at each file.
What this rests on is remembered below the cache: the request, the plugins, the surroundings, the state of each
file of code and data that was used, and that of the run folder. Where one of these differs, or cannot be told, or
anything was worth a warning, the run looks for itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from filelock import FileLock, Timeout

from latentbench.files.shapes import checked
from latentbench.files.signatures import YOUNG, signature
from latentbench.files.used import files_below, last_change, noted_files, state_of, used_modules
from latentbench.files.writing import write_atomically
from latentbench.remembered.memory import memory_folder
from latentbench.terminal.output import terminal_width

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.plugins import Plugins
    from latentbench.results import Results

__all__ = ["FinishedRun", "asked_for"]

MADE = ("scores.csv", "scores.parquet", "report.html")
WRITTEN = ("run.json", "environment.json")
LINKS = ("trials", "run.json", "run.lock", "events.jsonl")  # no run follows them out of its folder
HOOKS = ("run_started", "run_finished")
VARIABLES = ("LATENTBENCH_", "CUDA_", "XDG_")


def asked_for(benchmark: Benchmark, options: Mapping[str, Any], plugins: Plugins) -> str:
    """Return all that a run is asked for and that it finds around it, but for files, as one text.

    Empty where a run cannot be known to be finished: something is to be done again, codes are given, or a plugin
    wants to learn of it.
    """
    plain = options["rerun"] == "missing" and not (options["debug"] or options["timing"] or options["dry_run"])
    if not plain or benchmark.codes or any(plugins.with_hook(hook) for hook in HOOKS):
        return ""
    chosen = {
        name: options[name]
        for name in (
            "device",
            "purposes",
            "group_size",
            "workers",
            "executor",
            "executor_options",
            "timeout",
            "detach",
        )
    }
    surroundings = {
        "folder": str(Path.cwd()),
        "machine": [platform.node(), platform.platform(), os.cpu_count()],
        "gpus": sorted(map(str, Path("/dev").glob("nvidia*"))),
        "python": [sys.version, sys.executable, *sys.path],
        "variables": {
            name: value for name, value in os.environ.items() if name.startswith(("LATENT", "CUDA", "XDG"))
        },
        "home": str(Path.home()),
        "width": terminal_width(),
    }
    versions = {name: version(name) for name in ("latentbench", "torch", "numpy", "pandas")}
    asked = [benchmark.model_dump(mode="json"), chosen, surroundings, versions, list(plugins.blocked)]
    return json.dumps([*asked, [asdict(info) for info in plugins.infos]], sort_keys=True, default=str)


@dataclass(frozen=True)
class _Finding:
    """What is remembered of a finished run."""

    asked: str
    used: list[str]
    used_state: str
    run_state: str
    table: str


class FinishedRun:
    """What is remembered of one run folder, for one request.

    Args:
        folder: of the run.
        asked: what `asked_for` returns.
    """

    def __init__(self, folder: Path, asked: str) -> None:
        self._folder = Path(os.path.realpath(folder))
        self._asked = hashlib.sha256(asked.encode()).hexdigest() if asked else ""
        name = hashlib.sha256(f"{self._folder}\0{self._asked}".encode(errors="surrogateescape")).hexdigest()[:32]
        self.path = memory_folder() / f"{name}.finished.json"
        self._noted: set[str] = set()
        self._trials_before = ""

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note the files that are used within, which is all that a run does until it is finished."""
        if not self._asked:
            yield
            return
        self._trials_before = self._trials_state()
        with noted_files() as noted:
            yield
        self._noted = noted

    def table(self, benchmark: Benchmark) -> str | None:
        """Return the table that the run printed, if it is still finished; the run is started and ended then.

        None where that is not known, or another run is at work.
        """
        finding = self._read()
        if finding is None or finding.asked != self._asked or state_of(finding.used) != finding.used_state:
            return None
        try:
            with FileLock(self._folder / "run.lock", timeout=0):
                if self._run_state() != finding.run_state:
                    return None
                _tell(benchmark, self._folder)
        except (Timeout, OSError):
            return None
        return finding.table

    def remember(self, results: Results, table: str) -> None:
        """Remember that the run is finished, if it is, and if nothing that this rests on changed meanwhile."""
        if not (self._asked and results.complete and self._trials_before):
            return
        from latentbench.files.run_files import read_request

        used = self._used(results)
        run_state = self._run_state()
        same = read_request(self._folder) == results.request and self._trials_state() == self._trials_before
        if not (same and run_state and last_change(used) < _start() - YOUNG):
            return
        text = json.dumps(asdict(_Finding(self._asked, sorted(used), state_of(used), run_state, table)))
        sealed = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "content": text}
        with suppress(OSError):
            memory_folder().mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, json.dumps(sealed).encode(), durable=False)

    def _used(self, results: Results) -> set[str]:
        """Return the files of code and data: those noted, those of modules, and all that parameters name."""
        modules = used_modules()
        code = {os.path.dirname(path) for path in modules} | set(sys.path)  # noqa: PTH120 - of thousands
        own = str(self._folder), str(memory_folder())
        noted = {path for path in self._noted if not path.startswith(own) and not path.endswith(".pyc")} - code
        named = {
            value
            for trial in results.trials
            for values in (trial.dataset_params, trial.params)
            for value in values.values()
            if isinstance(value, str) and os.path.isabs(value)  # noqa: PTH117 - text, mostly of no path
        }
        return modules | noted | {path for name in named for path in files_below(name)}

    def _trials_state(self) -> str:
        """Return the state of all files of the trials; "" where it cannot be told."""
        trials = self._folder / "trials"
        try:
            names = sorted(os.listdir(trials))  # noqa: PTH208 - names of thousands
        except OSError:
            return ""
        states = [signature(trials / name, "scores") for name in names]
        return hashlib.sha256(json.dumps([names, states]).encode()).hexdigest() if all(states) else ""

    def _run_state(self) -> str:
        """Return the state of all files of the run; "" where it cannot be told."""
        made = [self._folder / name for name in (*WRITTEN, *MADE)]
        made += sorted((self._folder / "figures").glob("*")) if (self._folder / "figures").is_dir() else []
        links = [name for name in LINKS if (self._folder / name).is_symlink()]
        trials = self._trials_state()
        return f"{trials} {state_of(map(str, made))}" if trials and not links else ""

    def _read(self) -> _Finding | None:
        try:
            if not self._asked or self.path.stat().st_uid != os.getuid():
                return None
            sealed = json.loads(self.path.read_bytes())
            if hashlib.sha256(sealed["content"].encode()).hexdigest() != sealed["sha256"]:
                return None
            return checked(_Finding, json.loads(sealed["content"]))
        except (OSError, ValueError, AttributeError, KeyError, TypeError):  # damaged, or of another version
            return None


def _tell(benchmark: Benchmark, folder: Path) -> None:
    """Write into the log of events that a run started and ended."""
    from latentbench.execution.event_log import EventLog

    log = EventLog()
    log.run_started(benchmark, folder)
    log.ended(failures=0)


def _start() -> float:
    """Return when this process began: what it used has been the same from then on, if it is older."""
    return psutil.Process().create_time()
