"""Gradients of the recurrent layers without autograd: those of autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled.errors import ArgumentError

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


@pytest.mark.parametrize(
    "more", [{}, {"layer_norm": True}, {"num_layers": 2, "bidirectional": True}], ids=str
)
@pytest.mark.parametrize("lengths", [None, torch.tensor([7, 1, 0, 5])], ids=["even", "ragged"])
@pytest.mark.parametrize("name", LAYERS)
def test_the_last_states_alone_equal_autograd(
    name: str, lengths: Tensor | None, more: dict[str, Any]
) -> None:
    """Those of the top layer, direction beside direction, and all gradients from theirs."""
    torch.manual_seed(0)
    layer = LAYERS[name](**more).double()
    x = torch.randn(T, B, F, dtype=torch.float64, requires_grad=True)
    _, state = layer(x, lengths=lengths)
    h_n = state[0] if name == "lstm" else state
    last = torch.cat([*h_n[-2 if "bidirectional" in more else -1 :]], -1)
    d_last = torch.randn_like(last)
    last.backward(d_last)
    expected = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    fused_last, backward = layer.vjp(x.detach(), lengths, last_only=True)
    assert_close(fused_last, last.detach())
    assert_close(backward(d_last, True), x.grad)
    assert_close([parameter.grad for parameter in layer.parameters()], expected)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [1, 5, 70])
@pytest.mark.parametrize("more", [{}, {"layer_norm": True}, {"bias": False}], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_rows_that_start_later_share_the_steps_before(
    name: str, more: dict[str, Any], rows: int, threads: int
) -> None:
    """Forward to the bit from each start on; backward the same sums, the shared steps' inputs among them."""
    torch.manual_seed(0)
    layer = LAYERS[name](**more).double()
    starts = torch.randint(0, 30, (rows,))
    is_before = (torch.arange(30)[:, None] < starts)[..., None]
    x = torch.where(is_before, torch.randn(30, 1, F), torch.randn(30, rows, F)).double()
    d_output = torch.randn(30, rows, H, dtype=torch.float64).masked_fill(is_before, 0.0)
    results, number = [], torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for each in (None, starts):
            output, backward = layer.vjp(x, None, each)
            d_x = backward(d_output, True)
            results.append((output, d_x, [p.grad.clone() for p in layer.parameters()]))
    finally:
        torch.set_num_threads(number)
    (output, d_x, gradients), (shared, d_shared, expected) = results
    assert torch.equal(output.masked_fill(is_before, 0.0), shared.masked_fill(is_before, 0.0))
    assert_close(gradients, expected)
    for part in (is_before, ~is_before):
        sums = [torch.where(part, each, 0.0).sum(1) for each in (d_x, d_shared)]
        assert_close(*sums)
    assert_close(d_x.masked_fill(is_before, 0.0), d_shared.masked_fill(is_before, 0.0))


@pytest.mark.parametrize("start", [-1, T])
def test_a_start_outside_the_steps_is_refused(start: int) -> None:
    """It would be read beyond the arrays."""
    with pytest.raises(
        ArgumentError, match=rf"starts: each must be from 0 to below T=7; got {start} in row 1"
    ):
        un.GRU(F, H).vjp(torch.zeros(T, 2, F), None, torch.tensor([0, start]))


def test_starts_and_lengths_together_are_refused() -> None:
    """The kernels have no such recurrence."""
    with pytest.raises(ArgumentError, match="starts are allowed forward only"):
        un.GRU(F, H).vjp(torch.zeros(T, 2, F), torch.tensor([3, 4]), torch.tensor([0, 1]))


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
