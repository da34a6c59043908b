import hashlib
import importlib
import sys
import textwrap
import warnings

import pytest

from latentbench import LatentbenchError, Model
from latentbench.benchmark import named
from latentbench.errors import PluginError, RequestError, UnknownNameError
from latentbench.planning.metrics import metric_requests
from latentbench.plugins import Plugins
from latentbench.source.digest import same_source, source_digest
from latentbench.source.loading import load_file

OFFER = """
from latentbench import hookimpl

@hookimpl
def register_models(register):
    register("{name}", "{target}", summary="a model for a test")
"""
MODEL = """
from latentbench import Model

class {name}(Model):
    def encode(self, inputs):
        return inputs
"""


def info(plugins, name):
    (found,) = [each for each in plugins.infos if each.name == name]
    return found


def loose(tmp_path, source, name="loose.py"):
    path = tmp_path / name
    path.write_text(textwrap.dedent(source))
    return str(path)


# discovery


def test_the_built_ins_are_found_by_entry_point():
    plugins = Plugins()
    assert {"digits", "fashion_mnist"} <= set(plugins.names("dataset"))
    assert info(plugins, "latentbench:latentbench-datasets").error == ""
    assert plugins.load("dataset", "digits").__name__ == "Digits"
    assert plugins.conflicts() == []


def test_an_installed_plugin_is_listed_with_what_it_supplies(install):
    install("good", {"good.py": OFFER.format(name="mine", target="good_model:Mine")}, version="2.3")
    plugins = Plugins()
    found = info(plugins, "good:good")
    assert (found.distribution, found.version, found.editable, found.error) == ("good", "2.3", False, "")
    assert found.supplies == {"model": ["mine"]}
    assert [
        registration.summary for registration in plugins.registrations("model") if registration.name == "mine"
    ] == ["a model for a test"]
    assert "good_model" not in sys.modules


def test_an_editable_plugin_is_told_apart(install):
    source = OFFER.format(name="mine", target="good_model:Mine")
    record = install("good", {"good.py": source}, editable=True)
    assert info(Plugins(), "good:good").editable
    (record / "direct_url.json").write_text("{damaged")
    assert not info(Plugins(), "good:good").editable


def test_two_distributions_with_equal_keys_both_load(install):
    install("one", {"one.py": OFFER.format(name="first", target="m:M")}, key="models")
    install("two", {"two.py": OFFER.format(name="second", target="m:M")}, key="models")
    plugins = Plugins()
    assert {"first", "second"} <= set(plugins.names("model"))
    assert info(plugins, "one:models").supplies == {"model": ["first"]}
    assert info(plugins, "two:models").supplies == {"model": ["second"]}


def test_a_distribution_without_metadata_is_survived(install):
    record = install("good", {"good.py": OFFER.format(name="mine", target="m:M")})
    (record / "METADATA").unlink()
    found = info(Plugins(), "unknown:good")
    assert (found.version, found.supplies) == ("", {"model": ["mine"]})


def test_a_class_that_is_given_instead_of_a_string(tmp_path):
    source = MODEL.format(name="Mine") + OFFER.format(name="mine", target="").replace('""', "Mine")
    plugins = Plugins(files=(loose(tmp_path, source),))
    assert issubclass(plugins.load("model", "mine"), Model)


# plugins that fail


