"""What is shown of the preparing of data: nothing of what is quick, else lines, or a bar on a terminal."""

import os
import pty
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from latentbench.files.preparing import Preparing
from latentbench.terminal.preparing import PreparingLines


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def events(lines, clock, seconds, before=0):
    """Tell of a preparing of 20 images that takes so many seconds for each."""
    for done in range(before, 21):
        lines(Preparing("images of photos", "images", done, 20, before))
        clock.now += seconds


def test_what_is_quick_is_not_told(capsys):
    clock = Clock()
    events(PreparingLines(clock), clock, 0.04)
    assert capsys.readouterr().err == ""


def test_what_takes_long_is_told_now_and_then(capsys):
    clock = Clock()
    events(PreparingLines(clock), clock, 1.5, before=2)
    assert capsys.readouterr().err.splitlines() == [
        "images of photos: 3 of 20 images (2 from before), 26 s left",
        "images of photos: 10 of 20 images (2 from before), 15 s left",
        "images of photos: 17 of 20 images (2 from before), 4 s left",
        "images of photos: 20 of 20 images (2 from before), done in 27 s",
    ]


def test_each_preparing_has_its_own_clock(capsys):
    clock = Clock()
    lines = PreparingLines(clock)
    events(lines, clock, 0.04)
    clock.now += 100
    events(lines, clock, 0.04)
    assert capsys.readouterr().err == ""


SLOW = textwrap.dedent("""
    import sys, time
    from latentbench.terminal import preparing
    from latentbench_datasets._arrays import image_folder, prepared_images
    preparing.PATIENCE, preparing.LINE_SECONDS, prepared_images.MANY = 0.0, 0.3, 10
    real = image_folder.open_image
    image_folder.open_image = lambda file: time.sleep(0.02) or real(file)
    from latentbench.cli import main
    main(["run", "-d", sys.argv[1], "-m", "pca", "--dry-run"])
""")


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for row, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{row}.png")
    return tmp_path / "photos"


def command(photos, **options):
    environment = {
        **os.environ,
        "LATENTBENCH_CACHE": str(photos.parent / "cache"),
        "TERM": "xterm",
        "COLUMNS": "120",
    }
    return subprocess.Popen([sys.executable, "-c", SLOW, str(photos)], env=environment, **options)


def test_the_command_line_tells_lines_where_nobody_looks(photos):
    with command(photos, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        _, told = process.communicate()
    assert process.returncode == 0, told
    assert "images of photos: 60 of 60 images, done in" in told


def test_the_command_line_shows_a_bar_on_a_terminal(photos):
    ours, its = pty.openpty()
    with command(photos, stdout=subprocess.DEVNULL, stderr=its) as process:
        os.close(its)
        told = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the terminal is closed
                break
            told += piece
    os.close(ours)
    assert process.returncode == 0, told
    assert b"images of photos" in told
    assert b" left" in told
    assert "━".encode() in told


def test_what_ctrl_c_stops_goes_on(photos):
    with command(photos, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("images of photos: ") and "images of photos: 0 of" not in line:
                process.send_signal(2)
                break
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "interrupted; run the same command again to continue" in rest
    with command(photos, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        _, told = process.communicate()
    assert process.returncode == 0, told
    assert " from before), " in told
