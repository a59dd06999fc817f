"""One step of a layer as a module in torch's operators, state in and out, for torch.export."""

from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError, TensorError
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.convert.common import AnyLayer
from unrolled.nn.layers.base import RecurrentLayer
from unrolled.nn.layers.cell_layer import CellLayer
from unrolled.nn.ops.unroll import unroll


class StepModule(nn.Module):
    """One step of a recurrent layer at inference: (x, *state) -> (output, *state).

        output, state = step(x_t, state);  zeros of the shapes below begin a stream

    It shares the layer's weights, and consists of torch's operators alone, so that an exported program runs
    where unrolled is not installed. Its answers equal the layer's up to rounding.

    Shapes: x (B, F), output (B, H), each part of the state (L, B, H): h and, of an LSTM, c.

    Args:
        layer: an RNN, GRU, LSTM or CellLayer in one direction.

    Raises:
        ArgumentError: the layer is of another type, or reads from the end.

    >>> import torch
    >>> from unrolled.nn import LSTM
    >>> layer, x = LSTM(3, 5, num_layers=2), torch.randn(7, 4, 3)
    >>> step = StepModule(layer)
    >>> state = torch.zeros(2, 4, 5), torch.zeros(2, 4, 5)
    >>> program = torch.export.export(step, (x[0], *state)).module()
    >>> for x_t in x:
    ...     output, *state = program(x_t, *state)
    >>> torch.allclose(output, layer(x)[0][-1], atol=1e-6)
    True
    """

    def __init__(self, layer: AnyLayer) -> None:
        super().__init__()
        if not isinstance(layer, RecurrentLayer | CellLayer):
            got = f"{type(layer).__module__}.{type(layer).__name__}"
            raise ArgumentError(
                f"StepModule layer: expected an RNN, GRU, LSTM or CellLayer of unrolled.nn, got {got}."
            )
        settings = layer.streamed()
        if settings.is_bidirectional:
            raise ArgumentError(
                "StepModule layer: expected one in one direction; this one reads from the end, which a stream"
                " does not have. Build it with bidirectional=False."
            )
        self.layer, self._rates, self._weights = layer, settings.rates, settings.weights

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Compute the output of a step, and the state after it."""
        layers: list[tuple[Any, Any]] = self._weights()
        names = type(layers[0][0].initial_state(1, layers[0][1]))._fields
        if len(state) != len(names):
            raise TensorError(
                f"StepModule state: expected {len(names)} tensors ({', '.join(names)}), got {len(state)}."
            )
        zoneout = None if self._rates is None else Zoneout(self._rates)
        outputs, finals = x[None], []
        for k, (cell, weights) in enumerate(layers):
            before = cell.initial_state(x.shape[0], weights)._make(part[k] for part in state)
            outputs, after = unroll(cell, outputs, weights, before, zoneout=zoneout)
            finals.append(after)
        return outputs[0], *(torch.stack(parts) for parts in zip(*finals, strict=True))
