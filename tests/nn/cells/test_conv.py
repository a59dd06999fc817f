"""ConvGRU and ConvLSTM as pure steps: equality with slow loops over pixels written from the formulas."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from unrolled.nn.cells.conv import (
    ConvGRUCell,
    ConvGRUState,
    ConvLSTMCell,
    ConvLSTMState,
    ConvWeights,
    ProjectedCell,
    convolve,
)
from unrolled.nn.ops.unroll import unroll

B, C, D, H, W = 2, 3, 2, 4, 5
CELLS = [(ConvGRUCell, ConvGRUState), (ConvLSTMCell, ConvLSTMState)]


def slow_convolution(frames: Tensor, weight: Tensor) -> Tensor:
    """One pixel, channel and place of the kernel at a time; beyond a frame is 0."""
    rows, (M, N) = weight.shape[0], weight.shape[-2:]
    height, width = frames.shape[-2:]
    out = torch.zeros(len(frames), rows, height, width, dtype=frames.dtype)
    for y, x, m, n in product(range(height), range(width), range(M), range(N)):
        at_y, at_x = y + m - (M - 1) // 2, x + n - (N - 1) // 2
        if 0 <= at_y < height and 0 <= at_x < width:
            out[:, :, y, x] += frames[:, :, at_y, at_x] @ weight[:, :, m, n].T
    return out


def made(cell: Any, kernel: tuple[int, int] = (3, 2)) -> tuple[Any, ConvWeights]:
    """A cell and its weights in float64, seeded."""
    rows, rng = len(cell.gates) * D, torch.Generator().manual_seed(3)
    shapes = [(rows, C, *kernel), (rows, D, *kernel), (rows,), (rows,)]
    weights = [torch.randn(shape, generator=rng, dtype=torch.float64) / 2 for shape in shapes]
    return cell((H, W)), ConvWeights(*weights)


def random(*shape: int) -> Tensor:
    """Seeded normal numbers in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 2), (4, 3), (7, 5)])
def test_a_frame_keeps_its_size_and_zeros_stand_around_it(kernel: tuple[int, int]) -> None:
    """Odd and even kernels, wider than the frame too."""
    frames, weight, bias = random(B, C, H, W), random(D, C, *kernel), random(D)
    expected = slow_convolution(frames, weight) + bias[:, None, None]
    torch.testing.assert_close(convolve(frames, weight, bias), expected)


def test_a_step_of_the_lstm_is_its_formula() -> None:
    """Gates in torch's order: input, forget, cell, output."""
    cell, w = made(ConvLSTMCell)
    x, h, c = random(B, C, H, W), random(B, D, H, W), random(B, D, H, W) + 1
    assert w.bias_ih is not None
    assert w.bias_hh is not None
    sums = slow_convolution(x, w.weight_ih) + slow_convolution(h, w.weight_hh)
    i, f, g, o = (sums + (w.bias_ih + w.bias_hh)[:, None, None]).split(D, dim=1)
    new_c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    state = cell.step(x, ConvLSTMState(h, c), w)
    torch.testing.assert_close(state.c, new_c)
    torch.testing.assert_close(state.h, o.sigmoid() * new_c.tanh())
    assert cell.output(state) is state.h


def test_a_step_of_the_gru_is_its_formula() -> None:
    """The reset gate multiplies the convolution of the state and its bias."""
    cell, w = made(ConvGRUCell)
    x, h = random(B, C, H, W), random(B, D, H, W)
    assert w.bias_ih is not None
    assert w.bias_hh is not None
    a_r, a_z, a_n = (slow_convolution(x, w.weight_ih) + w.bias_ih[:, None, None]).split(D, dim=1)
    u_r, u_z, u_n = (slow_convolution(h, w.weight_hh) + w.bias_hh[:, None, None]).split(D, dim=1)
    z, n = (a_z + u_z).sigmoid(), (a_n + (a_r + u_r).sigmoid() * u_n).tanh()
    state = cell.step(x, ConvGRUState(h), w)
    torch.testing.assert_close(state.h, (1 - z) * n + z * h)


@pytest.mark.parametrize(("cell_type", "state_type"), CELLS)
def test_a_cell_runs_in_unroll(cell_type: Any, state_type: Any) -> None:
    """Frames time-major; projected beforehand or not."""
    cell, weights = made(cell_type)
    frames = random(3, B, C, H, W)
    output, state = unroll(cell, frames, weights, lengths=[3, 1])
    assert output.shape == (3, B, D, H, W)
    assert isinstance(state, state_type)
    projected = cell.project(frames.flatten(0, 1), weights).unflatten(0, (3, B))
    torch.testing.assert_close(unroll(ProjectedCell(cell), projected, weights, lengths=[3, 1])[0], output)


@pytest.mark.parametrize("cell_type", [ConvGRUCell, ConvLSTMCell])
def test_gradients_of_a_step_are_right(cell_type: Any) -> None:
    """Gradcheck in float64, of input, state and every weight."""
    cell, weights = made(cell_type, (2, 3))
    state = [random(1, D, 2, 3) for _ in cell.initial_state(1, weights)]
    inputs = [random(1, C, 2, 3), *state, *weights]

    def step(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        kind = ConvLSTMState if len(state) == 2 else ConvGRUState
        return tuple(cell.step(x, kind(*rest[: len(state)]), ConvWeights(*rest[len(state) :])))

    assert torch.autograd.gradcheck(step, [one.requires_grad_() for one in inputs])
