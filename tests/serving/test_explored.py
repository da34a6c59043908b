"""What a reader does with the served page, in a browser, and the verb that serves it."""

import signal
import subprocess
import sys
import threading
import urllib.request
import warnings

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

import latentbench
from latentbench.cli import main
from latentbench.drawing.pictures import as_pictures
from latentbench.serving.server import page_server

PIXELS = """
([root, name]) => {
  const canvas = document.querySelector(`${root} [data-picture="${name}"] canvas`);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, place) => data[4 * place]);
}
"""
PLACE = """
() => {
  const { code, picture } = latentbench.pairs[0].placePanel;
  const { data } = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height);
  return [Array.from(code), Array.from({ length: data.length / 4 }, (_, place) => data[4 * place])];
}
"""
SETTLED = "() => !document.querySelector('canvas[aria-busy=true]')"
REFUSED = "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"
READBACK = "Canvas2D: Multiple readback"  # a warning that this test causes, which looks at pixels


@pytest.fixture
def page(browser, served):
    """The served page; at the end nothing has gone wrong, and no other server was asked."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    troubles, asked = [], []
    tab.on("console", lambda line: troubles.append(line.text) if line.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(served.address)
    tab.wait_for_selector("html[data-living=ready]")
    tab.wait_for_selector("[data-ready=yes]")
    yield tab
    assert [each for each in troubles if READBACK not in each] == tab.evaluate("window.expected ?? []")
    assert tab.locator("#trouble").is_hidden()
    own = (f"http://127.0.0.1:{served.server_port}/", "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []
    context.close()


def shown(page, name, root=".studio:not(.encoding)"):
    page.wait_for_function(SETTLED)
    return np.array(page.evaluate(PIXELS, [root, name]))


def test_an_image_is_encoded_and_its_reconstruction_shown(page, spaces, digit):
    space = spaces["ae"]
    page.get_by_label("Image").set_input_files({"name": "7.png", "mimeType": "image/png", "buffer": digit(7)})
    page.wait_for_selector("[data-part=made]:not([hidden])")
    assert (
        page.locator("[data-part=said]")
        .inner_text()
        .startswith("Your image has 8 x 8 pixels in gray; it was taken")
    )
    expected = as_pictures(space.reconstructions[7:8], like=space.inputs)[0, 0].ravel() * 255
    assert np.abs(shown(page, "reconstruction", ".encoding") - expected).max() <= 1
    near = page.locator("[data-part=nearest] figcaption").all_inner_texts()
    assert len(near) == 10
    assert near[0].startswith("item 7 (")
    code = [float(number) for number in page.get_by_label("Its code").input_value().split(",")]
    assert code == pytest.approx(space.codes[7].tolist(), rel=1e-4)


def test_an_own_image_becomes_a_by_the_code_of_each_model(page, spaces, digit):
    own = ".studio:not(.encoding)"
    page.get_by_label("Image").set_input_files({"name": "7.png", "mimeType": "image/png", "buffer": digit(7)})
    page.get_by_role("button", name="Take it as A").click()
    page.wait_for_function("() => document.querySelector('[data-part=used]').textContent")
    for label, space in spaces.items():
        page.locator(f"{own} [data-part=model]").select_option(label)
        page.wait_for_timeout(100)
        decoded = as_pictures(space.decode(space.codes[7:8]), like=space.inputs)[0, 0].ravel() * 255
        assert np.abs(shown(page, "reconstruction") - decoded).max() <= 1
        assert np.abs(shown(page, "a") - space.inputs[7, 0].numpy().ravel() * 255).max() <= 1
    caption = page.locator("[data-picture=a] figcaption")
    expect(caption).to_have_text("A: your image")
    page.locator("[data-part=items] button").first.click()
    expect(caption).not_to_have_text("A: your image")
    page.get_by_role("button", name="your image").click()
    expect(caption).to_have_text("A: your image")


def test_a_file_that_is_no_image_is_told_and_the_next_one_encoded(page, digit):
    page.get_by_label("Image").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": digit(3)[:40]})
    page.wait_for_function("() => document.querySelector('[data-part=said]').textContent.includes('not encoded')")
    assert "the file is no image that can be read" in page.locator("[data-part=said]").inner_text()
    assert page.locator("[data-part=made]").is_hidden()
    page.evaluate("words => { window.expected = [words]; }", REFUSED)
    page.get_by_label("Image").set_input_files({"name": "b.png", "mimeType": "image/png", "buffer": digit(3)})
    page.wait_for_selector("[data-part=made]:not([hidden])")


def test_torch_decodes_what_the_page_cannot(page, spaces):
    space = spaces["Odd"]
    assert "torch decodes, on the server of this page" in page.locator("[data-part=verdicts]").inner_text()
    page.locator(".studio:not(.encoding) [data-part=model]").select_option("Odd")
    items = page.evaluate("() => JSON.parse(document.getElementById('decoding-data-0').textContent).items.names")
    start, end = (int(items[place].split()[1]) for place in (0, (len(items) - 1 + 1) // 2))
    for share in (0.0, 0.25, 1.0):
        page.locator("[data-part=share]").evaluate(
            "(slider, share) => { slider.value = share; slider.dispatchEvent(new Event('input')); }", share
        )
        page.wait_for_timeout(100)
        code = torch.lerp(space.codes[start], space.codes[end], share)[None]
        expected = as_pictures(space.decode(code), like=space.inputs)[0, 0].ravel() * 255
        assert np.abs(shown(page, "linear") - expected).max() <= 1


def test_a_click_on_a_map_decodes_by_torch(page, spaces):
    space = spaces["Odd"]
    lists = page.locator("[data-pair] select")
    lists.first.select_option(label=next(each for each in lists.first.inner_text().split("\n") if "Odd" in each))
    page.locator(".map").first.click(position={"x": 150, "y": 120})
    page.wait_for_selector(".place-box:not([hidden])")
    page.wait_for_function(SETTLED)
    code, pixels = page.evaluate(PLACE)
    expected = as_pictures(space.decode(torch.tensor([code])), like=space.inputs)[0, 0].ravel() * 255
    assert np.abs(np.array(pixels) - expected).max() <= 1
    assert "Decoded at the cross by Odd" in page.locator(".place-box").first.inner_text()


def test_a_server_that_has_gone_is_told(browser, served):
    context = browser.new_context()
    tab = context.new_page()
    with page_server(0) as server:
        server.page, server.models = served.page, served.models
        tab.goto(server.address)
        tab.wait_for_selector("[data-ready=yes]")
    tab.locator(".studio:not(.encoding) [data-part=model]").select_option("Odd")
    tab.wait_for_selector("#trouble:not([hidden])")
    told = tab.locator("#trouble").inner_text()
    assert told.strip() == (
        "A picture cannot be shown (the server does not answer; "
        "start the command again, and open the address that it prints)."
    )
    context.close()


# the verb


@pytest.fixture
def cli(capsys):
    def call(*words):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.showwarning", warnings.showwarning)  # main sets it for its process
            with pytest.raises(SystemExit) as ended:
                main([str(word) for word in words])
        return (ended.value.code, *capsys.readouterr())

    return call


def test_ctrl_c_stops_it_with_status_0(explored):
    words = [sys.executable, "-m", "latentbench", "explore", str(explored), "--no-browser"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip()
    with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - our own server
        assert b"Encode your own image" in answer.read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err.splitlines()[-1] == f"stopped exploring {explored}"
    assert address.partition("token=")[2] not in err


def test_a_browser_is_opened_at_one_model_of_one_seed(cli, explored, monkeypatch):
    pages = []

    def browse(address):
        with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - our own server
            pages.append(answer.read().decode())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)

    monkeypatch.setattr("webbrowser.open", browse)
    status, out, err = cli("explore", explored, "--model", "Odd", "--seed", 0)
    assert (status, err.splitlines()) == (0, [f"stopped exploring {explored}"])
    assert out.startswith("http://127.0.0.1:")
    assert out.count("\n") == 1
    assert '"label":"Odd"' in pages[0]
    assert '"label":"ae"' not in pages[0]


def test_what_cannot_be_served_ends_with_status_2_and_one_sentence(
    cli, explored, served, tiny, plugin_file, tmp_path
):
    port = served.server_port
    assert cli("explore", explored, "--no-browser", "--port", port) == (
        2,
        "",
        f"latentbench: port {port} is in use; choose another with --port, or leave it out for a free one\n",
    )
    assert cli("explore", explored, "--seed", 0)[2] == (
        "latentbench: --dataset and --seed say which trial of one model is meant; name it with --model\n"
    )
    assert cli("explore", explored, "--model", "od")[2].startswith("latentbench: this run has no model 'od'")
    failing = plugin_file(
        "from latentbench_models.ae import AE\n\n\nclass Failing(AE):\n    '''Fails.'''\n\n"
        "    def loss(self, batch, noise):\n        raise ValueError('no')\n"
    )
    latentbench.run(tiny(models=(f"{failing}:Failing",)), tmp_path / "failed", workers=0)
    status, out, err = cli("explore", tmp_path / "failed", "--no-browser")
    assert (status, out) == (2, "")
    assert err == (
        f"latentbench: nothing of {tmp_path / 'failed'} can be explored: none of its 1 trials has succeeded; "
        f"`latentbench status {tmp_path / 'failed'}` tells how far it is\n"
    )
