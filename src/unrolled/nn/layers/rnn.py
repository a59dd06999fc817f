"""RNN, GRU and LSTM: torch's layers, with lengths, resets, any activation, and three regularisers.

Signatures, layouts, initial weights and `state_dict` are those of `torch.nn`. `forward` and `explain`
are in `unrolled.nn.layers.base`.

Shapes: T steps, B rows, F inputs, H hidden units, P projected units; L layers, D directions.
"""

from typing import Any

import torch

from unrolled.nn.cells.core import (
    NONLINEARITIES,
    GRUCell,
    GRUState,
    GRUWeights,
    LSTMCell,
    LSTMState,
    LSTMWeights,
    Nonlinearity,
    RNNCell,
    RNNState,
    RNNWeights,
)
from unrolled.nn.layers.base import RecurrentLayer
from unrolled.nn.layers.parameters import TorchOperator, reject_proj_size

_OPERATORS = {
    "tanh": TorchOperator("rnn_tanh", torch.rnn_tanh, "RNN_TANH"),
    "relu": TorchOperator("rnn_relu", torch.rnn_relu, "RNN_RELU"),
    "gru": TorchOperator("gru", torch.gru, "GRU"),
    "lstm": TorchOperator("lstm", torch.lstm, "LSTM"),
}
_RNN_CELLS = {name: RNNCell(name) for name in NONLINEARITIES}
_GRU_CELL, _LSTM_CELL = GRUCell(), LSTMCell()


class RNN(RecurrentLayer):
    """Plain recurrent layer: `torch.nn.RNN` with more activations, `lengths` and `resets`.

        h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)

    Args:
        input_size: F.
        hidden_size: H.
        num_layers: L, stacked layers.
        nonlinearity: φ: tanh, relu, leaky_relu (slope 0.01), prelu, sigmoid, identity, softsign, elu,
            hardtanh, or a callable that keeps the shape (B, H). A module's weights train with the layer;
            prelu adds a learned `slope_l{k}` (with `_reverse`) of shape (1,) for each layer and
            direction, which torch's `state_dict` does not have.
        bias: whether the layer has b_ih and b_hh.
        batch_first: (B, T, F) instead of (T, B, F), for input and output but not for the state.
        dropout: probability, in [0, 1], that an output of a layer is zeroed before the next, in training.
        bidirectional: a second direction from each row's end; its outputs follow on the last axis.
        device: of the weights.
        dtype: of the weights, and of input and output.
        recurrent_dropout: probability, in [0, 1], that a unit of h_{t-1} is zeroed before W_hh in training,
            one mask for all steps (Gal and Ghahramani 2016); the others are scaled up.
        zoneout: probability, in [0, 1], that a unit keeps its value at a step in training; its mean at
            inference (Krueger et al. 2017).
        layer_norm: normalise the pre-activations of φ and the gates, as in `RNNCell` (Ba et al. 2016);
            adds learned gains, named like the weights, which torch's `state_dict` does not have.

    Raises:
        ArgumentError: an option is out of range; every fault has its line.

    Edge cases: T = 0, B = 0 and lengths of 0 are allowed; see `forward`. A callable and a
    name of one formula (`torch.tanh` and "tanh") give equal values, but the kernels run the name only.

    Source: Elman, Finding structure in time (1990), with torch's two biases.

    >>> layer = RNN(3, 5, nonlinearity="sigmoid", batch_first=True)
    >>> output, h_n = layer(torch.randn(2, 7, 3), lengths=[7, 4])
    >>> output.shape, h_n.shape, torch.equal(output[1, 3], h_n[0, 1])
    (torch.Size([2, 7, 5]), torch.Size([1, 2, 5]), True)
    >>> print(layer.explain(torch.randn(2, 7, 3)))
    fused: one operator runs all steps on the ... kernels.
    """

    _state_type, _weights_type = RNNState, RNNWeights

    @reject_proj_size
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Nonlinearity = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity
        self._build(
            input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, proj_size=0, device=device, dtype=dtype,
            recurrent_dropout=recurrent_dropout, zoneout=zoneout, layer_norm=layer_norm,
        )  # fmt: skip

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        shapes = super()._shapes(width)
        if self.nonlinearity == "prelu":
            shapes["slope"] = (1,)
        return {**shapes, "gain_hh": (self.hidden_size,)} if self.layer_norm else shapes

    @property
    def _cell(self) -> RNNCell:
        phi = self.nonlinearity
        cell = _RNN_CELLS.get(phi) if isinstance(phi, str) else None
        return RNNCell(phi) if cell is None else cell

    @property
    def _operator(self) -> TorchOperator | None:
        return _OPERATORS.get(self.nonlinearity) if isinstance(self.nonlinearity, str) else None


