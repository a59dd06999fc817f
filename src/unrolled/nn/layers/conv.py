"""ConvGRU and ConvLSTM: recurrent layers of frames, with lengths, resets, zoneout, and the state in and out.

The inputs of all steps are convolved in one call; then a loop convolves the state once a step. Both
convolutions are torch's, whose rounding depends on the number of frames in a call: a sequence in pieces, or
alone, equals the whole, or the batch, to some 1e-6 and not to the bit.

Shapes: B rows, T steps, C input channels, D hidden channels, frames of H × W; L layers.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError, TensorError
from unrolled.nn.cells.conv import (
    ConvGRUCell,
    ConvGRUState,
    ConvLSTMCell,
    ConvLSTMState,
    ConvWeights,
    ProjectedCell,
)
from unrolled.nn.layers.base import Backend
from unrolled.nn.layers.inputs import InputSpec, autocast_dtype, check_dtype_and_device, check_state
from unrolled.nn.layers.options import check_bool, check_dtype, warn_of_unused_dropout
from unrolled.nn.ops.checks import check_dense, check_lengths, check_resets
from unrolled.nn.ops.unroll import unroll, unroll_stack
from unrolled.validation import ErrorCollector, check_float, check_int


class ConvRecurrentLayer(nn.Module):
    """Base class of ConvGRU and ConvLSTM."""

    _cell_type: ClassVar[Any]
    _state_type: ClassVar[Any]
    weight_ih_l0: Tensor

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        zoneout: float = 0.0,
    ) -> None:
        super().__init__()
        name, faults = type(self).__name__, ErrorCollector()
        self.in_channels = faults.collect(check_int, f"{name} in_channels", in_channels, least=1)
        self.hidden_channels = faults.collect(check_int, f"{name} hidden_channels", hidden_channels, least=1)
        self.kernel_size = faults.collect(_check_kernel_size, name, kernel_size)
        self.num_layers = faults.collect(check_int, f"{name} num_layers", num_layers, least=1)
        self.dropout = faults.collect(check_float, f"{name} dropout", dropout, least=0, most=1)
        self.zoneout = faults.collect(check_float, f"{name} zoneout", zoneout, least=0, most=1)
        self.bias = faults.collect(check_bool, f"{name} bias", bias)
        faults.collect(check_dtype, f"{name} dtype", dtype)
        faults.raise_if_any()
        warn_of_unused_dropout(name, dropout, num_layers, stacklevel=2)
        rows = len(self._cell_type.gates) * hidden_channels
        for layer in range(num_layers):
            width = in_channels if layer == 0 else hidden_channels
            shapes = {"weight_ih": (rows, width), "weight_hh": (rows, hidden_channels)}
            for field, channels in shapes.items():
                weight = torch.empty(*channels, *self.kernel_size, device=device, dtype=dtype)
                self.register_parameter(f"{field}_l{layer}", nn.Parameter(weight))
            for field in ("bias_ih", "bias_hh"):
                vector = nn.Parameter(torch.empty(rows, device=device, dtype=dtype)) if bias else None
                self.register_parameter(f"{field}_l{layer}", vector)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights uniformly from ±1 / √(D M N), M × N the kernel."""
        bound = (self.hidden_channels * self.kernel_size[0] * self.kernel_size[1]) ** -0.5
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def forward(
        self,
        input: Tensor,  # noqa: A002 (torch's name)
        hx: Any = None,
        lengths: Any = None,
        resets: Any = None,
    ) -> tuple[Tensor, Any]:
        """Run the layers over the frames.

        Args:
            input: (B, T, C, H, W).
            hx: initial state, each part (L, B, D, H, W), a pair for an LSTM; None for zeros.
            lengths: (B,) whole numbers from 0 to T, the number of frames of each row; what lies beyond is
                never read.
            resets: (B, T) bool, true where a new segment begins: the state is zero before that step.

        Returns:
            The last layer's states h (B, T, D, H, W), zero beyond a row's length; and the state after each
            row's last step, in the layout of `hx`.

        Raises:
            TensorError: an argument has a wrong type, shape, dtype, device or range.
        """
        cast = autocast_dtype(self.weight_ih_l0)
        frames, state, lengths, resets = self._check_inputs(input, hx, lengths, resets, cast)
        if lengths is not None:
            steps = torch.arange(frames.shape[0], device=frames.device)
            frames = frames.masked_fill((steps[:, None] >= lengths)[..., None, None, None], 0.0)
        with torch.autocast(frames.device.type, enabled=False) if cast else nullcontext():
            output, states = unroll_stack(
                self._cell_type((frames.shape[-2], frames.shape[-1])), frames, self._weights(cast), state,
                lengths=lengths, resets=resets, dropout=self.dropout,
                zoneout=(self.zoneout,) * len(self._state_type._fields) if self.zoneout else None,
                training=self.training, run=_run_layer,
            )  # fmt: skip
        finals = tuple(torch.stack(parts) for parts in zip(*(one for (one,) in states), strict=True))
        return output.transpose(0, 1), finals[0] if len(finals) == 1 else finals

    def explain(self, *_: Any, **__: Any) -> Backend:
        """Return the backend that `forward` uses, which is the reference for every input, and the reason."""
        return Backend("reference", ("the convolutions are torch's, one for all inputs and one a step",))

    def extra_repr(self) -> str:
        """Format the options that differ from the defaults."""
        options = {"num_layers": 1, "bias": True, "dropout": 0.0, "zoneout": 0.0}
        changed = [
            f"{name}={getattr(self, name)}" for name, usual in options.items() if getattr(self, name) != usual
        ]
        return ", ".join([f"{self.in_channels}, {self.hidden_channels}, {self.kernel_size}", *changed])

    def _weights(self, cast: torch.dtype | None) -> list[list[ConvWeights]]:
        def read(name: str) -> Tensor | None:
            weight: Tensor | None = getattr(self, name)
            return weight if weight is None or cast is None else weight.to(cast)

        return [
            [ConvWeights(*(read(f"{field}_l{layer}") for field in ConvWeights._fields))]  # type: ignore[arg-type]
            for layer in range(self.num_layers)
        ]

    def _check_inputs(
        self, x: Any, hx: Any, lengths: Any, resets: Any, cast: torch.dtype | None
    ) -> tuple[Tensor, Sequence[Any] | None, Tensor | None, Tensor | None]:
        """Validate the arguments of a call; frames (T, B, C, H, W), and a state for each layer."""
        name, weight = type(self).__name__, self.weight_ih_l0
        if not isinstance(x, Tensor):
            got = type(x).__name__
            raise TensorError(f"{name} input: expected a tensor, got {got}. Convert with torch.as_tensor.")
        check_dense(f"{name} input", x)
        if x.ndim != 5 or 0 in x.shape[-2:]:
            raise TensorError(
                f"{name} input: expected frames (B, T, C, H, W); got shape {tuple(x.shape)}. Add an axis of 1"
                " for a batch of one or a single channel with x.unsqueeze(axis)."
            )
        faults = ErrorCollector(TensorError)
        if x.shape[2] != self.in_channels:
            C = self.in_channels
            faults.add(
                f"{name} input: the third axis must be in_channels={C}; got shape {tuple(x.shape)}."
                f" Rebuild with in_channels={x.shape[2]} or select {C} channels."
            )
        faults.collect(check_dtype_and_device, f"{name} input", x, weight)
        faults.raise_if_any()
        B, T, _, H, W = x.shape
        frames = x.transpose(0, 1).to(cast or x.dtype)
        sizes = {f"{part}_0": (self.hidden_channels, H, W) for part in self._state_type._fields}
        spec = InputSpec(name, self.in_channels, sizes, self.num_layers, True, weight)
        parts = faults.collect(check_state, spec, frames, hx, True)
        if lengths is not None:
            lengths = faults.collect(check_lengths, name, lengths, B, T)
        if resets is not None:
            resets = faults.collect(check_resets, name, resets, B, T)
        faults.raise_if_any()
        state = None if parts is None else [[self._state_type(*one)] for one in zip(*parts, strict=True)]
        return frames, state, None if lengths is None else lengths.to(x.device), resets


