from __future__ import annotations

import textwrap

import pytest

from latentbench.cli import main
from latentbench.cli.check import _found
from latentbench.plugins import Plugins
from latentbench.testing import check_metric

WRONG = """
import torch

from latentbench import Metric, NotApplicableError, Score, hookimpl


class Wrong(Metric):
    \"\"\"Breaks one promise a score.\"\"\"

    scores = {
        "outside": Score("up", "more than it may be", range=(0, 1)),
        "by_place": Score("none", "depends on which item comes first"),
        "by_turn": Score("none", "depends on the axes"),
        "by_chance": Score("none", "never the same"),
        "ignorant": Score("up", "likes codes that know nothing"),
        "fine": Score("up", "depends on nothing"),
    }
    needs = ("inputs",)
    invariances = ("rotation",)
    calls = 0

    def compute(self, space):
        Wrong.calls += 1
        lost = float((space.codes - space.encode(space.inputs)).abs().mean())
        apart = float((space.codes - space.codes.mean(0)).square().sum(1).var())
        match = float((space.reconstructions - space.inputs).abs().mean())
        return {
            "outside": 2.0, "by_place": float(space.codes[0].norm()), "by_turn": float(space.codes.abs().mean()),
            "by_chance": float(Wrong.calls), "ignorant": match, "fine": 1.0,
        }


class Broken(Metric):
    \"\"\"Always raises.\"\"\"

    scores = {"broken": Score("up", "nothing")}

    def compute(self, space):
        raise ZeroDivisionError("oh")


class Picky(Metric):
    \"\"\"Never applicable.\"\"\"

    scores = {"picky": Score("up", "nothing")}

    def compute(self, space):
        raise NotApplicableError("too picky")


@hookimpl
def register_metrics(register):
    register("wrong", Wrong, summary="breaks promises")
    register("broken", Broken, summary="always raises")
    register("picky", Picky, summary="never applicable")
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(textwrap.dedent(WRONG))
    return str(path)


def test_broken_promises_are_found(file):
    checks = list(check_metric("wrong", Plugins([file])))
    failed = {(check.score, check.space) for check in checks if not check.passed}
    by_score = {score: {space for actual, space in failed if actual == score} for score, _ in failed}
    assert "as it is" in by_score["outside"]
    assert "by_place" not in by_score, "metrics see items in an order that does not depend on how they lay"
    assert {"rotated codes", "permuted codes"} & by_score["by_turn"]
    assert "once more" in by_score["by_chance"]
    assert by_score["ignorant"] == {"random codes"}
    assert "fine" not in by_score


def test_a_failure_fails_and_what_is_not_applicable_is_told(file):
    broken, picky = (list(check_metric(name, Plugins([file]))) for name in ("broken", "picky"))
    assert not any(check.passed for check in broken)
    assert {check.reason for check in broken} == {"ZeroDivisionError: oh (wrong.py:39)"}
    assert all(check.passed for check in picky)
    assert {check.reason for check in picky} == {"too picky"}


FEW = {"knn", "separation", "r2", "rate", "active_units"}


@pytest.mark.parametrize(
    "metric",
    [pytest.param(name, marks=[] if name in FEW else pytest.mark.slow) for name in Plugins().names("metric")],
)
@pytest.mark.timeout(900)
def test_built_in_metrics_pass(metric):
    checks = list(check_metric(metric))
    assert [check for check in checks if not check.passed] == []
    titles = [check.space for check in checks]
    assert titles[0] == "as it is"
    kinds = {score.kind for score in Plugins().load("metric", metric).scores.values()}
    assert ({"random codes", "rotated codes"} <= set(titles)) == ("quality" in kinds)


def test_the_verb_shows_a_table_and_fails_for_broken_promises(file, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["check", "wrong", "picky", "--plugin", file])
    shown = capsys.readouterr()
    assert stop.value.code == 1
    assert "not as declared: outside (as it is)" in shown.err
    assert "too picky" in shown.out
    (line,) = [line for line in shown.out.splitlines() if line.startswith("as it is  ") and "outside" in line]
    assert "FAILED (in its range); metric" in line
    assert "'wrong' returned 2 for 'outside', which declares the range 0 to 1" in " ".join(shown.out.split())


def test_a_score_leads_to_its_metric(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["check", "mae"])
    shown = capsys.readouterr().out
    assert stop.value.code == 0
    assert shown.startswith("reconstruction, version")
    assert "blurred images" in shown


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["check", "knn1O"])
    assert stop.value.code == 2
    assert (
        "there is no model, metric, pair metric, score or dataset 'knn1O'; did you mean 'knn1' or 'knn10'"
        in capsys.readouterr().err
    )


def test_models_and_datasets_have_a_line_a_rule(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["check", "pixels", "digits"])
    shown = capsys.readouterr().out
    assert stop.value.code == 0
    assert "codes_repeat             ok\n" in shown
    assert "posterior                not applicable: it has no posterior\n" in shown
    assert "fingerprint             ok\n" in shown


def test_a_broken_rule_is_a_sentence_with_what_it_was_seen_on(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch\nfrom latentbench import Model\n\n\nclass Draws(Model):\n    decoder = 'none'\n\n"
        "    def encode(self, inputs):\n        return torch.rand(len(inputs), 2)\n"
    )
    with pytest.raises(SystemExit) as stop:
        main(["check", f"{path}:Draws"])
    shown = capsys.readouterr()
    assert stop.value.code == 1
    assert "codes_repeat             FAILED\n" in shown.out
    assert f"{path}:Draws breaks codes_repeat on grey 28 x 28, color 32 x 32, odd 17 x 23" in shown.err
    assert "return the mean of the posterior" in shown.err


SEEDED = """
import hashlib

