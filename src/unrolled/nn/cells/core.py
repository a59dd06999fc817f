"""RNN, GRU and LSTM as pure steps: `step(x_t, state, weights) -> state`.

A cell is stateless. Its state is a NamedTuple that is passed in and returned, and its weights are
another one. Any object with the three methods of `Cell` runs in `unroll`. The names of the weights
and the order of the gates are torch's.

Recurrent dropout is a mask `dropped` (B, H), passed to the step, that multiplies h_{t-1} where it
enters the recurrent weights and nowhere else. Layer norm applies where the weights have gains:

    norm(a) = (a - mean(a)) / √(var(a) + 1e-5), over the last axis, var the mean square

Shapes: B rows, F inputs, H hidden units, P projected units.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.validation import check_choice

Nonlinearity = str | Callable[[Tensor], Tensor]

_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {  # in the order in which the kernels number them
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,  # slope 0.01 below zero
    "prelu": F.prelu,  # the only one with a second argument, the slope it learns
    "sigmoid": torch.sigmoid,
    "identity": lambda a: a,
    "softsign": F.softsign,  # a / (1 + |a|)
    "elu": F.elu,  # e^a - 1 below zero
    "hardtanh": F.hardtanh,  # a, cut at -1 and 1
}
NONLINEARITIES = tuple(_ACTIVATIONS)
_EPSILON = 1e-5  # torch.nn.LayerNorm's


class State(Protocol):
    """State of a cell: a NamedTuple of tensors whose first axis is B."""

    def __iter__(self) -> Iterator[Tensor]: ...

    @classmethod
    def _make(cls, iterable: Iterable[Tensor], /) -> Self: ...


S = TypeVar("S", bound=State)
W_contra = TypeVar("W_contra", contravariant=True)


class Cell(Protocol[S, W_contra]):
    """Interface of a recurrence that `unroll` runs.

    A custom cell takes ten lines. This one loses a tenth of its state at each step:

    >>> class Trace(NamedTuple):
    ...     level: Tensor  # (B, H)
    >>> class Leaky:
    ...     def initial_state(self, batch, weights):
    ...         return Trace(weights.new_zeros(batch, len(weights)))
    ...     def step(self, x, state, weights):
    ...         return Trace(0.9 * state.level + x @ weights.T)
    ...     def output(self, state):
    ...         return state.level
    >>> from unrolled.nn import unroll
    >>> output, last = unroll(Leaky(), torch.ones(3, 2, 1), torch.eye(1), lengths=[3, 1])
    >>> output[:, :, 0].T
    tensor([[1.0000, 1.9000, 2.7100],
            [1.0000, 0.0000, 0.0000]])
    >>> last.level.flatten()
    tensor([2.7100, 1.0000])
    """

    def initial_state(self, batch: int, weights: W_contra) -> S:
        """Return the state before the first step and after a reset; `batch` is B."""
        ...

    def step(self, x: Tensor, state: S, weights: W_contra) -> S:
        """Return the state after one step with input x (B, F)."""
        ...

    def output(self, state: S) -> Tensor:
        """Return the output of a state, which is the input of the next layer: (B, outputs)."""
        ...


def _gate_sums(
    x: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None, rows: tuple[int, ...]
) -> Tensor:
    """Compute W x + b, or gain norm(W x) + b if there is a gain; each group of `rows` has its own norm."""
    if gain is None:
        return F.linear(x, weight, bias)
    sums = torch.split_with_sizes(F.linear(x, weight), rows, dim=-1)
    gains = torch.split_with_sizes(gain, rows)
    shifts = [None] * len(rows) if bias is None else torch.split_with_sizes(bias, rows)
    groups = zip(sums, gains, shifts, strict=True)
    return torch.cat([_layer_norm(a, part, shift) for a, part, shift in groups], dim=-1)


def _layer_norm(a: Tensor, gain: Tensor, shift: Tensor | None) -> Tensor:
    """Normalise over the last axis, then scale and shift."""
    return F.layer_norm(a, gain.shape, gain, shift, _EPSILON)


def _drop(h: Tensor, dropped: Tensor | None) -> Tensor:
    """Apply the recurrent dropout mask to h_{t-1}, if there is one."""
    return h if dropped is None else h * dropped


class RNNState(NamedTuple):
    """State of a plain RNN."""

    h: Tensor  # (B, H)


class RNNWeights(NamedTuple):
    """Weights of a plain RNN."""

    weight_ih: Tensor  # (H, F)
    weight_hh: Tensor  # (H, H)
    bias_ih: Tensor | None = None  # (H,)
    bias_hh: Tensor | None = None  # (H,)
    slope: Tensor | None = None  # (1,), for prelu only
    gain_hh: Tensor | None = None  # (H,), for layer norm only


@dataclass(frozen=True)
class RNNCell:
    """Plain recurrence with any activation.

        h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
        h_t = φ(gain_hh norm(W_ih x_t + W_hh h_{t-1}) + b_ih + b_hh), where the weights have a gain

    Args:
        nonlinearity: φ, by name (tanh, relu, leaky_relu, prelu, sigmoid, identity, softsign, elu,
            hardtanh) or a callable that keeps the shape (B, H). The slope of leaky_relu is 0.01;
            that of prelu is learned, one a layer and direction; elu falls to -1, and hardtanh is cut
            at -1 and 1.

    Raises:
        ArgumentError: the name is unknown, or φ is neither a name nor a callable.

    Source: Elman, Finding structure in time (1990), with torch's two biases. Layer norm: Ba, Kiros
    and Hinton (2016), eq. 4, whose one shift is here the sum of the two biases.

    >>> weights = RNNWeights(torch.ones(1, 1), torch.ones(1, 1))
    >>> RNNCell("relu").step(torch.tensor([[2.0]]), RNNState(torch.tensor([[3.0]])), weights).h
    tensor([[5.]])
    """

    nonlinearity: Nonlinearity = "tanh"
    gates: ClassVar[tuple[str, ...]] = ("hidden",)

    def __post_init__(self) -> None:
        if isinstance(self.nonlinearity, type):
            name = self.nonlinearity.__name__
            raise ArgumentError(
                f"RNN nonlinearity: expected a callable, got the class {name}. Pass {name}()."
            )
        if not callable(self.nonlinearity):
            check_choice("RNN nonlinearity (or a callable)", self.nonlinearity, NONLINEARITIES)

    def initial_state(self, batch: int, weights: RNNWeights) -> RNNState:
        """Zeros: (B, H)."""
        return RNNState(weights.weight_hh.new_zeros(batch, weights.weight_hh.shape[-1]))

    def step(
        self, x: Tensor, state: RNNState, weights: RNNWeights, dropped: Tensor | None = None
    ) -> RNNState:
        """h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh); with a gain, the products' sum is normalised."""
        w, h = weights, _drop(state.h, dropped)
        if w.gain_hh is None:
            a = F.linear(x, w.weight_ih, w.bias_ih) + F.linear(h, w.weight_hh, w.bias_hh)  # (B, H)
        else:
            shift = None if w.bias_ih is None or w.bias_hh is None else w.bias_ih + w.bias_hh
            a = _layer_norm(F.linear(x, w.weight_ih) + F.linear(h, w.weight_hh), w.gain_hh, shift)
        return RNNState(self._activate(a, w.slope))

    def output(self, state: RNNState) -> Tensor:
        """h_t: (B, H)."""
        return state.h

    def _activate(self, a: Tensor, slope: Tensor | None) -> Tensor:
        if self.nonlinearity == "prelu":
            if slope is None:
                raise ArgumentError("RNN weights: prelu needs slope, a tensor of shape (1,); got None.")
            return F.prelu(a, slope)
        if isinstance(self.nonlinearity, str):
            return _ACTIVATIONS[self.nonlinearity](a)
        h = self.nonlinearity(a)
        if not isinstance(h, Tensor):
            got = type(h).__name__
            raise ArgumentError(f"RNN nonlinearity: expected it to return a tensor; it gave {got}.")
        if h.shape != a.shape:
            got, expected = tuple(h.shape), tuple(a.shape)
            raise ArgumentError(f"RNN nonlinearity: expected it to keep the shape {expected}; it gave {got}.")
        return h


