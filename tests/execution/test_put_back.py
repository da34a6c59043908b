"""What a plugin leaves changed in its process is put back, and said."""

import asyncio
import locale
import logging
import multiprocessing
import os
import random
import signal
import sys
import warnings

import numpy as np
import pytest
import torch

from latentbench.execution.isolation import put_back as module
from latentbench.execution.isolation.failures import described
from latentbench.execution.isolation.put_back import SETTINGS, Spoiled, put_back
from latentbench.latent.arithmetic import exact_arithmetic
from latentbench.machine import logged_to, seeded


@pytest.fixture(autouse=True)
def _unspoiled(monkeypatch):
    monkeypatch.setattr(Spoiled, "process", False)


CHANGES = {
    "default dtype of torch": lambda: torch.set_default_dtype(torch.float64),
    "default device of torch": lambda: torch.set_default_device("meta"),
    "mode of gradients": lambda: torch.set_grad_enabled(False),
    "autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "autocast contexts left open": lambda: torch.autocast("cpu", torch.bfloat16).__enter__(),
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "choice of deterministic algorithms": lambda: torch.set_deterministic_debug_mode(1),
    "number of threads": lambda: torch.set_num_threads(3),
    "rounding of tiny numbers": lambda: torch.set_flush_denormal(True),
    "precision of matrix products": lambda: torch.set_float32_matmul_precision("medium"),
    "torch.backends.cudnn.enabled": lambda: setattr(torch.backends.cudnn, "enabled", False),
    "handling of errors in numpy": lambda: np.seterr(all="raise"),
    "current folder": lambda: os.chdir("/"),
    "environment": lambda: os.environ.update(HOME="/nowhere", NEW="1"),
    "mask of new files": lambda: os.umask(0o777),
    "locale": lambda: locale.setlocale(locale.LC_NUMERIC, ""),
    "handler of signals": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "logging": lambda: logging.disable(logging.CRITICAL),
    "way to start processes": lambda: multiprocessing.set_start_method("spawn", force=True),
    "limit of recursion": lambda: sys.setrecursionlimit(5000),
    "list of import paths": sys.path.clear,
    "sys.stdout": lambda: setattr(sys, "stdout", None),
    "configuration of scikit-learn": lambda: sklearn().set_config(transform_output="pandas"),
}


def sklearn():
    import sklearn

    return sklearn


def state():
    return {setting.name: setting.read() for setting in SETTINGS}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_is_put_back_and_named(name, caplog):
    sklearn()
    before = state()
    if name == "locale":  # where there is but one locale there is nothing to change
        before_numeric = locale.setlocale(locale.LC_NUMERIC)
    with put_back("metric wild"):
        CHANGES[name]()
        changed = name != "locale" or locale.setlocale(locale.LC_NUMERIC) != before_numeric
    assert state() == before
    assert not Spoiled.process
    if changed:
        assert "metric wild left changed, now put back: " in caplog.text
        assert name in caplog.text


def product(weight):
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        return torch.nn.functional.linear(torch.ones(1, 4), weight).float()


@pytest.mark.parametrize("leave", ["open", "enabled", "as it was"])
def test_autocast_keeps_no_old_weights(leave):
    """Its copies of weights live until the outermost context ends, or for ever where none was entered."""
    weight = torch.nn.Parameter(torch.ones(4, 4))
    with put_back("x"):
        if leave == "open":
            torch.autocast("cpu", torch.bfloat16).__enter__()
        else:
            torch.set_autocast_enabled("cpu", True)
        assert torch.nn.functional.linear(torch.ones(1, 4), weight).unique().tolist() == [4]
        if leave == "as it was":
            torch.set_autocast_enabled("cpu", False)
    with torch.no_grad():
        weight.fill_(2)
    assert product(weight).unique().tolist() == [8]


def fail_with(error):
    with put_back("x"):
        torch.set_default_dtype(torch.float64)
        raise error


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_it_is_put_back_whatever_was_raised(error):
    with pytest.raises(error):
        fail_with(error)
    assert torch.get_default_dtype() == torch.float32


