"""CellLayer: stacked, bidirectional layers of any cell, on the reference backend.

Shapes: T steps, B rows, F inputs; L layers, D directions.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ArgumentError
from unrolled.nn.cells.core import Cell, RNNCell
from unrolled.nn.layers.base import Backend
from unrolled.nn.layers.inputs import InputSpec, LayerInputs, check_inputs, restore_layout
from unrolled.nn.layers.stream import LayerStream, StreamedLayer
from unrolled.nn.ops import fused
from unrolled.nn.ops.unroll import unroll


class Direction(NamedTuple):
    """One direction of a layer: a cell, its weights, and whether it runs in reverse."""

    cell: Any  # a `Cell`
    weights: Any  # the NamedTuple of tensors (or None) that its step takes
    is_reverse: bool = False


class CellLayer(nn.Module):
    """Stacked layers of any cell, each in one or two directions.

    Args:
        input_size: F.
        layers: the directions of each layer, one or two; all states must have equal sizes. The weights
            are copied and become parameters with torch's names, such as `weight_ih_l0_reverse`.
        batch_first: (B, T, F) instead of (T, B, F), for input and output but not for the state.

    Raises:
        ArgumentError: there is no layer, a layer has no direction or more than two, or sizes differ.

    Edge cases: T = 0, B = 0 and lengths of 0 are allowed, as in `unroll`.

    >>> from unrolled.nn.cells.core import GRUWeights
    >>> from unrolled.nn.cells.variants import ResetFirstGRUCell
    >>> weights = GRUWeights(torch.randn(15, 3), torch.randn(15, 5))
    >>> layer = CellLayer(3, [[Direction(ResetFirstGRUCell(), weights)]], batch_first=True)
    >>> output, h_n = layer(torch.randn(2, 7, 3), lengths=[7, 4])
    >>> output.shape, h_n.shape, torch.equal(output[1, 3], h_n[0, 1])
    (torch.Size([2, 7, 5]), torch.Size([1, 2, 5]), True)
    >>> print(layer.explain())
    reference: the kernels do not have ResetFirstGRUCell.
    """

    def __init__(
        self, input_size: int, layers: Sequence[Sequence[Direction]], *, batch_first: bool = False
    ) -> None:
        super().__init__()
        if not layers or not all(1 <= len(layer) <= 2 for layer in layers):
            counts = [len(layer) for layer in layers]
            raise ArgumentError(f"CellLayer layers: expected one or two directions in each, got {counts}.")
        sizes = {_state_sizes(direction) for layer in layers for direction in layer}
        if len(sizes) > 1 or len({len(layer) for layer in layers}) > 1:
            raise ArgumentError(
                "CellLayer layers: expected states of one size, and as many directions in each layer; got"
                f" {sorted(sizes)} and {[len(layer) for layer in layers]}. Make one CellLayer for each."
            )
        self.input_size, self.num_layers, self.batch_first = input_size, len(layers), batch_first
        (self._sizes,) = sizes
        self._layers = [
            [
                self._register(direction, f"_l{k}{suffix}")
                for direction, suffix in zip(layer, ("", "_reverse"), strict=False)
            ]
            for k, layer in enumerate(layers)
        ]

    def _register(
        self, direction: Direction, suffix: str
    ) -> tuple[Cell[Any, Any], type, dict[str, str], bool]:
        """Register the weights of one direction; return their parameter names by field."""
        names = {}
        for field, weight in direction.weights._asdict().items():
            if weight is not None:
                names[field] = f"{field}{suffix}"
                self.register_parameter(
                    names[field], nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format))
                )
        return direction.cell, type(direction.weights), names, direction.is_reverse

    def directions(self, cast: torch.dtype | None = None) -> list[list[Direction]]:
        """Return the cells and current weights, layer by layer, in the dtype `cast` if given."""

        def read(name: str) -> Tensor:
            weight: Tensor = getattr(self, name)
            return weight if cast is None else weight.to(cast)

        return [
            [
                Direction(cell, kind(**{field: read(name) for field, name in names.items()}), is_reverse)
                for cell, kind, names, is_reverse in layer
            ]
            for layer in self._layers
        ]

    def forward(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 (torch's name)
        hx: Any = None,
        lengths: Any = None,
        resets: Any = None,
    ) -> tuple[Any, Any]:
        """Run the layers over the input.

        Args:
            input: (T, B, F); (B, T, F) if `batch_first`; (T, F) without a batch axis; or a
                PackedSequence, for which the outputs are one too.
            hx: initial state, each part (L * D, B, size), a tuple if there are several parts; without B
                if the input has no batch axis. None: the cells' initial state.
            lengths: (B,) integers from 0 to T, the number of steps of each row.
            resets: (B, T) bool, true where a new segment begins; as for `unroll`.

        Returns:
            The last layer's outputs in the input's layout, the directions concatenated on the last axis,
            each at its own step, zero beyond a row's length; and the state after each row's last step
            (step 0 in reverse), in the layout of `hx`.

        Raises:
            ArgumentError: an argument has a wrong shape, dtype, device or range.
        """
        depth, first = sum(map(len, self._layers)), next(self.parameters())
        spec = InputSpec("CellLayer", self.input_size, dict(self._sizes), depth, self.batch_first, first)
        call = check_inputs(spec, input, hx, lengths, resets)
        with torch.autocast(call.inputs.device.type, enabled=False) if call.cast else nullcontext():
            output, state = self._run(call)
        return restore_layout(call, output, state, batch_first=self.batch_first)

    def _run(self, call: LayerInputs) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the outputs (T, B, D * H) of the last layer, and the parts of all last states, stacked."""
        x, last_states = call.inputs, []
        initial = None if call.state is None else iter(zip(*call.state, strict=True))
        for layer in self.directions(call.cast):
            outputs = []
            for cell, weights, is_reverse in layer:
                state = cell.initial_state(x.shape[1], weights)
                output, state = unroll(
                    cell, x, weights, state if initial is None else state._make(next(initial)),
                    lengths=call.lengths, resets=call.resets, reverse=is_reverse,
                )  # fmt: skip
                outputs.append(output)
                last_states.append(state)
            x = torch.cat(outputs, dim=-1)
        return x, tuple(torch.stack(parts) for parts in zip(*last_states, strict=True))

    def stream(self, batch_size: int = 1) -> LayerStream:
        """Return a live stream of `batch_size` rows, which runs the layers one step at a time."""
        return LayerStream(self.streamed(), batch_size)

    def streamed(self) -> StreamedLayer:
        """Return the layer as a stream needs it."""
        is_bidirectional = any(len(layer) > 1 or layer[0][3] for layer in self._layers)
        return StreamedLayer(
            "CellLayer", self.input_size, self.batch_first, is_bidirectional, False, None,
            lambda: [(layer[0].cell, layer[0].weights) for layer in self.directions()],
        )  # fmt: skip

    def explain(self, *_: Any, **__: Any) -> Backend:
        """Return the backend that `forward` uses, which is the reference for every input, and the reasons."""
        fusible: dict[str, None] = {}  # dictionaries as ordered sets
        unsupported: dict[str, None] = {}
        for cell, names in [(each[0], each[2]) for layer in self._layers for each in layer]:
            name = type(cell).__name__
            if "weight_hr" in names:
                unsupported[f"{name} with a projection"] = None
            elif fused.has_kernel(cell):
                fusible[name] = None
            else:
                unsupported[name + " with a callable" * isinstance(cell, RNNCell)] = None
        reasons = []
        if unsupported:
            reasons.append(f"the kernels do not have {', '.join(unsupported)}")
        if fusible:
            cells = ", ".join(fusible)
            reasons.append(f"a CellLayer runs every cell in Python, {cells} too, which the kernels have")
        return Backend("reference", tuple(reasons))

    def extra_repr(self) -> str:
        """Format the cells and their directions."""
        cells = [
            f"{cell}{' in reverse' * is_reverse}"
            for layer in self._layers
            for cell, _, _, is_reverse in layer
        ]
        return ", ".join([str(self.input_size), *cells, *(["batch_first=True"] if self.batch_first else [])])


def _state_sizes(direction: Direction) -> tuple[tuple[str, int], ...]:
    """Return the name of each part of a cell's state in `hx`, and the size of its last axis."""
    state = direction.cell.initial_state(1, direction.weights)
    return tuple((f"{part}_0", h.shape[-1]) for part, h in state._asdict().items())