class GRUState(NamedTuple):
    """State of a GRU."""

    h: Tensor  # (B, H)


class GRUWeights(NamedTuple):
    """Weights of a GRU; the gates are stacked along the first axis in the order of `GRUCell.gates`."""

    weight_ih: Tensor  # (3H, F)
    weight_hh: Tensor  # (3H, H)
    bias_ih: Tensor | None = None  # (3H,)
    bias_hh: Tensor | None = None  # (3H,)
    gain_ih: Tensor | None = None  # (3H,), for layer norm only
    gain_hh: Tensor | None = None  # (3H,), for layer norm only


@dataclass(frozen=True)
class GRUCell:
    """Gated recurrent unit with the reset gate after the product, as in cuDNN and torch.

        r_t = σ(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
        z_t = σ(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
        n_t = tanh(W_in x_t + b_in + r_t (W_hn h_{t-1} + b_hn))
        h_t = (1 - z_t) n_t + z_t h_{t-1}

    With gains, every W x + b above is gain norm(W x) + b; the rows of r and z are normalised together,
    those of n separately.

    Source: Cho et al., Learning phrase representations (2014), eq. 5 to 8. There r_t multiplies
    h_{t-1} before the product; here W_hn h_{t-1} + b_hn after it. Layer norm: Ba, Kiros and Hinton
    (2016), appendix, with torch's names for z and 1 - z.

    >>> weights = GRUWeights(torch.ones(6, 1), torch.zeros(6, 2))
    >>> GRUCell().step(torch.zeros(1, 1), GRUState(torch.ones(1, 2)), weights).h
    tensor([[0.5000, 0.5000]])
    """

    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "new")

    def initial_state(self, batch: int, weights: GRUWeights) -> GRUState:
        """Zeros: (B, H)."""
        return GRUState(weights.weight_hh.new_zeros(batch, weights.weight_hh.shape[-1]))

    def step(
        self, x: Tensor, state: GRUState, weights: GRUWeights, dropped: Tensor | None = None
    ) -> GRUState:
        """h_t = (1 - z_t) n_t + z_t h_{t-1}."""
        _, z, n = self.gate_values(x, state, weights, dropped)
        return GRUState(n + z * (state.h - n))

    def gate_values(
        self, x: Tensor, state: GRUState, weights: GRUWeights, dropped: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute r_t, z_t and n_t, (B, H) each; a comes from the input, u from the state."""
        w, H = weights, state.h.shape[-1]
        a = _gate_sums(x, w.weight_ih, w.bias_ih, w.gain_ih, (2 * H, H))
        u = _gate_sums(_drop(state.h, dropped), w.weight_hh, w.bias_hh, w.gain_hh, (2 * H, H))
        (a_r, a_z, a_n), (u_r, u_z, u_n) = a.chunk(3, dim=-1), u.chunk(3, dim=-1)  # (B, H) each
        r = torch.sigmoid(a_r + u_r)
        z = torch.sigmoid(a_z + u_z)
        return r, z, torch.tanh(a_n + r * u_n)

    def output(self, state: GRUState) -> Tensor:
        """h_t: (B, H)."""
        return state.h


class LSTMState(NamedTuple):
    """State of an LSTM."""

    h: Tensor  # (B, H), or (B, P) with a projection
    c: Tensor  # (B, H)


class LSTMWeights(NamedTuple):
    """Weights of an LSTM; the gates are stacked along the first axis in the order of `LSTMCell.gates`."""

    weight_ih: Tensor  # (4H, F)
    weight_hh: Tensor  # (4H, H) or (4H, P)
    bias_ih: Tensor | None = None  # (4H,)
    bias_hh: Tensor | None = None  # (4H,)
    weight_hr: Tensor | None = None  # (P, H), the projection
    gain_ih: Tensor | None = None  # (4H,), for layer norm only
    gain_hh: Tensor | None = None  # (4H,), for layer norm only
    gain_cell: Tensor | None = None  # (H,), for layer norm only
    bias_cell: Tensor | None = None  # (H,), for layer norm with biases


@dataclass(frozen=True)
class LSTMCell:
    """Long short-term memory, with a projection of its output if `weight_hr` is given.

        i_t = σ(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)
        f_t = σ(W_if x_t + b_if + W_hf h_{t-1} + b_hf)
        g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
        o_t = σ(W_io x_t + b_io + W_ho h_{t-1} + b_ho)
        c_t = f_t c_{t-1} + i_t g_t
        h_t = o_t tanh(c_t), or W_hr (o_t tanh(c_t))

    With gains, every W x + b above is gain norm(W x) + b, all 4H rows normalised together, and
    h_t = o_t tanh(gain_cell norm(c_t) + bias_cell).

    Source: Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000); the
    projection is Sak et al. (2014), eq. 7; layer norm is Ba, Kiros and Hinton (2016), appendix.
    No peepholes.

    >>> weights = LSTMWeights(torch.zeros(4, 1), torch.zeros(4, 1))
    >>> zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    >>> LSTMCell().step(zero, LSTMState(zero, one), weights).c
    tensor([[0.5000]])
    """

    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")

    def initial_state(self, batch: int, weights: LSTMWeights) -> LSTMState:
        """Zeros: (B, H) or (B, P), and (B, H)."""
        w = weights.weight_hh
        return LSTMState(w.new_zeros(batch, w.shape[-1]), w.new_zeros(batch, w.shape[-2] // len(self.gates)))

    def step(
        self, x: Tensor, state: LSTMState, weights: LSTMWeights, dropped: Tensor | None = None
    ) -> LSTMState:
        """c_t = f_t c_{t-1} + i_t g_t and h_t = o_t tanh(c_t), projected if `weight_hr` is given."""
        w = weights
        i, f, g, o = self.gate_values(x, state, weights, dropped)
        c = f * state.c + i * g
        normed = c if w.gain_cell is None else _layer_norm(c, w.gain_cell, w.bias_cell)
        h = o * torch.tanh(normed)
        return LSTMState(h if w.weight_hr is None else F.linear(h, w.weight_hr), c)

    def gate_values(
        self, x: Tensor, state: LSTMState, weights: LSTMWeights, dropped: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute i_t, f_t, g_t and o_t, (B, H) each."""
        w, rows = weights, (len(weights.weight_hh),)
        a = _gate_sums(x, w.weight_ih, w.bias_ih, w.gain_ih, rows)  # (B, 4H)
        a = a + _gate_sums(_drop(state.h, dropped), w.weight_hh, w.bias_hh, w.gain_hh, rows)
        i, f, g, o = a.chunk(4, dim=-1)
        return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)

    def output(self, state: LSTMState) -> Tensor:
        """h_t: (B, H) or (B, P)."""
        return state.h
