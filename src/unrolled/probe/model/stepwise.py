"""A recurrent layer as cells that step: run in pieces, each state kept, each open to a gradient.

Layers of torch.nn are run by the cells here, with their own weights; layers of the package in pieces of one
step, which equal the whole run to the bit and stay on the kernels.

Shapes: B rows, T steps, C what a layer reads, H units of a state, L layers, D directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unrolled import kernels
from unrolled.nn.cells.core import GRUCell, GRUWeights, LSTMCell, LSTMWeights, RNNCell, RNNWeights
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.layers.cell_layer import CellLayer, Direction
from unrolled.nn.ops import fused
from unrolled.nn.ops.unroll import unroll
from unrolled.probe.model.layer_hook import LayerCall, State

_WEIGHTS: dict[type, Any] = {RNNCell: RNNWeights, GRUCell: GRUWeights, LSTMCell: LSTMWeights}


@dataclass(frozen=True, eq=False)
class DirectionRun:
    """One layer's run in one direction.

    Args:
        layer: which one, counted from 0 at the input.
        layers: how many there are.
        is_reverse: whether it travels from the last step to the first.
        cell: what steps.
        weights: what its step takes, without a gradient.
        rates: zoneout's, one for each part of the state; () for none.
        inputs: (T, B, C) what it read.
        lengths: (B,) the steps that count, of each row.
        states: T + 1 states in the order of travel, the first the one that it started from.
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
        """What a sentence calls it, among all of the layer.

        >>> DirectionRun(1, 2, True, None, None, (), torch.ones(1), torch.ones(1), ()).name
        'layer 2 of 2, in reverse'
        """
        direction = "in reverse" if self.is_reverse else "forward"
        return direction if self.layers == 1 else f"layer {self.layer + 1} of {self.layers}, {direction}"

    def step(self, x: Tensor, state: Any, weights: Any = None) -> Any:
        """The state after x (B, C): the cell's step, and zoneout's mean of it."""
        stepped = self.cell.step(x, state, self.weights if weights is None else weights)
        if not self.rates:
            return stepped
        pairs = zip(self.rates, state, stepped, strict=True)
        return stepped._make(rate * old + (1 - rate) * new for rate, old, new in pairs)

    def valid_steps(self) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...], Tensor, Tensor]:
        """Every step that counts, row after row, in the order of travel.

        Returns:
            What came in (R, C); the parts of the state before and after, (R, H) each; the row of each (R,)
            and its step (R,), counted from the start of the sequence.
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
        """The parts of the state after each row's last step that counts: (B, H) each."""
        rows = torch.arange(self.inputs.shape[1], device=self.inputs.device)
        return tuple(torch.stack(part)[self._ends, rows] for part in zip(*self.states, strict=True))

    @property
    def _ends(self) -> Tensor:
        """(B,) where in `states` that one is."""
        lengths = self.lengths.to(self.inputs.device)
        return torch.full_like(lengths, len(self.inputs)) if self.is_reverse else lengths

    def align_to_end(self, parts: list[Tensor]) -> tuple[Tensor, Tensor]:
        """What belongs to the states, counted back from each row's own end.

        Args:
            parts: for each part of the state (T + 1, B, H), in the order of travel.

        Returns:
            (T, B, ΣH), k steps back from the state after the last step; and (T, B) which there are.
        """
        states = torch.cat(parts, -1)
        T, B = len(states) - 1, states.shape[1]
        back, lengths = torch.arange(T, device=states.device)[:, None], self.lengths.to(states.device)
        is_valid = back < lengths
        return states[(self._ends - back).clamp(min=0), torch.arange(B, device=states.device)], is_valid


def run_stepwise(call: LayerCall, lengths: Tensor) -> tuple[Tensor, State, list[DirectionRun]]:
    """Run a layer again, one step at a time.

    Args:
        call: how it was run.
        lengths: (B,) the steps of each row that count, where the layer itself may not know of them.

    Returns:
        Output and final state as `LayerCall` has them, and a strand for each layer and direction.
    """
    x, runs, final_states = call.inputs.transpose(0, 1), [], []
    starts = None if call.state is None else iter(zip(*call.state, strict=True))
    valid_lengths = torch.minimum(call.lengths, lengths)
    directions = detached_directions(call.layer)
    for k, layer in enumerate(directions):
        outputs = []
        for direction in layer:
            cell, weights, is_reverse = direction
            state = cell.initial_state(x.shape[1], weights)
            state = state if starts is None else state._make(next(starts))
            rates = _zoneout_rates(call.layer, len(state))
            output, states = _run_direction(direction, rates, x, call.lengths, state)
            outputs.append(output)
            final_states.append(states[-1])
            runs.append(
                DirectionRun(k, len(directions), is_reverse, cell, weights, rates, x, valid_lengths, states)
            )
        x = torch.cat(outputs, dim=-1)
    final = tuple(torch.stack(parts) for parts in zip(*final_states, strict=True))
    return x.transpose(0, 1), final, runs


def detached_directions(layer: nn.Module) -> list[list[Direction]]:
    """The cells of a layer with their weights, detached, one a layer and direction."""
    if isinstance(layer, CellLayer):
        return [[_detached(direction) for direction in each] for each in layer.directions()]
    kind: Any = layer
    gates = len(kind.weight_ih_l0) // int(kind.hidden_size)
    cell: Any = RNNCell(kind.nonlinearity) if gates == 1 else GRUCell() if gates == 3 else LSTMCell()
    suffixes = ("", "_reverse") if kind.bidirectional else ("",)
    return [
        [
            _detached(Direction(cell, _weights_of(kind, type(cell), f"_l{k}{suffix}"), suffix != ""))
            for suffix in suffixes
        ]
        for k in range(kind.num_layers)
    ]


def _weights_of(layer: Any, cell: type, suffix: str) -> Any:
    """The cell's weights by torch's names; what a layer has not is None."""
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
    direction: Direction, rates: tuple[float, ...], x: Tensor, lengths: Tensor, state: Any
) -> tuple[Tensor, tuple[Any, ...]]:
    """Output (T, B, H) and T + 1 states in the order of travel; each output is the state's own tensor."""
    cell, weights, is_reverse = direction
    run = _choose_unroll(cell, weights, x)
    valid = torch.arange(len(x))[:, None] < lengths.cpu()  # (T, B)
    state = state._make(part.detach().requires_grad_() for part in state)
    states, outputs = [state], []
    xs = torch.split(x, 1)  # one autograd node for all steps; indexing would cost T of full size
    for t in reversed(range(len(x))) if is_reverse else range(len(x)):
        _, state = run(
            cell, xs[t], weights, state, lengths=valid[t].long(), reverse=is_reverse,
            zoneout=Zoneout(rates) if rates else None,
        )  # fmt: skip
        states.append(state)
        output = cell.output(state)
        outputs.append(output.masked_fill(~valid[t][:, None].to(output.device), 0.0))
    return torch.stack(outputs[::-1] if is_reverse else outputs), tuple(states)


def _choose_unroll(cell: Any, weights: Any, x: Tensor) -> Callable[..., tuple[Tensor, Any]]:
    """The kernels where they can run this cell, else the reference."""
    fits = x.is_cpu and x.dtype in {torch.float32, torch.float64} and x.shape[-1] > 0
    has_kernel = fused.has_kernel(cell) and getattr(weights, "weight_hr", None) is None
    return fused.fused_unroll if kernels.available() and fits and has_kernel else unroll
