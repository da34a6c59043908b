"""Classes that a notebook defines: their digests, and runs of them."""

import itertools
import linecache
import sys
import types

import numpy as np
import pytest

import latentbench
from latentbench import Benchmark, NotApplicableError
from latentbench.errors import RequestError, UnknownNameError
from latentbench.plugins import Plugins
from latentbench.source.digest import source_digest
from latentbench.source.session_digest import forget_unreadable

MINE = """
class Mine:
    rate = 1

    def fit(self):
        return helper(RATE)
"""
MEANS = """
import numpy as np
from latentbench import Model

class Means(Model):
    decoder = "none"
    deterministic = True
    factor = 1.0

    def fit(self, train, generator):
        pass

    def encode(self, inputs):
        return inputs.flatten(1)[:, 20:24] * self.factor

    def get_state(self):
        return {"none": np.zeros(1)}

    def set_state(self, state):
        pass
"""
SPREAD = """
from latentbench import Metric, Score

class Spread(Metric):
    \"\"\"Standard deviation of the codes.\"\"\"

    scores = {"spread": Score(purpose="use", better="none", description="standard deviation of all codes")}

    def compute(self, space):
        return {"spread": float(space.codes.std())}
"""
CELLS = itertools.count()


@pytest.fixture
def cell():
    """Run code as a cell of a notebook, and return its names."""
    session = types.ModuleType("session_of_a_test")
    sys.modules[session.__name__] = session

    def run(code):
        name = f"<cell {next(CELLS)}>"
        linecache.cache[name] = len(code), None, code.splitlines(keepends=True), name
        exec(compile(code, name, "exec"), vars(session))  # noqa: S102 - a cell of a notebook
        return session

    yield run
    del sys.modules[session.__name__]


def digest_of(cell, before, mine=MINE):
    cell(before)
    return source_digest(cell(mine).Mine)


GLOBALS = "RATE = 2\ndef deeper(x): return x\ndef helper(x): return deeper(x)\n"


def test_the_same_source_has_the_same_digest(cell):
    assert digest_of(cell, GLOBALS) == digest_of(cell, GLOBALS)
    assert digest_of(cell, GLOBALS) == digest_of(cell, "UNUSED = 1\n" + GLOBALS)


@pytest.mark.parametrize(
    ("before", "mine"),
    [
        (GLOBALS, MINE.replace("helper(RATE)", "helper(RATE) + 1")),
        (GLOBALS, MINE.replace("rate = 1", "rate = 2")),
        (GLOBALS.replace("RATE = 2", "RATE = 3"), MINE),
        (GLOBALS.replace("RATE = 2", "RATE = (2, 3)"), MINE),
        (GLOBALS.replace("RATE = 2", "RATE = [2, {'a': 3}]"), MINE),
        (GLOBALS.replace("RATE = 2", "import numpy as np\nRATE = np.arange(3)"), MINE),
        (GLOBALS.replace("RATE = 2", "import torch\nRATE = torch.arange(3)"), MINE),
        (GLOBALS.replace("def helper(x): return", "def helper(x): return 1 +"), MINE),
        (GLOBALS.replace("def deeper(x): return x", "def deeper(x): return -x"), MINE),
        (GLOBALS.replace("def deeper(x): return x", "class deeper:\n    def __init__(self, x): self.x = x"), MINE),
        (GLOBALS, "class Base:\n    def more(self): return 1\n" + MINE.replace("Mine:", "Mine(Base):")),
    ],
)
def test_whatever_changes_its_work_changes_the_digest(cell, before, mine):
    digests = [digest_of(cell, GLOBALS), digest_of(cell, before, mine), digest_of(cell, before, mine)]
    assert digests[1] == digests[2] != digests[0]


def test_values_of_arrays_count(cell):
    arrays = [f"import numpy as np\nRATE = np.array({values})\ndef helper(x): return x\n" for values in ([1], [2])]
    assert digest_of(cell, arrays[0]) != digest_of(cell, arrays[1])


def test_a_base_in_another_cell_counts(cell):
    base = "class Base:\n    def more(self):\n        return {}\n"
    inherits = MINE.replace("Mine:", "Mine(Base):")
    assert digest_of(cell, GLOBALS + base.format(1), inherits) != digest_of(
        cell, GLOBALS + base.format(2), inherits
    )


@pytest.mark.parametrize("value", ["object()", "[1, object()]", "np.array([object()])", "(1, {2})"])
def test_where_something_cannot_be_told_no_two_classes_are_the_same(cell, value):
    unclear = GLOBALS.replace("RATE = 2", f"import numpy as np\nRATE = {value}")
    first = digest_of(cell, unclear)
    assert first != digest_of(cell, unclear)
    mine = cell(MINE).Mine
    known = source_digest(mine)
    assert source_digest(mine) == known
    forget_unreadable()
    assert source_digest(mine) != known


