"""Gradients without autograd: buffers, and the modules that allow it."""

import torch
from torch import nn

from unrolled.nn.ops.gradients import gradient_buffer, trains_plainly


def test_a_gradient_is_made_once_and_then_kept() -> None:
    """It is the parameter's own, of its shape and dtype."""
    parameter = nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))
    made = gradient_buffer(parameter)
    assert made is parameter.grad
    assert (made.shape, made.dtype) == (parameter.shape, parameter.dtype)
    assert gradient_buffer(parameter) is made


def test_a_weight_that_is_frozen_computed_or_hooked_is_not_plain() -> None:
    """Its gradient is autograd's to compute; biases count only where they are named."""
    layers = [nn.Linear(2, 3) for _ in range(4)]
    assert all(trains_plainly(layer, ("weight", "bias")) for layer in layers)
    layers[0].weight.requires_grad_(False)
    nn.utils.parametrizations.weight_norm(layers[1])
    layers[2].weight.register_hook(lambda gradient: gradient)
    layers[3].register_forward_hook(lambda *_: None)
    assert not any(trains_plainly(layer, ("weight", "bias")) for layer in layers)
    assert [trains_plainly(layer, ("bias",)) for layer in layers] == [True, True, True, False]
    assert not trains_plainly(nn.Linear(2, 3, bias=False), ("weight", "bias"))
