"""A plugin of models that ask everything of the training engine that a model may ask."""

import math
from typing import Annotated, ClassVar

import torch
from torch import nn
from torch.func import grad, jvp
from torch.nn import functional

from latentbench import Draw, GradientModel, Model, PerMember, hookimpl

CODE = 3


class Small(GradientModel):
    """A dense autoencoder with a weight on the length of its codes."""

    class Params(Model.Params):
        latent_dim: int = CODE
        pull: Annotated[float, PerMember] = 0.1

    def __init__(self, params, data):
        super().__init__(params, data)
        flat = math.prod(data.shape)
        self.encoder_net = nn.Sequential(nn.Linear(flat, 16), nn.Tanh(), nn.Linear(16, CODE))
        self.decoder_net = nn.Linear(CODE, flat)

    def terms(self, inputs):
        codes = self.encode(inputs)
        error = (self.decode(codes) - inputs).square().mean()
        return codes, error + self.params.pull * codes.square().mean()

    def loss(self, batch, noise):
        _, total = self.terms(batch.inputs)
        return {"total": total}

    def encode(self, inputs):
        return self.encoder_net(inputs.flatten(1))

    def decode(self, codes):
        return self.decoder_net(codes).reshape(-1, *self.data.shape)


class Centers(Small):
    """Pulls codes to a buffer that follows them: `update` uses the weights, the noise and a parameter."""

    def __init__(self, params, data):
        super().__init__(params, data)
        self.register_buffer("center", torch.zeros(CODE))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def noise_spec(self):
        return {"u": Draw("uniform", ())}

    def loss(self, batch, noise):
        codes, total = self.terms(batch.inputs)
        return {"total": total + (codes - self.center).square().mean(), "away": self.center.norm()}

    def update(self, state, batch, noise):
        seen = (self.encode(batch.inputs) * noise["u"][:, None]).mean(0)
        center = state["center"] + self.params.pull * (seen - state["center"])
        return {"center": center, "steps": state["steps"] + 1}


class Adversarial(Small):
    """A critic tells codes from noise; the encoder fools it."""

    players: ClassVar = {"autoencoder": ("encoder_net", "decoder_net"), "critic": ("critic_net",)}

    def __init__(self, params, data):
        super().__init__(params, data)
        self.critic_net = nn.Sequential(nn.Linear(CODE, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))

    def noise_spec(self):
        return {"prior": Draw("normal", (CODE,))}

    def loss(self, batch, noise, player):
        codes, total = self.terms(batch.inputs)
        fooled = functional.softplus(-self.critic_net(codes)).mean()
        if player == "autoencoder":
            return {"total": total + self.params.pull * fooled, "fooled": fooled}
        messages = functional.softplus(self.critic_net(codes.detach())).mean()
        return {"total": messages + functional.softplus(-self.critic_net(noise["prior"])).mean()}


class Informed(Small):
    """Uses labels, factors, row numbers, progress and two kinds of noise."""

    def __init__(self, params, data):
        super().__init__(params, data)
        self.classifier_net = nn.Linear(CODE, data.classes)
        self.rows = nn.Embedding(data.n_train, CODE)

    def noise_spec(self):
        return {"eps": Draw("normal", (CODE,)), "u": Draw("uniform", ())}

    def loss(self, batch, noise):
        codes = self.encode(batch.inputs) + self.rows(batch.rows) + 0.1 * noise["u"][:, None] * noise["eps"]
        messages = functional.cross_entropy(self.classifier_net(codes), batch.labels)
        near = (codes[:, 0] - batch.factors[:, 0]).square().mean()
        error = (self.decode(codes) - batch.inputs).square().mean()
        return {
            "total": error + batch.progress * messages + self.params.pull * near,
            "told": messages,
            "near": near,
        }


class Sloped(Small):
    """Convolutions of odd sizes, and a loss with a forward derivative and a gradient of its own."""

    def __init__(self, params, data):
        super().__init__(params, data)
        self.encoder_net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.Tanh())
        self.decoder_net = nn.ConvTranspose2d(4, 3, (4, 3), stride=2, padding=1, output_padding=(0, 1))

    def loss(self, batch, noise):
        codes = self.encoder_net(batch.inputs)
        made, slope = jvp(self.decoder_net, (codes,), (torch.ones_like(codes),))
        pulled = grad(lambda codes: self.decoder_net(codes).square().sum())(codes)
        total = (made - batch.inputs).square().mean() + self.params.pull * slope.square().mean()
        return {"total": total + 1e-4 * pulled.square().mean()}

    def encode(self, inputs):
        return self.encoder_net(inputs).flatten(1)[:, :CODE]


class Late(Small):
    """Has an infinite loss from the progress on that `pull` tells."""

    def loss(self, batch, noise):
        _, total = self.terms(batch.inputs)
        late = (batch.progress >= self.params.pull).to(total.dtype)
        return {"total": total / (1 - late)}


@hookimpl
def register_models(register):
    for actual in (Small, Centers, Adversarial, Informed, Sloped, Late):
        register(actual.__name__, actual)