def compute_exactly():
    with exact_arithmetic():
        torch.ones(2) @ torch.ones(2)


@pytest.mark.parametrize(
    "harmless",
    [
        compute_exactly,
        lambda: torch.nn.Linear(3, 3)(torch.ones(2, 3)).sum().backward(),
        multiprocessing.get_context,
        lambda: os.environ.update(KMP_DUPLICATE_LIB_OK="True"),
        lambda: warnings.simplefilter("error"),
    ],
)
def test_nothing_is_said_of_what_is_usual(harmless, caplog):
    with put_back("x"):
        harmless()
    assert not caplog.text


@pytest.mark.parametrize("leave", ["filter", "show", "many"])
def test_warnings_are_as_they_were(leave):
    before = list(warnings.filters), warnings.showwarning
    with put_back("x"):
        if leave == "filter":
            warnings.simplefilter("ignore")
        elif leave == "show":
            warnings.showwarning = print
        else:
            warnings.resetwarnings()
    assert (list(warnings.filters), warnings.showwarning) == before


def test_what_cannot_be_put_back_ends_the_use_of_the_process(caplog):
    mode = torch.inference_mode()
    with put_back("x"):
        mode.__enter__()
    mode.__exit__(None, None, None)
    assert Spoiled.process
    assert "cannot be put back, so no other trial runs in this process: inference mode" in caplog.text


def test_a_forked_process_ends_where_the_plugin_ends():
    with put_back("x"):
        child = os.fork()
    assert child > 0  # the child has not come so far
    assert os.waitpid(child, 0)[1] != 0


def test_the_new_flags_of_precision_are_put_back():
    if not hasattr(torch.backends, "fp32_precision"):
        pytest.skip("torch has them from 2.9 on")
    before = state()
    with put_back("x"):
        torch.backends.fp32_precision = "tf32"
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    assert state() == before
    with exact_arithmetic():
        assert not torch.backends.cuda.matmul.allow_tf32


def seed_all():
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(1)


@pytest.mark.parametrize(
    "draw", [lambda: torch.rand(3).tolist(), lambda: np.random.rand(3).tolist(), random.random]
)
def test_the_generators_that_all_share_are_seeded_and_restored(draw):
    seed_all()
    expected = [draw(), draw()]
    seed_all()
    between = []
    first = draw()
    for _ in range(2):
        with seeded(2**60 + 7):
            between.append(draw())
    assert between[0] == between[1]
    assert [first, draw()] == expected


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no\n luck"), "no luck"),
        (OSError("caf\udce9"), "caf\\udce9"),
        (SilentError(), "its message cannot be read, for that raises RuntimeError"),
        (ValueError("x" * 10_000_000), "x" * 2000 + "..."),
        (KeyError(), ""),
    ],
)
def test_every_exception_has_a_sentence_that_can_be_written(error, words):
    assert described(error) == words
    assert described(error).encode("utf-8") is not None


@pytest.mark.parametrize("text", ["\udcff", "日本\n", "a\0b\x1b[31m"])
def test_anything_can_be_printed_into_a_log(tmp_path, monkeypatch, text):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own would report what no pipe can carry
    with logged_to(tmp_path / "log.txt"):
        sys.stdout.write(text + "\n")
        logging.getLogger().warning("%s", text)
    assert (tmp_path / "log.txt").read_bytes().count(text.encode("utf-8", "backslashreplace").strip()) == 2


@pytest.mark.parametrize("command", ["echo hello", "echo hello >&2", f"{sys.executable} -c 'print(\"hello\")'"])
def test_what_other_programs_print_is_in_the_log_of_a_process_of_its_own(tmp_path, command, capfd):
    with logged_to(tmp_path / "log.txt", descriptors=True):
        os.system(command)  # noqa: S605
    os.system("echo outside")  # noqa: S605
    assert (tmp_path / "log.txt").read_text() == "hello\n"
    assert capfd.readouterr().out == "outside\n"


def test_settings_have_names_of_their_own():
    names = [setting.name for setting in module.SETTINGS]
    assert len(set(names)) == len(names)
