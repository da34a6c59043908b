"""The verbs doctor, merge and pack, and archives in place of runs."""

import shutil
from pathlib import Path

import pytest

SMALL = ("-m", "pca", "-m", "vae", "--seeds", 2, "--epochs", 1, "--train-limit", 100, "-s", "r2,knn10,rate")


@pytest.fixture(scope="module")
def whole(finished_run):
    return finished_run(None, *SMALL)


@pytest.fixture
def run(whole, tmp_path, monkeypatch):
    """A copy of the run, as `run` in the current folder."""
    shutil.copytree(whole, tmp_path / "here" / "run")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    return Path("run")


def models(run):
    return sorted(run.glob("trials/*/model.safetensors"))


def test_a_whole_run(cli, run):
    assert cli("doctor", run) == (0, "8 trials: all files as written\n", "")


def test_damage_is_told_on_80_columns(cli, run):
    for path in models(run)[:3]:
        path.write_bytes(b"x")
    status, out, err = cli("doctor", run)
    assert (status, err) == (1, "")
    first, *others = out.splitlines()
    assert first.startswith(
        f"damaged: trials/{models(run)[0].parent.name[:12]}.../model.safetensors is not the file"
    )
    assert others[-2:] == ["  and 2 more like it (--all lists them)", "8 trials: found 3 damaged"]
    assert all(len(line) <= 80 for line in out.splitlines())
    listed = cli("doctor", run, "--all")[1]
    assert listed.count("damaged: ") == 3
    assert "more like it" not in listed


def test_repair_and_the_same_command_make_it_whole(cli, run):
    damaged, *_ = models(run)
    damaged.write_bytes(b"x")
    (run / "scores.csv").write_text("mine")
    status, out, _ = cli("doctor", run, "--repair")
    key = damaged.parent.name
    assert status == 1
    assert f"moved: trials/{key[:12]}... to aside/1/trials/{key[:12]}..." in out
    assert out.endswith("8 trials: found 1 missing\n")
    assert (run / "aside" / "1" / "trials" / key / "model.safetensors").read_bytes() == b"x"
    assert cli("run", *SMALL, "--workers", 0, "-o", run)[0] == 0
    assert cli("doctor", run)[:2] == (0, "8 trials: all files as written\n")


def test_repair_renews_tables_and_says_all_is_well(cli, run):
    text = (run / "scores.csv").read_text()
    (run / "scores.csv").write_text("mine")
    status, out, _ = cli("doctor", run, "--repair")
    assert status == 0
    assert out.startswith("outdated: scores.csv differs from what the trials' files say;")
    assert out.endswith("8 trials: all files as written\n")
    assert (run / "scores.csv").read_text() == text


@pytest.mark.parametrize("verb", [("doctor",), ("pack",), ("merge", "-o", "c")])
@pytest.mark.parametrize("place", ["nowhere", "file", "folder"])
def test_what_is_no_run_is_one_sentence(verb, place, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("text")
    Path("folder").mkdir()
    status, out, err = cli(verb[0], place, *verb[1:])
    assert (status, out) == (2, "")
    assert err.startswith("latentbench: ")
    assert err.count("\n") == 1


def test_pack_writes_beside_the_run(cli, run):
    status, out, err = cli("pack", run)
    assert (status, err) == (0, "")
    assert out.startswith("run.zip: 8 trials, 0.")
    assert cli("pack", "run/")[1] == out
    assert cli("doctor", "run.zip") == (0, "8 trials: all files as written\n", "")
    assert cli("doctor", "run.zip", "--repair")[2].endswith("get it again from where it was packed\n")


READERS = {
    "table": ("table", "RUN", "--all"),
    "csv": ("table", "RUN", "--format", "csv"),
    "compare": ("compare", "RUN:pca", "RUN:vae", "--all"),
    "compare runs": ("compare", "RUN", "run"),
    "log": ("log", "RUN", "--model", "vae"),
}


@pytest.mark.parametrize("words", READERS.values(), ids=READERS)
def test_readers_print_the_same_of_an_archive(words, cli, run):
    assert cli("pack", run)[0] == 0
    of_folder, of_archive = (cli(*(word.replace("RUN", place) for word in words)) for place in ("run", "run.zip"))
    if words[0] == "log":
        places = [line.rpartition("trials/")[2] for line in of_archive[1].splitlines()]
        assert places == [line.rpartition("trials/")[2] for line in of_folder[1].splitlines()]
    else:
        assert of_archive == of_folder


WRITERS = {
    "map": ("map", "RUN", "--model", "vae", "--method", "pca"),
    "sample": ("sample", "RUN", "--model", "vae"),
    "show": ("show", "RUN"),
    "traversals": ("show", "RUN", "--model", "vae", "--what", "traversals"),
    "morph": ("morph", "RUN", "--model", "vae", "--from", "1", "--to", "2"),
    "transport": ("transport", "RUN", "--items", "1,2"),
    "export": ("export", "RUN", "--model", "vae", "--to", "sklearn"),
}


@pytest.mark.parametrize("words", WRITERS.values(), ids=WRITERS)
def test_verbs_that_draw_want_a_folder(words, cli, run):
    assert cli("pack", run)[0] == 0
    words = [word.replace("RUN", "run.zip") for word in words]
    refusal = "latentbench: run.zip is a packed run, into which nothing is written; give a folder with -o\n"
    assert cli(*words) == (2, "", refusal)
    assert cli(*words, "-o", "out")[0] == 0
    assert [*Path("out").iterdir()]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("report", "run.zip"), "say with -o where to write the page"),
        (
            ("score", "run.zip", "-s", "silhouette"),
            "`latentbench merge run.zip -o FOLDER` makes a run folder of it",
        ),
        (("run", *SMALL, "-o", "run.zip"), "`latentbench merge run.zip -o FOLDER` makes a run folder of it"),
    ],
)
def test_verbs_that_write_into_a_run_say_what_to_do(words, advice, cli, run):
    assert cli("pack", run)[0] == 0
    before = Path("run.zip").read_bytes()
    refusal = f"latentbench: run.zip is a packed run, into which nothing is written; {advice}\n"
    assert cli(*words) == (2, "", refusal)
    assert Path("run.zip").read_bytes() == before


