"""Constructors of RNN, GRU and LSTM: invalid options, and the effect of every option."""

from copy import deepcopy
from typing import Any

import pytest
import torch

import unrolled.nn as un
from unrolled.errors import ArgumentError


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: un.GRU(0, 5), "GRU input_size: expected a whole number at least 1, got 0."),
        (lambda: un.GRU(3, 2.5), "GRU hidden_size: expected a whole number at least 1, got 2.5."),
        (lambda: un.LSTM(3, 5, 0), "LSTM num_layers: expected a whole number at least 1, got 0."),
        (lambda: un.LSTM(3, 5, proj_size=5), "LSTM proj_size: expected a whole number from 0 to 4, got 5."),
        (lambda: un.LSTM(3, 5, bias=1), "LSTM bias: expected True or False, got 1."),
        (
            lambda: un.GRU(3, 5, num_layers=2, dropout=1.5),
            "GRU dropout: expected a number at least 0 and at most 1, got 1.5.",
        ),
        (
            lambda: un.RNN(3, 5, nonlinearity="tahn"),
            (
                "RNN nonlinearity (or a callable): expected one of tanh, relu, leaky_relu, prelu, sigmoid,"
                " identity, softsign, elu, hardtanh; got 'tahn'. Did you mean 'tanh'?"
            ),
        ),
        (
            lambda: un.RNN(0, 5, batch_first=None),
            (
                "RNN input_size: expected a whole number at least 1, got 0.\n"
                "RNN batch_first: expected True or False, got None."
            ),
        ),
    ],
)
def test_invalid_options_raise(build: Any, sentence: str) -> None:
    """Each option has its message; all faults of one constructor are collected."""
    with pytest.raises(ArgumentError) as refused:
        build()
    assert str(refused.value) == sentence


def test_dropout_with_one_layer_warns() -> None:
    """As in torch it is a warning, from the line that builds the layer."""
    with pytest.warns(UserWarning, match=r"^GRU dropout=0\.5 has no effect: it acts between layers") as said:
        un.GRU(3, 5, dropout=0.5)
    assert said[0].filename == __file__


BASE = {"num_layers": 2, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}


@pytest.mark.parametrize("layer", [un.RNN, un.GRU, un.LSTM])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("num_layers", 3),
        ("bias", False),
        ("batch_first", True),
        ("dropout", 0.5),
        ("bidirectional", True),
        ("dtype", torch.float64),
    ],
)
def test_every_option_changes_the_output(layer: type, option: str, value: Any) -> None:
    """Changed, and with every weight that both have the same, it changes what comes out."""
    base, changed = layer(4, 4, **BASE), layer(4, 4, **{**BASE, option: value})
    shared = {k: v for k, v in base.state_dict().items() if k in changed.state_dict()}
    shared = {k: v for k, v in shared.items() if v.shape == changed.state_dict()[k].shape}
    changed.load_state_dict(shared, strict=False)
    x = torch.randn(4, 4, 4)
    before, after = base(x)[0], changed(x.to(changed.weight_ih_l0.dtype))[0]
    assert before.shape != after.shape or before.dtype != after.dtype or not torch.equal(before, after)


def test_every_activation_changes_the_output() -> None:
    """Nine names, nine answers, from the same weights."""
    x, answers = torch.randn(7, 4, 3), []
    for name in un.cells.NONLINEARITIES:
        torch.manual_seed(1)
        answers.append(un.RNN(3, 5, nonlinearity=name)(x)[0])
    assert len({answer.sum().item() for answer in answers}) == len(answers) == 9


def test_projection_changes_the_output_size_only() -> None:
    """P for output and h; c stays H wide."""
    output, (h, c) = un.LSTM(3, 5, proj_size=2, dtype=torch.float64)(torch.randn(7, 4, 3).double())
    assert (output.shape[-1], h.shape[-1], c.shape[-1]) == (2, 2, 5)


def test_weights_are_created_on_the_device() -> None:
    """On "meta" they have no values."""
    assert {weight.device.type for weight in un.LSTM(3, 5, device="meta").parameters()} == {"meta"}