def test_a_class_whose_source_cannot_be_had_is_like_no_other(cell):
    assert digest_of(cell, "", "class Mine:\n    rate = 1\n") != digest_of(cell, "", "class Mine:\n    rate = 1\n")


def test_a_file_beside_the_notebook_counts(cell, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    uses = "from beside_a_notebook import helper\nRATE = 2\n"
    digests = []
    for body in ("return x", "return -x"):
        (tmp_path / "beside_a_notebook.py").write_text(f"def helper(x):\n    {body}\n")
        sys.modules.pop("beside_a_notebook", None)
        digests.append(digest_of(cell, uses))
    del sys.modules["beside_a_notebook"]
    assert digests[0] != digests[1]


def run(models, folder, **options):
    asked = {"references": (), "seeds": 1, "scores": ("knn10",), **options}
    return latentbench.run(Benchmark(models=models, **asked), folder, device="cpu")


def test_a_class_of_a_notebook_runs_here_and_is_kept_until_it_changes(cell, tmp_path, capsys):
    mine = cell(MEANS).Means
    first = run([mine], tmp_path / "run")
    assert first.complete
    assert [trial.label for trial in first.trials] == ["Means"]
    assert first.latent_space(first.trials[0]).dim == 4
    key = first.trials[0].key
    assert run([cell(MEANS).Means], tmp_path / "run").trials[0].key == key
    assert capsys.readouterr().err == ""  # nobody looks on
    changed = run([cell(MEANS.replace("factor = 1.0", "factor = 2.0")).Means], tmp_path / "run")
    assert changed.trials[0].key != key
    with pytest.raises(
        NotApplicableError, match=r"Means has changed since Means was trained, or .* define it as it was"
    ):
        first.latent_space(first.trials[0])


def test_what_cannot_be_told_is_trained_again(cell, tmp_path):
    mine = cell("FACTORS = {1.0}\n" + MEANS.replace("* self.factor", "* max(FACTORS)")).Means
    first = run([mine], tmp_path / "run")
    vars(sys.modules[mine.__module__])["FACTORS"].add(3.0)
    again = run([mine], tmp_path / "run")
    assert first.trials[0].key != again.trials[0].key
    assert again.latent_space(again.trials[0]).dim == 4


def test_worker_processes_are_refused_in_a_sentence(cell, tmp_path):
    with pytest.raises(RequestError, match=r"session_of_a_test:Means is a class of this session, .* workers=0"):
        latentbench.run(Benchmark(models=[cell(MEANS).Means]), tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()


def test_a_class_of_another_session_is_named(cell, tmp_path):
    cell(MEANS)
    with pytest.raises(
        UnknownNameError, match="there is no model 'elsewhere:Means' here; give a class of a notebook itself"
    ):
        run(["elsewhere:Means"], tmp_path / "run")


def test_a_class_that_a_plugin_registers_is_that_model(tmp_path):
    plugins = Plugins()
    pca, neighborhoods = plugins.load("model", "pca"), plugins.load("metric", "neighborhoods")
    benchmark = Benchmark(models=[pca], references=(), scores=[neighborhoods], seeds=1)
    results = latentbench.run(benchmark, tmp_path / "run", workers=0)
    assert [trial.model for trial in results.trials] == ["pca"]
    assert [request.metric for request in results.requests] == ["neighborhoods"]
    assert results.complete


def test_metrics_may_be_classes(cell, tmp_path):
    spread = cell(SPREAD).Spread
    results = run([cell(MEANS).Means], tmp_path / "run", scores=("r2", spread))
    assert [row.score for row in results.rows if row.has_value] == ["spread"]
    space = results.latent_space(results.trials[0])
    alone = latentbench.score(space, [spread])
    assert alone["value"].tolist() == [pytest.approx(float(np.std(space.codes.numpy(), ddof=1)), rel=1e-5)]
    assert latentbench.score(space, spread)["score"].tolist() == ["spread"]


def test_datasets_are_names(cell):
    with pytest.raises(RequestError, match="datasets of a benchmark must be names, got the class Mine"):
        Benchmark(datasets=[cell(MINE).Mine])


def test_progress_shows_when_it_is_wanted(cell, tmp_path, capsys):
    benchmark = Benchmark(models=[cell(MEANS).Means], references=(), seeds=1, scores=("knn10",))
    latentbench.run(benchmark, tmp_path / "run", progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("quick: 1 trial to run, results in ")
    assert lines[1].startswith("[1/1] Means on digits, seed 0: ok in ")
