"""Torch internals: active transforms, forward mode, dispatch modes, tracing and hooks.

Torch has no public functions for some of these. Its private ones are looked up here, once; where a version of
torch lacks one, the replacement says "active", which costs time and never a wrong number.
"""

import sys
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from unrolled.errors import ArgumentError

F = TypeVar("F", bound=Callable[..., Any])


def find_private(owner: Any, name: str, replacement: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of this dotted name, or its replacement in a torch that has none."""
    for part in name.split("."):
        owner = getattr(owner, part, None)
    return owner if callable(owner) else replacement


# Number of active transforms of torch.func and batches of gradients; Dynamo knows it as a constant.
n_transforms = find_private(torch._C, "_functorch.get_dynamic_layer_stack_depth", lambda: 1)  # noqa: SLF001 (no public name for it)
# Number of active dispatch modes.
n_dispatch_modes = find_private(torch._C, "_len_torch_dispatch_stack", lambda: 1)  # noqa: SLF001 (nor for this)
# Whether torch.jit.trace is active.
is_tracing = find_private(torch._C, "_is_tracing", lambda: True)  # noqa: SLF001 (the public one takes twice as long)
# Whether a transform maps over a tensor; only the wording of an error depends on it.
is_batched = find_private(torch._C, "_functorch.is_batchedtensor", lambda _: False)  # noqa: SLF001 (nor for this)


hooks_of_module = attrgetter(  # mappings, to which hooks are added
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
)
hooks_of_tensor = attrgetter("_backward_hooks", "_post_accumulate_grad_hooks")
has_global_hooks = find_private(nn.modules.module, "_has_any_global_hook", lambda: True)
_is_batch = find_private(torch._C, "_functorch.is_legacy_batchedtensor", lambda _: True)  # noqa: SLF001 (nor for this)


def has_batched_gradient(gradients: Sequence[Tensor | None]) -> bool:
    """Tell whether any gradient is a batch, as `is_grads_batched` and vectorized jacobians pass it."""
    return any([_is_batch(g) for g in gradients if g is not None])  # noqa: C419 (a list is faster)


def disable_in_compile(reason: str) -> Callable[[F], F]:
    """Decorate a function that torch.compile must call between two graphs, and say why."""

    def decorate(function: F) -> F:
        marked: Any = skip_in_compile(function)
        marked._torchdynamo_disable = True  # noqa: SLF001 (as torch.compiler.disable marks it)
        marked._torchdynamo_disable_msg = reason  # noqa: SLF001 (nor this)
        return function

    return decorate


def is_symbolic(value: Any) -> bool:
    """Tell whether a value stands for one in torch.fx's symbolic tracing."""
    fx = sys.modules.get("torch.fx")
    return fx is not None and isinstance(value, fx.Proxy)


def call_as_leaf(module: nn.Module, *arguments: Any, **options: Any) -> Any:
    """Put the call of a module into the graph of torch.fx as one node; return what stands for its results.

    Raises:
        ArgumentError: the module is itself what is traced.
    """
    tracer = arguments[0].tracer
    path = tracer.path_of_module(module)
    if not path:
        name = type(module).__name__
        raise ArgumentError(
            f"{name}: torch.fx keeps this layer whole, as one node of a graph; got the layer alone."
            f" Trace a module that holds it, such as torch.nn.Sequential(layer)."
        )
    options = {name: value for name, value in options.items() if value is not None}
    return tracer.create_proxy("call_module", path, arguments, options)


def has_values(tensor: Tensor) -> bool:
    """Tell whether a tensor has numbers: one on meta, or a fake one, has none."""
    return not tensor.is_meta and type(tensor).__name__ != "FakeTensor"


def is_in_forward_mode() -> bool:
    """Tell whether derivatives are taken in forward mode."""
    return bool(getattr(forward_ad, "_current_level", 0) >= 0)


def runs_eagerly() -> bool:
    """Tell whether operators run as they are called: no autocast, graph, trace, mode or transform is on."""
    return not (
        torch.is_autocast_enabled("cpu")
        or is_tracing()
        or n_dispatch_modes()
        or n_transforms()
        or is_in_forward_mode()
        or torch.compiler.is_compiling()
    )


def has_hooks(module: nn.Module) -> bool:
    """Tell whether the call of a module runs hooks: its own, or those of all modules."""
    return any(hooks_of_module(module)) or bool(has_global_hooks())


def has_gradient_hooks(parameter: Tensor) -> bool:
    """Tell whether autograd calls hooks with the gradient of a parameter."""
    return any(hooks_of_tensor(parameter))


def skip_in_compile(function: F) -> F:
    """Keep torch.compile from tracing a function, or anything it calls, where it runs as a frame of its own.

    A traced frame may run in pieces, and the kernels would be given addresses of tensors that no piece holds.
    `torch.compiler.disable` does this too, but costs microseconds a call and imports the compiler; it is used
    in a torch without the private function.
    """
    frames: Any = getattr(getattr(torch._C, "_dynamo", None), "eval_frame", None)  # noqa: SLF001 (no public name)
    try:
        skip = frames._FrameAction.SKIP  # noqa: SLF001 (nor here)
        frames.set_code_exec_strategy(function.__code__, frames._FrameExecStrategy(skip, skip))  # noqa: SLF001
    except AttributeError:
        disabled: F = torch.compiler.disable(function)  # type: ignore[no-untyped-call]
        return disabled
    return function
