"""Finds, loads and lists plugins; the only file that touches pluggy's machinery.

Built-ins come in by entry point exactly like anybody's package: no second list, no second code path. A plugin
that cannot be loaded is remembered with its error, listed, and survived.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from latentbench import hookspecs
from latentbench.errors import PluginError, UnknownNameError, UntrustedCodeError, near_matches
from latentbench.files.lookup import existing
from latentbench.params import check_name
from latentbench.registrations import (
    KINDS,
    Kind,
    PluginInfo,
    Registration,
    base_of,
    conflict,
    of_latentbench,
    spoken,
    wrong_with,
)
from latentbench.source.files import files_digest
from latentbench.source.loading import load_file
from latentbench.source.places import import_failure
from latentbench.source.session import class_of_session, is_session_name
from latentbench.source.trust import named_by_a_run_folder
from latentbench.text import normalized, printable

if TYPE_CHECKING:
    from latentbench.benchmark import Benchmark
    from latentbench.results import Results
    from latentbench.trial import Trial, TrialResult

__all__ = ["KINDS", "Kind", "PluginInfo", "Plugins", "Registration"]

GROUP = "latentbench"


class Plugins:
    """All plugins of this process.

    Args:
        files: loose plugin files to load besides the installed ones.
        blocked: plugins to leave out, by "distribution:entry point", distribution or path.
        remembered: files that a run folder names: those load that this user has allowed to run.

    Attributes:
        files: the loose files that are used, as absolute paths.
        forgone: each remembered file that is not, and why.

    Raises:
        UnknownNameError: a blocked name matches no plugin.
        PluginError: a file that was asked for cannot be loaded.
        UntrustedCodeError: a run folder asks for a file, and nobody has allowed it.
    """

    def __init__(
        self, files: tuple[str, ...] = (), blocked: tuple[str, ...] = (), remembered: tuple[str, ...] = ()
    ) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._registrations: dict[Kind, dict[str, list[Registration]]] = {kind: {} for kind in KINDS}
        self.infos: list[PluginInfo] = []
        self.files = tuple(str(Path(name).resolve()) for name in files)
        self.forgone: dict[str, str] = {}
        self.blocked = blocked
        unused = set(blocked)
        for info, point in _installed():
            if info.name in blocked or info.distribution in blocked:
                unused -= {info.name, info.distribution}
            else:
                self._add(info, point.load)
        excluded = {str(Path(name).resolve()): name for name in blocked}
        for name in self.files:
            if name in excluded:
                unused.discard(excluded[name])
                continue
            info = _of_file(name)
            self._add(info, lambda path=name: load_file(path))  # type: ignore[misc]
            if info.error:
                raise PluginError(f"plugin file {name} cannot be loaded: {info.error}")
        for name in dict.fromkeys(remembered):
            if name not in (*self.files, *excluded):
                self._remember(name)
        for name in sorted(unused):
            hint = near_matches(name, [info.name for info in self.infos])
            raise UnknownNameError(f"--no-plugin {name}: no such plugin{hint} (see `latentbench list plugins`)")

    def _remember(self, name: str) -> None:
        """Load a file that a run folder names if its user has allowed that; else keep why not."""
        info = _of_file(name)
        try:
            with named_by_a_run_folder():
                self._add(info, lambda: load_file(name))
        except UntrustedCodeError:
            info.error = "it is new or has changed, and you have not allowed it to run"
            self.infos.remove(info)
        if info.error:
            self.forgone[name] = info.error
        else:
            self.files = (*self.files, name)

    @property
    def hint(self) -> str:
        """What may lack where a name is unknown: the remembered files that are not used; empty without any."""
        return "".join(
            f"; the run used the plugin file {path} ({why}): read it, and if you trust it, give --plugin {path}"
            for path, why in self.forgone.items()
        )

    def _add(self, info: PluginInfo, load: Callable[[], Any]) -> None:
        """Load one plugin and collect what it registers; whatever it raises becomes its `error`."""
        if any(known.name == info.name for known in self.infos):
            return  # the same distribution seen twice on the path
        self.infos.append(info)
        try:
            self.register(load(), info.name)
            self._collect(info)
        except UntrustedCodeError:
            self._withdraw(info)
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything; the host lives
            info.error = str(error) if isinstance(error, PluginError) else import_failure(error)
            self._withdraw(info)

    def _withdraw(self, info: PluginInfo) -> None:
        """Take out a plugin that failed halfway, with what it had registered until then."""
        self.unregister(info.name)
        info.supplies.clear()
        for kind, names in self._registrations.items():
            others = {
                name: [entry for entry in entries if entry.plugin is not info] for name, entries in names.items()
            }
            self._registrations[kind] = {name: entries for name, entries in others.items() if entries}

    def register(self, plugin: object, name: str) -> None:
        """Register a module or object with hooks.

        Raises:
            PluginError: it has no hook, a misspelt one, or one with arguments its contract does not know.
        """
        try:
            self._manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise PluginError(" ".join(str(error).split())) from error
        known = [hook for hook in dir(hookspecs) if getattr(getattr(hookspecs, hook), "latentbench_spec", None)]
        callers = self._manager.get_hookcallers(plugin) or []
        if not callers:
            named = [hook for hook in known if hasattr(plugin, hook)]
            seen = f"{', '.join(named)} lack it" if named else "it has none"
            raise PluginError(f"no hook found: mark functions with @latentbench.hookimpl ({seen})")
        for caller in callers:
            if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
                raise PluginError(f"there is no hook {caller.name!r}{near_matches(caller.name, known)}")

    def unregister(self, name: str) -> None:
        """Take out what `register` put in, unless it has been taken out already."""
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)

    def _collect(self, info: PluginInfo) -> None:
        """Call this plugin's register hooks with callbacks bound to it."""
        for kind in KINDS:
            caller = getattr(self._manager.hook, f"register_{kind}s")
            for impl in caller.get_hookimpls():
                if impl.plugin_name == info.name:
                    impl.function(*[self._registrar(kind, info)][: len(impl.argnames)])

    def _registrar(self, kind: Kind, info: PluginInfo) -> Callable[..., None]:
        word = spoken(kind)

        def register(name: str, target: str | type, summary: str = "") -> None:
            if not isinstance(name, str) or not name.strip() or printable(name) != name:
                raise PluginError(f"a {word} needs a name of letters that can be printed, got {name!r}")
            name = normalized(name)
            if kind == "pair_metric":  # the name of its score, which is typed on the command line
                check_name("the name of a pair metric", name)
            if not isinstance(target, type) and not (isinstance(target, str) and ":" in target):
                raise PluginError(f'{word} {name!r} needs a class or "package.module:Class", got {target!r}')
            if name in info.supplies.get(kind, []):
                raise PluginError(f"{word} {name!r} is registered twice by this plugin; give each its own name")
            self._registrations[kind].setdefault(name, []).append(Registration(kind, name, target, summary, info))
            info.supplies.setdefault(kind, []).append(name)

        return register

    def names(self, kind: Kind) -> list[str]:
        """Every registered name, sorted."""
        return sorted(self._registrations[kind])

    def registrations(self, kind: Kind) -> Iterator[Registration]:
        """Every registration, sorted by name."""
        for name in self.names(kind):
            yield from self._registrations[kind][name]

    def conflicts(self) -> list[str]:
        """One sentence for each name that two plugins have registered."""
        return [
            conflict(registrations)
            for kind in KINDS
            for registrations in self._registrations[kind].values()
            if len(registrations) > 1
        ]

    def find(self, kind: Kind, name: str) -> Registration:
        """Return the registration of `name`.

        Models and metrics may also be `path/to/file.py:Class`, or a class that this process has handed over
        (`latentbench.source.session`).

        Raises:
            UnknownNameError: nobody has registered it; the sentence names near matches and plugins that failed.
            PluginError: two plugins have registered it. Nobody can take a name of latentbench's own.
        """
        path, _, attribute = name.rpartition(":")
        if path.endswith(".py"):
            return self._find_in_file(kind, str(existing(Path(path))), normalized(attribute))
        name = normalized(name)
        if is_session_name(name):
            return self._find_in_session(kind, name)
        registrations = self._registrations[kind].get(name, [])
        if (own := of_latentbench(registrations)) is not None:
            return own
        if len(registrations) > 1:
            raise PluginError(conflict(registrations))
        if registrations:
            return registrations[0]
        failed = "; ".join(f"{info.name} failed to load: {info.error}" for info in self.infos if info.error)
        hint = near_matches(name, self.names(kind))
        raise UnknownNameError(
            f"there is no {spoken(kind)} {name!r}{hint} (`latentbench list {kind}s` shows all)"
            + (f"; plugin {failed}" if failed else "")
            + self.hint
        )

    def _find_in_file(self, kind: Kind, path: str, attribute: str) -> Registration:
        try:
            cls = getattr(load_file(path), attribute)
        except PluginError:
            raise
        except Exception as error:
            raise PluginError(
                f"{spoken(kind)} {attribute!r} cannot be loaded from {path}: {import_failure(error)}"
            ) from error
        if not isinstance(cls, type):
            raise PluginError(f"{spoken(kind)} {attribute!r} of {path} must be a class, got {cls!r}")
        plugin = PluginInfo(str(Path(path).resolve()), "file", editable=True)
        return Registration(kind, attribute, cls, "", plugin)

    def _find_in_session(self, kind: Kind, name: str) -> Registration:
        cls = class_of_session(name)
        for registration in self.registrations(kind):
            if registration.target == name or (cls is not None and registration.target is cls):
                return registration
        if cls is None:
            given = "scores" if kind == "metric" else f"{kind}s"
            itself = f"give a class of a notebook itself, as in Benchmark({given}=[Mine]), and "
            advice = f"{itself if kind != 'pair_metric' else ''}name one in a file as mine.py:Mine"
            raise UnknownNameError(f"there is no {spoken(kind)} {name!r} here; {advice}")
        plugin = PluginInfo("this session", "session", editable=True)
        return Registration(kind, cls.__name__, cls, "", plugin)

    def load(self, kind: Kind, name: str) -> Any:
        """Return the class behind `name`.

        Raises:
            UnknownNameError, PluginError: as `find`; or the class cannot be imported, is of the wrong kind or
                lacks what its contract asks for.
        """
        registration = self.find(kind, name)
        cls = registration.load()
        if wrong := wrong_with(cls, base_of(kind)):
            raise PluginError(f"{registration.owned} {wrong}")
        return cls

    def with_hook(self, hook: str) -> list[str]:
        """Return the names of the plugins that implement a hook."""
        return [impl.plugin_name for impl in getattr(self._manager.hook, hook).get_hookimpls()]

    def run_started(self, benchmark: Benchmark, run: Path) -> None:
        """Tell plugins that a run begins."""
        self._notify("run_started", benchmark=benchmark, run=run)

    def trial_started(self, trial: Trial) -> None:
        """Tell plugins that a worker has taken up a trial."""
        self._notify("trial_started", trial=trial)

    def epoch_finished(self, trial: Trial, epoch: int, losses: Mapping[str, float]) -> None:
        """Tell plugins the mean losses of an epoch."""
        self._notify("epoch_finished", trial=trial, epoch=epoch, losses=losses)

    def metric_started(self, trial: Trial, metric: str, done: int, total: int) -> None:
        """Tell plugins by which metric a trial is scored."""
        self._notify("metric_started", trial=trial, metric=metric, done=done, total=total)

    def trial_finished(self, trial: Trial, result: TrialResult) -> None:
        """Tell plugins how a trial ended."""
        self._notify("trial_finished", trial=trial, result=result)

    def run_finished(self, results: Results) -> None:
        """Tell plugins that a run has ended."""
        self._notify("run_finished", results=results)

    def report_sections(self, results: Results) -> list[tuple[str, Any]]:
        """Collect the sections that plugins add to the report."""
        sections: list[tuple[str, Any]] = []
        self._notify("report_sections", sections.extend, results=results)
        return sections

    def _notify(self, hook: str, collect: Callable[[Any], None] | None = None, **arguments: Any) -> None:
        """Call a hook of every plugin; one that raises is reported once and taken out."""
        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            if not self._manager.has_plugin(impl.plugin_name):
                continue
            try:
                answer = impl.function(*(arguments[name] for name in impl.argnames))
                if collect is not None:
                    collect(answer or ())
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                self._manager.unregister(name=impl.plugin_name)
                warnings.warn(
                    f"plugin {impl.plugin_name} raised in {hook} and is left out from here on: "
                    f"{type(error).__name__}: {error}",
                    stacklevel=2,
                )