class ConvGRU(ConvRecurrentLayer):
    """Recurrent layer of frames: a GRU whose products are convolutions; see `ConvGRUCell` for the formula.

    Args:
        in_channels: C.
        hidden_channels: D.
        kernel_size: M × N of both convolutions, odd or even; a number for a square.
        num_layers: L, stacked layers.
        bias: whether the layer has b_i and b_h.
        dropout: probability, in [0, 1], that an output of a layer is zeroed before the next, in training.
        device: of the weights.
        dtype: of the weights, and of input and output.
        zoneout: probability, in [0, 1], that a unit keeps its value at a step in training; its mean at
            inference (Krueger et al. 2017).

    Raises:
        ArgumentError: an option is out of range; every fault has its line.

    Edge cases: T = 0, B = 0 and lengths of 0 are allowed.

    Source: Ballas et al. (2016), with the reset gate after the convolution.

    >>> layer = ConvGRU(1, 8, kernel_size=5)
    >>> output, h_n = layer(torch.randn(2, 7, 1, 12, 16), lengths=[7, 4])
    >>> output.shape, h_n.shape, torch.equal(output[1, 3], h_n[0, 1])
    (torch.Size([2, 7, 8, 12, 16]), torch.Size([1, 2, 8, 12, 16]), True)
    """

    _cell_type, _state_type = ConvGRUCell, ConvGRUState


