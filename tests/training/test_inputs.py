"""Where training inputs lie changes no number: on the device, in a file, or brought there step by step."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from latentbench.files.mapped import mapped_array
from latentbench.files.row_view import take_rows
from latentbench.training.inputs import FileInputs, ResidentInputs, StreamedInputs, stored_inputs

CPU = torch.device("cpu")


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Images in memory, and rows of an array in a file that are the same."""
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    values = np.random.default_rng(0).integers(0, 256, (120, 3, 8, 8), np.uint8)
    (tmp_path / "x.bin").write_bytes(values.tobytes())
    odd = np.arange(120) % 2 > 0
    return values[odd], take_rows(mapped_array(tmp_path / "x.bin", np.uint8, values.shape), odd)


def steps(inputs, orders, size):
    """What each step of an epoch gets."""
    inputs.begin(orders)
    rows = torch.stack(orders) if len(orders) > 1 else orders[0]
    for begin in range(0, len(inputs), size):
        inputs.stage(begin, min(size, len(inputs) - begin))
        yield inputs.batch(rows[..., begin : begin + size])


@pytest.mark.parametrize("members", [1, 2])
def test_every_way_gives_the_same_rows(images, members):
    in_memory, in_file = images
    lead = (members,) if members > 1 else ()
    orders = [torch.randperm(60, generator=torch.Generator().manual_seed(seed)) for seed in range(members)]
    ways = [
        stored_inputs(in_memory, lead, 16, CPU),
        stored_inputs(in_file, lead, 16, CPU),
        StreamedInputs(in_memory, lead, 16, CPU),
        StreamedInputs(in_file, lead, 16, CPU),
    ]
    assert [type(way) for way in ways] == [ResidentInputs, FileInputs, StreamedInputs, StreamedInputs]
    assert {len(way) for way in ways} == {60}
    expected = [torch.from_numpy(in_memory)[order] for order in orders]
    for way in ways:
        batches = list(steps(way, orders, 16))
        assert [batch.shape[-4] for batch in batches] == [16, 16, 16, 12]
        whole = torch.cat(batches, dim=len(lead))
        assert torch.equal(whole, torch.stack(expected) if lead else expected[0])
        assert all(batch.is_contiguous() for batch in batches)


def test_what_a_step_got_stays_when_the_next_one_comes(images):
    streamed = StreamedInputs(images[0], (), 16, CPU)
    batches = list(steps(streamed, [torch.arange(60)], 16))
    assert torch.equal(torch.cat(batches), torch.from_numpy(images[0]))


def test_channels_at_the_end_of_a_file_are_read_in_front(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    (tmp_path / "x.bin").write_bytes(values.tobytes())
    turned = mapped_array(tmp_path / "x.bin", np.uint8, values.shape).transpose(0, 3, 1, 2)
    inputs = stored_inputs(turned, (), 5, CPU)
    assert isinstance(inputs, FileInputs)
    batch = inputs.batch(torch.tensor([3, 1]))
    assert batch.is_contiguous()
    assert (batch.numpy() == values[[3, 1]].transpose(0, 3, 1, 2)).all()


def test_the_disk_is_asked_ahead_only_where_it_was_waited_for(images, monkeypatch):
    inputs = stored_inputs(images[1], (), 16, CPU)
    asked = []
    monkeypatch.setattr(inputs._ahead, "ask", lambda rows: asked.append(len(rows)))
    list(steps(inputs, [torch.arange(60)], 16))
    assert asked[0] == 16
    assert len(asked) < 4


def test_only_what_is_asked_for_is_read_from_the_disk(tmp_path):
    """Rows in random order do not bring their neighbors along: larger than memory, a file would be read often."""
    path, rows = tmp_path / "x.bin", 20_000
    path.write_bytes(bytes(rows * 4096))
    with path.open("rb") as file:
        os.fdatasync(file.fileno())  # what is not on the disk cannot be forgotten; tests replace fsync
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    inputs = stored_inputs(mapped_array(path, np.uint8, (rows, 1, 64, 64)), (), 10, CPU)
    before = read_bytes()
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(0))[:200]
    inputs.begin([order])
    for begin in range(0, 200, 10):
        inputs.stage(begin, 10)
        inputs.batch(order[begin : begin + 10])
    assert read_bytes() - before < 5 * 200 * 4096


def read_bytes():
    """Bytes that this process had to read from disks; skips where the system does not tell."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        pytest.skip("the system does not tell")
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def test_asking_ahead_takes_any_row(images):
    inputs = stored_inputs(images[1], (), 16, CPU)
    inputs._ahead.ask(torch.tensor([119, 0, 60]))
