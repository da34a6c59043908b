"""The page's linked maps at their limits: how large, how long to make, how soon seen, how many frames a second.

    python benchmarks/page/linked_maps.py                            three models x 10,000 items
    python benchmarks/page/linked_maps.py --items 70000 --models 2   a pair of maps of all items

Needs Debian's dataset-fashion-mnist and chromium. Codes are principal components, maps are made up: what is timed
knows no difference. Times are processor times of all processes concerned, so that another load disturbs them less.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from latentbench.latent.maps.projection import Map, shown_rows
from latentbench.latent.space import LatentSpace
from latentbench.report.page.decoding.content import OpenedModel
from latentbench.report.page.decoding.section import DecodingContent
from latentbench.report.page.embedding import page_data
from latentbench.report.page.linked import LinkedMaps
from latentbench.report.page.scripts import FOLDER, page_scripts, security_policy

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import Page

DATA = Path("/usr/share/datasets/fashion-mnist")
WIDTH, FRAMES = 16, 90
READY = "() => window.latentbench?.pairs?.[0]?.views.every((view) => view.frames > 0)"
PAN = f"""async () => {{
  const view = latentbench.pairs[0].views[0];
  for (let frame = 0; frame < {FRAMES}; frame++) {{
    view.pan(0.003, 0);
    await new Promise((done) => requestAnimationFrame(done));
  }}
}}"""

DRAG = f"""async () => {{
  const {{ placePanel, views }} = latentbench.pairs[0];
  for (let frame = 0; frame < {FRAMES}; frame++) {{
    placePanel.choose(0, views[0].placeAt(100 + frame, 150), true);
    await new Promise((done) => requestAnimationFrame(done));
  }}
}}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--models", type=int, default=3)
    asked = parser.parse_args()
    spaces = made_up_spaces(asked.items, asked.models)
    maps = [made_up_map(space) for space in spaces]
    began = time.process_time()
    page = written(spaces, maps)
    print(f"made in        {time.process_time() - began:8.2f} s")
    print(f"size           {len(page.encode()) / 1e6:8.2f} MB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(page, "utf-8")
        look(path)


def made_up_spaces(items: int, models: int) -> list[LatentSpace]:
    names = ("t10k",) if items <= 10_000 else ("train", "t10k")
    images = np.concatenate([read(f"{name}-images-idx3", 16) for name in names]).reshape(-1, 1, 28, 28)[:items]
    labels = np.concatenate([read(f"{name}-labels-idx1", 8) for name in names])[:items].astype(np.int64)
    inputs = images.astype(np.float32) / 255
    flat = torch.from_numpy(inputs.reshape(items, -1))
    _, axes = torch.linalg.eigh((flat - flat.mean(0)).T @ (flat - flat.mean(0)))
    codes = (flat @ axes[:, -WIDTH - models :]).numpy()
    return [
        LatentSpace.from_arrays(
            codes=codes[:, skipped : skipped + WIDTH],
            labels=labels,
            inputs=inputs,
            decode=partial(drawn, axes=axes[:, -WIDTH - models :][:, skipped : skipped + WIDTH]),
        )
        for skipped in range(models)
    ]


def drawn(codes: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    return (codes @ axes.T).reshape(len(codes), 1, 28, 28)


def read(name: str, head: int) -> NDArray[np.uint8]:
    return np.frombuffer(gzip.decompress((DATA / f"{name}-ubyte.gz").read_bytes()), np.uint8, offset=head)


def made_up_map(space: LatentSpace) -> Map:
    codes = space.codes.numpy()
    noise = np.random.default_rng(0).normal(scale=0.05, size=(len(codes), 2))
    places = np.tanh(codes[:, [-1, -4]] / 4) + noise
    return Map("tsne", 0, shown_rows(len(codes)), places, {}, 1.0, "made up", {"trustworthiness": 0.98})


def written(spaces: list[LatentSpace], maps: list[Map]) -> str:
    """Write a page of maps, with the codes and decoders by which they decode."""
    linked, decoding = LinkedMaps(len(spaces[0])), DecodingContent()
    for number, (space, map_) in enumerate(zip(spaces, maps, strict=True)):
        name, errors = f"model {number}", {"reconstruction error (mse)": np.arange(len(space)) / 7}
        decoder = decoding.add(OpenedModel(name, "", "given", space))
        linked.add(name, space, [map_], errors, decoder=decoder)
    section = decoding.section()
    content = linked.content or {}
    for each in content["spaces"]:
        print(f"codes in {each['codes']['kind']}    {each['rounding']:8.4f} of a pixel changes at most")
    scripts = page_scripts()
    style = (FOLDER / "living" / "page.css").read_text("utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{security_policy(scripts)}">'
    data = f'<script type="application/json" id="content">{page_data(content)}</script>'
    decoders = f'<script type="application/json" id="{section.data_id}">{section.data}</script>'
    pair = f'<div data-pair="maps" data-content="content" data-decoders="{section.data_id}"></div>'
    body = f'{pair}{data}{section.html}{decoders}<div id="trouble" hidden></div>'
    code = "".join(f"<script>{script.text}</script>" for script in scripts)
    return f'<!DOCTYPE html><meta charset="utf-8">{policy}<style>{style}</style>{body}{code}'


def look(path: Path) -> None:
    """Open the page, wait for its maps, and pan one of them."""
    from playwright.sync_api import sync_playwright

    options: dict[str, Any] = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox", "--disable-gpu"]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.wait_for_timeout(1000)
        began = used()
        page.goto(path.as_uri())
        page.wait_for_function(READY)
        print(f"first maps in  {used() - began:8.2f} s of processor time, {seen(page):.2f} s by the clock")
        page.wait_for_timeout(2000)
        for _ in range(3):
            began = used()
            page.evaluate(PAN)
            print(f"a frame takes  {(used() - began) / FRAMES * 1000:8.1f} ms")
        began = used()
        page.evaluate(DRAG)
        print(f"decoding takes {(used() - began) / FRAMES * 1000:8.1f} ms a frame")
        browser.close()


def seen(page: Page) -> float:
    return float(page.evaluate("performance.now()")) / 1000


def used() -> float:
    """Return the processor time of the browser's processes, in seconds."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


if __name__ == "__main__":
    main()
