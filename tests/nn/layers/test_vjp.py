"""Gradients of the recurrent layers without autograd: those of autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor

import unrolled.nn as un

T, B, F, H = 7, 4, 3, 5
LAYERS = {
    "rnn": lambda **more: un.RNN(F, H, **more),
    "rnn-prelu": lambda **more: un.RNN(F, H, nonlinearity="prelu", **more),
    "gru": lambda **more: un.GRU(F, H, **more),
    "lstm": lambda **more: un.LSTM(F, H, **more),
}


@pytest.mark.parametrize(
    "more",
    [
        {}, {"bias": False}, {"batch_first": True}, {"layer_norm": True}, {"bidirectional": True},
        {"num_layers": 3, "dropout": 0.4}, {"num_layers": 2, "bidirectional": True, "dropout": 0.1},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("lengths", [None, torch.tensor([7, 1, 0, 5])], ids=["even", "ragged"])
@pytest.mark.parametrize("name", LAYERS)
def test_vjp_equals_autograd(name: str, lengths: Tensor | None, more: dict[str, Any]) -> None:
    """Outputs, and the gradients of the inputs and of every weight; time first, also with `batch_first`."""
    torch.manual_seed(0)
    layer = LAYERS[name](**more).double()
    x = torch.randn(T, B, F, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(1)
    output, _ = layer(x.transpose(0, 1) if "batch_first" in more else x, lengths=lengths)
    output = output.transpose(0, 1) if "batch_first" in more else output
    d_output = torch.randn_like(output)
    output.backward(d_output)
    expected = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    assert layer.has_vjp
    torch.manual_seed(1)
    fused_output, backward = layer.vjp(x.detach(), lengths)
    assert_close(fused_output, output.detach())
    assert_close(backward(d_output, True), x.grad)
    assert_close([parameter.grad for parameter in layer.parameters()], expected)
    assert backward(d_output, False) is None


def test_nothing_is_dropped_between_layers_in_evaluation() -> None:
    """As `forward` drops nothing then."""
    layer = un.GRU(F, H, num_layers=2, dropout=0.9).eval()
    x = torch.randn(T, B, F)
    torch.testing.assert_close(layer.vjp(x, None)[0], layer(x)[0].detach())


@pytest.mark.parametrize(
    "more", [{"zoneout": 0.1}, {"recurrent_dropout": 0.1}, {"dtype": torch.float16}], ids=str
)
def test_what_vjp_cannot_run_is_said(more: dict[str, Any]) -> None:
    """So is a frozen weight, in any layer, one that is computed from others, a hook, autocast."""
    assert un.GRU(F, H, num_layers=2, bidirectional=True).has_vjp
    assert not un.GRU(F, H, **more).has_vjp
    frozen, computed, hooked = (un.GRU(F, H, num_layers=2) for _ in range(3))
    frozen.bias_hh_l1.requires_grad_(False)
    torch.nn.utils.parametrizations.weight_norm(computed, "weight_hh_l1")
    hooked.register_full_backward_pre_hook(lambda *_: None)
    assert not any(layer.has_vjp for layer in (frozen, computed, hooked))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not un.GRU(F, H).has_vjp


def assert_close(actual: Any, expected: Any) -> None:
    """Equal in float64 up to the order of sums."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
