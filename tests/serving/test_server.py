"""The server, asked over a socket."""

import base64
import json
import os
import re
import signal
import socket

import numpy as np
import pytest
import torch

from latentbench.drawing.pictures import as_pictures
from latentbench.errors import RequestError
from latentbench.report.page.scripts import page_scripts, security_policy
from latentbench.serving.guards import MOST_BYTES
from latentbench.serving.page import served_scripts
from latentbench.serving.server import page_server, stop_asked


def numbers(text, *shape):
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)


def test_serves_the_page_of_the_run_with_its_own_policy(served, ask):
    status, headers, content = ask("GET", f"/?token={served.guard.token}")
    page = content.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy == security_policy([*page_scripts(), *served_scripts()], asks=True)
    assert policy.endswith("; connect-src 'self'")
    assert "unsafe-eval" not in policy
    assert served.guard.token not in page
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert "Access-Control-Allow-Origin" not in headers


def test_listens_on_this_machine_alone(served):
    assert served.socket.getsockname()[0] == "127.0.0.1"
    assert len(served.guard.token) >= 40


REFUSED = {
    "no token": ("GET", "/", {}, 403),
    "another token": ("GET", "/?token=guess", {}, 403),
    "another token posted": ("POST", "/decode?model=0", {"X_Latentbench_Token": "guess"}, 403),
    "another host": ("POST", "/decode?model=0", {"Host": "attacker.example"}, 403),
    "another origin": ("POST", "/decode?model=0", {"Origin": "http://attacker.example"}, 403),
    "another path": ("POST", "/read", {}, 404),
    "another method": ("PUT", "/decode?model=0", {}, 405),
    "got, not posted": ("GET", "/decode?token={token}", {}, 405),
    "too large": ("POST", "/decode?model=0", {"Content_Length": str(MOST_BYTES + 1)}, 413),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_gets_its_status_and_a_sentence(served, ask, case):
    method, path, changes, expected = REFUSED[case]
    if case == "too large":  # refused before it has come
        with socket.create_connection(("127.0.0.1", served.server_port)) as line:
            head = f"POST {path} HTTP/1.0\r\nHost: 127.0.0.1:{served.server_port}\r\n"
            head += f"X-Latentbench-Token: {served.guard.token}\r\nContent-Length: {MOST_BYTES + 1}\r\n\r\n"
            line.sendall(head.encode())
            line.shutdown(socket.SHUT_WR)
            status, content = int(line.recv(15).split()[1]), line.makefile("rb").read()
    else:
        body = b"\0" * 8 if method == "POST" else None
        status, _, content = ask(method, path.format(token=served.guard.token), body, **changes)
    assert status == expected
    assert served.guard.token.encode() not in content
    assert b"Traceback" not in content


@pytest.mark.parametrize("label", ["ae", "Odd"])
def test_decodes_exactly_as_torch_does(served, ask, spaces, label):
    space = spaces[label]
    number = [model.label for model in served.models.models].index(label)
    codes = torch.randn(3, space.dim, generator=torch.Generator().manual_seed(0))
    status, _, content = ask("POST", f"/decode?model={number}", codes.numpy().astype("<f4").tobytes())
    assert status == 200
    expected = as_pictures(space.decode(codes), like=space.inputs)
    np.testing.assert_array_equal(np.frombuffer(content, "<f4").reshape(expected.shape), expected)


def test_encodes_a_test_item_to_its_own_code(ask, spaces, digit):
    space = spaces["ae"]
    status, _, content = ask("POST", "/encode?model=0", digit(7))
    made = json.loads(content)
    assert status == 200
    assert made["words"] == "Your image has 8 x 8 pixels in gray; it was taken as it is."
    np.testing.assert_allclose(made["code"], space.codes[7].numpy(), rtol=1e-5, atol=1e-6)
    assert made["names"][0].startswith("item 7 (")
    assert made["distances"] == sorted(made["distances"])
    assert made["distances"][0] == pytest.approx(0, abs=1e-5)
    np.testing.assert_array_equal(numbers(made["picture"], 1, 8, 8), space.inputs[7].numpy())
    np.testing.assert_array_equal(numbers(made["pictures"][0], 1, 8, 8), space.inputs[7].numpy())
    expected = space.reconstructions[7].numpy().clip(0, 1)
    np.testing.assert_allclose(numbers(made["reconstruction"], 1, 8, 8), expected, atol=1e-5)
    assert made["mse"] == pytest.approx(
        float((space.reconstructions[7] - space.inputs[7]).square().mean()), rel=1e-4
    )


def test_inverts_an_image_that_is_dark_on_light(ask, spaces, image_file):
    dark = 255 - (spaces["ae"].inputs[7, 0] * 255).round().numpy()
    made = json.loads(ask("POST", "/encode?model=0&invert=yes", image_file(dark))[2])
    assert made["words"].endswith("it was inverted, light for dark.")
    assert made["names"][0].startswith("item 7 (")


WRONG = {
    "no model": ("/decode", b"\0" * 8, "model must be a number from 0 to 1, got ''"),
    "no such model": ("/encode?model=2", b"x", "model must be a number from 0 to 1, got '2'"),
    "no number": ("/encode?model=-1", b"x", "model must be a number from 0 to 1, got '-1'"),
    "half a code": ("/decode?model=0", b"\0" * 9, "codes of ae have 8 bytes each, got 9 bytes"),
    "no code": ("/decode?model=0", b"", "ae takes 1 to 64 codes of 2 numbers, got shape (0, 2)"),
    "many codes": ("/decode?model=0", b"\0" * 8 * 65, "ae takes 1 to 64 codes of 2 numbers, got shape (65, 2)"),
    "infinity": ("/decode?model=0", b"\0\0\x80\x7f" * 2, "codes must be finite, got NaN or infinity"),
    "no image": ("/encode?model=0", b"text", "the file is no image that can be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_question_is_answered_with_a_sentence(ask, case):
    path, body, sentence = WRONG[case]
    status, _, content = ask("POST", path, body)
    assert status == 422
    assert json.loads(content)["error"].startswith(sentence)


def test_a_model_that_fails_costs_nothing_but_its_answer(served, ask, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("a line\nand another")

    with monkeypatch.context() as patch:
        patch.setattr("latentbench.serving.models.ServedModel.pictures", fail)
        status, _, content = ask("POST", "/decode?model=0", b"\0" * 8)
    assert status == 500
    assert json.loads(content)["error"] == "the model failed, ZeroDivisionError: a line and another"
    assert ask("POST", "/decode?model=0", b"\0" * 8)[0] == 200


def test_says_nothing_of_requests(ask, capfd):
    ask("GET", "/")
    ask("POST", "/decode?model=0", b"\0" * 8)
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_is_told(served):
    sentence = f"port {served.server_port} is in use; choose another with --port"
    with pytest.raises(RequestError, match=sentence), page_server(served.server_port):
        raise AssertionError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_ask_to_stop_and_are_as_before_afterwards(number):
    before = signal.getsignal(number)
    with stop_asked() as asked:
        os.kill(os.getpid(), number)
        assert asked.wait(5)
    assert signal.getsignal(number) == before