def test_the_page_of_an_archive(cli, run):
    assert cli("pack", run)[0] == 0
    assert cli("report", "run.zip", "-o", "page.html")[0] == 0
    assert "vae" in Path("page.html").read_text()


def test_a_map_of_an_archive_without_models_is_refused(cli, run):
    assert cli("pack", run, "--without", "models", "--without", "codes", "-o", "small.zip")[0] == 0
    assert Path("small.zip").stat().st_size < 0.6 * sum(path.stat().st_size for path in models(run)) + 400_000
    status, out, err = cli("map", "small.zip", "--model", "vae", "--method", "pca", "-o", "out")
    assert (status, out) == (2, "")
    assert err == (
        "latentbench: this run was packed without its models (`latentbench pack --without models`); use an "
        "archive that holds them, or the run folder itself\n"
    )
    assert cli("table", "small.zip") == cli("table", run)


def test_an_unpacked_archive_without_models_is_not_trained_again(cli, run):
    assert cli("pack", run, "--without", "models", "-o", "small.zip")[0] == 0
    shutil.unpack_archive("small.zip", "taken_out")
    status, _, err = cli("run", *SMALL, "--workers", 0, "-o", "taken_out")
    assert status == 2
    assert "is a run that was packed without its models, and only to be read; choose another folder with -o" in err


def test_merge_of_an_archive_makes_a_run_folder(cli, run):
    assert cli("pack", run)[0] == 0
    assert cli("merge", "run.zip", "-o", "again") == (0, "again: 8 trials\n", "")
    assert cli("score", "again", "-s", "silhouette", "--workers", 0)[0] == 0
    assert cli("merge", run, "again", "-o", "both")[:2] == (0, "both: 8 trials\n")


def test_merge_tells_what_is_left_out(cli, run):
    path = models(run)[0]
    path.write_bytes(b"x")
    status, out, err = cli("merge", run, "-o", "c")
    assert (status, out) == (1, "c: 7 trials\n")
    warning, missing = err.splitlines()
    assert warning == (
        f"warning: 1 file of run is damaged, {path}: what it belongs to is left out; `latentbench doctor run` "
        "tells more"
    )
    assert missing == (
        "1 trial of the benchmark in no run: the same `latentbench run` with -o c makes what is missing"
    )


def test_merge_into_something_is_refused(cli, run):
    assert cli("merge", run, "-o", run)[2] == "latentbench: run is there already; choose a new folder with -o\n"


def test_pack_needs_a_name_for_what_is_no_folder(cli, run):
    assert cli("pack", run)[0] == 0
    refusal = "latentbench: run.zip is no folder; name the archive to write with -o\n"
    assert cli("pack", "run.zip") == (2, "", refusal)
    assert cli("pack", ".", "-o", "x/y.zip")[0] == 2
