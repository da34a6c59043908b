"""A layer of a user's own network: its code, what is said where there is none, and what makes another trial."""

import textwrap

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import latentbench
from latentbench import DataError, DataSpec, NotApplicableError
from latentbench.errors import RequestError
from latentbench.params import build_params
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench.table.columns import labels
from latentbench_models.network import Network

SOURCE = """
    import torch
    from torch import nn

    def make_net():
        features = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
            nn.Dropout(), nn.Conv2d(4, 6, 3),
        )
        net = nn.Sequential()
        net.add_module("features", features)
        net.add_module("flat", nn.Flatten())
        net.add_module("head", nn.Linear(216, 10))
        return net

    def of_shape(shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 5))

    class Branches(nn.Module):
        def __init__(self, width=3):
            super().__init__()
            self.used = nn.Linear(64, width)
            self.unused = nn.Linear(64, width)
        def forward(self, x):
            return {"out": self.used(x.flatten(1))}

    class Wide(nn.Module):
        def forward(self, x):
            return x.flatten(1).repeat(1, 2000)

    class Tokens(nn.Module):
        def forward(self, x):
            return (x.flatten(1)[:, :, None] * torch.tensor([1.0, 2.0]), "attention")

    class Complex(nn.Module):
        def forward(self, x):
            return torch.complex(x, x)

    class InPlace(nn.Module):
        def forward(self, x):
            return x.sub_(0.5).div_(0.25)

    class Careless(nn.Module):
        def __init__(self):
            super().__init__()
            self.flat = nn.Flatten()
            self.again = self.flat
        def forward(self, x):
            try:
                return self.flat(x)
            except Exception:
                return x

    ready = nn.Flatten()
    number = 3

    def leaves():
        raise SystemExit(4)

    def fails():
        raise OSError("no such luck")

    def text():
        return "a net"
"""
SHAPE = (1, 8, 8)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes my_net.py where the tests stand."""
    monkeypatch.chdir(tmp_path)

    def file(source=SOURCE):
        (tmp_path / "my_net.py").write_text(textwrap.dedent(source))
        return tmp_path / "my_net.py"

    file()
    return file


def params(source="my_net.py:make_net", **values):
    return build_params(Network.Params, {"source": source, **values}, "model 'network'")


def made(source="my_net.py:make_net", shape=SHAPE, **values):
    return Network(params(source, **values), DataSpec(shape, "uint8", 10))


def images(rows=6, shape=SHAPE):
    return torch.rand(rows, *shape, generator=torch.Generator().manual_seed(0))


# codes


@pytest.mark.usefixtures("write")
def test_the_code_is_what_the_layer_puts_out():
    model, inputs = made(layer="features.4"), images()
    with torch.no_grad():
        expected = model.net.features(inputs)
    assert expected.shape == (6, 6, 6, 6)
    assert torch.equal(model.encode(inputs), expected.flatten(1))
    assert torch.equal(made(layer="features.4", pool="mean").encode(inputs), expected.mean((2, 3)))


@pytest.mark.usefixtures("write")
def test_a_layer_before_one_that_works_in_place_is_seen_unspoilt():
    model, inputs = made(layer="features.1"), images()
    with torch.no_grad():
        expected = model.net.features[1](model.net.features[0](inputs))
    assert (expected < 0).any()
    assert torch.equal(model.encode(inputs), expected.flatten(1))


@pytest.mark.usefixtures("write")
def test_a_network_that_works_in_place_leaves_the_inputs():
    inputs = images(3)
    before = inputs.clone()
    codes = made(source="my_net.py:InPlace").encode(inputs)
    assert torch.equal(inputs, before)
    torch.testing.assert_close(codes, 4 * before.flatten(1) - 2)


@pytest.mark.parametrize("layer", ["flat", "again"])
@pytest.mark.usefixtures("write")
def test_a_layer_of_two_names_is_found_inside_a_network_that_catches_errors(layer):
    inputs = images(3)
    assert torch.equal(made(source="my_net.py:Careless", layer=layer).encode(inputs), inputs.flatten(1))


@pytest.mark.usefixtures("write")
def test_without_a_layer_the_code_is_the_output():
    model, inputs = made(), images()
    with torch.no_grad():
        assert torch.equal(model.encode(inputs), model.net(inputs))
    assert made("my_net.py:of_shape").encode(inputs).shape == (6, 5)
    assert torch.equal(made("my_net.py:ready").encode(inputs), inputs.flatten(1))
    assert torch.equal(made("torch.nn:Flatten").encode(inputs), inputs.flatten(1))


@pytest.mark.usefixtures("write")
def test_a_layer_that_is_called_by_a_number_is_found():
    for layer in (1, "1", ".1"):
        assert params("my_net.py:of_shape", layer=layer).layer == "1"
    with pytest.raises(RequestError) as caught:
        params(layer=0.1)
    assert str(caught.value) == (
        "model 'network': layer was read as a number: write it with a dot in front, as .0.1, got 0.1"
    )


@pytest.mark.usefixtures("write")
def test_of_several_outputs_the_first_is_taken_and_tokens_are_averaged():
    inputs = images()
    flat = inputs.flatten(1)
    assert torch.equal(made("my_net.py:Tokens").encode(inputs)[:, 1::2], 2 * flat)
    averaged = made("my_net.py:Tokens", pool="mean").encode(inputs)
    torch.testing.assert_close(averaged, torch.stack([flat.mean(1), 2 * flat.mean(1)], 1))


@pytest.mark.usefixtures("write")
def test_the_network_is_in_evaluation_mode_and_the_rest_of_the_batch_changes_nothing():
    model, inputs = made(layer="features.3"), images()
    assert not any(module.training for module in model.net.modules())
    codes = model.encode(inputs)
    assert torch.equal(codes, model.encode(inputs))
    torch.testing.assert_close(codes[:2], model.encode(inputs[:2]))
    assert not codes.requires_grad


@pytest.mark.usefixtures("write")
def test_a_layer_is_seen_where_the_head_does_not_fit():
    inputs = images(shape=(1, 12, 10))
    assert made(layer="features.4", shape=(1, 12, 10)).encode(inputs).shape == (6, 6 * 10 * 8)


@pytest.mark.usefixtures("write")
def test_random_weights_do_not_depend_on_the_seed_of_the_trial():
    torch.manual_seed(1)
    first = made().encode(images())
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(first, made().encode(images()))
    assert torch.equal(before, torch.get_rng_state())


# weights


@pytest.mark.parametrize("ending", ["safetensors", "pt", "pth"])
@pytest.mark.usefixtures("write")
def test_weights_are_those_of_the_file(ending):
    net = made().net
    state = {name: torch.full_like(value, 0.01) for name, value in net.state_dict().items()}
    if ending == "safetensors":
        save_file(state, "w.safetensors")
    else:
        torch.save(state, f"w.{ending}")
    model = made(weights=f"w.{ending}")
    assert all(torch.equal(value, state[name]) for name, value in model.net.state_dict().items())


@pytest.mark.usefixtures("write")
def test_weights_of_a_ready_network_stay_with_their_trial():
    made("my_net.py:ready").net.register_buffer("mark", torch.ones(1))
    assert list(made("my_net.py:ready").net.buffers()) == []


@pytest.mark.usefixtures("write")
def test_a_reloaded_network_gives_the_same_bits():
    save_file({name: 2 * value for name, value in made().net.state_dict().items()}, "w.safetensors")
    first, second = made(weights="w.safetensors"), made()
    assert not torch.equal(first.encode(images()), second.encode(images()))
    state = first.get_state()
    assert all(isinstance(value, np.ndarray) for value in state.values())
    second.set_state({name: value.copy() for name, value in state.items()})
    assert torch.equal(first.encode(images()), second.encode(images()))


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.usefixtures("write")
def test_a_file_that_would_run_code_is_not_read(capsys):
    torch.save({"weight": Evil()}, "w.pt")
    with pytest.raises(DataError, match=r"^network.weights: w.pt is damaged, or holds a whole network") as caught:
        made(weights="w.pt")
    assert str(caught.value).endswith("; save net.state_dict()")
    assert "\n" not in str(caught.value)
    assert "executed" not in capsys.readouterr().out


# what cannot be


WRONG = {
    "no colon": ({"source": "my_net.py"}, "network.source must be FILE.py:NAME or PACKAGE.MODULE:NAME"),
    "no file": ({"source": "other.py:make"}, "network.source: there is no file other.py in "),
    "no module": ({"source": "no.such:make"}, "network.source: no module 'no.such' has a file; a file is "),
    "no file of a module": ({"source": "sys:exit"}, "network.source: no module 'sys' has a file; a file is "),
    "no import": ({"source": "broken_module:make"}, "network.source: broken_module cannot be imported (NameError"),
    "exits": ({"source": "exits.py:make"}, "network.source: exits.py cannot be imported (SystemExit: 3)"),
    "exits when made": ({"source": "my_net.py:leaves"}, "network.source: my_net.py:leaves raised SystemExit: 4"),
    "complex": ({"source": "my_net.py:Complex"}, "the network must put out real numbers, got torch.complex64"),
    "no name": ({"source": "my_net.py:make"}, "network.source: my_net.py has no callable 'make'"),
    "no callable": ({"source": "my_net.py:number"}, "network.source: my_net.py has no callable 'number'"),
    "raises": ({"source": "my_net.py:fails"}, "network.source: my_net.py:fails raised OSError: no such luck"),
    "no network": ({"source": "my_net.py:text"}, "network.source: my_net.py:text must return a torch.nn.Module"),
    "near layer": (
        {"layer": "feature.4"},
        "the network has no layer 'feature.4'; did you mean 'features.4' or ",
    ),
    "far layer": (
        {"layer": "xyz"},
        "the network has no layer 'xyz'; it has features, features.0, features.1, features.2, features.3, "
        "features.4, flat, head",
    ),
    "not reached": (
        {"source": "my_net.py:Branches", "layer": "unused"},
        "layer 'unused' is not reached when the network runs; choose another network.layer",
    ),
    "no tensor": (
        {"source": "my_net.py:Branches"},
        "the network must put out a tensor (n, ...), got dict for n = 2",
    ),
    "no weights": ({"weights": "w.safetensors"}, "network.weights: there is no file w.safetensors in "),
    "ending": ({"weights": "w.onnx"}, "network.weights must end in .safetensors, .pt, .pth, .ckpt, .bin, .tar,"),
    "damaged": ({"weights": "bad.safetensors"}, "network.weights: bad.safetensors cannot be read (Safetensor"),
    "other weights": (
        {"weights": "few.safetensors"},
        "network.weights: few.safetensors is not of this network: it lacks features.0.bias, features.0.weight, ",
    ),
    "other shapes": (
        {"source": "my_net.py:of_shape", "weights": "wide.safetensors"},
        "network.weights: wide.safetensors is not of this network: it has other shapes for 1.weight",
    ),
    "no state": ({"weights": "list.pt"}, "network.weights: list.pt must hold a state dict, or dictionaries with "),
    "key without weights": ({"key": "ema"}, "network.key is a place in a file of weights; give "),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.usefixtures("write")
def test_what_cannot_be_is_said_in_a_sentence(case, tmp_path, monkeypatch):
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)")
    (tmp_path / "broken_module.py").write_text("nothing_of_that_name")
    monkeypatch.syspath_prepend(tmp_path)
    save_file({"other": torch.zeros(1)}, "few.safetensors")
    save_file({"1.weight": torch.zeros(5, 9), "1.bias": torch.zeros(5)}, "wide.safetensors")
    torch.save([torch.zeros(1)], "list.pt")
    values, expected = WRONG[case]
    with pytest.raises(RequestError) as caught:
        made(**values)
    assert str(caught.value).startswith(expected)


@pytest.mark.usefixtures("write")
def test_a_network_that_does_not_take_the_data_says_so():
    with pytest.raises(NotApplicableError) as caught:
        made(shape=(3, 8, 8))
    messages = str(caught.value)
    assert messages.startswith("the network of my_net.py:make_net does not take inputs (n, 3, 8, 8): ")
    assert "expected input" in messages
    assert "\n" not in messages


@pytest.mark.usefixtures("write")
def test_a_code_that_is_too_long_says_so():
    with pytest.raises(NotApplicableError) as caught:
        made("my_net.py:Wide")
    assert str(caught.value) == (
        "the network gives codes of 128,000 numbers, 65,536 are the most (an input has 64); "
        "choose network.pool=mean or another layer"
    )


# what makes another trial


def keys(tmp_path, tiny, **changes):
    values = {"network.source": "my_net.py:make_net", "network.layer": "features.4", **changes}
    plan = make_plan(tiny(models=("network",), references=("pca",), params=values), Plugins())
    return [trial.key for trial in plan.trials if trial.model == "network"]


def test_another_source_or_other_weights_make_another_trial(write, tmp_path, tiny):
    first = keys(tmp_path, tiny)
    assert keys(tmp_path, tiny) == first
    write(SOURCE + "\n    other = 4\n")
    second = keys(tmp_path, tiny)
    state = made().net.state_dict()
    save_file(state, "w.safetensors")
    third = keys(tmp_path, tiny, **{"network.weights": "w.safetensors"})
    save_file({name: value + 1 for name, value in state.items()}, "w.safetensors")
    fourth = keys(tmp_path, tiny, **{"network.weights": "w.safetensors"})
    assert len({*first, *second, *third, *fourth}) == 4


def test_a_source_that_has_changed_is_loaded_anew(write):
    first = made().encode(images())
    write(SOURCE.replace("nn.Linear(216, 10)", "nn.Linear(216, 7)"))
    assert first.shape == (6, 10)
    assert made().encode(images()).shape == (6, 7)


def test_files_that_have_changed_since_the_plan_are_not_taken_for_those_planned(write):
    planned = params(layer="features.4").model_dump(mode="json")
    assert build_params(Network.Params, planned, "model 'network'") == params(layer="features.4")
    write(SOURCE + "\n    other = 4\n")
    with pytest.raises(DataError) as caught:
        build_params(Network.Params, planned, "model 'network'")
    assert str(caught.value) == "my_net.py has changed since this trial was planned; run the benchmark again"


# a run


@pytest.mark.usefixtures("write")
def test_two_layers_are_compared_in_a_run(tmp_path, tiny):
    asked = tiny(
        models=("network",),
        references=("pca",),
        scores=("knn10", "r2", "compression"),
        params={"network.source": "my_net.py:make_net", "network.layer": ["features.1", "head"]},
    )
    results = latentbench.run(asked, tmp_path / "run", workers=0)
    assert results.complete
    assert labels(results, "digits") == ["pca", "network(layer=features.1)", "network(layer=head)"]
    assert results.validation_rows == []
    frame = results.scores.set_index(["label", "score"])
    assert set(frame.index.levels[0]) == {"network(layer=features.1)", "network(layer=head)", "pca"}
    assert frame.loc[("network(layer=features.1)", "compression"), "value"] == 0.25
    assert frame.loc[("network(layer=features.1)", "knn10"), "value"] > 0.9
    assert frame.loc[("network(layer=head)", "r2"), "reason"] == "no decoder"
    trial = results.trials[0]
    stored = results.latent_space(trial).codes
    assert stored.shape == (360, 256)


@pytest.mark.usefixtures("write")
def test_a_wrong_layer_is_an_error_before_the_first_trial(tmp_path, tiny):
    wanted = {"network.source": "my_net.py:make_net", "network.layer": "heed"}
    asked = tiny(models=("network",), references=("pca",), params=wanted)
    with pytest.raises(RequestError) as caught:
        latentbench.run(asked, tmp_path / "run", workers=0)
    assert str(caught.value).startswith(
        "network on digits: the network has no layer 'heed'; did you mean 'head'? it has features, "
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("write")
def test_a_trial_from_before_there_were_checkpoints_and_transforms_keeps_its_key():
    used = {"source", "weights", "layer", "pool", "fingerprint"}
    assert params(layer="features.4").model_dump(mode="json").keys() == used
    assert params(size=(8,)).model_dump(mode="json").keys() == used | {"size"}


def test_a_source_must_be_named():
    with pytest.raises(RequestError, match=r"^model 'network' needs a value for its parameter 'source'$"):
        build_params(Network.Params, {}, "model 'network'")


def test_the_fingerprint_cannot_be_set_by_hand(write):
    with pytest.raises(DataError, match="has changed since"):
        params(fingerprint="0123456789abcdef")
    assert "fingerprint" not in Network.Params.model_fields
