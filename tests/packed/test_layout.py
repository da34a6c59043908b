"""Names that an archive may hold never leave the folder."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentbench.errors import OtherFormatError, RunFolderError
from latentbench.files.json_files import write_json
from latentbench.packed.layout import is_of_a_run, left_out, part_of, refuse_left_out, write_manifest

KEY = "0123456789abcdef" * 4
PIECES = st.sampled_from(
    [
        "..",
        ".",
        "",
        "trials",
        KEY,
        "scores",
        "trial.json",
        "codes.npz",
        "a.json",
        "run.json",
        "\\",
        "C:",
        "\x00",
        "~",
    ]
)


@pytest.mark.parametrize(
    "name",
    [
        *("run.json", "environment.json", "scores.csv", "scores.parquet", "packed.json"),
        *(f"trials/{KEY}/{name}" for name in ("trial.json", "codes.npz", "model.safetensors", "log.txt")),
        *(f"trials/{KEY}/scores/{name}" for name in ("r2-v2-0.json", "r2-v2-0.validation.items.npz")),
    ],
)
def test_files_of_a_run_belong(name):
    assert is_of_a_run(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "run.lock",
            "events.jsonl",
            "report.html",
            "aside/1/run.json",
            "figures/a.svg",
            "",
            "trials/",
            "/run.json",
        ),
        *("run.json/", "./run.json", "trials/../run.json", f"trials/{KEY}/maps/pca.npz", f"trials/{KEY}/x.py"),
        *(f"trials/.work-{KEY}/trial.json", f"trials/{KEY}/scores/../a.json", f"trials/{KEY}/scores/.a.json"),
        *(
            f"trials/{KEY}/scores/{'a' * 400}.json",
            f"trials/{KEY}/scores/a\\b.json",
            f"trials/{KEY.upper()}/log.txt",
        ),
        *("run.json\n", f"trials/{KEY}/scores/a\n.json"),
    ],
)
def test_nothing_else_does(name):
    assert not is_of_a_run(name)


@given(st.one_of(st.text(max_size=90), st.lists(PIECES, max_size=6).map("/".join)))
def test_no_name_leaves_the_folder(name):
    if is_of_a_run(name):
        assert posixpath.normpath(name) == name
        assert not name.startswith(("/", "..", "~"))
        assert not {"\\", "\x00"} & set(name)


def test_models_and_codes_are_parts():
    assert part_of(f"trials/{KEY}/model.safetensors") == "models"
    assert part_of(f"trials/{KEY}/trial.json") == ""


def test_what_was_left_out_is_remembered(tmp_path):
    assert left_out(tmp_path) == frozenset()
    refuse_left_out(tmp_path, "models")
    write_manifest(tmp_path, ["models"])
    refuse_left_out(tmp_path, "codes")
    with pytest.raises(RunFolderError) as refused:
        refuse_left_out(tmp_path, "models")
    assert str(refused.value) == (
        "this run was packed without its models (`latentbench pack --without models`); use an archive that holds "
        "them, or the run folder itself"
    )


@pytest.mark.parametrize(("content", "error"), [({}, RunFolderError), ({"format": 3}, OtherFormatError)])
def test_another_packed_json_is_refused(content, error, tmp_path):
    write_json(tmp_path / "packed.json", content)
    with pytest.raises(error, match=r"packed\.json"):
        left_out(tmp_path)
