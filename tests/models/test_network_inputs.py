"""What a network gets: resized, normalized and colored inputs, in the hands of torchvision too."""

import pytest
import torch
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.transforms import functional

from latentbench import Benchmark, DataError, DataSpec
from latentbench.cli._shared.options import read_params
from latentbench.errors import RequestError
from latentbench.params import build_params
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench_models.network import Network
from latentbench_models.network_inputs import InputParams, preparation

SHAPE = (3, 12, 10)


def prepared(inputs, dtype="uint8", **values):
    params = build_params(InputParams, values, "model 'network'")
    return preparation(params, DataSpec(tuple(inputs.shape[1:]), dtype, 10))(inputs)


def images(rows=4, shape=SHAPE):
    return torch.rand(rows, *shape, generator=torch.Generator().manual_seed(0))


def test_without_parameters_nothing_is_done():
    inputs = images()
    assert prepared(inputs) is inputs


@pytest.mark.parametrize(("size", "sides"), [((24,), (24, 24)), ((6, 8), (6, 8))])
def test_resizing_is_that_of_torchvision(size, sides):
    expected = functional.resize(images(), list(sides), antialias=True)
    torch.testing.assert_close(prepared(images(), size=size), expected)


def test_mean_and_standard_deviation_are_one_a_channel():
    values = {"mean": (0.1, 0.2, 0.3), "std": (1.0, 2.0, 4.0)}
    expected = functional.normalize(images(), *values.values())
    torch.testing.assert_close(prepared(images(), **values), expected)
    rows = torch.rand(5, 7)
    torch.testing.assert_close(prepared(rows, "float32", mean=(0.5,), std=(2.0,)), (rows - 0.5) / 2)


def test_a_named_transform_is_that_of_the_weights():
    expected = ResNet18_Weights.IMAGENET1K_V1.transforms()(images())
    assert expected.shape == (4, 3, 224, 224)
    torch.testing.assert_close(prepared(images(), transform="ResNet18_Weights.DEFAULT"), expected)
    half = prepared(images(), transform="imagenet", size=(6,))
    torch.testing.assert_close(
        half, prepared(images(), size=(6,), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    )


def test_a_name_that_may_change_its_meaning_is_kept_as_what_it_means():
    params = InputParams(transform="ResNet18_Weights.DEFAULT")
    assert params.transform == "ResNet18_Weights.IMAGENET1K_V1"


def test_grey_images_become_three_channels_where_the_numbers_are_for_three():
    grey = images(shape=(1, 8, 8))
    colored = prepared(grey, transform="imagenet")
    torch.testing.assert_close(colored, prepared(grey.repeat(1, 3, 1, 1), transform="imagenet"))


SAID = {
    "lengths": ({"mean": (0.1, 0.2)}, SHAPE, "network.mean and network.std must hold as many numbers as "
                "each other, got 2 and 0"),
    "both": ({"mean": (0.1,), "std": (1.0,), "transform": "imagenet"}, SHAPE,
             "network.transform=imagenet has its own; leave out network.mean and network.std"),
    "size beside weights": ({"size": (8,), "transform": "ResNet18_Weights.DEFAULT"}, SHAPE,
                            "network.transform=ResNet18_Weights.IMAGENET1K_V1 has its own; leave out "),
    "unknown": ({"transform": "ResNet18_Weight"}, SHAPE, "model 'network': transform should be imagenet or the "
                "weights of a classifier in torchvision, as ResNet18_Weights.IMAGENET1K_V1 or "),
    "no classifier": ({"transform": "SSD300_VGG16_Weights.DEFAULT"}, SHAPE, "model 'network': transform should"),
    "std": ({"mean": (0.1,), "std": (0.0,)}, SHAPE, "model 'network': std should hold numbers above 0"),
    "side": ({"size": (0,)}, SHAPE, "model 'network': size should hold sides of at least 1"),
    "three sides": ({"size": (3, 4, 5)}, SHAPE, "model 'network': size "),
    "channels": ({"transform": "imagenet"}, (4, 8, 8), "network.transform is for 3 channels, got inputs of shape"),
    "rows": ({"size": (8,)}, (7,), "network.size needs images (c, h, w), got inputs of shape (7,); leave it out"),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_what_cannot_be_is_said_in_a_sentence(case):
    values, shape, sentence = SAID[case]
    with pytest.raises(RequestError) as caught:
        prepared(images(shape=shape), **values)
    assert str(caught.value).startswith(sentence)


# with a network


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """torchvision's resnet18 and a checkpoint of it on disk."""
    torch.manual_seed(1)
    net = resnet18(weights=None).eval()
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(
        {"epoch": 1, "state_dict": {f"module.{name}": value for name, value in net.state_dict().items()}}, path
    )
    return net, str(path)


def made(shape, path, **values):
    given = {"source": "torchvision.models:resnet18", "weights": path, "pool": "mean", **values}
    return Network(build_params(Network.Params, given, "model 'network'"), DataSpec(shape, "uint8", 10))


def test_codes_of_resnet18_are_those_of_torchvision(checkpoint):
    net, path = checkpoint
    model = made((1, 8, 8), path, layer="layer1", transform="imagenet", size=(64,))
    grey = images(40, (1, 8, 8))
    with torch.no_grad():
        inputs = functional.resize(grey.repeat(1, 3, 1, 1), [64, 64], antialias=True)
        inputs = functional.normalize(inputs, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        expected = net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(inputs)))))
    torch.testing.assert_close(model.encode(grey), expected.mean((2, 3)))


def test_grey_images_of_a_network_of_color_are_said(checkpoint):
    model = made((1, 8, 8), checkpoint[1], layer="layer1")
    assert model.remarks() == ("torchvision.models:resnet18 takes 3 channels, so it gets each grey image 3 times",)
    assert made((3, 8, 8), checkpoint[1], layer="layer1").remarks() == ()


def test_a_network_that_takes_grey_images_gets_them_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\nclass Grey(nn.Module):\n    def forward(self, x):\n"
        "        return x.repeat(1, 3, 1, 1).flatten(1)\n"
    )
    params = build_params(Network.Params, {"source": "net.py:Grey"}, "model 'network'")
    model = Network(params, DataSpec((1, 8, 8), "uint8", 10))
    assert model.encode(images(2, (1, 8, 8))).shape == (2, 192)
    assert model.remarks() == ()


def test_numbers_separated_by_commas_are_one_value(checkpoint):
    typed = ["network.source=torchvision.models:resnet18", f"network.weights={checkpoint[1]}", "network.size=32",
             "network.mean=.5,.4,.3", "network.std=.2,.2,.2", "network.layer=layer1,layer2"]  # fmt: skip
    asked = Benchmark(models=("network",), params=read_params(typed))
    plan = make_plan(asked, Plugins())
    params = [trial.params for trial in plan.trials if trial.model == "network"]
    assert [given["layer"] for given in params] == ["layer1", "layer2"]
    assert {(tuple(given["size"]), tuple(given["mean"]), tuple(given["std"])) for given in params} == {
        ((32,), (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    }


def test_wrong_data_are_an_error_of_the_request(checkpoint):
    with pytest.raises(DataError, match=r"network\.mean is for 2 channels"):
        made((3, 8, 8), checkpoint[1], mean=(0.1, 0.2), std=(1.0, 1.0))
