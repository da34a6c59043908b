"""What `benchmarks/similarity` measures, on little."""

import pytest


@pytest.fixture
def program(script):
    """Load a program of the folder."""
    return lambda name: script(f"similarity/{name}.py")


def test_tables_of_known_truth_are_judged(program, monkeypatch):
    separation = program("separation")
    monkeypatch.setattr(separation, "SCORES", ("cka",))
    monkeypatch.setattr(separation, "SHARES", (0.0, 0.9))
    rows = separation.report(2)[1:]
    rates = {row[:50].strip(): float(row[50:]) for row in rows}
    assert rates == {
        "equal: any two told apart": 0,
        "unrelated: any two above the null": 0,
        "one apart by 0 %: told from both": 0,
        "one apart by 90 %: told from both": 100,
    }


def test_a_command_on_drawn_codes_is_measured(program, tmp_path):
    costs = program("costs")
    words = costs.drawn(tmp_path / "codes", 2, 2, 60, 3)
    cost = costs.spent(words.both, tmp_path)
    assert cost.processor > 0
    assert 0 < cost.own < cost.resident
