"""Run a recurrent layer one step at a time, each state a tensor of its own that gradients can be taken by.

Layers of torch.nn run on the package's cells, with their own weights. Layers of the package run in pieces of
one step, equal to the whole run to the bit and on the same kernels.

Shapes: B rows, T steps, C what a layer reads, H units of a state, L layers, D directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from unrolled import kernels
from unrolled.nn.cells.core import GRUCell, GRUWeights, LSTMCell, LSTMWeights, RNNCell, RNNWeights
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.layers.cell_layer import CellLayer, Direction
from unrolled.nn.ops import fused
from unrolled.nn.ops.unroll import unroll
from unrolled.probe.model.layer_hook import LayerCall, State, is_cell

Advance = Callable[[float], object]  # takes the share of a run that is done

_WEIGHTS: dict[type, Any] = {RNNCell: RNNWeights, GRUCell: GRUWeights, LSTMCell: LSTMWeights}


@dataclass(frozen=True, eq=False)
class DirectionRun:
    """Run of one layer in one direction.

    Args:
        layer: position in the stack, from 0 at the input.
        layers: number of layers in the stack.
        is_reverse: whether it runs from the last step to the first.
        cell: the layer's cell.
        weights: the cell's weights, detached.
        rates: zoneout rates, one for each part of the state; () for none.
        inputs: (T, B, C) input of the layer.
        lengths: (B,) valid steps of each row.
        states: T + 1 states in the order of the run, the initial state first.
    """

    layer: int
    layers: int
    is_reverse: bool
    cell: Any
    weights: Any
    rates: tuple[float, ...]
    inputs: Tensor
    lengths: Tensor
    states: tuple[Any, ...]

    @property
    def name(self) -> str:
        """Name in a sentence, among the layers and directions of the stack.

        >>> DirectionRun(1, 2, True, None, None, (), torch.ones(1), torch.ones(1), ()).name
        'layer 2 of 2, in reverse'
        """
        direction = "in reverse" if self.is_reverse else "forward"
        return direction if self.layers == 1 else f"layer {self.layer + 1} of {self.layers}, {direction}"

    def step(self, x: Tensor, state: Any, weights: Any = None) -> Any:
        """Return the state after x (B, C): the cell's step, and zoneout's mean of it."""
        stepped = self.cell.step(x, state, self.weights if weights is None else weights)
        if not self.rates:
            return stepped
        pairs = zip(self.rates, state, stepped, strict=True)
        return stepped._make(rate * old + (1 - rate) * new for rate, old, new in pairs)

    def valid_steps(self) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...], Tensor, Tensor]:
        """Collect every valid step, row after row, in the order of the run.

        Returns:
            Inputs (R, C); the parts of the state before and after, (R, H) each; the row of each step (R,) and
            its position (R,), counted from the start of the sequence.
        """
        T = len(self.inputs)
        counts = (torch.arange(T) < self.lengths.cpu()[:, None]).to(self.inputs.device)  # (B, T)
        travelled = counts.flip(1) if self.is_reverse else counts
        rows, times = torch.nonzero(travelled, as_tuple=True)
        steps = T - 1 - times if self.is_reverse else times
        parts = [torch.stack(part).detach() for part in zip(*self.states, strict=True)]  # (T + 1, B, H)
        before = tuple(part[times, rows] for part in parts)
        after = tuple(part[times + 1, rows] for part in parts)
        return self.inputs.detach()[steps, rows], before, after, rows, steps

    def final_state(self) -> tuple[Tensor, ...]:
        """Return the parts of the state after each row's last valid step: (B, H) each."""
        rows = torch.arange(self.inputs.shape[1], device=self.inputs.device)
        return tuple(torch.stack(part)[self._ends, rows] for part in zip(*self.states, strict=True))

    @property
    def _ends(self) -> Tensor:
        """Position (B,) of the final state in `states`."""
        lengths = self.lengths.to(self.inputs.device)
        return torch.full_like(lengths, len(self.inputs)) if self.is_reverse else lengths

    def align_to_end(self, parts: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Align values of the states to each row's own end.

        Args:
            parts: for each part of the state (T + 1, B, H), in the order of the run.

        Returns:
            (T, B, ΣH) values k steps back from the final state; and (T, B), true where there are so many.
        """
        states = torch.cat(parts, -1)
        T, B = len(states) - 1, states.shape[1]
        back, lengths = torch.arange(T, device=states.device)[:, None], self.lengths.to(states.device)
        is_valid = back < lengths
        return states[(self._ends - back).clamp(min=0), torch.arange(B, device=states.device)], is_valid


def run_stepwise(
    call: LayerCall, lengths: Tensor, advance: Advance | None = None
) -> tuple[Tensor, State, list[DirectionRun]]:
    """Run a layer again, one step at a time; of a cell in a loop the states are there already.

    Args:
        call: captured call of the layer.
        lengths: (B,) valid steps of each row, which the layer itself may not have been given.
        advance: called with the share of the run that is done, after every step.

    Returns:
        Output and final state as `LayerCall` has them, and a run for each layer and direction.
    """
    if call.cell_states is not None:
        return call.output, call.final, [_run_of_cell(call, lengths)]
    x, final_states = call.inputs.transpose(0, 1), []
    runs: list[DirectionRun] = []
    starts = None if call.state is None else iter(zip(*call.state, strict=True))
    valid_lengths = torch.minimum(call.lengths, lengths)
    directions = detached_directions(call.layer)
    n_runs = sum(map(len, directions))
    for k, layer in enumerate(directions):
        outputs = []
        for direction in layer:
            cell, weights, is_reverse = direction
            state = cell.initial_state(x.shape[1], weights)
            state = state if starts is None else state._make(next(starts))
            rates = _zoneout_rates(call.layer, len(state))
            part = None if advance is None else partial(_advance_part, advance, len(runs), n_runs)
            output, states = _run_direction(direction, rates, x, call.lengths, state, part)
            outputs.append(output)
            final_states.append(states[-1])
            runs.append(
                DirectionRun(k, len(directions), is_reverse, cell, weights, rates, x, valid_lengths, states)
            )
        x = torch.cat(outputs, dim=-1)
    final = tuple(torch.stack(parts) for parts in zip(*final_states, strict=True))
    return x.transpose(0, 1), final, runs


def _run_of_cell(call: LayerCall, lengths: Tensor) -> DirectionRun:
    """Take the states of a cell that ran in a loop, in the graph of its network."""
    assert call.cell_states is not None
    ((direction,),) = detached_directions(call.layer)
    kind = type(direction.cell.initial_state(1, direction.weights))
    return DirectionRun(
        layer=0,
        layers=1,
        is_reverse=False,
        cell=direction.cell,
        weights=direction.weights,
        rates=(),
        inputs=call.inputs.transpose(0, 1),
        lengths=torch.minimum(call.lengths, lengths.cpu()),
        states=tuple(kind(*state) for state in call.cell_states),
    )


def detached_directions(layer: nn.Module) -> list[list[Direction]]:
    """List the cells of a layer with their detached weights, by layer and direction."""
    if isinstance(layer, CellLayer):
        return [[_detached(direction) for direction in each] for each in layer.directions()]
    kind: Any = layer
    if is_cell(layer):
        gates = len(kind.weight_ih) // int(kind.hidden_size)
        cell: Any = RNNCell(kind.nonlinearity) if gates == 1 else GRUCell() if gates == 3 else LSTMCell()
        return [[_detached(Direction(cell, _weights_of(kind, type(cell), ""), is_reverse=False))]]
    gates = len(kind.weight_ih_l0) // int(kind.hidden_size)
    cell = RNNCell(kind.nonlinearity) if gates == 1 else GRUCell() if gates == 3 else LSTMCell()
    suffixes = ("", "_reverse") if kind.bidirectional else ("",)
    return [
        [
            _detached(Direction(cell, _weights_of(kind, type(cell), f"_l{k}{suffix}"), suffix != ""))
            for suffix in suffixes
        ]
        for k in range(kind.num_layers)
    ]


def _weights_of(layer: Any, cell: type, suffix: str) -> Any:
    """Read the cell's weights by torch's names; None for those that a layer lacks."""
    kind = _WEIGHTS[cell]
    return kind(**{field: getattr(layer, f"{field}{suffix}", None) for field in kind._fields})


def _detached(direction: Direction) -> Direction:
    weights = direction.weights
    return direction._replace(weights=weights._make(w if w is None else w.detach() for w in weights))


def _zoneout_rates(layer: Any, parts: int) -> tuple[float, ...]:
    rate = getattr(layer, "zoneout", 0.0)
    rates = rate if isinstance(rate, tuple) else (rate,) * parts
    return rates if any(rates) else ()


def _run_direction(
    direction: Direction,
    rates: tuple[float, ...],
    x: Tensor,
    lengths: Tensor,
    state: Any,
    advance: Advance | None,
) -> tuple[Tensor, tuple[Any, ...]]:
    """Return output (T, B, H) and T + 1 states in the order of the run; outputs share the states' tensors."""
    cell, weights, is_reverse = direction
    run = _choose_unroll(cell, weights, x)
    valid = torch.arange(len(x))[:, None] < lengths.cpu()  # (T, B)
    state = state._make(part.detach().requires_grad_() for part in state)
    states, outputs = [state], []
    xs = torch.split(x, 1)  # one autograd node for all steps; indexing would cost T of full size
    order = reversed(range(len(x))) if is_reverse else range(len(x))
    for done, t in enumerate(order, 1):
        _, state = run(
            cell, xs[t], weights, state, lengths=valid[t].long(), reverse=is_reverse,
            zoneout=Zoneout(rates) if rates else None,
        )  # fmt: skip
        states.append(state)
        output = cell.output(state)
        outputs.append(output.masked_fill(~valid[t][:, None].to(output.device), 0.0))
        if advance is not None:
            advance(done / len(x))
    return torch.stack(outputs[::-1] if is_reverse else outputs), tuple(states)


def _advance_part(advance: Advance, part: int, parts: int, share: float) -> None:
    advance((part + share) / parts)


def _choose_unroll(cell: Any, weights: Any, x: Tensor) -> Callable[..., tuple[Tensor, Any]]:
    """Choose the kernels where they can run this cell, else the reference."""
    fits = x.is_cpu and x.dtype in {torch.float32, torch.float64} and x.shape[-1] > 0
    has_kernel = fused.has_kernel(cell) and getattr(weights, "weight_hr", None) is None
    return fused.fused_unroll if kernels.available() and fits and has_kernel else unroll
