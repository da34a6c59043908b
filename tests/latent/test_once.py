"""Work on inputs: done once, by one process, known by what decides it, and made again where it is damaged."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn

from latentbench import ContractError, LatentSpace, NotApplicableError, computed_once
from latentbench.files.mapped import is_mapped
from latentbench.latent import once

CALLS = []


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    CALLS.clear()
    return tmp_path / "cache" / "prepared"


def scaled(points, factor):
    CALLS.append(factor)
    return points.double() * factor


def tripled(points, factor):
    CALLS.append(factor)
    return 3 * points.double()


def refused(points):
    CALLS.append(None)
    raise NotApplicableError("all are equal")


def unreadable(points):
    raise OSError("the disk is gone")


def of_network(network, points):
    CALLS.append(None)
    return network(points).detach()


def call(points, factor=2.0, function=scaled, **changes):
    return computed_once(
        SPACE, function, points, factor, **{"shape": tuple(points.shape), "dtype": "f8", **changes}
    )


POINTS = torch.arange(6.0).reshape(3, 2)
PLAIN = LatentSpace.from_arrays(codes=POINTS)
SPACE = PLAIN.replaced(fingerprint="f" * 64)


def test_equal_contents_are_computed_once_and_mapped_read_only():
    first = call(POINTS)
    assert call(POINTS.clone()).tolist() == first.tolist() == (2 * POINTS).tolist()
    assert CALLS == [2.0]
    assert is_mapped(call(POINTS))
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0


def test_whatever_decides_the_numbers_makes_another_array():
    others = [
        (POINTS + 1, 2.0),
        (POINTS.T.contiguous(), 2.0),
        (POINTS.double(), 2.0),
        (POINTS.flip(0), 2.0),
        (POINTS, 3.0),
    ]
    for points, factor in [(POINTS, 2.0), *others]:
        assert (call(points, factor) == points.double().numpy() * factor).all()
    assert len(CALLS) == 6
    assert (call(POINTS, function=tripled) == 3 * POINTS.numpy()).all()
    assert call(POINTS.T, 2.0).tolist() == (2 * POINTS.T).tolist()  # the same as that which is contiguous
    assert len(CALLS) == 7


def test_a_module_counts_with_its_weights():
    network = nn.Linear(2, 1)
    for _ in range(2):
        values = computed_once(SPACE, of_network, network, POINTS, shape=(3, 1), dtype=np.float32)
        assert values.tolist() == network(POINTS).tolist()
    with torch.no_grad():
        network.weight += 1
    values = computed_once(SPACE, of_network, network, POINTS, shape=(3, 1), dtype=np.float32)
    assert values.tolist() == network(POINTS).tolist()
    assert len(CALLS) == 2


def test_changed_source_is_computed_anew(monkeypatch):
    call(POINTS)
    monkeypatch.setattr(once, "_source", lambda _: "another")
    call(POINTS)
    assert len(CALLS) == 2


def test_a_damaged_file_is_made_again(cache):
    expected = call(POINTS).tolist()
    (path,) = cache.rglob("rows.bin")
    for content in (b"\1" * path.stat().st_size, path.read_bytes()[:-1], b""):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="damaged"):
            assert call(POINTS).tolist() == expected
    assert len(CALLS) == 4


def test_a_cache_that_cannot_be_written_costs_time_alone(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="computed anew for each model: scaled cannot be prepared in the cache"):
        assert call(POINTS).tolist() == (2 * POINTS).tolist()
    assert len(CALLS) == 1


def test_what_the_function_raises_arrives_and_nothing_is_kept():
    for _ in range(2):
        with pytest.raises(NotApplicableError, match="all are equal"):
            computed_once(SPACE, refused, POINTS, shape=(3,), dtype="f8")
    assert len(CALLS) == 2
    with pytest.raises(OSError, match="the disk is gone"):
        computed_once(SPACE, unreadable, POINTS, shape=(3,), dtype="f8")


def test_a_function_whose_source_cannot_be_told_is_called_each_time(cache):
    def inner(points, factor):
        return scaled(points, factor)

    for function in (inner, lambda points, factor: scaled(points, factor)):
        for _ in range(2):
            assert call(POINTS, function=function).tolist() == (2 * POINTS).tolist()
    assert len(CALLS) == 4
    assert not cache.exists()


def test_of_plain_arrays_nothing_is_kept(cache):
    for _ in range(2):
        assert computed_once(PLAIN, scaled, POINTS, 2, shape=(3, 2), dtype="f8").sum() == 30
    assert len(CALLS) == 2
    assert not cache.exists()


def test_wrong_results_and_arguments_are_refused():
    with pytest.raises(ContractError, match=r"scaled must be float64 of shape \(2, 2\), got float64 of \(3, 2\)"):
        call(POINTS, shape=(2, 2))
    with pytest.raises(ContractError, match="scaled must be float32"):
        call(POINTS, dtype="f4")
    with pytest.raises(ContractError, match="arguments must be tensors, modules or JSON values"):
        call(POINTS, factor={1, 2})


def test_two_processes_compute_it_once(tmp_path):
    (tmp_path / "my_work.py").write_text(
        textwrap.dedent("""
        import time
        import torch
        from latentbench import LatentSpace, computed_once

        def slow(points):
            with open("calls.txt", "a") as file:
                file.write("call\\n")
            time.sleep(1)
            return points.double() + 1

        points = torch.arange(4000.0)
        space = LatentSpace.from_arrays(codes=points[:, None]).replaced(fingerprint="f" * 64)
        assert computed_once(space, slow, points, shape=(4000,), dtype="f8").sum() == 8002000
        """)
    )
    command = [sys.executable, "-c", "import sys; sys.path.insert(0, '.'); import my_work"]
    running = [subprocess.Popen(command, cwd=tmp_path) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert (tmp_path / "calls.txt").read_text().count("call") == 1