FAILING = {
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "exits": ("raise SystemExit('bye')", "SystemExit: bye"),
    "imports what is not there": (
        "import nowhere_at_all",
        "ModuleNotFoundError: No module named 'nowhere_at_all'",
    ),
    "syntax": ("def", "SyntaxError: invalid syntax"),
    "misspelt": (
        "from latentbench import hookimpl\n@hookimpl\ndef register_model(register): ...",
        "there is no hook 'register_model'; did you mean 'register_models'",
    ),
    "unmarked": (
        "def register_models(register): ...",
        "no hook found: mark functions with @latentbench.hookimpl (register_models lack it)",
    ),
    "without any": ("x = 1", "no hook found: mark functions with @latentbench.hookimpl (it has none)"),
    "unknown argument": (
        "from latentbench import hookimpl\n@hookimpl\ndef register_models(register, other): ...",
        "Plugin 'bad:bad' for hook 'register_models' hookimpl definition: register_models(register, other)",
    ),
    "hook raises": (
        "from latentbench import hookimpl\n@hookimpl\ndef register_metrics(register): 1 / 0",
        "ZeroDivisionError: division by zero",
    ),
    "no class": (
        "from latentbench import hookimpl\n@hookimpl\ndef register_models(register): register('x', 'mod.Class')",
        "model 'x' needs a class or \"package.module:Class\", got 'mod.Class'",
    ),
    "an object": (
        "from latentbench import hookimpl\n@hookimpl\ndef register_models(register): register('x', {1: 2})",
        "model 'x' needs a class or \"package.module:Class\", got {1: 2}",
    ),
    "twice": (
        "from latentbench import hookimpl\n@hookimpl\n"
        "def register_models(register): register('x', 'm:A'); register('x', 'm:B')",
        "model 'x' is registered twice by this plugin; give each its own name",
    ),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_failing_plugin_is_listed_and_survived(install, case):
    source, expected = FAILING[case]
    install("bad", {"bad.py": source})
    install("good", {"good.py": OFFER.format(name="mine", target="m:M")})
    plugins = Plugins()
    found = info(plugins, "bad:bad")
    assert found.error.startswith(expected), found.error
    assert found.version == "1.0"
    assert found.supplies == {}
    assert "mine" in plugins.names("model")
    assert "digits" in plugins.names("dataset")


def test_a_plugin_that_fails_halfway_registers_nothing_and_hears_nothing(install, recwarn):
    source = OFFER.format(name="half", target="m:M") + textwrap.dedent("""
        @hookimpl
        def register_metrics(register):
            raise RuntimeError("halfway")

        @hookimpl
        def trial_started(trial):
            raise RuntimeError("should not be called")
    """)
    install("bad", {"bad.py": source})
    plugins = Plugins()
    assert "half" not in plugins.names("model")
    with pytest.raises(UnknownNameError, match="bad:bad failed to load: RuntimeError: halfway"):
        plugins.find("model", "half")
    plugins.trial_started(None)
    assert len(recwarn) == 0


# names


def test_two_plugins_that_register_one_name(install):
    install("one", {"one.py": OFFER.format(name="mine", target="m:M")})
    install("two", {"two.py": OFFER.format(name="mine", target="m:M")}, version="2.0")
    plugins = Plugins()
    expected = "model 'mine' is registered by one:one 1.0 and two:two 2.0; leave one out with --no-plugin two:two"
    assert plugins.conflicts() == [expected]
    with pytest.raises(PluginError) as caught:
        plugins.find("model", "mine")
    assert str(caught.value) == expected
    resolved = Plugins(blocked=("two:two",))
    assert resolved.find("model", "mine").plugin.name == "one:one"
    assert resolved.conflicts() == []


def test_one_name_for_a_model_and_a_metric_is_no_conflict(install):
    source = OFFER.format(name="mine", target="m:M")
    install("one", {"one.py": source})
    install("two", {"two.py": source.replace("register_models", "register_metrics")})
    plugins = Plugins()
    assert plugins.conflicts() == []
    assert plugins.find("metric", "mine").plugin.name == "two:two"


def test_an_unknown_name_is_told_with_near_matches_and_failed_plugins(install):
    install("bad", {"bad.py": "raise RuntimeError('no luck')"})
    install("worse", {"worse.py": "x = 1"})
    with pytest.raises(UnknownNameError) as caught:
        Plugins().find("dataset", "digit")
    assert str(caught.value) == (
        "there is no dataset 'digit'; did you mean 'digits'? (`latentbench list datasets` shows all); "
        "plugin bad:bad failed to load: RuntimeError: no luck (bad.py:1); worse:worse failed to load: "
        "no hook found: mark functions with @latentbench.hookimpl (it has none)"
    )
    assert caught.value.exit_status == 2


def test_an_unknown_name_where_all_is_well():
    with pytest.raises(UnknownNameError) as caught:
        Plugins().find("dataset", "digit")
    assert str(caught.value) == (
        "there is no dataset 'digit'; did you mean 'digits'? (`latentbench list datasets` shows all)"
    )


# classes


def test_a_class_is_imported_when_it_is_asked_for(install):
    modules = {
        "good.py": OFFER.format(name="mine", target="good_model:Mine"),
        "good_model.py": MODEL.format(name="Mine"),
    }
    install("good", modules)
    assert Plugins().load("model", "mine").__module__ == "good_model"


CLASSES = {
    "no module": ("nowhere:Mine", "'nowhere:Mine': ModuleNotFoundError: No module named 'nowhere'"),
    "no attribute": ("stuff:None_", "'stuff:None_': AttributeError: module 'stuff' has no attribute 'None_'"),
    "raises": ("broken:Mine", "'broken:Mine': ValueError: broken (broken.py:1)"),
    "no attribute named": ("stuff:", "'stuff:': AttributeError: module 'stuff' has no attribute ''"),
}


@pytest.mark.parametrize("case", CLASSES)
def test_a_lazy_string_that_cannot_be_imported(install, case):
    target, expected = CLASSES[case]
    modules = {
        "good.py": OFFER.format(name="mine", target=target),
        "stuff.py": "number = 3",
        "broken.py": "raise ValueError('broken')",
    }
    install("good", modules)
    with pytest.raises(PluginError) as caught:
        Plugins().load("model", "mine")
    assert str(caught.value) == f"model 'mine' of good:good cannot be imported from {expected}"


def test_a_lazy_string_of_something_that_is_no_class(install):
    modules = {"good.py": OFFER.format(name="mine", target="stuff:number"), "stuff.py": "number = 3"}
    install("good", modules)
    with pytest.raises(PluginError, match=r"^model 'mine' of good:good must be a class, 'stuff:number' is not$"):
        Plugins().load("model", "mine")


def test_a_class_of_the_wrong_kind(install):
    install("good", {"good.py": OFFER.format(name="mine", target="latentbench_datasets.digits:Digits")})
    with pytest.raises(PluginError, match=r"^model 'mine' of good:good must be a subclass of latentbench\.Model$"):
        Plugins().load("model", "mine")


# loose files


def test_a_loose_file_is_a_plugin(tmp_path):
    path = loose(tmp_path, OFFER.format(name="mine", target="m:M"))
    plugins = Plugins(files=(path, path))
    found = info(plugins, path)
    assert (found.distribution, found.version, found.editable) == ("file", "", True)
    assert plugins.find("model", "mine").plugin is found
    assert plugins.files == (path, path)


def test_a_loose_file_that_cannot_be_loaded_stops_the_request(tmp_path):
    with pytest.raises(PluginError) as caught:
        Plugins(files=(str(tmp_path / "none.py"),))
    assert (
        str(caught.value)
        == f"plugin file {tmp_path}/none.py cannot be loaded: there is no file {tmp_path}/none.py"
    )
    path = loose(tmp_path, "raise RuntimeError('no luck')")
    with pytest.raises(
        PluginError, match=f"^plugin file {path} cannot be loaded: RuntimeError: no luck \\(loose.py:1\\)$"
    ):
        Plugins(files=(path,))
    path = loose(tmp_path, "text", "notes.txt")
    with pytest.raises(PluginError, match=r"notes\.txt is not a Python file$"):
        Plugins(files=(path,))


def test_a_file_that_failed_is_loaded_anew(tmp_path):
    path = loose(tmp_path, "raise RuntimeError('no luck')")
    with pytest.raises(RuntimeError):
        load_file(path)
    loose(tmp_path, "value = 3  # longer than before, so that no bytecode is reused")
    assert load_file(path).value == 3
    assert load_file(path) is load_file(path)


def test_files_of_one_name_are_two_modules(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (load_file(loose(tmp_path / folder, "x = 1")) for folder in "ab")
    assert first is not second


def test_a_model_straight_from_a_file(tmp_path):
    path = loose(tmp_path, MODEL.format(name="Mine") + "number = 3")
    plugins = Plugins()
    assert plugins.load("model", f"{path}:Mine").__name__ == "Mine"
    registration = plugins.find("model", f"{path}:Mine")
    assert (registration.name, registration.plugin.name, registration.plugin.editable) == ("Mine", path, True)


FROM_FILE = {
    "no class": ("loose.py:number", "model 'number' of {path} must be a class, got 3"),
    "no attribute": ("loose.py:Other", "model 'Other' cannot be loaded from {path}: AttributeError: "),
    "no file": ("none.py:Mine", "there is no file {path}"),
    "raises": ("broken.py:Mine", "model 'Mine' cannot be loaded from {path}: ValueError: broken"),
}


@pytest.mark.parametrize("case", FROM_FILE)
def test_a_file_without_that_model(tmp_path, case):
    name, expected = FROM_FILE[case]
    loose(tmp_path, "number = 3")
    loose(tmp_path, "raise ValueError('broken')", "broken.py")
    with pytest.raises(PluginError) as caught:
        Plugins().load("model", f"{tmp_path}/{name}")
    assert str(caught.value).startswith(expected.format(path=f"{tmp_path}/{name.partition(':')[0]}"))


# blocking


@pytest.mark.parametrize("name", ["good:models", "good"])
def test_a_blocked_plugin_is_not_even_imported(install, name):
    install("good", {"good.py": "raise RuntimeError('imported')"}, key="models")
    plugins = Plugins(blocked=(name,))
    assert all(each.distribution != "good" for each in plugins.infos)
    assert plugins.blocked == (name,)


def test_a_blocked_file_is_left_out(tmp_path, monkeypatch):
    path = loose(tmp_path, "raise RuntimeError('imported')")
    monkeypatch.chdir(tmp_path)
    assert all(each.name != path for each in Plugins(files=(path,), blocked=("loose.py",)).infos)


def test_an_unknown_blocked_name_is_an_error():
    with pytest.raises(UnknownNameError) as caught:
        Plugins(blocked=("latentbench:latentbench-dataset", "latentbench:latentbench-models"))
    assert str(caught.value).startswith(
        "--no-plugin latentbench:latentbench-dataset: no such plugin; did you mean 'latentbench:latentbench-data"
    )
    assert str(caught.value).endswith("(see `latentbench list plugins`)")


# lifecycle hooks

LISTENER = """
from latentbench import hookimpl
heard = []

@hookimpl
def run_started(benchmark, run): heard.append(("run_started", benchmark, run))

@hookimpl
def trial_started(trial): heard.append(("trial_started", trial))

@hookimpl
def epoch_finished(losses, trial): heard.append(("epoch_finished", trial, losses))

@hookimpl
def metric_started(metric, done, total): heard.append(("metric_started", metric, done, total))

@hookimpl
def trial_finished(trial, result): heard.append(("trial_finished", trial, result))

@hookimpl
def run_finished(results): heard.append(("run_finished", results))

@hookimpl
def report_sections(results): return [("title", results)]
"""


def only(files):
    """These files without the built-ins, which want real results."""
    return Plugins(files=files, blocked=("latentbench",))


def test_lifecycle_hooks_are_heard_with_the_arguments_they_name(tmp_path):
    path = loose(tmp_path, LISTENER)
    plugins = only((path,))
    plugins.run_started("benchmark", "run")
    plugins.trial_started("trial")
    plugins.epoch_finished("trial", 3, {"total": 1.0})
    plugins.metric_started("trial", "knn", 4, 22)
    plugins.trial_finished("trial", {"status": "ok"})
    plugins.run_finished("results")
    assert load_file(path).heard == [
        ("run_started", "benchmark", "run"),
        ("trial_started", "trial"),
        ("epoch_finished", "trial", {"total": 1.0}),
        ("metric_started", "knn", 4, 22),
        ("trial_finished", "trial", {"status": "ok"}),
        ("run_finished", "results"),
    ]
    assert plugins.report_sections("results") == [("title", "results")]


def test_a_hook_that_raises_is_reported_once_and_disabled(tmp_path):
    bad = loose(
        tmp_path,
        """
        from latentbench import hookimpl

        @hookimpl
        def trial_started(trial): raise RuntimeError("no luck")

        @hookimpl
        def run_finished(results): raise RuntimeError("should not be called")
        """,
        "bad.py",
    )
    good = loose(tmp_path, LISTENER)
    plugins = only((bad, good))
    with pytest.warns(UserWarning, match="is left out") as told:
        plugins.trial_started("one")
    assert [str(each.message) for each in told] == [
        f"plugin {bad} raised in trial_started and is left out from here on: RuntimeError: no luck"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plugins.trial_started("two")
        plugins.run_finished("results")
    assert load_file(good).heard == [
        ("trial_started", "one"),
        ("trial_started", "two"),
        ("run_finished", "results"),
    ]


def test_two_hooks_of_one_plugin_that_raise_are_reported_once(tmp_path):
    source = """
        from latentbench import hookimpl

        @hookimpl
        def trial_started(trial): raise RuntimeError("no luck")

        @hookimpl(specname="trial_started")
        def another(trial): raise RuntimeError("no luck either")
    """
    plugins = only((loose(tmp_path, source),))
    with pytest.warns(UserWarning, match="no luck") as told:
        plugins.trial_started("one")
    assert len(told) == 1


SECTIONS = {
    "nothing": ("return None", []),
    "a generator": ("yield 'title', results", [("title", "results")]),
}


@pytest.mark.parametrize("case", SECTIONS)
def test_report_sections(tmp_path, case):
    body, expected = SECTIONS[case]
    source = f"from latentbench import hookimpl\n@hookimpl\ndef report_sections(results): {body}"
    assert only((loose(tmp_path, source),)).report_sections("results") == expected


@pytest.mark.parametrize("body", ["return 3", "yield 1 / 0"])
def test_report_sections_that_cannot_be_read_are_reported(tmp_path, body):
    source = f"from latentbench import hookimpl\n@hookimpl\ndef report_sections(results): {body}"
    plugins = only((loose(tmp_path, source),))
    with pytest.warns(UserWarning, match="raised in report_sections and is left out from here on"):
        assert plugins.report_sections("results") == []


# the digest of a class's source


@pytest.fixture
def package(site):
    """A package `pack` with a class and siblings; returns its folder."""
    files = {
        "__init__.py": "",
        "model.py": """
            from latentbench import LatentbenchError
            from pack.absolute import a
            from .relative import b
            from . import named
            import pack.dotted
            from pack.sub import deep
            from pack.wild import by_name
            from pack import table

            UNUSED = 7

            def unused():
                return UNUSED

            class Mine(LatentbenchError):
                def use(self):
                    from pack import lazy
                    return a, b, named.x, pack.dotted.y, deep, lazy.z, by_name("w"), table.ALL

            class Other:
                number = 8
        """,
        "absolute.py": "a = 1",
        "relative.py": "from pack.second import c\nb = 2 * c\nunused = 3",
        "second.py": "c = 3",
        "named.py": "x = 1",
        "dotted.py": "y = 1",
        "lazy.py": "z = 1",
        "wild.py": "w = 1\ndef by_name(name): return globals()[name]",
        "table.py": """
            from pack.kept import keep
            ALL = {}
            ALL["first"] = 1

            @keep
            def second():
                return 2
        """,
        "kept.py": "def keep(function): return function",
        "sub/__init__.py": "from .inner import d; from ..above import e; deep = 4 * d * e",
        "sub/inner.py": "d = 5",
        "above.py": "e = 6",
        "stranger.py": "",
    }
    folder = site / "pack"
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source))
    importlib.invalidate_caches()
    return folder


def mine():
    return importlib.import_module("pack.model").Mine


USED = {
    "model": ('"w"', '"v"'), "absolute": ("a = 1", "a = 2"), "relative": ("2 * c", "3 * c"), "second": ("3", "4"),
    "named": ("1", "2"), "dotted": ("1", "2"), "lazy": ("1", "2"), "wild": ("w = 1", "w = 2"),
    "table": ('= 1', "= 3"), "kept": ("return function", "return None"), "sub/__init__": ("4", "5"),
    "sub/inner": ("5", "6"), "above": ("6", "7"),
}  # fmt: skip
NOT_USED = {
    "a comment": ("model", "class Mine", "# a comment\nclass Mine"),
    "a function": ("model", "return UNUSED", "return None"),
    "a constant": ("model", "UNUSED = 7", "UNUSED = 8"),
    "another class": ("model", "number = 8", "number = 9"),
    "a constant of another file": ("relative", "unused = 3", "unused = 4"),
    "a file that is not imported": ("stranger", "", "changed = True"),
}


def change(package, name, old, new):
    path = package / f"{name}.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if old else new)


@pytest.mark.parametrize("name", USED)
def test_the_digest_changes_with_everything_that_is_used(package, name):
    before = source_digest(mine())
    change(package, name, *USED[name])
    assert source_digest(mine()) != before


def test_the_digest_changes_with_what_is_kept_in_a_table(package):
    before = source_digest(mine())
    change(package, "table", "return 2", "return 3")
    assert source_digest(mine()) != before


@pytest.mark.parametrize("case", NOT_USED)
def test_the_digest_does_not_change_with_what_is_not_used(package, case):
    before = source_digest(mine())
    change(package, *NOT_USED[case])
    assert source_digest(mine()) == before


def test_a_digest_of_whole_files_is_of_the_same_source_until_they_change(package):
    recorded = files_digest_of(package)
    assert same_source(recorded, source_digest(mine()))
    change(package, "absolute", "a = 1", "a = 2")
    assert not same_source(recorded, source_digest(mine()))


def files_digest_of(package):
    """What earlier versions recorded: the sha256 of all files that are imported, in the order of their names."""
    names = [path for path in sorted(package.rglob("*.py")) if path.name != "stranger.py"]
    modules = {str(path.relative_to(package.parent).with_suffix("")).replace("/", "."): path for path in names}
    modules = {name.removesuffix(".__init__"): path for name, path in modules.items()}
    return hashlib.sha256(b"".join(modules[name].read_bytes() for name in sorted(modules))).hexdigest()


def test_the_digest_does_not_depend_on_what_has_been_used_already(package):
    before = source_digest(mine())
    mine()().use()
    assert "pack.lazy" in sys.modules
    assert source_digest(mine()) == before


def test_a_broken_sibling_that_nobody_has_imported_is_survived(package):
    before = source_digest(mine())
    (package / "lazy.py").write_text("def")
    assert source_digest(mine()) != before


def test_the_digest_holds_the_bases_of_other_packages(package, tmp_path):
    mine()
    child = load_file(loose(tmp_path, "from pack.model import Mine\nclass Child(Mine): pass")).Child
    before = source_digest(child)
    (package / "second.py").write_text("c = 4")
    assert source_digest(child) != before


def test_the_digest_of_a_loose_file_is_that_of_the_file(tmp_path, site):
    path = loose(tmp_path, "class Mine: pass")
    before = source_digest(load_file(path).Mine)
    assert before == source_digest(load_file(loose(tmp_path, "class Mine: pass", "copy.py")).Mine)
    loose(tmp_path, "class Mine: x = 1")
    assert source_digest(load_file(path).Mine) != before


def test_the_digest_holds_nothing_of_the_host():
    assert source_digest(LatentbenchError) == source_digest(Model) == source_digest(int)


@pytest.mark.parametrize("target", ["Mine", '"mine:Mine"'])
def test_a_class_that_a_plugin_has_registered_is_asked_for_by_its_name(install, target):
    source = f"""
    from latentbench import Metric, Score, hookimpl

    class Mine(Metric):
        scores = {{"mine_score": Score("up")}}
        def compute(self, space): return {{"mine_score": 1.0}}

    @hookimpl
    def register_metrics(register): register("mine_metric", {target})
    """
    install("mine", {"mine.py": source})
    cls = importlib.import_module("mine").Mine
    (request,) = metric_requests((named(cls),), Plugins())
    assert request.metric == "mine_metric"


def test_a_metric_that_is_left_out_takes_no_name_with_it(install):
    """Its scores may be called as one of latentbench's scores or metrics, or as one of another plugin."""
    bad = """
    from latentbench import Metric, Score, hookimpl

    class Bad(Metric):
        scores = {name: Score("up", "x", floor="no_such_model") for name in ("r2", "knn", "shared", "alone")}
        def compute(self, space): return dict.fromkeys(self.scores, 1.0)

    @hookimpl
    def register_metrics(register): register("bad", Bad)
    """
    good = """
    from latentbench import Metric, Score, hookimpl

    class Good(Metric):
        scores = {"shared": Score("up")}
        def compute(self, space): return {"shared": 1.0}

    @hookimpl
    def register_metrics(register): register("good", Good)
    """
    install("bad", {"bad.py": bad})
    install("good", {"good.py": good})
    plugins = Plugins()
    with pytest.warns(UserWarning, match="metric bad is left out"):
        requests = metric_requests(("r2", "knn", "shared"), plugins)
    assert [request.metric for request in requests] == ["good", "knn", "r2"]
    for name in ("bad", "alone"):
        with pytest.raises(RequestError, match="names no model, 'no_such_model'"):
            metric_requests((name,), plugins)
