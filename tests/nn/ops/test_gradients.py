"""The buffer of a gradient."""

import torch
from torch import nn

from unrolled.nn.ops.gradients import gradient_buffer


def test_a_gradient_is_made_once_and_then_kept() -> None:
    """It is the parameter's own, of its shape and dtype."""
    parameter = nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))
    made = gradient_buffer(parameter)
    assert made is parameter.grad
    assert (made.shape, made.dtype) == (parameter.shape, parameter.dtype)
    assert gradient_buffer(parameter) is made
