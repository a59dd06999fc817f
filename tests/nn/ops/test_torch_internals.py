"""Torch internals without a public name."""

from types import SimpleNamespace

import pytest
import torch

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