import torch

from latentbench import Metric, Score, hookimpl


class Seeded(Metric):
    \"\"\"Draws items by what may change.\"\"\"

    scores = {
        "by_codes": Score("none", "draws by the bits of codes", range=(0, 10)),
        "by_number": Score("none", "adds class numbers up", range=(0, 10)),
        "by_row": Score("none", "draws by the place of items", range=(0, 10)),
    }
    needs = ("labels",)
    invariances = ("shift", "scale")
    tolerance = 1e-4

    def compute(self, space):
        digest = hashlib.sha256(space.codes.numpy().tobytes()).digest()
        spread = space.codes.double().std(0)
        row = digest[0] % len(space)
        away = ((space.codes - space.codes.double().mean(0)) / spread).norm(dim=1)
        return {
            "by_codes": float(away[row]), "by_number": float(space.labels.double().mean()),
            "by_row": float(away[:20].mean()),
        }


@hookimpl
def register_metrics(register):
    register("seeded", Seeded, summary="draws by what may change")
"""


def test_draws_by_what_may_change_are_found(tmp_path):
    path = tmp_path / "seeded.py"
    path.write_text(SEEDED)
    checks = list(check_metric("seeded", Plugins([str(path)])))
    failed = {score: {check.space for check in checks if not check.passed and check.score == score}
              for score in ("by_codes", "by_number", "by_row")}  # fmt: skip
    assert "shifted codes without inputs" in failed["by_codes"]
    assert failed["by_number"] == {"other class numbers"}
    assert failed["by_row"] == set()
    titles = {check.space for check in checks}
    assert "classes in another order without inputs and training split" in titles


@pytest.mark.parametrize("metric", ["knn", "separation", "fisher_ratio", "participation_ratio"])
def test_built_in_metrics_pass_without_inputs(metric):
    checks = [check for check in check_metric(metric) if "without inputs" in check.space]
    assert {check.passed for check in checks} == {True}
    assert {check.expected for check in checks} == {"same"}


def test_all_that_has_a_name_is_checked():
    plugins = Plugins()
    assert _found("iwae", plugins) == [("model", "iwae"), ("metric", "iwae")]
    assert _found("iwae_k50", plugins) == [("metric", "iwae")]
