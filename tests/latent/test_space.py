"""The look at three splits through a model, a renderer, and codes that are made of all items together."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

import latentbench
from latentbench import ContractError, DataSpec, LatentSpace, Model, NotApplicableError, Posterior, Split
from latentbench.latent.parts import REASONS
from latentbench.testing import gallery
from latentbench.testing.changes import permuted_labels, random_codes, reordered

NOTE = "codes are made of all items together (transductive)"
APART = "no encoder, so no codes of other splits in the same space"


def split_of(rows, seed=0, labels=True):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (rows, 1, 8, 8), dtype=np.uint8)
    return Split(images, np.arange(rows) % 4 if labels else None)


class Sums(Model):
    """Codes by a formula; counts how often it is asked."""

    decoder = "none"

    def __init__(self, params=None, data=None):
        super().__init__(params or self.Params(), data or DataSpec((1, 8, 8), "uint8", 10))
        self.sizes = []

    def encode(self, inputs):
        self.sizes.append(len(inputs))
        return inputs.flatten(1)[:, :3]


class Together(Sums):
    """Codes that depend on what else is shown: places on the items' own mean."""

    encoder = "none"

    def encode(self, inputs):
        raise NotApplicableError("never asked")

    def embed(self, inputs):
        codes = super().encode(inputs)
        return codes - codes.mean(0)


class Forgetful(Together):
    embed = Model.embed


@pytest.fixture
def together():
    return LatentSpace.of_model(Together(), split_of(300), split_of(40, 1), split_of(20, 2), name="map")


# a frozen object


ATTRIBUTES = ("codes", "inputs", "train", "validation", "factor_names", "device", "name", "cost", "data", "maps")


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_space_cannot_be_changed(name):
    space = gallery(20, 30)
    with pytest.raises(AttributeError):
        setattr(space, name, getattr(space, name))


def test_a_space_and_its_parts_are_frozen():
    space = gallery(20, 30)
    for part, name in ((space, "note"), (space.data, "codes"), (space.maps, "decode"), (space.others, "train")):
        with pytest.raises(FrozenInstanceError):
            setattr(part, name, None)


