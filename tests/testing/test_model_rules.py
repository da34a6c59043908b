"""Each rule of models finds the mistake that it is there for, and a right model keeps them all."""

import numpy as np
import pytest
import torch
from torch import nn

from latentbench import Draw, GradientModel, Model, NotApplicableError, Posterior, Split
from latentbench.errors import RequestError
from latentbench.testing import cases_of, check_model, parametrize_with_checks
from latentbench.testing.specimens import SPECIMENS

DIMS = 2
WHOLE = torch.zeros(DIMS), torch.ones(DIMS)


class Right(GradientModel):
    """A small variational autoencoder."""

    def __init__(self, params, data):
        super().__init__(params, data)
        size = int(np.prod(data.shape))
        self.encoder_net = nn.Sequential(nn.Flatten(), nn.Linear(size, 8), nn.Tanh(), nn.Linear(8, 2 * DIMS))
        self.decoder_net = nn.Sequential(nn.Linear(DIMS, 8), nn.Tanh(), nn.Linear(8, size))

    @property
    def prior(self):
        return Posterior(*WHOLE)

    def noise_spec(self):
        return {"eps": Draw("normal", (DIMS,))}

    def posterior(self, inputs):
        mean, log_variance = self.encoder_net(inputs).chunk(2, 1)
        return Posterior(mean, log_variance.exp())

    def encode(self, inputs):
        return self.posterior(inputs).mean

    def decode(self, codes):
        return self.decoder_net(codes).reshape(-1, *self.data.shape)

    def log_likelihood(self, inputs, codes):
        return -0.5 * (self.decode(codes) - inputs).square().flatten(1).sum(1)

    @classmethod
    def likelihood_name(cls, params):
        return "gaussian, sigma 1"

    def loss(self, batch, noise):
        posterior = self.posterior(batch.inputs)
        rate = posterior.kl(self.prior).mean()
        distortion = -self.log_likelihood(batch.inputs, posterior.sample(noise["eps"])).mean()
        return {"total": rate + distortion, "rate": rate, "distortion": distortion}


class Fixed(Model):
    """The mean and spread of an input, kept from nothing."""

    deterministic = True
    decoder = "none"

    def encode(self, inputs):
        flat = inputs.flatten(1)
        return torch.stack([flat.mean(1), flat.std(1)], 1)


class SamplingEncode(Right):
    def encode(self, inputs):
        return self.posterior(inputs).sample(torch.randn(len(inputs), DIMS))


class OfTheBatch(Right):
    def encode(self, inputs):
        codes = super().encode(inputs)
        return codes - codes.mean(0)


class UndeclaredNoise(Right):
    def loss(self, batch, noise):
        return super().loss(batch, {"eps": torch.randn(len(batch.inputs), DIMS)})


class ForgottenNoise(Right):
    def noise_spec(self):
        return {}


class WithBatchNorm(Right):
    def __init__(self, params, data):
        super().__init__(params, data)
        self.encoder_net.insert(2, nn.BatchNorm1d(8))


class ReadsLabels(Right):
    def loss(self, batch, noise):
        terms = super().loss(batch, noise)
        apart = (self.encode(batch.inputs)[:, 0] - batch.labels).square().mean()
        return {**terms, "total": terms["total"] + apart}


class SaysSo(ReadsLabels):
    uses_labels = True


class WithDropout(Right):
    def __init__(self, params, data):
        super().__init__(params, data)
        self.encoder_net.insert(2, nn.Dropout(0.5))


class NegativeVariance(Right):
    def posterior(self, inputs):
        mean, variance = self.encoder_net(inputs).chunk(2, 1)
        return Posterior(mean, variance)


class NoPosterior(Right):
    def posterior(self, inputs):
        return torch.zeros(3)

    def encode(self, inputs):
        return self.encoder_net(inputs)[:, :DIMS]


class LongPrior(Right):
    @property
    def prior(self):
        return Posterior(torch.zeros(1, DIMS), torch.ones(1, DIMS))


class WithoutPrior(Right):
    @property
    def prior(self):
        return None

    def loss(self, batch, noise):
        return {
            "total": -self.log_likelihood(batch.inputs, self.posterior(batch.inputs).sample(noise["eps"])).mean()
        }


class Nameless(Right):
    def log_likelihood(self, inputs, codes):
        return -(self.decode(codes) - inputs).abs().flatten(1).sum(1)


