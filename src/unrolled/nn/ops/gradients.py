"""Gradients without autograd: the modules that allow it, and the buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


class PlainModules:
    """Modules that were found to train plainly, watched for what would change that.

    A training asks at every step, and finds out here in a third of the time of asking anew. What a module
    computes by is taken to stay as it was.

    Args:
        root: it and all modules in it have been asked; their parameters are float32.

    >>> network = nn.Sequential(nn.Linear(2, 3))
    >>> watched = PlainModules(network)
    >>> watched.are_unchanged()
    True
    >>> _ = network[0].register_forward_hook(print)
    >>> watched.are_unchanged()
    False
    """

    def __init__(self, root: nn.Module) -> None:
        modules = list(root.modules())
        self._hooks = [hooks for module in modules for hooks in torch_internals.hooks_of_module(module)]
        self._children = [
            (module._modules, name, child)  # noqa: SLF001 (as in `trains_plainly`)
            for module in modules
            for name, child in module.named_children()
        ]
        self._weights = [
            (module._parameters, name, weight)  # noqa: SLF001 (nor here)
            for module in modules
            for name, weight in module.named_parameters(recurse=False)
        ]

    def are_unchanged(self) -> bool:
        """Tell whether no hook has come, modules and weights are the same, and every weight still learns."""
        if any(self._hooks) or torch_internals.has_global_hooks():
            return False
        for children, name, child in self._children:
            if children.get(name) is not child:
                return False
        for parameters, name, weight in self._weights:
            if (
                parameters.get(name) is not weight
                or not weight.requires_grad
                or weight.dtype is not torch.float32
                or any(torch_internals.hooks_of_tensor(weight))
            ):
                return False
        return True


class PlainTrainingCheck:
    """Check of a network that trains without autograd, made anew only where something has changed.

    >>> network, check = nn.Sequential(nn.Linear(2, 3)), PlainTrainingCheck()
    >>> check(network, lambda: trains_plainly(network[0], ("weight", "bias")))
    True
    """

    def __init__(self) -> None:
        self._modules: PlainModules | None = None  # since they were found to train plainly

    def __call__(self, root: nn.Module, ask: Callable[[], bool]) -> bool:
        """Tell whether a network trains plainly; `ask` finds out."""
        if self._modules is None or not self._modules.are_unchanged():
            self._modules = PlainModules(root) if ask() else None
        return self._modules is not None


def gradient_buffer(parameter: Tensor) -> Tensor:
    """Return `parameter.grad`, made if there is none, to be overwritten.

    >>> weight = torch.nn.Parameter(torch.zeros(3))
    >>> gradient_buffer(weight).fill_(2.0) is weight.grad
    True
    """
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad


def gradient_to_add_to(parameter: Tensor) -> Tensor:
    """Return `parameter.grad`, made of zeros if there is none, to be added to.

    >>> weight = torch.nn.Parameter(torch.ones(3))
    >>> gradient_to_add_to(weight).add_(2.0).tolist()
    [2.0, 2.0, 2.0]
    """
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