def test_prelu_has_one_slope_per_layer_and_direction() -> None:
    """Named slope_l{k}, started at 0.25 without a draw, and given a gradient."""
    torch.manual_seed(1)
    layer = un.RNN(3, 5, num_layers=2, nonlinearity="prelu", bidirectional=True)
    torch.manual_seed(1)
    torchs = torch.nn.RNN(3, 5, num_layers=2, bidirectional=True)
    slopes = {name: weight for name, weight in layer.named_parameters() if name.startswith("slope")}
    assert list(slopes) == ["slope_l0", "slope_l0_reverse", "slope_l1", "slope_l1_reverse"]
    assert all(slope.tolist() == [0.25] for slope in slopes.values())
    assert all(torch.equal(weight, layer.state_dict()[name]) for name, weight in torchs.state_dict().items())
    layer(torch.randn(7, 4, 3))[0].sum().backward()
    assert all(slope.grad.abs() > 0 for slope in slopes.values())
    layer.reset_parameters()
    assert all(slope.tolist() == [0.25] for slope in slopes.values())


def test_activation_module_trains_with_the_layer() -> None:
    """A module is a part of the layer: its weights are among the layer's, and are copied with it."""
    layer = un.RNN(3, 5, nonlinearity=torch.nn.PReLU(5))
    copied = deepcopy(layer)
    assert "nonlinearity.weight" in layer.state_dict()
    layer(torch.randn(7, 4, 3), lengths=[7, 1, 2, 3])[0].sum().backward()
    assert layer.nonlinearity.weight.grad.abs().sum() > 0
    assert copied.nonlinearity.weight is not layer.nonlinearity.weight
    layer.reset_parameters()
    assert torch.all(layer.nonlinearity.weight == 0.25)  # the layer draws its own weights only


def test_a_name_and_its_function_agree() -> None:
    """torch.tanh runs on the reference, "tanh" on another backend, with equal outputs."""
    torch.manual_seed(1)
    named = un.RNN(3, 5, dtype=torch.float64)
    torch.manual_seed(1)
    called = un.RNN(3, 5, nonlinearity=torch.tanh, dtype=torch.float64)
    x = torch.randn(7, 4, 3, dtype=torch.float64)
    assert (named.explain(x).name, called.explain(x).name) == ("fused", "reference")
    torch.testing.assert_close(named(x), called(x), rtol=0, atol=1e-12)


def test_repr_shows_activations() -> None:
    """By name in the line; a module on a line of its own."""
    assert repr(un.RNN(3, 5, nonlinearity="sigmoid")) == "RNN(3, 5, nonlinearity=sigmoid)"
    assert "(nonlinearity): PReLU" in repr(un.RNN(3, 5, nonlinearity=torch.nn.PReLU()))


@pytest.mark.parametrize("layer", [un.RNN, un.GRU])
def test_proj_size_of_rnn_and_gru_raises(layer: Any) -> None:
    """The others take proj_size=0, as torch does, and refuse any other."""
    assert layer(3, 5, proj_size=0).proj_size == 0
    with pytest.raises(ArgumentError) as refused:
        layer(3, 5, proj_size=2)
    name = layer.__name__
    assert str(refused.value) == f"{name} proj_size: only LSTM has proj_size, got 2. Leave it out."


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64, "float32"])
def test_dtypes_without_floats_raise(dtype: Any) -> None:
    """Whole and complex numbers are refused before a weight is made of them."""
    with pytest.raises(ArgumentError) as refused:
        un.GRU(3, 5, dtype=dtype)
    assert str(refused.value) == (
        f"GRU dtype: expected a floating-point dtype such as torch.float32, got {dtype!r}."
    )


@pytest.mark.parametrize("layer", [un.RNN, un.GRU, un.LSTM])
def test_warning_names_the_callers_line(layer: Any) -> None:
    """The line that asks for a dropout without effect, not one of ours."""
    with pytest.warns(UserWarning, match="has no effect") as actual:
        layer(3, 5, dropout=0.5)
    assert actual[0].filename == __file__
