"""Gated cells of other libraries that the kernels do not have: reference backend only.

Weights and the order of the gates are those of `GRUCell` and `LSTMCell`.

Shapes: B rows, F inputs, H hidden units.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unrolled.nn.cells.core import GRUCell, GRUState, GRUWeights, LSTMCell, LSTMState
from unrolled.nn.cells.onnx_activations import SIGMOID, TANH

Elementwise = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _GRUVariant:
    """Activations and state of a GRU; the variants have its step."""

    gate: Elementwise = SIGMOID
    candidate: Elementwise = TANH
    gates: ClassVar[tuple[str, ...]] = GRUCell.gates

    def initial_state(self, batch: int, weights: GRUWeights) -> GRUState:
        """Zeros: (B, H)."""
        return GRUState(weights.weight_hh.new_zeros(batch, weights.weight_hh.shape[-1]))

    def output(self, state: GRUState) -> Tensor:
        """h_t: (B, H)."""
        return state.h


@dataclass(frozen=True)
class ResetFirstGRUCell(_GRUVariant):
    """GRU with the reset gate before the product, as published.

        r_t = f(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
        z_t = f(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
        n_t = g(W_in x_t + b_in + W_hn (r_t h_{t-1}) + b_hn)
        h_t = (1 - z_t) n_t + z_t h_{t-1}

    Keras calls it GRU(reset_after=False), ONNX GRU with linear_before_reset=0. `GRUCell` has the reset
    gate after the product; no choice of weights makes the two equal.

    Args:
        gate: f.
        candidate: g.

    Source: Cho et al., Learning phrase representations (2014), eq. 5 to 8, with torch's two biases.

    >>> weights = GRUWeights(torch.ones(6, 1), torch.zeros(6, 2))
    >>> ResetFirstGRUCell().step(torch.zeros(1, 1), GRUState(torch.ones(1, 2)), weights).h
    tensor([[0.5000, 0.5000]])
    """

    def step(self, x: Tensor, state: GRUState, weights: GRUWeights) -> GRUState:
        """h_t = (1 - z_t) n_t + z_t h_{t-1}, with n_t from r_t h_{t-1}."""
        w, h = weights, state.h
        H = h.shape[-1]
        a_r, a_z, a_n = F.linear(x, w.weight_ih, w.bias_ih).chunk(3, dim=-1)  # (B, H) each
        b_rz, b_n = (None, None) if w.bias_hh is None else torch.split_with_sizes(w.bias_hh, (2 * H, H))
        u_r, u_z = F.linear(h, w.weight_hh[: 2 * H], b_rz).chunk(2, dim=-1)
        r, z = self.gate(a_r + u_r), self.gate(a_z + u_z)
        n = self.candidate(a_n + F.linear(r * h, w.weight_hh[2 * H :], b_n))
        return GRUState((1 - z) * n + z * h)


@dataclass(frozen=True)
class GeneralGRUCell(_GRUVariant):
    """`GRUCell` with other activations; the reset gate after the product.

        r_t = f(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
        z_t = f(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
        n_t = g(W_in x_t + b_in + r_t (W_hn h_{t-1} + b_hn))
        h_t = (1 - z_t) n_t + z_t h_{t-1}

    Args:
        gate: f.
        candidate: g.

    Source: the ONNX operator GRU with linear_before_reset=1.

    >>> weights = GRUWeights(torch.ones(6, 1), torch.zeros(6, 2))
    >>> GeneralGRUCell(candidate=torch.relu).step(torch.ones(1, 1), GRUState(torch.ones(1, 2)), weights).h
    tensor([[1., 1.]])
    """

    def step(self, x: Tensor, state: GRUState, weights: GRUWeights) -> GRUState:
        """h_t = (1 - z_t) n_t + z_t h_{t-1}; a comes from the input, u from the state."""
        w, h = weights, state.h
        a_r, a_z, a_n = F.linear(x, w.weight_ih, w.bias_ih).chunk(3, dim=-1)  # (B, H) each
        u_r, u_z, u_n = F.linear(h, w.weight_hh, w.bias_hh).chunk(3, dim=-1)
        r, z = self.gate(a_r + u_r), self.gate(a_z + u_z)
        n = self.candidate(a_n + r * u_n)
        return GRUState((1 - z) * n + z * h)


class GeneralLSTMWeights(NamedTuple):
    """Weights of a general LSTM; the gates are stacked in the order of `LSTMCell.gates`."""

    weight_ih: Tensor  # (4H, F)
    weight_hh: Tensor  # (4H, H)
    bias_ih: Tensor | None = None  # (4H,)
    bias_hh: Tensor | None = None  # (4H,)
    peephole: Tensor | None = None  # (3H,): of the input, the forget and the output gate


@dataclass(frozen=True)
class GeneralLSTMCell:
    """LSTM with other activations, peepholes (if `peephole` is given) or coupled gates.

        i_t = f(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi + p_i c_{t-1})
        f_t = f(W_if x_t + b_if + W_hf h_{t-1} + b_hf + p_f c_{t-1}), or 1 - i_t if coupled
        g_t = g(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
        c_t = f_t c_{t-1} + i_t g_t
        o_t = f(W_io x_t + b_io + W_ho h_{t-1} + b_ho + p_o c_t)
        h_t = o_t h(c_t)

    Args:
        gate: f.
        candidate: g.
        readout: h.
        is_coupled: whether the forget gate is 1 minus the input gate.

    Source: Gers and Schmidhuber, Recurrent nets that time and count (2000), for the peepholes; Greff et
    al., LSTM: a search space odyssey (2017), for the coupled gates; the ONNX operator LSTM.

    >>> weights = GeneralLSTMWeights(torch.zeros(4, 1), torch.zeros(4, 1), peephole=torch.zeros(3))
    >>> zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    >>> GeneralLSTMCell().step(zero, LSTMState(zero, one), weights).c
    tensor([[0.5000]])
    """

    gate: Elementwise = SIGMOID
    candidate: Elementwise = TANH
    readout: Elementwise = TANH
    is_coupled: bool = False
    gates: ClassVar[tuple[str, ...]] = LSTMCell.gates

    def initial_state(self, batch: int, weights: GeneralLSTMWeights) -> LSTMState:
        """Zeros: (B, H) twice."""
        w = weights.weight_hh
        return LSTMState(w.new_zeros(batch, w.shape[-1]), w.new_zeros(batch, w.shape[-1]))

    def step(self, x: Tensor, state: LSTMState, weights: GeneralLSTMWeights) -> LSTMState:
        """c_t = f_t c_{t-1} + i_t g_t and h_t = o_t h(c_t); the output gate sees c_t."""
        w, c = weights, state.c
        a = F.linear(x, w.weight_ih, w.bias_ih) + F.linear(state.h, w.weight_hh, w.bias_hh)  # (B, 4H)
        i, f, g, o = a.chunk(4, dim=-1)  # (B, H) each
        p_i, p_f, p_o = (0.0, 0.0, 0.0) if w.peephole is None else w.peephole.chunk(3)
        i = self.gate(i + p_i * c)
        f = 1 - i if self.is_coupled else self.gate(f + p_f * c)
        c = f * c + i * self.candidate(g)
        return LSTMState(self.gate(o + p_o * c) * self.readout(c), c)

    def output(self, state: LSTMState) -> Tensor:
        """h_t: (B, H)."""
        return state.h
