"""Gradients without autograd: buffers, and the modules that allow it."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from unrolled.nn.ops.gradients import PlainModules, gradient_buffer, trains_plainly


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


def _replace_part(network: nn.Sequential) -> None:
    network[1] = nn.Linear(3, 4)


def _replace_weight(network: nn.Sequential) -> None:
    network[1].weight = nn.Parameter(torch.ones(4, 3))


CHANGES: dict[str, Callable[[nn.Sequential], object]] = {
    "frozen": lambda network: network[0].bias.requires_grad_(False),
    "another part": _replace_part,
    "another weight": _replace_weight,
    "another dtype": lambda network: network[1].double(),
    "a computed weight": lambda network: nn.utils.parametrizations.weight_norm(network[0]),
    "a hook of a weight": lambda network: network[1].bias.register_hook(lambda gradient: gradient),
    "a hook after a weight": lambda network: network[1].bias.register_post_accumulate_grad_hook(print),
    "a hook of a part": lambda network: network[1].register_forward_pre_hook(lambda *_: None),
    "a hook of the whole": lambda network: network.register_full_backward_hook(lambda *_: None),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_watched_modules_is_seen(change: Callable[[nn.Sequential], object]) -> None:
    """In the modules themselves, and in a copy, which watches the copy alone."""
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    watched = PlainModules(network)
    network[0].weight.data = torch.zeros(3, 2)  # other numbers are no change
    assert watched.are_unchanged()
    copied, of_copy = copy.deepcopy((network, watched))
    change(copied)
    assert watched.are_unchanged()
    assert not of_copy.are_unchanged()