class ConvLSTM(ConvRecurrentLayer):
    """Recurrent layer of frames: an LSTM whose products are convolutions; see `ConvLSTMCell` for the formula.

    Args:
        in_channels: C.
        hidden_channels: D.
        kernel_size: M × N of both convolutions, odd or even; a number for a square.
        num_layers: L, stacked layers.
        bias: whether the layer has b_i and b_h.
        dropout: probability, in [0, 1], that an output of a layer is zeroed before the next, in training.
        device: of the weights.
        dtype: of the weights, and of input and output.
        zoneout: probability, in [0, 1], that a unit keeps its value at a step in training; its mean at
            inference (Krueger et al. 2017).

    Raises:
        ArgumentError: an option is out of range; every fault has its line.

    Edge cases: T = 0, B = 0 and lengths of 0 are allowed.

    Source: Shi et al. (2015), without peepholes, as Keras' ConvLSTM2D.

    >>> layer = ConvLSTM(3, 4, num_layers=2)
    >>> first, state = layer(torch.randn(2, 5, 3, 8, 8))
    >>> second, (h_n, c_n) = layer(torch.randn(2, 5, 3, 8, 8), state)
    >>> second.shape, h_n.shape, c_n.shape
    (torch.Size([2, 5, 4, 8, 8]), torch.Size([2, 2, 4, 8, 8]), torch.Size([2, 2, 4, 8, 8]))
    """

    _cell_type, _state_type = ConvLSTMCell, ConvLSTMState


def _run_layer(cell: Any, frames: Tensor, weights: ConvWeights, state: Any = None, **more: Any) -> Any:
    """Run one layer as `unroll` does, with one convolution for the inputs of all steps."""
    projected = cell.project(frames.flatten(0, 1), weights).unflatten(0, frames.shape[:2])
    return unroll(ProjectedCell(cell), projected, weights, state, **more)


def _check_kernel_size(name: str, size: Any) -> tuple[int, int]:
    """Return M and N of a number or a pair."""
    if isinstance(size, tuple | list):
        if len(size) != 2:
            raise ArgumentError(f"{name} kernel_size: expected one number or two, got {len(size)}.")
        return tuple(check_int(f"{name} kernel_size", each, least=1) for each in size)  # type: ignore[return-value]
    side = check_int(f"{name} kernel_size", size, least=1)
    return side, side