class OneNumber(Right):
    def log_likelihood(self, inputs, codes):
        return super().log_likelihood(inputs, codes).mean()

    @classmethod
    def likelihood_name(cls, params):
        return "one number"


class Doubles(Right):
    def encode(self, inputs):
        return super().encode(inputs).double()


class FlatImages(Right):
    def decode(self, codes):
        return self.decoder_net(codes)

    def log_likelihood(self, inputs, codes):
        return -0.5 * (self.decode(codes) - inputs.flatten(1)).square().sum(1)

    @classmethod
    def likelihood_name(cls, params):
        return "gaussian"


class DetachedDecoder(Right):
    def decode(self, codes):
        return super().decode(codes.detach())


class Detached(Right):
    def loss(self, batch, noise):
        total = (self.decoder_net(self.encode(batch.inputs).detach()) - batch.inputs.flatten(1)).square().mean()
        return {"total": total}


class LostState(Right):
    def __init__(self, params, data):
        super().__init__(params, data)
        self.offset = torch.randn(DIMS)

    def posterior(self, inputs):
        found = super().posterior(inputs)
        return Posterior(found.mean + self.offset, found.variance)


class WritesIntoInputs(Right):
    def encode(self, inputs):
        return super().encode(inputs.mul_(0.5))


class WritesIntoBatch(Right):
    def loss(self, batch, noise):
        batch.inputs.clamp_(max=0.5)
        return super().loss(batch, noise)


class Seeds(Right):
    def decode(self, codes):
        torch.manual_seed(0)
        return super().decode(codes)


class Counts(Right):
    def __init__(self, params, data):
        super().__init__(params, data)
        self.register_buffer("steps", torch.zeros(1))

    def loss(self, batch, noise):
        self.steps += 1
        return super().loss(batch, noise)


class Branches(Right):
    def loss(self, batch, noise):
        terms = super().loss(batch, noise)
        return terms if float(terms["rate"]) >= 0 else {"total": terms["rate"]}


class Climbs(Right):
    def loss(self, batch, noise):
        terms = super().loss(batch, noise)
        return {"total": terms["total"] - 2 * (terms["total"] - terms["total"].detach())}


class DrawsInFit(Fixed):
    deterministic = False

    def fit(self, train, generator):
        self.shift = torch.randn(2)

    def encode(self, inputs):
        return super().encode(inputs) + self.shift


class NotDeterministic(Fixed):
    deterministic = False


class WritesIntoData(Fixed):
    def fit(self, train, generator):
        train.inputs[:] = 0


class NeedsMany(Fixed):
    def fit(self, train, generator):
        if len(train) < 3:
            raise ValueError("k must be less than n")


PLANTED = {
    SamplingEncode: ("codes_repeat", "two calls of encode differ"),
    OfTheBatch: ("codes_of_single_rows", "statistics of the batch"),
    UndeclaredNoise: ("loss_is_pure", "declare them in noise_spec"),
    ForgottenNoise: ("loss_is_pure", "noise_spec declares none; return {'eps': Draw"),
    ReadsLabels: ("labels_declared", "declare uses_labels = True"),
    WithBatchNorm: ("layers", "encoder_net.2 (BatchNorm1d)"),
    WithDropout: ("layers", "encoder_net.2 (Dropout)"),
    NegativeVariance: ("posterior", "let the network give its logarithm and use .exp()"),
    NoPosterior: ("posterior", "must return a Posterior, got Tensor"),
    LongPrior: ("prior", "must have shape (2,), got (1, 2)"),
    WithoutPrior: ("prior", "return Posterior(torch.zeros(d), torch.ones(d))"),
    Nameless: ("likelihood", "its likelihood has no name"),
    OneNumber: ("likelihood", "must have shape (24,), got ()"),
    Doubles: ("codes", "must be float32, got torch.float64"),
    FlatImages: ("reconstructions", "must have shape (24, 1, 28, 28), got (24, 784)"),
    DetachedDecoder: ("decoder_slope", 'declare decoder = "opaque"'),
    Detached: ("gradients", "no gradient of the loss reaches encoder_net.1.weight"),
    LostState: ("state", "register tensors as buffers"),
    WritesIntoInputs: ("arguments_untouched", "it wrote into the inputs"),
    WritesIntoBatch: ("loss_is_pure", "loss writes into the batch"),
    Seeds: ("random_state_untouched", "the generator of torch"),
    Counts: ("loss_is_pure", "loss changes steps in place"),
    Branches: ("members_together", "torch.where for if"),
    Climbs: ("loss_falls", "look at the sign of `total`"),
    DrawsInFit: ("seed_decides", "draw every random number in fit from its generator"),
    NotDeterministic: ("seed_decides", "declare deterministic = True"),
    WritesIntoData: ("training_data_untouched", "training wrote into the inputs"),
    NeedsMany: ("tiny_data", "raise NotApplicableError with the reason"),
}