CHANGES = {
    "codes": torch.ones(20, 5), "inputs": torch.ones(20, 1, 16, 16), "labels": torch.ones(20).long(),
    "factors": torch.ones(20, 5), "factor_names": ("a",), "factor_sizes": (1,),
    "prior": Posterior(torch.ones(5), torch.ones(5)), "posterior": Posterior(torch.ones(20, 5), torch.ones(20, 5)),
    "reconstructions": torch.ones(20, 1, 16, 16), "rows_at_once": 7, "train": gallery(20, 30),
    "validation": gallery(20, 30), "fingerprint": "abc", "name": "other", "note": "a note",
    "cost": {"parameters": 2.0}, "absent": {"render": "no pencil"},
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_replaced_space_differs_in_what_was_replaced_only(name):
    space = gallery(20, 30)
    other = space.replaced(**{name: CHANGES[name]})
    assert getattr(other, name) is CHANGES[name]
    assert other.device == space.device
    for rest in CHANGES.keys() - {name, "reconstructions"}:
        assert getattr(other, rest) is getattr(space, rest)


def test_maps_are_replaced_by_their_names():
    space = gallery(20, 30).replaced(
        encode=lambda inputs: inputs.flatten(1)[:, :2], decode=lambda codes: codes + 1,
        likelihood=lambda inputs, codes: codes[:, 0], render=lambda factors: -factors, differentiable=False,
    )  # fmt: skip
    assert space.encode(space.inputs).shape == (20, 2)
    assert torch.equal(space.decode(space.codes), space.codes + 1)
    assert torch.equal(space.log_likelihood(space.inputs, space.codes), space.codes[:, 0])
    assert torch.equal(space.render(space.factors), -space.factors)
    assert "decoder_gradient" not in space.supplies


def test_an_unknown_name_cannot_be_replaced():
    with pytest.raises(TypeError, match="colour"):
        gallery(20, 30).replaced(colour="red")


def test_a_device_may_be_named():
    for space in (LatentSpace(device="meta"), LatentSpace().replaced(device="meta")):
        assert space.device == torch.device("meta")


def test_an_empty_space_supplies_nothing_and_says_why():
    space = LatentSpace()
    assert space.supplies == frozenset()
    for need in REASONS.keys() - {"encoder", "decoder", "decoder_gradient", "likelihood", "render", "cost"}:
        with pytest.raises(NotApplicableError, match=f"^{REASONS[need]}$"):
            getattr(space, need)


def test_inputs_are_not_loaded_for_codes_and_labels_and_both_are_computed_once():
    calls = []
    space = LatentSpace().replaced(
        inputs=lambda: calls.append("inputs") or torch.zeros(3, 2), encode=lambda x: calls.append("encode") or x,
        labels=torch.arange(3), train=LatentSpace().replaced(codes=lambda: calls.append("train") or torch.eye(3)),
    )  # fmt: skip
    assert space.train.codes.shape == (3, 3)
    assert space.labels.tolist() == [0, 1, 2]
    assert calls == ["train"]
    assert torch.equal(space.codes, space.codes)
    assert space.inputs.shape == space.train.take(torch.arange(3)).codes[:, :2].shape
    assert calls == ["train", "inputs", "encode"]


# three splits


def test_three_splits_are_seen_through_one_model():
    splits = [split_of(12), split_of(30, 1), split_of(7, 2)]
    space = LatentSpace.of_model(Sums(), *splits, name="sums")
    looks = [space, space.train, space.validation]
    assert [look.name for look in looks] == ["sums", "sums, train", "sums, validation"]
    for look, split in zip(looks, splits, strict=True):
        expected = torch.from_numpy(split.inputs).flatten(1)[:, :3] / 255
        torch.testing.assert_close(look.codes, expected)
    assert {"train", "validation"} <= space.supplies
    assert not {"train", "validation"} & space.validation.supplies


def test_a_space_without_a_validation_split_says_so():
    space = LatentSpace.of_model(Sums(), split_of(12))
    assert "validation" not in space.supplies
    assert space.missing(("validation",)) == "no validation split"
    with pytest.raises(NotApplicableError, match=r"^no validation split$"):
        _ = space.validation
    with pytest.raises(NotApplicableError, match=r"^no training split$"):
        _ = space.train


def test_the_other_splits_stay_when_rows_are_taken():
    space = LatentSpace.of_model(Sums(), split_of(12), split_of(30, 1), split_of(7, 2))
    part = space.take(torch.tensor([3, 1]))
    assert torch.equal(part.codes, space.codes[[3, 1]])
    assert (part.train, part.validation) == (space.train, space.validation)


def test_the_validation_split_of_plain_arrays():
    other = LatentSpace.from_arrays(codes=[[1.0]])
    assert LatentSpace.from_arrays(codes=[[0.0]], validation=other).validation is other


def test_counting_items_encodes_none():
    model = Sums()
    assert len(LatentSpace.of_model(model, split_of(12))) == 12
    assert model.sizes == []


class Large(Sums):
    rows_at_once = 1000


class LargeWithPosterior(Large):
    def posterior(self, inputs):
        mean = self.encode(inputs)
        return Posterior(mean, torch.ones_like(mean))


@pytest.mark.parametrize("kind", [Large, LargeWithPosterior])
def test_a_model_may_ask_for_many_rows_at_once(kind):
    plain, large = Sums(), kind()
    spaces = [LatentSpace.of_model(model, split_of(300), split_of(1200, 1)) for model in (plain, large)]
    large.sizes.clear()  # one row to see whether there is a posterior
    assert torch.equal(spaces[0].codes, spaces[1].codes)
    assert torch.equal(spaces[0].train.codes, spaces[1].train.codes)
    assert large.sizes == [300, 1000, 200]
    assert plain.sizes == [128, 128, 44, *[128] * 9, 48]
    assert spaces[1].take(torch.arange(5)).rows_at_once == 1000


def test_what_is_decoded_comes_in_the_usual_batches():
    sizes = []

    class Decoding(Large):
        decoder = "differentiable"

        def decode(self, codes):
            sizes.append(len(codes))
            return codes.new_zeros(len(codes), 1, 8, 8)

    assert len(LatentSpace.of_model(Decoding(), split_of(300)).reconstructions) == 300
    assert sizes == [128, 128, 44]


# a renderer


def test_a_renderer_draws_what_the_data_hold():
    def render(factors):
        assert factors.dtype == np.float64
        return np.full((len(factors), 1, 8, 8), 51, np.uint8)

    space = LatentSpace.of_model(Sums(), split_of(12), split_of(30, 1), split_of(7, 2), render=render)
    for look in (space, space.train, space.validation, space.take(torch.arange(3))):
        assert "render" in look.supplies
        torch.testing.assert_close(look.render(torch.zeros(2, 4)), torch.full((2, 1, 8, 8), 0.2))


def test_a_space_without_a_renderer_says_so():
    space = LatentSpace.of_model(Sums(), split_of(12))
    assert space.missing(("render",)) == "no renderer of factors"
    with pytest.raises(NotApplicableError, match=r"^no renderer of factors$"):
        space.render(torch.zeros(1, 2))


def test_the_renderer_of_the_gallery_is_near_its_images():
    space = gallery(50, 60)
    drawn = space.render(space.factors)
    assert drawn.shape == space.inputs.shape
    error = (drawn - space.inputs).square().mean()
    assert error < (drawn - space.inputs.roll(1, 0)).square().mean() / 20


# codes made of all items together


def test_codes_are_made_of_all_items_at_once(together):
    torch.testing.assert_close(together.codes.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    assert together.codes.shape == (300, 3)


def test_they_are_made_in_one_piece_and_once():
    model = Together()
    space = LatentSpace.of_model(model, split_of(300))
    assert torch.equal(space.codes, space.codes)
    assert model.sizes == [300]  # more than a batch


def test_such_a_space_has_no_other_splits_and_no_encoder(together):
    for split in ("train", "validation"):
        with pytest.raises(NotApplicableError, match=f"^{APART}$"):
            getattr(together, split)
    assert together.supplies == {"inputs", "labels"}
    assert together.missing(("inputs", "train")) == APART
    assert together.missing(("validation",)) == APART
    assert together.missing(("encoder",)) == "no encoder"
    with pytest.raises(NotApplicableError, match=r"^no encoder$"):
        together.encode(together.inputs)


def test_its_note_stays_with_every_part_of_it(together):
    for space in (together, together.arranged, together.take(torch.arange(5)), reordered(together)):
        assert space.note == NOTE
        assert space.missing(("train",)) == APART
    assert LatentSpace.of_model(Sums(), split_of(12)).note == ""


def test_codes_that_were_made_before_are_not_made_again():
    model, codes = Together(), torch.rand(12, 2)
    space = LatentSpace.of_model(model, split_of(12), codes=codes)
    assert torch.equal(space.codes, codes)
    assert space.note == NOTE
    assert model.sizes == []


def test_codes_of_another_number_of_items_are_refused():
    space = LatentSpace.of_model(Together(), split_of(12), codes=torch.rand(11, 2))
    with pytest.raises(ContractError, match="12 inputs were encoded to 11 codes"):
        space.codes  # noqa: B018 - made when asked for


def test_a_model_without_encoder_must_have_embed():
    space = LatentSpace.of_model(Forgetful(), split_of(12))
    with pytest.raises(ContractError, match=r"^Forgetful declares encoder='none' but has no embed$"):
        space.codes  # noqa: B018 - made when asked for


def test_every_metric_of_such_a_space_has_a_value_or_a_reason(together):
    frame = latentbench.score(together)
    assert set(frame["status"]) == {"ok", "not applicable"}, frame[frame["status"] == "failed"]
    scored = frame[frame["status"] == "ok"].set_index("score")
    assert {"knn10", "silhouette", "trustworthiness"} <= set(scored.index)
    assert scored["value"].notna().all()
    assert scored["reason"].str.startswith(NOTE).all()
    missing = frame[frame["status"] == "not applicable"].set_index("score")["reason"]
    assert (missing != "").all()
    assert missing["r2"] == "no decoder"
    assert missing["knn10_noise"] == "no encoder"
    assert missing["sample_coverage"] == "no decoder"  # what it lacks by itself goes first
    assert missing["train_seconds"] == "not trained here"


def test_probes_on_such_codes_are_cross_validated(together):
    (row,) = latentbench.score(together, ["knn10"]).to_dict("records")
    assert row["reason"] == f"{NOTE}; no labelled training split: seeded 5-fold on the test codes"
    shuffled = latentbench.score(permuted_labels(together), ["knn10"])["value"].item()
    assert abs(shuffled - 0.25) < 0.15


def test_spoiling_such_a_space_works_too(together):
    spoiled = random_codes(together)
    assert spoiled.codes.shape == together.codes.shape
    assert not torch.equal(spoiled.codes, together.codes)


def test_a_decoder_of_arrays_may_be_opaque():
    codes = torch.eye(3)
    space = LatentSpace.from_arrays(
        codes=codes, decode=lambda z: torch.from_numpy(z.numpy()), differentiable=False
    )
    assert "decoder" in space.supplies
    assert "decoder_gradient" not in space.supplies
    with pytest.raises(NotApplicableError, match="no decoder with gradients"):
        _ = space.decoder
