"""Arrays made once: resumed after a stop, made by one process alone, made again where they are damaged."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from latentbench.errors import ContractError, DataError
from latentbench.files import filling
from latentbench.files.mapped import is_mapped
from latentbench.files.prepared import filled_array
from latentbench.files.preparing import listening

ROWS = np.random.default_rng(0).integers(0, 256, (100, 6), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, in which every block is written down."""
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(filling, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(filling, "BLOCK_BYTES", 60)
    return tmp_path / "cache" / "prepared"


class Source:
    """Gives rows and remembers which; stops once with an error at a row."""

    def __init__(self, stop_at=None, error=KeyboardInterrupt):
        self.asked, self.stop_at, self.error, self.notes = [], stop_at, error, []

    def __call__(self, start, stop):
        if self.stop_at is not None and stop > self.stop_at:
            raise self.error("stopped")
        self.asked += range(start, stop)
        self.notes += [f"row {row}" for row in range(start, stop) if row % 30 == 0]
        return ROWS[start:stop]

    def fill(self, key="x", **options):
        return filled_array("rows of x", key, ROWS.shape, np.uint8, self, notes=self.notes, **options)


def test_rows_are_made_once_and_mapped():
    first = Source()
    assert (first.fill() == ROWS).all()
    assert first.asked == list(range(100))
    again = Source()
    array = again.fill()
    assert (array == ROWS).all()
    assert is_mapped(array)
    assert again.asked == []
    assert again.notes == first.notes == ["row 0", "row 30", "row 60", "row 90"]


def test_another_key_shape_or_type_is_another_array(cache):
    Source().fill()
    another = Source()
    another.fill(key="y")
    assert len(another.asked) == 100
    assert (
        filled_array("x", "x", (2, 3), np.float32, lambda start, stop: np.ones((stop - start, 3), "f4")).sum() == 6
    )
    assert len(list(cache.glob("*/done.json"))) == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_stopped_goes_on_from_there(error):
    stopped = Source(stop_at=50, error=error)
    with pytest.raises(error):
        stopped.fill()
    assert stopped.asked == list(range(50))
    rest = Source()
    assert (rest.fill() == ROWS).all()
    assert rest.asked == list(range(50, 100))
    assert rest.notes == ["row 0", "row 30", "row 60", "row 90"]


@pytest.mark.parametrize("damage", ["shorter", "other bytes", "no rows", "no progress", "half a line"])
def test_only_rows_that_are_there_as_they_were_written_are_kept(cache, damage):
    with pytest.raises(KeyboardInterrupt):
        Source(stop_at=50).fill()
    (part,), (progress,) = cache.glob("*/rows.part"), cache.glob("*/progress.jsonl")
    content = part.read_bytes()
    kept = {"shorter": 20, "other bytes": 20, "half a line": 40}.get(damage, 0)
    if damage == "shorter":
        part.write_bytes(content[: 6 * 25])
    elif damage == "other bytes":
        part.write_bytes(content[: 6 * 25] + b"?" + content[6 * 25 + 1 :])
    elif damage == "half a line":
        progress.write_text(progress.read_text()[:-5])
    else:
        (part if damage == "no rows" else progress).unlink()
    rest = Source()
    assert (rest.fill() == ROWS).all()
    assert rest.asked == list(range(kept, 100))


def test_more_rows_than_were_written_down_are_made_again(cache):
    with pytest.raises(KeyboardInterrupt):
        Source(stop_at=50).fill()
    (part,) = cache.glob("*/rows.part")
    part.write_bytes(part.read_bytes() + b"more")
    assert (Source().fill() == ROWS).all()


def test_a_kill_in_the_middle_loses_at_most_the_last_block(tmp_path):
    script = textwrap.dedent("""
        import sys, time
        import numpy as np
        from latentbench.files import filling
        from latentbench.files.prepared import filled_array
        filling.SAVE_SECONDS, filling.BLOCK_BYTES = 0.0, 40
        def fill(start, stop):
            time.sleep(0.05)
            print(start, stop, flush=True)
            return np.arange(start, stop)
        print("sum", filled_array("numbers", "kill", (200,), np.int64, fill).sum())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("50 "):
                os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *blocks, total = done.stdout.splitlines()
    assert blocks[0].split()[0] in ("45", "50", "55")
    assert blocks[-1].split()[1] == "200"
    assert total == f"sum {sum(range(200))}"


def test_several_processes_make_it_once(tmp_path):
    script = textwrap.dedent("""
        import os, time
        import numpy as np
        from latentbench.files.prepared import filled_array
        def fill(start, stop):
            time.sleep(0.1)
            with open("made.txt", "a") as file:
                file.write(f"{start}\\n" * (stop - start))
            return np.arange(start, stop)
        assert filled_array("numbers", "together", (64,), np.int64, fill).sum() == sum(range(64))
    """)
    processes = [subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len((tmp_path / "made.txt").read_text().splitlines()) == 64


def written_into(path):
    content = bytearray(path.read_bytes())
    content[7] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [written_into, lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_a_damaged_file_is_made_again(cache, damage):
    Source().fill()
    (path,) = cache.glob("*/rows.bin")
    time.sleep(0.01)
    damage(path)
    again = Source()
    with pytest.warns(UserWarning, match="is damaged, so that its array is made again"):
        array = again.fill()
    assert (array == ROWS).all()
    assert again.asked == list(range(100))


def test_a_file_with_another_time_is_looked_at_and_kept(cache):
    Source().fill()
    (path,) = cache.glob("*/rows.bin")
    os.utime(path, (5, 5))
    for _ in range(2):
        again = Source()
        assert (again.fill() == ROWS).all()
        assert again.asked == []
    (done,) = cache.glob("*/done.json")
    assert json.loads(done.read_text())["changed"] == 5 * 10**9


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"shape": 5}'])
def test_damaged_notes_of_a_whole_array_cost_no_row(cache, text):
    Source().fill()
    (done,) = cache.glob("*/done.json")
    done.write_text(text)
    again = Source()
    assert (again.fill() == ROWS).all()


def test_the_cache_may_be_deleted_at_any_time(cache):
    import shutil

    array = Source().fill()
    shutil.rmtree(cache)
    assert (array == ROWS).all()
    again = Source()
    assert (again.fill() == ROWS).all()
    assert len(again.asked) == 100


def test_rows_of_another_shape_are_refused():
    with pytest.raises(
        ContractError, match=r"fill\(0, 10\) of x must return uint8 of shape \(10, 6\), got int64 of"
    ):
        filled_array("x", "x", (100, 6), np.uint8, lambda start, stop: np.zeros((stop - start, 6), np.int64))


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        DataError, match=r"rows of x cannot be prepared in the cache .* set LATENTBENCH_CACHE to a"
    ):
        Source().fill()


def test_a_cache_without_room_is_told_before_anything_is_made():
    with pytest.raises(DataError, match=r"x take 1,125,899\.9 GB in the cache .* GB are free; free some, or set"):
        filled_array("x", "x", (2**30, 2**20), np.uint8, None)


def test_listeners_are_told_how_far_it_is():
    events = []
    with pytest.raises(KeyboardInterrupt):
        Source(stop_at=50).fill()
    with listening(events.append):
        Source().fill(unit="numbers")
    Source().fill(key="z")
    assert {(event.name, event.unit, event.total, event.before) for event in events} == {
        ("rows of x", "numbers", 100, 50)
    }
    assert [event.done for event in events] == [50, 60, 70, 80, 90, 100]
