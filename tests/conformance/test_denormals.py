"""Denormal numbers: backward passes flush them in every thread, forward passes keep them."""

from collections.abc import Iterator

import pytest
import torch

import unrolled.nn as un
from unrolled import kernels

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

DTYPES = pytest.mark.parametrize(("dtype", "denormal_step"), [(torch.float32, 135), (torch.float64, 1040)])


@pytest.fixture(params=[1, 2])
def n_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """As many as torch may use."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def halving(dtype: torch.dtype, H: int = 1) -> un.RNN:
    """A layer whose state halves at every step, exactly."""
    layer = un.RNN(1, H, nonlinearity="identity", bias=False, dtype=dtype)
    with torch.no_grad():
        layer.weight_hh_l0.copy_(torch.eye(H) / 2)
        layer.weight_ih_l0.fill_(1)
    return layer


@DTYPES
def test_forward_keeps_denormals(dtype: torch.dtype, denormal_step: int, instruction_set: str) -> None:
    """The state is a power of two down to the smallest denormal."""
    layer, x = halving(dtype), torch.zeros(denormal_step + 1, 1, 1, dtype=dtype)
    x[0] = 1
    output = layer(x)[0].detach()
    assert instruction_set == kernels.build_info()["instruction_set"]
    assert 0 < float(output[-1]) < torch.finfo(dtype).tiny
    assert float(output[-1]) == 2.0**-denormal_step


@DTYPES
def test_backward_flushes_denormals(
    dtype: torch.dtype, denormal_step: int, instruction_set: str, n_threads: int
) -> None:
    """Gradients of the last step are exact as far as numbers are normal, and zero beyond."""
    H, B = 64, 48
    layer, x = halving(dtype, H), torch.zeros(denormal_step + 1, B, 1, dtype=dtype, requires_grad=True)
    layer(x)[0][-1].sum().backward()
    assert x.grad is not None, instruction_set
    first = -torch.tensor(torch.finfo(dtype).tiny, dtype=dtype).log2().int() + int(H).bit_length()
    expected = H * 2.0 ** -torch.arange(denormal_step, -1, -1, dtype=dtype)
    assert torch.equal(x.grad[-100:, 0, 0], expected[-100:])
    assert not x.grad[: denormal_step - first + 1].any(), n_threads


def test_backward_restores_the_mode_of_every_thread(instruction_set: str, n_threads: int) -> None:
    """Operators of torch on the same threads compute with denormals afterwards."""
    small = torch.full((1 << 20,), 2.0**-130)
    for H, rows in ((64, 64), (512, 2)):  # threads share the rows, and the units
        layer, x = un.GRU(8, H), torch.randn(20, rows, 8)
        layer(x)[0].sum().backward()
        assert bool((small * 0.5 == 2.0**-131).all()), (instruction_set, n_threads)
    assert float(torch.tensor(2.0**-130) * 0.5) > 0
