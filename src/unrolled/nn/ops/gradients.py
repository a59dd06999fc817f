"""Buffers of gradients for code that computes them without autograd."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_buffer(parameter: Tensor) -> Tensor:
    """Return `parameter.grad`, made if there is none, to be overwritten.

    >>> weight = torch.nn.Parameter(torch.zeros(3))
    >>> gradient_buffer(weight).fill_(2.0) is weight.grad
    True
    """
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad
