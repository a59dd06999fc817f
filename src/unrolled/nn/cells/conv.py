"""ConvLSTM and ConvGRU as pure steps: the products of LSTM and GRU are convolutions over frames.

A step has two parts, so that a layer can convolve the inputs of all steps in one call:

    step(x_t, s_{t-1}, weights) = recur(project(x_t, weights), s_{t-1}, weights)

Convolutions have stride 1 and zeros around a frame, which keeps its size: of k - 1 rows of zeros
⌊(k - 1) / 2⌋ stand before it and the rest after it, as in Keras.

Shapes: B rows, C input channels, D hidden channels, frames of H × W, kernels of M × N.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class ConvWeights(NamedTuple):
    """Weights of a convolutional cell of G gates, stacked along the first axis in the order of `gates`."""

    weight_ih: Tensor  # (G D, C, M, N)
    weight_hh: Tensor  # (G D, D, M, N)
    bias_ih: Tensor | None = None  # (G D,)
    bias_hh: Tensor | None = None  # (G D,)


class ConvGRUState(NamedTuple):
    """State of a ConvGRU."""

    h: Tensor  # (B, D, H, W)


class ConvLSTMState(NamedTuple):
    """State of a ConvLSTM."""

    h: Tensor  # (B, D, H, W)
    c: Tensor  # (B, D, H, W)


def convolve(frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Cross-correlate frames (B, C, H, W) with a kernel (D, C, M, N) to (B, D, H, W), zeros around them."""
    M, N = weight.shape[-2:]
    if M % 2 and N % 2:
        return F.conv2d(frames, weight, bias, padding=(M // 2, N // 2))
    before, after = ((M - 1) // 2, (N - 1) // 2), (M // 2, N // 2)
    return F.conv2d(F.pad(frames, (before[1], after[1], before[0], after[0])), weight, bias)


@dataclass(frozen=True)
class ConvGRUCell:
    """Gated recurrent unit of frames, with the reset gate after the convolution, as in `GRUCell`.

        r_t = σ(W_ir * x_t + b_ir + W_hr * h_{t-1} + b_hr)
        z_t = σ(W_iz * x_t + b_iz + W_hz * h_{t-1} + b_hz)
        n_t = tanh(W_in * x_t + b_in + r_t (W_hn * h_{t-1} + b_hn))
        h_t = (1 - z_t) n_t + z_t h_{t-1}

    Args:
        frame_size: H and W, of the initial state.

    Source: Ballas et al., Delving deeper into convolutional networks for learning video representations
    (2016), eq. 7 to 10. There r_t multiplies h_{t-1} before the convolution, which takes two a step; here
    the result of it, so that one convolution serves all gates.

    >>> weights = ConvWeights(torch.zeros(6, 1, 3, 3), torch.zeros(6, 2, 3, 3))
    >>> state = ConvGRUState(torch.ones(1, 2, 4, 5))
    >>> ConvGRUCell((4, 5)).step(torch.zeros(1, 1, 4, 5), state, weights).h[0, 0, 0]
    tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000])
    """

    frame_size: tuple[int, int]
    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "new")

    def initial_state(self, batch: int, weights: ConvWeights) -> ConvGRUState:
        """Zeros: (B, D, H, W)."""
        return ConvGRUState(_zeros(batch, weights, self.frame_size))

    def project(self, x: Tensor, weights: ConvWeights) -> Tensor:
        """W_i * x + b_i of all gates: (B, 3 D, H, W)."""
        return convolve(x, weights.weight_ih, weights.bias_ih)

    def recur(self, projected: Tensor, state: ConvGRUState, weights: ConvWeights) -> ConvGRUState:
        """h_t = (1 - z_t) n_t + z_t h_{t-1}; `projected` is W_i * x_t + b_i."""
        a_r, a_z, a_n = projected.chunk(3, dim=1)
        u_r, u_z, u_n = convolve(state.h, weights.weight_hh, weights.bias_hh).chunk(3, dim=1)
        z = torch.sigmoid(a_z + u_z)
        n = torch.tanh(a_n + torch.sigmoid(a_r + u_r) * u_n)
        return ConvGRUState(n + z * (state.h - n))

    def step(self, x: Tensor, state: ConvGRUState, weights: ConvWeights) -> ConvGRUState:
        """Return the state after one step with the frames x (B, C, H, W)."""
        return self.recur(self.project(x, weights), state, weights)

    def output(self, state: ConvGRUState) -> Tensor:
        """h_t: (B, D, H, W)."""
        return state.h


@dataclass(frozen=True)
class ConvLSTMCell:
    """Long short-term memory of frames.

        i_t = σ(W_ii * x_t + b_ii + W_hi * h_{t-1} + b_hi)
        f_t = σ(W_if * x_t + b_if + W_hf * h_{t-1} + b_hf)
        g_t = tanh(W_ig * x_t + b_ig + W_hg * h_{t-1} + b_hg)
        o_t = σ(W_io * x_t + b_io + W_ho * h_{t-1} + b_ho)
        c_t = f_t c_{t-1} + i_t g_t
        h_t = o_t tanh(c_t)

    Args:
        frame_size: H and W, of the initial state.

    Source: Shi et al., Convolutional LSTM network (2015), eq. 3, without its peepholes, as in Keras.

    >>> weights = ConvWeights(torch.zeros(4, 1, 3, 3), torch.zeros(4, 1, 3, 3))
    >>> zero, one = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    >>> ConvLSTMCell((2, 2)).step(zero, ConvLSTMState(zero, one), weights).c[0, 0, 0]
    tensor([0.5000, 0.5000])
    """

    frame_size: tuple[int, int]
    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")

    def initial_state(self, batch: int, weights: ConvWeights) -> ConvLSTMState:
        """Zeros: (B, D, H, W) twice."""
        return ConvLSTMState(*(_zeros(batch, weights, self.frame_size) for _ in "hc"))

    def project(self, x: Tensor, weights: ConvWeights) -> Tensor:
        """W_i * x + b_i of all gates: (B, 4 D, H, W)."""
        return convolve(x, weights.weight_ih, weights.bias_ih)

    def recur(self, projected: Tensor, state: ConvLSTMState, weights: ConvWeights) -> ConvLSTMState:
        """c_t = f_t c_{t-1} + i_t g_t and h_t = o_t tanh(c_t); `projected` is W_i * x_t + b_i."""
        sums = projected + convolve(state.h, weights.weight_hh, weights.bias_hh)
        i, f, g, o = sums.chunk(4, dim=1)  # (B, D, H, W) each
        c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
        return ConvLSTMState(torch.sigmoid(o) * torch.tanh(c), c)

    def step(self, x: Tensor, state: ConvLSTMState, weights: ConvWeights) -> ConvLSTMState:
        """Return the state after one step with the frames x (B, C, H, W)."""
        return self.recur(self.project(x, weights), state, weights)

    def output(self, state: ConvLSTMState) -> Tensor:
        """h_t: (B, D, H, W)."""
        return state.h


@dataclass(frozen=True)
class ProjectedCell:
    """Recurrence of a convolutional cell over inputs that are projected already, for `unroll`.

    >>> cell = ProjectedCell(ConvGRUCell((4, 5)))
    >>> weights = ConvWeights(torch.zeros(6, 1, 3, 3), torch.zeros(6, 2, 3, 3))
    >>> cell.step(torch.zeros(1, 6, 4, 5), cell.initial_state(1, weights), weights).h.shape
    torch.Size([1, 2, 4, 5])
    """

    cell: Any  # ConvGRUCell or ConvLSTMCell

    def initial_state(self, batch: int, weights: ConvWeights) -> Any:
        """Zeros, as the cell's."""
        return self.cell.initial_state(batch, weights)

    def step(self, x: Tensor, state: Any, weights: ConvWeights) -> Any:
        """Return the state after one step; x (B, G D, H, W) is W_i * x_t + b_i."""
        return self.cell.recur(x, state, weights)

    def output(self, state: Any) -> Tensor:
        """h_t: (B, D, H, W)."""
        output: Tensor = self.cell.output(state)
        return output


def _zeros(batch: int, weights: ConvWeights, frame_size: tuple[int, int]) -> Tensor:
    return weights.weight_hh.new_zeros(batch, weights.weight_hh.shape[1], *frame_size)
