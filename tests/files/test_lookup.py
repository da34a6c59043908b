import pytest

from latentbench.files.lookup import existing

COMPOSED, APART = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(("there", "typed"), [(COMPOSED, APART), (APART, COMPOSED), (COMPOSED, COMPOSED)])
def test_a_file_is_found_in_either_form_of_its_letters(tmp_path, there, typed):
    (tmp_path / there).mkdir()
    (tmp_path / there / f"{there}.npz").touch()
    assert existing(tmp_path / typed / f"{typed}.npz") == tmp_path / there / f"{there}.npz"


def test_what_is_not_there_or_there_twice_stays_as_it_was_typed(tmp_path):
    assert existing(tmp_path / "none" / "x") == tmp_path / "none" / "x"
    for name in (COMPOSED + "\u0323\u0301", COMPOSED + "\u0323" + "\u0301"):
        (tmp_path / name).touch()
    (tmp_path / COMPOSED).touch()
    assert existing(tmp_path / COMPOSED.upper()) == tmp_path / COMPOSED.upper()
