"""A small run, and its page served: one model whose decoder runs in the page, one that only torch computes."""

import io
from http.client import HTTPConnection

import numpy as np
import pytest
import torch
from PIL import Image

import latentbench
from latentbench.cli.explore import _page
from latentbench.results import Results
from latentbench.serving.server import page_server

ODD = '''
from latentbench_models.ae import AE


class Odd(AE):
    """An autoencoder whose decoder only torch computes."""

    def decode(self, codes):
        return super().decode(codes).clamp(-0.99, 0.99).erfinv().erf()
'''
BYTES = "application/octet-stream"


@pytest.fixture(scope="session")
def explored(tiny, tmp_path_factory):
    """The folder of a run of two models over digits."""
    folder = tmp_path_factory.mktemp("explored")
    (folder / "odd.py").write_text(ODD)
    latentbench.run(tiny(models=("ae", f"{folder / 'odd.py'}:Odd")), folder / "run", workers=0)
    return folder / "run"


@pytest.fixture(scope="session")
def results(explored):
    return Results(explored)


@pytest.fixture(scope="session")
def spaces(results):
    """Label -> latent space."""
    return {trial.label: results.latent_space(trial) for trial in results.trials}


@pytest.fixture(scope="session")
def served(results):
    """A server with the page of the run."""
    torch.set_num_threads(1)
    with page_server(0) as server:
        server.page = _page(results, server.models, None).encode()
        yield server


@pytest.fixture
def ask(served):
    """A function that sends a request, by default one that is well, and returns status, headers and content."""

    def send(method, path, body=None, **changes):
        headers = {"Host": f"127.0.0.1:{served.server_port}", "X-Latentbench-Token": served.guard.token}
        headers |= {"Content-Type": BYTES, "Content-Length": str(len(body or b""))} if method == "POST" else {}
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        connection = HTTPConnection("127.0.0.1", served.server_port, timeout=20)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    return send


@pytest.fixture
def image_file():
    """A function that returns the bytes of an image file."""

    def write(pixels, kind="PNG", **options):
        out = io.BytesIO()
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels, np.uint8))
        image.save(out, kind, **options)
        return out.getvalue()

    return write


@pytest.fixture
def digit(spaces, image_file):
    """A function that returns a test item as the bytes of an image file."""
    inputs = spaces["ae"].inputs

    def write(item):
        return image_file((inputs[item, 0] * 255).round().numpy())

    return write