class GRU(RecurrentLayer):
    """Gated recurrent unit: `torch.nn.GRU` with `lengths` and `resets`.

        r_t = σ(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
        z_t = σ(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
        n_t = tanh(W_in x_t + b_in + r_t (W_hn h_{t-1} + b_hn))
        h_t = (1 - z_t) n_t + z_t h_{t-1}

    Args:
        input_size: F.
        hidden_size: H.
        num_layers: L, stacked layers.
        bias: whether the layer has b_ih and b_hh.
        batch_first: (B, T, F) instead of (T, B, F), for input and output but not for the state.
        dropout: probability, in [0, 1], that an output of a layer is zeroed before the next, in training.
        bidirectional: a second direction from each row's end; its outputs follow on the last axis.
        device: of the weights.
        dtype: of the weights, and of input and output.
        recurrent_dropout: probability, in [0, 1], that a unit of h_{t-1} is zeroed before W_hh in training,
            one mask for all steps (Gal and Ghahramani 2016); the others are scaled up.
        zoneout: probability, in [0, 1], that a unit keeps its value at a step in training; its mean at
            inference (Krueger et al. 2017).
        layer_norm: normalise the pre-activations of φ and the gates, as in `GRUCell` (Ba et al. 2016);
            adds learned gains, named like the weights, which torch's `state_dict` does not have.

    Raises:
        ArgumentError: an option is out of range; every fault has its line.

    Edge cases: T = 0, B = 0 and lengths of 0 are allowed; see `forward`.

    Source: Cho et al. (2014), eq. 5 to 8, with the reset gate after the product as in torch.

    >>> layer = GRU(3, 5, batch_first=True)
    >>> output, h_n = layer(torch.randn(2, 7, 3))
    >>> output.shape, h_n.shape
    (torch.Size([2, 7, 5]), torch.Size([1, 2, 5]))
    >>> print(layer.explain(torch.randn(2, 7, 3)))
    fused: one operator runs all steps on the ... kernels.
    >>> layer.load_state_dict(torch.nn.GRU(3, 5).state_dict())
    <All keys matched successfully>
    """

    _state_type, _weights_type = GRUState, GRUWeights

    @reject_proj_size
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self._build(
            input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, proj_size=0, device=device, dtype=dtype,
            recurrent_dropout=recurrent_dropout, zoneout=zoneout, layer_norm=layer_norm,
        )  # fmt: skip

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        rows = 3 * self.hidden_size
        gains = {"gain_ih": (rows,), "gain_hh": (rows,)} if self.layer_norm else {}
        return {**super()._shapes(width), **gains}

    @property
    def _cell(self) -> GRUCell:
        return _GRU_CELL

    @property
    def _operator(self) -> TorchOperator:
        return _OPERATORS["gru"]


class LSTM(RecurrentLayer):
    """Long short-term memory: `torch.nn.LSTM` with `lengths` and `resets`.

        i_t = σ(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)
        f_t = σ(W_if x_t + b_if + W_hf h_{t-1} + b_hf)
        g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
        o_t = σ(W_io x_t + b_io + W_ho h_{t-1} + b_ho)
        c_t = f_t c_{t-1} + i_t g_t
        h_t = o_t tanh(c_t), or W_hr (o_t tanh(c_t)) with a projection

    Args:
        input_size: F.
        hidden_size: H.
        num_layers: L, stacked layers.
        bias: whether the layer has b_ih and b_hh.
        batch_first: (B, T, F) instead of (T, B, F), for input and output but not for the state.
        dropout: probability, in [0, 1], that an output of a layer is zeroed before the next, in training.
        bidirectional: a second direction from each row's end; its outputs follow on the last axis.
        proj_size: P, less than H: size to which outputs and h_t are projected; 0 for none. In float32 on
            a CPU torch warns once that its oneDNN implementation does not support it.
        device: of the weights.
        dtype: of the weights, and of input and output.
        recurrent_dropout: probability, in [0, 1], that a unit of h_{t-1} is zeroed before W_hh in training,
            one mask for all steps (Gal and Ghahramani 2016); the others are scaled up.
        zoneout: probability, in [0, 1], that a unit keeps its value at a step in training; its mean at
            inference (Krueger et al. 2017). A pair has a rate for h and one for c.
        layer_norm: normalise the pre-activations of φ and the gates, as in `LSTMCell` (Ba et al. 2016);
            adds learned gains, named like the weights, which torch's `state_dict` does not have.

    Raises:
        ArgumentError: an option is out of range; every fault has its line.

    Edge cases: T = 0, B = 0 and lengths of 0 are allowed; see `forward`.

    Source: Hochreiter and Schmidhuber (1997), Gers et al. (2000); projection: Sak et al. (2014), eq. 7.

    >>> layer = LSTM(3, 5, num_layers=2, bidirectional=True)
    >>> starts = torch.tensor([[True, False, False, True], [True, False, True, False]])
    >>> output, (h_n, c_n) = layer(torch.randn(4, 2, 3), resets=starts)
    >>> output.shape, h_n.shape, c_n.shape
    (torch.Size([4, 2, 10]), torch.Size([4, 2, 5]), torch.Size([4, 2, 5]))
    """

    _state_type, _weights_type = LSTMState, LSTMWeights

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        recurrent_dropout: float = 0.0,
        zoneout: float | tuple[float, float] = 0.0,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self._build(
            input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, proj_size=proj_size, device=device, dtype=dtype,
            recurrent_dropout=recurrent_dropout, zoneout=zoneout, layer_norm=layer_norm,
        )  # fmt: skip

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        H, shapes = self.hidden_size, super()._shapes(width)
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, H)
        if self.layer_norm:
            shapes.update(gain_ih=(4 * H,), gain_hh=(4 * H,), gain_cell=(H,))
            shapes.update({"bias_cell": (H,)} if self.bias else {})
        return shapes

    @property
    def _cell(self) -> LSTMCell:
        return _LSTM_CELL

    @property
    def _state_sizes(self) -> dict[str, int]:
        return {"h_0": self._output_size, "c_0": self.hidden_size}

    @property
    def _operator(self) -> TorchOperator:
        return _OPERATORS["lstm"]
