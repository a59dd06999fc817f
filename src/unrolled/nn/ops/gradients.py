"""Gradients without autograd: the modules that allow it, and the buffers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unrolled.nn.ops import torch_internals


def trains_plainly(module: nn.Module, names: Sequence[str]) -> bool:
    """Tell whether code beside autograd may compute the gradients of a module, from its weights alone.

    Each weight is a parameter that learns, not frozen nor computed from others, and no hook would be passed
    over: neither of the module nor of a weight.

    Args:
        module: its hooks are those of its calls; parts of it are asked for by themselves.
        names: of its weights.

    >>> layer = nn.Linear(2, 3)
    >>> trains_plainly(layer, ("weight", "bias"))
    True
    >>> _ = layer.weight.requires_grad_(False)
    >>> trains_plainly(layer, ("weight", "bias"))
    False
    """
    if torch_internals.has_hooks(module):
        return False
    parameters = module._parameters  # noqa: SLF001 (getattr would compute what is parametrized)
    for name in names:  # asked at every step of a training: a loop takes half the time of `all`
        weight = parameters.get(name)
        if weight is None or not weight.requires_grad or torch_internals.has_gradient_hooks(weight):
            return False
    return True


def gradient_buffer(parameter: Tensor) -> Tensor:
    """Return `parameter.grad`, made if there is none, to be overwritten.

    >>> weight = torch.nn.Parameter(torch.zeros(3))
    >>> gradient_buffer(weight).fill_(2.0) is weight.grad
    True
    """
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad
