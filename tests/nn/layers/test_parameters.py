"""Options and weights that RNN, GRU and LSTM share."""

import pickle
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch.nn.utils import parametrize, prune

import unrolled.nn as un
from unrolled.errors import ArgumentError

LAYERS = [un.RNN, un.GRU, un.LSTM]
every_layer_class = pytest.mark.parametrize("layer_class", LAYERS)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            lambda: un.GRU(3, 5, recurrent_dropout=1.5),
            "GRU recurrent_dropout: expected a number at least 0 and at most 1, got 1.5.",
        ),
        (
            lambda: un.RNN(3, 5, zoneout=-0.1),
            "RNN zoneout: expected a number at least 0 and at most 1, got -0.1.",
        ),
        (
            lambda: un.GRU(3, 5, zoneout=(0.1, 0.2)),
            "GRU zoneout: expected a number at least 0 and at most 1, got (0.1, 0.2).",
        ),
        (lambda: un.LSTM(3, 5, zoneout=(0.1,)), "LSTM zoneout: expected one number or 2, (h, c); got 1."),
        (
            lambda: un.LSTM(3, 5, zoneout=(0.1, 2)),
            "LSTM zoneout, c: expected a number at least 0 and at most 1, got 2.",
        ),
        (lambda: un.LSTM(3, 5, layer_norm=1), "LSTM layer_norm: expected True or False, got 1."),
    ],
)
def test_invalid_options_raise(build: Any, sentence: str) -> None:
    """Each option has its message."""
    with pytest.raises(ArgumentError) as refused:
        build()
    assert str(refused.value) == sentence


GAINS = {
    un.RNN: {"gain_hh": 1},
    un.GRU: {"gain_ih": 3, "gain_hh": 3},
    un.LSTM: {"gain_ih": 4, "gain_hh": 4, "gain_cell": 1, "bias_cell": 1},
}


@every_layer_class
@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm_gains_follow_torchs_weights(layer_class: Any, bias: bool) -> None:
    """Ones, and zeros for the cell's shift, which goes with the biases; torch's weights as they were."""
    torch.manual_seed(1)
    layer = layer_class(3, 5, num_layers=2, bidirectional=True, bias=bias, layer_norm=True)
    torch.manual_seed(1)
    plain = layer_class(3, 5, num_layers=2, bidirectional=True, bias=bias)
    extra = {k: v for k, v in layer.state_dict().items() if k not in plain.state_dict()}
    shapes = {k: (rows * 5,) for k, rows in GAINS[layer_class].items() if bias or k != "bias_cell"}
    ends = ("_l0", "_l0_reverse", "_l1", "_l1_reverse")
    assert {k: tuple(v.shape) for k, v in extra.items()} == {
        f"{k}{end}": shape for end in ends for k, shape in shapes.items()
    }
    assert all(torch.all(v == (0 if k.startswith("bias") else 1)) for k, v in extra.items())
    assert all(torch.equal(v, layer.state_dict()[k]) for k, v in plain.state_dict().items())


@every_layer_class
def test_options_without_gains_add_no_weight(layer_class: Any) -> None:
    """A state_dict that torch's layer loads."""
    ours = layer_class(3, 5, recurrent_dropout=0.5, zoneout=0.5)
    torchs = getattr(torch.nn, layer_class.__name__)(3, 5)
    assert str(torchs.load_state_dict(ours.state_dict())) == "<All keys matched successfully>"


@every_layer_class
def test_every_gain_gets_a_gradient(layer_class: Any) -> None:
    """In each layer and direction."""
    layer = layer_class(3, 5, num_layers=2, bidirectional=True, layer_norm=True)
    layer(torch.randn(7, 4, 3))[0].square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in layer.parameters())


def test_repr_shows_options() -> None:
    """Options that differ from their defaults are shown."""
    shown = repr(un.LSTM(3, 5, recurrent_dropout=0.2, zoneout=(0.1, 0), layer_norm=True))
    assert shown == "LSTM(3, 5, recurrent_dropout=0.2, zoneout=(0.1, 0.0), layer_norm=True)"


@every_layer_class
def test_copies_keep_options(layer_class: Any) -> None:
    """A deep copy and a pickle give the same draws."""
    layer = layer_class(3, 5, zoneout=0.5, recurrent_dropout=0.5, layer_norm=True)
    x, answers = torch.randn(7, 4, 3), []
    for copy in (layer, deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.manual_seed(1)
        answers.append(copy(x)[0])
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


class Doubled(torch.nn.Module):
    """Twice the weight that is stored."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Twice it."""
        return 2 * weight


@every_layer_class
@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0"])
def test_parametrized_and_pruned_weights_are_used(layer_class: Any, name: str) -> None:
    """The weight that a call reads is the one that is computed, not the one that is stored."""
    x = torch.randn(7, 4, 3)
    layer = layer_class(3, 5)
    plain, zeroed = deepcopy(layer), deepcopy(layer)
    with torch.no_grad():
        plain.get_parameter(name).mul_(2)
        zeroed.get_parameter(name).zero_()
    pruned = deepcopy(layer)
    prune.custom_from_mask(pruned, name, torch.zeros_like(layer.get_parameter(name)))
    assert torch.equal(pruned(x)[0], zeroed(x)[0])
    parametrize.register_parametrization(layer, name, Doubled())
    assert torch.equal(layer(x)[0], plain(x)[0])


@every_layer_class
def test_options_changed_after_construction_take_effect(layer_class: Any) -> None:
    """As with torch's dropout, an attribute set on a layer counts from the next call."""
    layer, x = layer_class(3, 5), torch.randn(7, 4, 3)
    before = layer(x)[0]
    layer.zoneout = 0.5
    assert not torch.equal(layer(x)[0], before)


# ---- attributes


def test_torchs_private_lists_of_weights_are_there() -> None:
    """Other libraries read them: names by layer and direction, names and weights in one list."""
    options: dict[str, Any] = {"num_layers": 2, "bidirectional": True}
    layer, rival = un.LSTM(3, 4, **options), torch.nn.LSTM(3, 4, **options)
    assert layer._all_weights == rival._all_weights
    assert layer._flat_weights_names == rival._flat_weights_names
    weights = zip(layer._flat_weights, layer._flat_weights_names, strict=True)
    assert all(weight is getattr(layer, name) for weight, name in weights)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("zoneout", 2.0), ("zoneout", (0.1,)), ("dropout", -0.1), ("recurrent_dropout", "much"),
        ("batch_first", 1), ("hidden_size", 5), ("num_layers", 2), ("bidirectional", True),
        ("layer_norm", True), ("bias", False), ("input_size", 4), ("proj_size", 2),
    ],
)  # fmt: skip
def test_an_option_that_is_set_later_is_checked(option: str, value: Any) -> None:
    """Out of range, or against the weights: refused, and the layer is as it was."""
    layer = un.LSTM(3, 4)
    before = getattr(layer, option)
    with pytest.raises(ArgumentError, match=rf"^LSTM {option}"):
        setattr(layer, option, value)
    assert getattr(layer, option) == before


def test_an_option_that_is_set_later_takes_effect() -> None:
    """Those that a call reads; setting what is there already changes nothing."""
    layer, x = un.GRU(3, 4), torch.randn(5, 2, 3)
    layer.hidden_size, layer.zoneout, layer.batch_first = 4, 1.0, True
    output, _ = layer(x)
    assert output.shape == (5, 2, 4)
    assert not output.any()


def test_quantization_says_that_the_layer_stays_as_it_is() -> None:
    """It looks for torch's types, and would leave the layer in float32 without a word."""
    model = torch.nn.Sequential(un.LSTM(3, 4))
    with pytest.warns(UserWarning, match="to_torch first to quantize"):
        model[0].qconfig = None
    twin = un.convert.to_torch(model[0])
    assert isinstance(twin, torch.nn.LSTM)
