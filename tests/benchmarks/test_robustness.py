"""The matrix of `benchmarks/robustness.py` at small size, and that it would see what it looks for."""

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = "import latentbench\n@latentbench.hookimpl\ndef register_models(register): pass\n"
COUNTS = {"damaged runs": 14, "hostile files": 12, "random lines": 10}
SLOW = {"run", "report", "check", "tour", "map", "morph", "show"}  # take seconds each


@pytest.fixture(scope="module")
def robustness(script):
    return script("robustness.py")


@pytest.fixture(scope="module")
def server(robustness):
    server = robustness.Server(2)
    yield server
    server.close()


@pytest.fixture(scope="module")
def world(robustness, server):
    from benchmarks.robust.world import SMALL

    return robustness.World(server, SMALL)


@pytest.fixture
def desk(server):
    with server.desk() as desk:
        yield desk


@pytest.fixture
def faults(robustness, desk):
    from benchmarks.robust.verdicts import faults_of

    def look(plugin, seconds=10.0):
        (desk.folder / "planted.py").write_text(PLUGIN + plugin, encoding="utf-8")
        ended = desk.run("list", "models", "--plugin", "planted.py", seconds=seconds)
        return [fault.kind for fault in faults_of(ended)], ended

    return look


def test_the_matrix_at_small_size(robustness, server, world):
    chosen = [
        case for part, count in COUNTS.items() for case in robustness.sample(few_slow(robustness, part), count)
    ]
    assert len(chosen) == sum(COUNTS.values())
    verdicts = list(robustness.verdicts_of(chosen, server, 2, world))
    faults = [f"{verdict.case}: {fault.what}" for verdict in verdicts for fault in verdict.faults]
    assert not faults, "\n".join(faults)


def few_slow(robustness, part):
    cases = [case for case in robustness.all_cases() if case.part == part]
    return [case for number, case in enumerate(cases) if number % 97 == 0 or not SLOW & {*verbs_of(case)}]


def verbs_of(case):
    return [getattr(case, "verb", case.group).split()[0]]


def test_a_call_without_faults_has_none(faults):
    kinds, ended = faults("")
    assert kinds == []
    assert ended.status == 0
    assert "vae" in ended.out


@pytest.mark.parametrize(
    ("plugin", "kind"),
    [
        ("import traceback\ntry: 1 / 0\nexcept ArithmeticError: traceback.print_exc()", "traceback"),
        ("import os\nos._exit(7)", "status"),
        ("import os\nos.kill(os.getpid(), 11)", "status"),
        ("import os\nos._exit(2)", "other"),
        ("import subprocess\nsubprocess.Popen(['sleep', '60'])", "other"),
        ("print('\\x1b[31mred')", "other"),
        ("raise KeyboardInterrupt", "other"),
    ],
)
def test_a_planted_fault_is_seen(faults, plugin, kind):
    assert faults(plugin)[0] == [kind]


def test_an_exception_that_nobody_catches_is_seen(robustness, desk):
    from benchmarks.robust.verdicts import faults_of

    ended = desk.run("[]", code="json:loads")
    assert [(fault.kind, fault.what[:9]) for fault in faults_of(ended)] == [("traceback", "TypeError")]
    assert ended.status == 1


HANGS = ["while True: pass", "import time\ntime.sleep(60)", "import os\nos.open('f', os.O_RDONLY)"]


@pytest.mark.parametrize("plugin", HANGS)
def test_a_planted_hang_is_seen_and_ended(faults, plugin, desk):
    os.mkfifo(desk.folder / "f")
    kinds, ended = faults(plugin, seconds=0.5)
    assert kinds == ["hang"]
    assert ended.seconds < 5


def test_memory_is_limited(faults):
    kinds, ended = faults("try:\n    bytes(2 ** 33)\nexcept MemoryError:\n    print('too much')")
    assert (kinds, ended.out.splitlines()[0]) == ([], "too much")


def test_permissions_count_for_the_superuser_too(faults, desk):
    (desk.folder / "secret").write_text("x", encoding="utf-8")
    (desk.folder / "secret").chmod(0)
    _, ended = faults("try:\n    open('secret')\nexcept PermissionError:\n    print('no')")
    assert ended.out.splitlines()[0] == "no"


@pytest.fixture
def planted(robustness, world, desk, monkeypatch):
    """Judge a verb on a run where a file is changed that nobody could know to be changed."""
    from benchmarks.robust import damage_cases, drawn_damages

    def judge(file, old, new, *verb):
        monkeypatch.setitem(damage_cases.KINDS, "planted", file)
        monkeypatch.setitem(damage_cases.VERBS, "planted", verb)
        change = drawn_damages.DrawnDamage(
            lambda path, _: path.write_text(path.read_text().replace(old, new)) and None
        )
        monkeypatch.setitem(drawn_damages.HARMS, "planted", change)
        world.forget("planted")
        case = damage_cases.DamageCase("planted", "planted", "planted")
        return [(fault.kind, fault.what) for fault in case.run(world, desk).faults]

    return judge


def test_a_planted_wrong_number_is_seen(planted, world, desk):
    world.copy_to(desk)
    desk.clear()
    (world.place / "signals.csv").write_text("a,b\n1,2\n3,4\n5,6\n", encoding="utf-8")
    verb = ("transport", "--signals", "signals.csv", "-o", "run/transport")
    assert planted("signals.csv", "5,6", "5,6", *verb) == []
    [(kind, what)] = planted("signals.csv", "5,6", "5,7", *verb)
    assert kind == "silent"
    assert "transport" in what