def _of_file(path: str) -> PluginInfo:
    digest = ""
    with suppress(OSError, ValueError):  # told where the file is loaded
        digest = files_digest(Path(path))
    return PluginInfo(path, "file", editable=True, sha256=digest)


def _installed() -> list[tuple[PluginInfo, EntryPoint]]:
    """Return what installed distributions offer, in the order of their names and of the entry points'."""
    infos = []
    known: dict[int, tuple[str, str, bool]] = {}  # by distribution: to read what describes one takes milliseconds
    for point in entry_points(group=GROUP):
        if id(point.dist) not in known:
            known[id(point.dist)] = _described(point.dist)
        name, version, editable = known[id(point.dist)]
        infos.append((PluginInfo(f"{name}:{point.name}", name, version, editable), point))
    return sorted(infos, key=lambda pair: (pair[0].distribution, pair[1].name))


def _described(distribution: Distribution | None) -> tuple[str, str, bool]:
    """Return a distribution's name and version, and whether it is installed editable."""
    if distribution is None:
        return "unknown", "", False
    about = distribution.metadata
    return about["Name"] or "unknown", about["Version"] or "", _is_editable(distribution)


def _is_editable(distribution: Distribution) -> bool:
    text = distribution.read_text("direct_url.json")
    try:
        return bool(text and json.loads(text).get("dir_info", {}).get("editable"))
    except (ValueError, AttributeError):
        return False  # a damaged record is no reason to stop the host
