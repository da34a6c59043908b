"""Decoders to export, latent spaces to show, and a browser without a network."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from latentbench.dataset import DataSpec, Split
from latentbench.latent.space import LatentSpace
from latentbench.params import build_params
from latentbench.report.page.decoding.section import DecodingContent, decoding_style
from latentbench.report.page.scripts import page_scripts, security_policy
from latentbench_models.ae import AE
from latentbench_models.beta_vae import BetaVAE
from latentbench_models.deepsdf import DeepSDF
from latentbench_models.image_autodecoder import ImageAutodecoder
from latentbench_models.pca import PCA
from latentbench_models.references import RandomProjection
from latentbench_models.vae import VAE

DIM = 6
EVIL = "<script>alert(1)</script>\u202e&</b>"
IMAGES = {"gray": (1, 28, 28), "digits": (1, 8, 8), "color": (3, 16, 20)}


def built(cls, shape, dtype="uint8", **params):
    """A model with random weights, made large enough that the picture changes with the code."""
    torch.manual_seed(len(shape) + shape[-1])
    data = DataSpec(shape=shape, dtype=dtype, n_train=40)
    model = cls(build_params(cls.Params, {"latent_dim": DIM, **params}, cls.__name__), data)
    if isinstance(model, nn.Module):
        with torch.no_grad():
            for weights in model.parameters():
                weights.mul_(1.5)
        return model.eval().decode
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    model.fit(Split(inputs=images), torch.Generator().manual_seed(0))
    return model.decode


class Residual(nn.Module):
    """A third party's decoder: residual blocks, gates, normalization, upsampling, work in place."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(DIM, 8 * 16)
        self.norm = nn.GroupNorm(2, 8)
        self.gates = nn.Conv2d(8, 16, 3, padding=1, groups=2)
        self.last = nn.Conv2d(8, 3, 3, padding=2, dilation=2)

    def forward(self, codes):
        image = self.first(codes).unflatten(1, (8, 4, 4))
        kept, gate = self.gates(functional.leaky_relu(self.norm(image), 0.2, inplace=True)).chunk(2, dim=1)
        image = functional.interpolate(image + kept * gate.sigmoid(), scale_factor=2, mode="nearest")
        image = functional.interpolate(image, size=(12, 14), mode="bilinear")
        return torch.sigmoid(self.last(functional.silu(image)))


class Coordinates(nn.Module):
    """A coordinate network with a sine layer, which meets its code by concatenation."""

    def __init__(self):
        super().__init__()
        rows, columns = torch.meshgrid(torch.linspace(-1, 1, 9), torch.linspace(-1, 1, 11), indexing="ij")
        self.register_buffer("points", torch.stack([columns, rows], -1).reshape(-1, 2))
        self.net = nn.Sequential(nn.Linear(DIM + 2, 24), nn.LayerNorm(24), nn.GELU(), nn.Linear(24, 1))

    def forward(self, codes):
        points = torch.cat([self.points, (3 * self.points).sin()[:, :0]], 1)
        both = torch.cat([codes[:, None].expand(-1, 99, -1), points.expand(len(codes), -1, -1)], 2)
        return self.net(both).reshape(-1, 1, 9, 11).tanh()


