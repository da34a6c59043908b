"""Code that a run folder names does not run unless its user has named or allowed it; tables need none of it."""

import json
import shutil
import sys
import warnings
from pathlib import Path

import pytest

import latentbench
from latentbench import UntrustedCodeError, load_results, trust
from latentbench.cli import main
from latentbench.errors import PluginError
from latentbench.files.json_files import read_sealed, write_sealed
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.report.page.scripts import page_scripts
from latentbench.report.page.write import write_report
from latentbench.source import trust as trust_module
from latentbench.source.files import files_digest
from latentbench.table.build import comparison_table
from latentbench.table.render import render
from latentbench.trial import Outcome, Trial

EVIL = """
from pathlib import Path
Path({sign!r}).touch()
from latentbench_models.references import RandomProjection
class Evil(RandomProjection): pass
def make(): raise RuntimeError("reached")
"""


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    wanted = tiny(models=("random_projection",), scores=("r2",))
    return latentbench.run(wanted, tmp_path_factory.mktemp("runs") / "whole", plugins=Plugins(), workers=0)


@pytest.fixture
def run(whole, tmp_path):
    return Path(shutil.copytree(whole.path, tmp_path / "run"))


@pytest.fixture(autouse=True)
def _new_process(monkeypatch, tmp_path):
    """Nothing has been named yet, and the list is empty."""
    monkeypatch.setattr(trust_module, "_NAMED", {})
    monkeypatch.setenv("LATENTBENCH_TRUST", str(tmp_path / "settings" / "trusted.json"))


@pytest.fixture
def sign(tmp_path):
    return tmp_path / "evil code has run"


@pytest.fixture
def evil(run, sign):
    path = run / "evil.py"
    path.write_text(EVIL.format(sign=str(sign)))
    return path


def forget(path):
    """Forget that a file has been imported, as another process would."""
    for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None) == str(path)]:
        del sys.modules[name]


def renamed(run, **changes):
    """Make the run of another model, as somebody who sends it can: all digests are right."""
    request = read_sealed(run / "run.json")
    request["trials"][0] |= changes
    write_sealed(run / "run.json", request)
    trial = Trial.from_json(request["trials"][0])
    (old,) = (path for path in (run / "trials").iterdir() if len(path.name) == 64)
    record = Record(run, trial.key)
    old.rename(record.place)
    content = json.loads((record.place / "trial.json").read_text())
    record.write_trial(trial, Outcome.from_json(content["outcome"]))
    for path in (record.place / "scores").glob("*.json"):
        write_sealed(path, {**read_sealed(path), "trial": trial.key})


def by_model(run, evil):
    renamed(run, model=f"{evil}:Evil", model_version=1)


def by_dataset(run, evil):
    renamed(run, loader=f"{evil}:Evil")


def by_network(run, evil):
    renamed(run, model="network", params={"source": f"{evil}:make"})


def by_plugin(run, evil):
    request = read_sealed(run / "run.json")
    write_sealed(run / "run.json", {**request, "plugin_files": [str(evil)]})


WAYS = [by_model, by_dataset, by_network, by_plugin]


def opened(run, plugins=None):
    results = latentbench.Results(run, plugins)
    return results.latent_space(results.trials[0])


@pytest.mark.parametrize("way", WAYS)
def test_a_run_folder_alone_makes_no_code_run(way, run, evil, sign):
    way(run, evil)
    with pytest.raises(
        UntrustedCodeError, match=f"not allowed to run: {evil}; read it, and .* add --trust {evil}$"
    ):
        opened(run)
    assert not sign.exists()


@pytest.mark.parametrize("way", WAYS)
def test_tables_and_the_page_need_no_code(way, run, evil, sign):
    way(run, evil)
    results = latentbench.Results(run)
    table = comparison_table(results, every=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        page = write_report(results, [], run / "report.html")
    assert "r2" in render(table, "text")
    assert any("is left out of the pictures" in str(each.message) for each in told)
    assert "add --trust" in page.read_text()
    assert not sign.exists()


@pytest.mark.parametrize("way", [by_model, by_plugin])
def test_a_trusted_file_runs_until_it_changes(way, run, evil, sign):
    way(run, evil)
    trust(evil)
    if way is by_plugin:  # it is loaded, and has no hook
        with pytest.raises(PluginError, match="no hook found"):
            opened(run)
    else:
        assert opened(run).dim == 2
    assert sign.exists()
    evil.write_text(evil.read_text() + "\n# changed\n")
    forget(evil)
    with pytest.raises(UntrustedCodeError):
        opened(run)


def test_what_a_command_names_is_remembered_for_its_run(run, evil, tiny, tmp_path, monkeypatch):
    results = latentbench.run(tiny(models=(f"{evil}:Evil",)), tmp_path / "mine", workers=0)
    assert results.latent_space(results.trials[0]).dim == 2
    listed = json.loads(trust_module.trust_list().read_text())
    assert listed == {str(evil): files_digest(evil)}
    monkeypatch.setattr(trust_module, "_NAMED", {})  # another process
    forget(evil)
    assert opened(tmp_path / "mine").dim == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_a_damaged_list_trusts_nothing(content, run, evil, sign):
    by_model(run, evil)
    path = trust_module.trust_list()
    path.parent.mkdir()
    path.write_text(content)
    with pytest.warns(UserWarning, match="no code is trusted"), pytest.raises(UntrustedCodeError):
        opened(run)
    assert not sign.exists()
    with pytest.raises(PluginError, match="cannot be written"):
        trust(evil)


def test_the_command_line_allows_by_name(run, evil, sign, capsys):
    by_model(run, evil)
    for words, status in ((["show", str(run)], 2), (["show", str(run), "--trust", str(evil)], 0)):
        with pytest.raises(SystemExit) as ended:
            main([*words, "-m", load_results(run).trials[0].label])
        said = capsys.readouterr().err
        assert (ended.value.code == 2 and "add --trust" in said) if status else "add --trust" not in said
        assert sign.exists() is (status == 0)


@pytest.mark.parametrize(
    ("importing", "file"),
    [
        ("import beside", "beside.py"),
        ("from beside.deep import x", "beside/deep.py"),
        ("from . import other", "other.py"),
    ],
)
def test_the_digest_covers_what_is_imported_beside(importing, file, tmp_path):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("x = 1")
    code = tmp_path / "code.py"
    code.write_text(importing)
    before = files_digest(code)
    (tmp_path / "unrelated.py").write_text("x = 1")
    assert files_digest(code) == before
    (tmp_path / file).write_text("x = 2")
    assert files_digest(code) != before


@pytest.mark.parametrize("path", ["none.py", "folder.py"])
def test_what_cannot_be_read_is_not_trusted(path, tmp_path):
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(PluginError, match="code to trust cannot be read"):
        trust(tmp_path / path)


NAMES = ['<script>alert("x")</script>', '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_a_run_folder_are_text_on_the_page(name, run):
    renamed(run, label=name, dataset=name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page = write_report(latentbench.Results(run), [], run / "report.html").read_text()
    assert page.count("<script") == len(page_scripts()) + page.count('<script type="application/json"')
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert ("{{ 7" in page) is (name == NAMES[2])
