import click
import pytest
from click.testing import CliRunner

from latentbench.cli._shared.naming import file_name, other_choices
from latentbench.files.naming import LONGEST


def test_names_tell_parts_apart():
    assert file_name("digits", "", "vae(beta=0.5)", "x=-1,y=+1") == "digits-vae_beta=0.5-x=-1_y=+1"
    assert file_name("label:5->9") == "label_5_9"
    assert file_name("../a b/c") == ".._a_b_c"


def test_long_names_are_cut_and_still_differ():
    first, second = (file_name("faces", ",".join(map(str, range(start, 200)))) for start in (1, 2))
    assert first != second
    assert first.startswith("faces-1_2_3_4")
    assert max(len(first), len(second)) <= LONGEST
    assert first == file_name("faces", ",".join(map(str, range(1, 200))))
    assert len(file_name("ü" * 200).encode()) <= LONGEST


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["--count", "3"], []),
        (["--count", "4", "--flag"], ["count=4", "flag"]),
        (["--width", "0", "--lock", "a", "--lock", "b"], ["lock=a,b", "width=0.0"]),
        (["--told", "9", "-o", "there"], []),
    ],
)
def test_only_what_is_not_at_its_default_is_named(words, expected):
    @click.command()
    @click.option("--count", default=3)
    @click.option("--lock", multiple=True)
    @click.option("--width", type=float)
    @click.option("--flag", is_flag=True)
    @click.option("--told")
    @click.option("-o", "--output")
    def command(**_):
        click.echo("\n".join(other_choices("told")))

    assert CliRunner().invoke(command, words).output.splitlines() == (expected or [""])