def mixed_layers():
    """Layers that other decoders use, one after the other."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Linear(DIM, 64),
        nn.LayerNorm(64),
        nn.ELU(),
        nn.Linear(64, 144),
        nn.Softplus(),
        nn.Unflatten(1, (16, 3, 3)),
        nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1, groups=2),
        nn.BatchNorm2d(8),
        nn.SELU(),
        nn.ZeroPad2d((1, 2, 0, 1)),
        nn.Conv2d(8, 12, 3, stride=(1, 2), padding=1),
        nn.Hardtanh(-0.5, 2.0),
        nn.PixelShuffle(2),
        nn.GELU(approximate="tanh"),
        nn.Upsample(size=(11, 10), mode="bilinear", align_corners=True),
        nn.ReLU6(inplace=True),
        nn.Tanh(),
    )
    net[7].running_var.uniform_(0.5, 2)
    net[7].running_mean.normal_()
    return net.eval()


def arithmetic(codes):
    """Functions and combinations of tensors without a module."""
    left, right = codes[:, :3], codes[:, 3:]
    outer = torch.stack([left.exp(), right.abs().sqrt(), left.cos()], 1) / (2 + right[:, None].square())
    bounded = torch.maximum(outer, -left[:, None]).clamp(max=1.5)
    flipped = 1 - torch.minimum(bounded, outer.transpose(1, 2))
    return (flipped @ torch.arange(12.0).reshape(3, 4)).unsqueeze(1) * 0.1


DECODERS = {
    "ae on 28 x 28": partial(built, AE, IMAGES["gray"]),
    "vae on 28 x 28, dense": partial(built, VAE, IMAGES["gray"], hidden=20, channels=8),
    "beta_vae on color": partial(built, BetaVAE, IMAGES["color"], channels=8),
    "ae on digits": partial(built, AE, IMAGES["digits"]),
    "mlp": partial(built, AE, IMAGES["digits"], backbone="mlp", channels=4),
    "image_autodecoder": partial(built, ImageAutodecoder, IMAGES["digits"]),
    "pca": partial(built, PCA, IMAGES["digits"]),
    "random_projection": partial(built, RandomProjection, IMAGES["digits"]),
    "deepsdf on 64 x 64": partial(built, DeepSDF, (1, 64, 64), "float32"),
    "narrow deepsdf": partial(built, DeepSDF, (1, 64, 64), "float32", width=24),
    "residual": lambda: torch.manual_seed(1) and Residual().eval(),
    "coordinates": lambda: torch.manual_seed(2) and Coordinates().eval(),
    "mixed layers": mixed_layers,
    "arithmetic": lambda: arithmetic,
}


@pytest.fixture(scope="session")
def decoders():
    """Name -> a function from codes `(n, 6)` to reconstructions."""
    return {name: make() for name, make in DECODERS.items()}


@pytest.fixture(scope="session")
def drawn_codes():
    """Five codes."""
    return torch.randn(5, DIM, generator=torch.Generator().manual_seed(5))


CLASSES = ("zero", EVIL, "two")


@pytest.fixture(scope="session")
def space_of():
    """A function from a decoder's name to a latent space of 60 items, as if its codes were theirs."""

    def make(decode, shape, signed=False):
        generator = torch.Generator().manual_seed(8)
        codes = torch.randn(60, DIM, generator=generator)
        rows, columns = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in shape[1:]), indexing="ij")
        radii = torch.rand(60, 1, 1, 1, generator=generator) / 2 + 0.2
        distances = ((rows**2 + columns**2).sqrt() - radii).expand(60, *shape)
        factors = torch.stack([radii[:, 0, 0, 0], codes[:, 0]], 1)
        names = {"class_names": CLASSES, "factor_names": ("radius", EVIL)}
        train = LatentSpace.from_arrays(codes=codes, labels=torch.arange(60) % 3, factors=factors, **names)
        return LatentSpace.from_arrays(
            codes=codes,
            inputs=distances if signed else (distances < 0).float(),
            labels=torch.arange(60) % 3,
            factors=factors,
            **names,
            decode=decode,
            train=train,
        )

    return make


@pytest.fixture(scope="session")
def section_of():
    """A function from models to the part of the page in which they decode."""

    def make(*models, number=0):
        content = DecodingContent()
        for model in models:
            content.add(model)
        return content.section(number)

    return make


@pytest.fixture(scope="session")
def page_file():
    """A function that writes a page with a part that decodes; a policy lets the browser refuse all else."""

    def write(section, path):
        scripts = page_scripts()
        path.write_text(
            f"""<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>studio</title>
            <meta http-equiv="Content-Security-Policy" content="{security_policy(scripts)}">
            <style>:root {{ --line: #ccc; --accent: #25a; --paper: #fff; --alarm: #b22; }}
            {decoding_style()}</style><body>{section.html}
            <script type="application/json" id="{section.data_id}">{section.data}</script>
            <div id="trouble" hidden></div>
            {"".join(f"<script>{script.text}</script>" for script in scripts)}</body></html>""",
            "utf-8",
        )
        return path.as_uri()

    return write


@pytest.fixture(scope="module")
def page(browser):
    """One page a module; what it logs as errors, and what it asks a network for, is kept."""
    context = browser.new_context(offline=True)
    opened = context.new_page()
    opened.errors, opened.requests = [], []
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.on("console", lambda said: opened.errors.append(said.text) if said.type == "error" else None)
    opened.on("request", lambda request: opened.requests.append(request.url))
    yield opened
    context.close()
