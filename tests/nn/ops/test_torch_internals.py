"""Torch internals without a public name."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from unrolled.nn.ops import torch_internals


def test_a_missing_name_is_replaced() -> None:
    """Be it the function that lacks, or what it stood in."""
    torch_of_old = SimpleNamespace(_functorch=SimpleNamespace(depth=lambda: 7))
    assert torch_internals.find_private(torch_of_old, "_functorch.depth", lambda: 1)() == 7
    assert torch_internals.find_private(torch_of_old, "_functorch.level", lambda: 1)() == 1
    assert torch_internals.find_private(torch_of_old, "_other.depth", lambda: 1)() == 1


def test_each_internal_reports_the_active_state() -> None:
    """No outside, yes inside."""
    assert torch_internals.n_transforms() == 0
    assert torch_internals.n_dispatch_modes() == 0
    assert not torch_internals.is_tracing()
    assert not torch_internals.is_in_forward_mode()
    seen = []
    torch.func.vmap(
        lambda x: seen.append((torch_internals.n_transforms(), torch_internals.is_batched(x))) or x
    )(torch.ones(2))
    assert seen == [(1, True)]
    with torch.autograd.forward_ad.dual_level():
        assert torch_internals.is_in_forward_mode()


def test_a_skipped_function_is_never_traced() -> None:
    """Nor what it calls; torch.compile runs both as they are."""

    def inner() -> bool:
        return torch.compiler.is_compiling()

    @torch_internals.skip_in_compile
    def outer() -> bool:
        return inner()

    assert torch.compile(inner, backend="eager")()
    assert not torch.compile(outer, backend="eager")()


def test_a_torch_without_the_private_function_disables_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its public decorator."""
    monkeypatch.setattr(torch._C, "_dynamo", None)
    monkeypatch.setattr(torch.compiler, "disable", lambda function: ("disabled", function))
    assert torch_internals.skip_in_compile(len) == ("disabled", len)


@pytest.mark.parametrize(
    "register",
    [
        lambda module: module.register_forward_hook(print),
        lambda module: module.register_forward_pre_hook(print),
        lambda module: module.register_full_backward_hook(print),
        lambda module: module.register_full_backward_pre_hook(print),
        lambda _: torch.nn.modules.module.register_module_forward_hook(print),
        lambda _: torch.nn.modules.module.register_module_full_backward_hook(print),
    ],
)
def test_hooks_of_a_module_and_of_all_modules_are_seen(register: Any) -> None:
    """While they are registered."""
    module = torch.nn.Linear(2, 3)
    assert not torch_internals.has_hooks(module)
    handle = register(module)
    try:
        assert torch_internals.has_hooks(module)
    finally:
        handle.remove()
    assert not torch_internals.has_hooks(module)


@pytest.mark.parametrize("kind", ["register_hook", "register_post_accumulate_grad_hook"])
def test_hooks_of_a_gradient_are_seen(kind: str) -> None:
    """Those of before autograd adds it up, and of after."""
    weight = torch.nn.Parameter(torch.ones(2))
    assert not torch_internals.has_gradient_hooks(weight)
    getattr(weight, kind)(print)
    assert torch_internals.has_gradient_hooks(weight)


@pytest.mark.parametrize(
    "context",
    [
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
        lambda: FlopCounterMode(display=False),
        torch.autograd.forward_ad.dual_level,
    ],
)
def test_what_watches_or_changes_operators_is_not_eager(context: Any) -> None:
    """Autocast, a dispatch mode, forward mode."""
    assert torch_internals.runs_eagerly()
    with context():
        assert not torch_internals.runs_eagerly()
    assert torch_internals.runs_eagerly()


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*is deprecated")
def test_a_trace_and_a_transform_are_not_eager() -> None:
    """Whoever records or maps the operators sees all of them."""
    seen = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(torch_internals.runs_eagerly())
        return x + 1

    torch.func.vmap(look)(torch.ones(2))
    torch.jit.trace(look, torch.ones(2), check_trace=False)
    assert seen
    assert not any(seen)
