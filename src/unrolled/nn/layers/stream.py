"""Live streams through recurrent layers: one step at a time, the state a value.

Shapes: T steps, B rows, F inputs, H outputs; L layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.errors import ArgumentError, TensorError
from unrolled.kernels.loading import compiled
from unrolled.kernels.operands import LEARNED, OPERANDS
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.ops.fused import cell_settings
from unrolled.nn.ops.unroll import unroll
from unrolled.validation import check_int

_WEIGHT_NAMES = [OPERANDS[index].name for index in LEARNED]
_STEPPERS = {torch.float32: "FloatStepper", torch.float64: "DoubleStepper"}
_FEW_NUMBERS = 256  # of an input, for which threads are never asked for


class StreamedLayer(NamedTuple):
    """Layer as a stream needs it."""

    name: str  # for errors
    input_size: int
    batch_first: bool
    is_bidirectional: bool
    runs_on_kernels: bool
    rates: tuple[float, ...] | None  # of zoneout
    weights: Callable[[], list[tuple[Any, Any]]]  # each layer's cell and its weights, as they are now


class LayerStream:
    """Live stream of B rows through a recurrent layer, at inference: nothing is dropped, zoneout is its mean.

    On the kernels every answer equals that step's output of the layer's own run over all steps, to the bit,
    however the steps are cut into calls and whatever B is. A step allocates its answer and nothing else, and
    does not touch autograd. Layers that the kernels do not run (`layer.explain` says why) are stepped by
    their cells: equal to their run up to rounding, for torch multiplies matrices of other sizes in another
    order. Weights that change are read anew before the next step.

    One thread at a time may call a stream.

    Made by `layer.stream(batch_size)` of `unrolled.nn.RNN`, `GRU`, `LSTM` and `CellLayer`.

    Args:
        layer: what is streamed.
        batch_size: B.

    Raises:
        ArgumentError: the layer is bidirectional, or `batch_size` is no whole number above 0.

    >>> from unrolled.nn import GRU
    >>> layer, x = GRU(3, 5), torch.randn(7, 1, 3)
    >>> stream = layer.stream()
    >>> answers = torch.stack([stream.step(x_t) for x_t in x])
    >>> torch.equal(answers, layer(x)[0])
    True
    """

    def __init__(self, layer: StreamedLayer, batch_size: int = 1) -> None:
        self._name, self._layer = f"{layer.name}.stream", layer
        B = self._batch_size = check_int(f"{self._name} batch_size", batch_size, least=1)
        if layer.is_bidirectional:
            raise ArgumentError(
                f"{self._name}: expected a layer in one direction; a bidirectional one reads from the end,"
                " which a stream does not have. Build the layer with bidirectional=False."
            )
        self._backend: _Kernels | _Cells = (_Kernels if layer.runs_on_kernels else _Cells)(layer, B)
        F, H = layer.input_size, self._backend.output_size
        self._step_shapes = (B, F), (F,)
        # torch allocates the like of a tensor faster than a shape on a device
        answers = torch.empty(B, H, dtype=self._backend.dtype, device=self._backend.device)
        self._answers = answers, answers[0]

    def __repr__(self) -> str:
        return f"{self._name}(batch_size={self._batch_size})"

    def step(self, x: Any) -> Tensor:
        """Move on by one step and return its output.

        Args:
            x: (B, F); or (F,) where B is 1.

        Returns:
            (B, H), or (H,) for (F,).

        Raises:
            TensorError: x has another shape or type; the state has not moved.
        """
        if type(x) is not Tensor or x.dtype is not self._backend.dtype or x.requires_grad:
            x = self._as_tensor("x", x)
        shape = x.shape
        if shape == self._step_shapes[0]:
            answer = torch.empty_like(self._answers[0])
        elif self._batch_size == 1 and shape == self._step_shapes[1]:
            answer = torch.empty_like(self._answers[1])
        else:
            rows = "(F,) or (1, F)" if self._batch_size == 1 else "(B, F)"
            raise TensorError(
                f"{self._name} x: expected one step, {rows} = {self._step_shapes[0]}; got shape"
                f" {tuple(shape)}. Pass several steps to steps(xs)."
            )
        self._backend.run(x, answer)
        return answer

    def steps(self, xs: Any) -> Tensor:
        """Move on by several steps and return their outputs.

        Args:
            xs: in the layout of the layer's input: (T, B, F), (B, T, F) with `batch_first`; or (T, F) where B
                is 1.

        Returns:
            The outputs in the same layout.

        Raises:
            TensorError: xs has another shape or type; the state has not moved.
        """
        xs = self._as_tensor("xs", xs)
        B, F = self._step_shapes[0]
        is_batched, batch_first = xs.ndim == 3, bool(self._layer.batch_first)
        inputs = xs if is_batched else xs[:, None] if xs.ndim == 2 and B == 1 else xs
        if is_batched and batch_first:
            inputs = inputs.transpose(0, 1)
        if inputs.ndim != 3 or inputs.shape[1:] != (B, F):
            axes = "(B, T, F)" if batch_first else "(T, B, F)"
            raise TensorError(
                f"{self._name} xs: expected {axes} with B={B} and F={F}; got shape"
                f" {tuple(xs.shape)}. Pass a single step to step(x)."
            )
        answers: Tensor = inputs.new_empty(len(inputs), B, self._backend.output_size)
        self._backend.run(inputs, answers)
        return answers[:, 0] if not is_batched else answers.transpose(0, 1) if batch_first else answers

    def peek(self, x: Any) -> Tensor:
        """Return the output that `step(x)` would, and leave the state where it is."""
        before = [part.clone() for part in self._backend.parts]
        try:
            return self.step(x)
        finally:
            self._backend.restore(before)

    def reset(self) -> None:
        """Go back to the state before the first step."""
        self._backend.restore(None)

    @property
    def state(self) -> Any:
        """State in the layout of `hx`, a copy: (L, B, H), of an LSTM the tuple (h, c). It may be set."""
        parts = tuple(part.clone() for part in self._backend.parts)
        return parts[0] if len(parts) == 1 else parts

    @state.setter
    def state(self, hx: Any) -> None:
        parts = (hx,) if isinstance(hx, Tensor) else hx
        expected = [tuple(part.shape) for part in self._backend.parts]
        if not isinstance(parts, tuple | list) or not all(isinstance(part, Tensor) for part in parts):
            raise TensorError(
                f"{self._name} state: expected tensors of shapes {expected}; got {type(hx).__name__}."
                " Set what stream.state gave."
            )
        got = [tuple(part.shape) for part in parts]
        if got != expected:
            raise TensorError(
                f"{self._name} state: expected shapes {expected}; got {got}."
                " Set the state of a stream of this layer and batch_size."
            )
        self._backend.restore([part.detach().to(self._backend.dtype) for part in parts])

    def _as_tensor(self, argument: str, x: Any) -> Tensor:
        try:
            tensor: Tensor = x.detach() if isinstance(x, Tensor) else torch.as_tensor(x)
            if tensor.is_complex():
                raise TypeError(f"complex numbers of {tensor.dtype}")
            return tensor.to(device=self._backend.device, dtype=self._backend.dtype)
        except (TypeError, ValueError, RuntimeError) as fault:
            raise TensorError(
                f"{self._name} {argument}: expected numbers; got {type(x).__name__} ({fault})."
                " Convert them with torch.as_tensor."
            ) from fault


class _Kernels:
    """Layers stepped on the kernels, from packed weights; the states are overwritten in place."""

    def __init__(self, layer: StreamedLayer, rows: int) -> None:
        self._layer = layer
        self.parts = _initial_parts(layer, rows)  # each (L, B, H)
        self.dtype, self.device = self.parts[0].dtype, self.parts[0].device
        self.output_size = self.parts[0].shape[-1]
        self._stepper = getattr(compiled, _STEPPERS[self.dtype])(rows)
        for k, (numbers, operands) in enumerate(self._read()):
            h, c = [*(part[k] for part in self.parts), None][:2]
            is_done = self._stepper.add_layer(numbers, operands, h, c)
            assert is_done, "the kernels refused weights that nobody but this class prepares"

    def _read(self) -> list[tuple[tuple[Any, ...], tuple[Tensor | None, ...]]]:
        """Return the settings and the operands of each layer, and remember which weights these were."""
        layers = self._layer.weights()
        self._stepper.watch([w for _, weights in layers for w in weights if w is not None])
        read = []
        for cell, weights in layers:
            number, activation, _, *rates = cell_settings(
                cell, weights, reverse=False, rates=self._layer.rates or ()
            )
            operands = [getattr(weights, name, None) for name in _WEIGHT_NAMES]
            readable = tuple(None if w is None else w.detach().resolve_neg().contiguous() for w in operands)
            read.append(((number, activation, *rates), readable))
        return read

    def run(self, x: Tensor, answer: Tensor) -> None:
        """Move on by the steps of x, and write their outputs."""
        if self._stepper.has_changed():
            for k, layer in enumerate(self._read()):
                self._stepper.pack_layer(k, *layer)
        threads = 1 if x.numel() < _FEW_NUMBERS else torch.get_num_threads()
        if not self._stepper.step(x, answer, threads):
            is_done = self._stepper.step(x.resolve_neg().contiguous(), answer, threads)
            assert is_done, "the kernels refused inputs that LayerStream checked"

    def restore(self, parts: Sequence[Tensor] | None) -> None:
        """Set the state; None for zeros."""
        for k, part in enumerate(self.parts):
            part.zero_() if parts is None else part.copy_(parts[k])


class _Cells:
    """Layers stepped by their cells, in torch's operators."""

    def __init__(self, layer: StreamedLayer, rows: int) -> None:
        self._layer, self._rows = layer, rows
        self.parts = _initial_parts(layer, rows)
        self.dtype, self.device = self.parts[0].dtype, self.parts[0].device
        cell, weights = layer.weights()[-1]
        self.output_size = int(cell.output(cell.initial_state(rows, weights)).shape[-1])

    @torch.no_grad()
    def run(self, x: Tensor, answer: Tensor) -> None:
        """Move on by the steps of x, and write their outputs."""
        finals, rates = [], self._layer.rates
        zoneout = None if rates is None else Zoneout(rates)
        output = x.reshape(-1, self._rows, x.shape[-1])
        for k, (cell, weights) in enumerate(self._layer.weights()):
            like = cell.initial_state(self._rows, weights)
            state = like._make(part[k] for part in self.parts)
            output, final = unroll(cell, output, weights, state, zoneout=zoneout)
            finals.append(final)
        answer.copy_(output.view_as(answer))
        self.parts = [torch.stack(each) for each in zip(*finals, strict=True)]

    def restore(self, parts: Sequence[Tensor] | None) -> None:
        """Set the state; None for the cells' own initial state."""
        parts = _initial_parts(self._layer, self._rows) if parts is None else parts
        self.parts = [part.clone() for part in parts]


@torch.no_grad()
def _initial_parts(layer: StreamedLayer, rows: int) -> list[Tensor]:
    """Return the parts of the initial states, each (L, B, size)."""
    states = [cell.initial_state(rows, weights) for cell, weights in layer.weights()]
    return [torch.stack(parts).detach() for parts in zip(*states, strict=True)]