@pytest.mark.parametrize("cls", PLANTED, ids=lambda cls: cls.__name__)
def test_a_planted_mistake_is_found_and_its_cure_told(cls):
    rule, words = PLANTED[cls]
    tried = [case.finding() for case in cases_of(cls) if case.title == rule]
    failed = [found for found in tried if found.status == "failed"]
    assert any(words in found.reason for found in failed)
    assert not any("\n" in found.reason or "could not be tried" in found.reason for found in failed)


@parametrize_with_checks(Right, Fixed, SaysSo)
def test_what_is_right_passes(check):
    check()


def test_every_rule_is_tried_on_all_data_that_the_model_takes():
    findings = check_model(Right)
    assert all(found.passed for found in findings)
    assert {found.on for found in findings if found.rule == "codes"} == set(SPECIMENS)
    assert all(found.on == "" for found in findings if found.rule == "loss_falls")


def test_a_mistake_is_not_taken_for_others():
    """Codes that are drawn anew differ in every comparison; that says nothing of batches, states and seeds."""
    broken = {found.rule for found in check_model(SamplingEncode) if not found.passed}
    assert broken == {"codes_repeat", "random_state_untouched"}


class OnlySquares(Right):
    def __init__(self, params, data):
        if len(data.shape) != 3 or data.shape[1] != data.shape[2]:
            raise NotApplicableError(f"it takes square images, got {data.shape}")
        super().__init__(params, data)


class OnlyHuge(Right):
    def __init__(self, params, data):
        raise NotApplicableError("it takes images of 4096 x 4096")


def test_data_that_a_model_does_not_take_are_not_applicable():
    findings = [found for found in check_model(OnlySquares) if found.rule == "codes"]
    assert {found.on for found in findings if found.status == "ok"} == {
        "grey 28 x 28", "color 32 x 32", "distances 8 x 8",
    }  # fmt: skip
    assert {found.reason for found in findings if found.status == "not applicable"} == {
        "it takes square images, got (1, 17, 23)", "it takes square images, got (12,)",
    }  # fmt: skip


def test_a_model_that_takes_none_of_the_data_fails_until_it_is_given_some():
    reasons = {found.reason for found in check_model(OnlyHuge) if not found.passed}
    assert reasons == {
        "it takes none of the data that it is tried on (it takes images of 4096 x 4096); give data= of your own"
    }
    own = {"mine": Split(np.random.default_rng(0).random((24, 5)).astype(np.float32))}
    assert {found.on for found in check_model(Right, data=own)} == {"mine", ""}


class Raises(Right):
    def encode(self, inputs):
        raise KeyError("mean")


def test_what_could_not_be_tried_is_a_failure_that_names_the_line():
    found = next(found for found in check_model(Raises) if found.rule == "codes")
    assert found.status == "failed"
    assert found.reason.startswith("could not be tried: KeyError at test_model_rules.py:")


def test_an_expected_failure_carries_its_reason_and_a_rule_that_holds_may_not_be_expected_to_fail():
    findings = check_model(WithDropout, expected={"layers": "regularization is the point", "codes": "no reason"})
    by_rule = {found.rule: found for found in findings}
    assert (by_rule["layers"].status, by_rule["layers"].reason) == ("expected", "regularization is the point")
    assert by_rule["codes"].status == "failed"
    assert "take it out of the expected failures" in by_rule["codes"].reason


@pytest.mark.parametrize(
    ("expected", "words"),
    [({"layer": "x"}, "there is no rule 'layer'; did you mean 'layers'?"), ({"layers": " "}, "say why 'layers'")],
)
def test_expected_failures_are_of_rules_and_say_why(expected, words):
    with pytest.raises(RequestError) as caught:
        check_model(Right, expected=expected)
    assert words in str(caught.value)


def test_a_class_of_another_kind_is_refused():
    with pytest.raises(RequestError, match="check_model takes a Model, got the class dict"):
        check_model(dict)
    with pytest.raises(RequestError, match="only models, datasets, metrics and pair metrics can be checked"):
        parametrize_with_checks(dict)