def test_a_run_that_ends_with_other_scores_is_seen(robustness, tmp_path):
    from benchmarks.robust.calls import Ended
    from benchmarks.robust.damage_cases import DamageCase
    from benchmarks.robust.world import Seen, quality_rows

    def write(value, seconds):
        rows = f"a,0,test,r2,quality,{value},{seconds}\na,0,test,time,cost,{seconds},{seconds}\n"
        (tmp_path / "run" / "scores.csv").write_text(HEAD + rows, encoding="utf-8")

    def kinds(status=0, err="", **where):
        case = DamageCase("trial.json", "cut", "run")
        ended = Ended(status, False, 0.1, 0, "", err)
        return [fault.kind for fault in case.judge(tmp_path, ended, whole, "run/trials/x/trial.json")]

    (tmp_path / "run").mkdir()
    write(0.1, 3.0)
    whole = Seen(Ended(0, False, 0.1, 0, "", ""), {"scores": quality_rows(tmp_path)})
    write(0.1, 4.0)  # other seconds are no other scores
    assert kinds() == []
    write(0.10000000000000002, 3.0)
    assert kinds() == ["silent"]
    assert kinds(err="warning: run/trials/x/trial.json is damaged")[0] == "silent"  # it was to be made again
    assert kinds(status=2, err="latentbench: trial.json is damaged") == ["other"]
    (tmp_path / "run" / "scores.csv").unlink()
    assert kinds() == ["silent"]


HEAD = "label,seed,split,score,kind,value,train_seconds\n"


def test_a_reader_that_changes_the_run_is_seen(planted, world, desk):
    world.copy_to(desk)
    desk.clear()
    (world.place / "spoil.py").write_text(PLUGIN, encoding="utf-8")
    spoil = "import pathlib\n[path.write_text('x') for path in pathlib.Path('run').glob('trials/*/log.txt')]\n"
    verb = ("sample", "run", "--model", "pca", "--plugin", "spoil.py")
    faults = planted("spoil.py", "pass\n", f"pass\n{spoil}", *verb)
    assert any("changed run/trials/" in what for _, what in faults)


def test_warnings_that_name_the_file_are_told(robustness):
    from benchmarks.robust.calls import Ended
    from benchmarks.robust.verdicts import told

    whole = Ended(0, False, 0.1, 0, "r2 .5\n", "")
    assert not told(Ended(0, False, 0.1, 0, "r2 .6\n", ""), whole, ["trial.json"])
    assert told(Ended(0, False, 0.1, 0, "r2 .6\n", "run/trials/x/trial.json is damaged"), whole, ["trial.json"])
    assert told(Ended(0, False, 0.1, 0, "r2 .6\n", "warning: something is damaged"), whole, ["trial.json"])


def test_a_file_read_otherwise_than_written_is_seen(robustness):
    from benchmarks.robust.calls import Ended
    from benchmarks.robust.file_cases import Expected, compare
    from benchmarks.robust.sound_files import Sound

    right = {"rows": 90, "total": 10.0, "counts": [30, 60], "names": ["a", "b"], "width": 3}
    expected = Expected(90, Sound(90, 10.0, (30, 60)), ("a", "b"), 3)

    def kinds(expected=expected, **changes):
        ended = Ended(0, False, 0.1, 0, json.dumps({**right, **changes}), "")
        return [fault.kind for fault in compare(ended, expected)]

    assert kinds() == []
    for wrong in (
        *({"total": 10.1}, {"total": float("nan")}, {"counts": [60, 30]}, {"rows": 89}),
        *({"names": ["a", "c"]}, {"names": ["a"]}, {"width": 4}),
    ):
        assert kinds(**wrong) == ["silent"], wrong
    assert kinds(None) == ["other"]


def test_counts_tell_each_fault_and_its_case(robustness):
    from benchmarks.robust.calls import Ended
    from benchmarks.robust.counts import lines_of
    from benchmarks.robust.verdicts import Fault, Verdict

    good = Verdict("line/1", "random lines", (Ended(2, False, 0.1, 0, "", ""),), ())
    bad = Verdict("line/2", "random lines", (Ended(1, False, 0.1, 0, "", ""),), (Fault("traceback", "KeyError"),))
    head, row, *_ = lines_of([good, bad])
    assert dict(zip(head.split()[1:], row.split()[2:], strict=True)) == {
        "cases": "2",
        "0": "0",
        "1": "1",
        "2": "1",
        "130": "0",
        "other": "0",
        "tracebacks": "1",
        "hangs": "0",
        "silent": "0",
        "unclear": "0",
    }
    assert "traceback  line/2: KeyError" in [*lines_of([good, bad])]


def test_random_lines_reach_every_verb_and_option(robustness):
    from benchmarks.robust.line_cases import line
    from latentbench.cli import VERBS

    lines = [line(number) for number in range(1000)]
    assert {words[0] for words in lines} == {*VERBS}
    assert all("--dry-run" in words or "--train-limit" in words for words in lines if words[0] == "run")
    spelled = {word for words in lines for word in words if word.startswith("--")}
    assert {"--items", "--blend", "--fail-on", "--map-seeds", "--plugin", "--checkpoints", "--lock"} <= spelled


@pytest.mark.parametrize("words", [("--count", "3"), ("--part", "random lines"), ("--case", "line/1")])
def test_a_sample_is_not_written_as_the_reference(robustness, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["robustness.py", "--write", *words])
    with pytest.raises(SystemExit) as ended:
        robustness.main()
    assert ended.value.code == 2
    assert "--write takes all cases" in capsys.readouterr().err
