"""Hook the recurrent layer of a network: capture its calls, and run something else in its place.

However the layer is called (time first, batch first, one sequence, a PackedSequence), a probe sees one
layout: batch first, with lengths.

Shapes: B rows, T steps, C what the layer reads, L layers, D directions, H units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ArgumentError
from unrolled.nn.layers.base import RecurrentLayer
from unrolled.nn.layers.cell_layer import CellLayer
from unrolled.nn.layers.packed import pack_like, pad_packed

State = tuple[Tensor, ...]
RECURRENT_LAYERS = (RecurrentLayer, CellLayer, nn.RNNBase)
CELLS = (nn.RNNCell, nn.GRUCell, nn.LSTMCell)  # run in a loop that the network writes itself


@dataclass(frozen=True, eq=False)
class LayerCall:
    """Captured call of a recurrent layer.

    Args:
        layer: the layer.
        inputs: (B, T, C) its input.
        lengths: (B,) steps of each row.
        state: initial state, each part (L · D, B, H): (h,) or (h, c); None for zeros.
        output: (B, T, D · H) its output, zero beyond a row's length where it was given the lengths.
        final: the state after each row's last step, each part (L · D, B, H).
        cell_states: of a cell that ran in a loop the T + 1 states, each part (B, H), in the graph of the
            network itself; None of a layer.
    """

    layer: nn.Module
    inputs: Tensor
    lengths: Tensor
    state: State | None
    output: Tensor
    final: State
    cell_states: tuple[State, ...] | None = None

    def at(self, rows: Tensor) -> LayerCall:
        """Take the rows at these positions."""
        return replace(
            self,
            inputs=self.inputs[rows],
            lengths=self.lengths[rows.to(self.lengths.device)],
            state=None if self.state is None else tuple(part[:, rows] for part in self.state),
            output=self.output[rows],
            final=tuple(part[:, rows] for part in self.final),
            cell_states=None
            if self.cell_states is None
            else tuple(tuple(part[rows] for part in state) for state in self.cell_states),
        )


LayerReplacement = Callable[[LayerCall], tuple[Tensor, State]]


def find_recurrent_layer(network: nn.Module) -> nn.Module | None:
    """Find the last recurrent layer of a network, or else its last cell; None where there is neither.

    >>> find_recurrent_layer(nn.Sequential(nn.GRU(1, 4), nn.Linear(4, 2)))
    GRU(1, 4)
    """
    modules = list(network.modules())
    layers: list[nn.Module] = [module for module in modules if isinstance(module, RECURRENT_LAYERS)]
    layers = layers or [module for module in modules if is_cell(module)]
    return layers[-1] if layers else None


def is_cell(layer: nn.Module) -> bool:
    """Tell whether a layer is a cell of torch.nn, which a network calls once a step."""
    return isinstance(layer, CELLS)


@contextmanager
def capture_calls(
    layer: nn.Module, replacement: LayerReplacement | None = None, *, cut: bool = False
) -> Iterator[list[LayerCall]]:
    """Capture every call of a layer, and return the result of `replacement` in its place if there is one.

    Of a cell every step is captured; `single_call` joins them. With `cut`, each state of a cell is a leaf of
    its own, so that no gradient passes from one step to the one before.

    `replacement(call)` returns output and final state as `LayerCall` has them; they are converted here to the
    layout that the network expects.
    """
    calls: list[LayerCall] = []

    def record_call(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], returned: Any) -> Any:
        if is_cell(module):
            return _record_step(calls, module, args, kwargs, returned, cut=cut)
        call = _standard_layout(module, args, kwargs, returned)
        calls.append(call)
        return None if replacement is None else _restore_layout(replacement(call), returned, module)

    hook = layer.register_forward_hook(record_call, with_kwargs=True)
    try:
        yield calls
    finally:
        hook.remove()


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[nn.Module]:
    """Put a network in evaluation mode, and restore the mode of every part afterwards."""
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        # cuDNN has no way back through a layer in evaluation mode
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not torch.is_grad_enabled()):
            yield network
    finally:
        for module, training in before:
            module.training = training


@torch.no_grad()
def first_output(
    module: nn.Module, call: Callable[..., Tensor], values: Tensor, lengths: Tensor, caller: str
) -> Tensor:
    """Run a module on one of the longest sequences: (1, K) or (1, T, K).

    Raises:
        ArgumentError: the call fails, its output has another shape or kind, or it reads the batch as time.
    """
    row, name = lengths.argmax()[None].cpu(), type(module).__name__
    layer, shape = find_recurrent_layer(module), (1, *values.shape[1:])
    watching: AbstractContextManager[list[LayerCall]] = (
        nullcontext([]) if layer is None else capture_calls(layer)
    )
    try:
        with evaluation_mode(module) as network, watching as calls:
            output = call(network, values[row], lengths[row], row)
    except Exception as fault:
        reason = str(fault).split("\n", 1)[0] or type(fault).__name__
        raise ArgumentError(
            f"{caller} model: expected a module that can be called with values of shape {shape}; the {name} "
            f"raised: {reason.rstrip('.')}. Give X as it reads it, or wrap it in a module that does."
        ) from fault
    T = shape[1]
    if layer is not None and T > 1 and any(one.inputs.shape[:2] == (T, 1) for one in calls):
        raise ArgumentError(
            f"{caller} model: expected its {type(layer).__name__} to read the second axis of {shape} as "
            "time, it reads the first. Make it with batch_first=True, or transpose what enters it."
        )
    if not output.is_floating_point():
        raise ArgumentError(
            f"{caller} model: expected outputs that are real numbers, the {name} gave {output.dtype}. Wrap "
            "it in a module that returns scores, before the class is picked."
        )
    if output.ndim not in {2, 3} or len(output) != 1:
        raise ArgumentError(
            f"{caller} model: expected outputs of shape (1, K) or (1, T, K) for one sequence, the {name} "
            f"gave {tuple(output.shape)}. Wrap it in a module that returns one of these."
        )
    return output


def single_call(calls: list[LayerCall], layer: nn.Module) -> LayerCall:
    """Return the only captured call.

    Raises:
        ArgumentError: the network ran the layer never, or more than once.
    """
    if is_cell(layer) and calls:
        return _join_steps(calls)
    if len(calls) != 1:
        raise ArgumentError(
            f"model: expected its {type(layer).__name__} to run once over the whole sequence, "
            f"it ran {len(calls)} times. Give it all steps in one call."
        )
    return calls[0]


def _record_step(
    calls: list[LayerCall],
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    returned: Any,
    *,
    cut: bool,
) -> Any:
    """Record one step of a cell; returns the state that the network goes on with.

    Raises:
        ArgumentError: the cell runs on one row of many.
    """
    x: Any = kwargs.get("input", args[0] if args else None)
    hx = kwargs.get("hx", args[1] if len(args) > 1 else None)
    if x.ndim != 2:
        raise ArgumentError(
            f"model: expected its cell to run on all rows at each step, (B, C); it ran on {tuple(x.shape)}."
        )
    after: State = returned if isinstance(returned, tuple) else (returned,)
    # copies: torch computes h of an LSTM from c itself, which would count as c's own influence
    after = tuple(part.detach().requires_grad_() if cut else part.clone() for part in after)
    before = tuple(torch.zeros_like(part) for part in after)
    if hx is not None:
        before = hx if isinstance(hx, tuple) else (hx,)
    call = LayerCall(
        layer=module,
        inputs=x[:, None],
        lengths=torch.ones(len(x), dtype=torch.int64),
        state=tuple(part[None] for part in before),
        output=after[0][:, None],
        final=tuple(part[None] for part in after),
        cell_states=(before, after),
    )
    calls.append(call)
    return after if isinstance(returned, tuple) else after[0]


def _join_steps(steps: list[LayerCall]) -> LayerCall:
    """Join the steps of a cell to the call of a layer that runs over all of them.

    Raises:
        ArgumentError: the steps are of different numbers of rows.
    """
    rows = {len(step.inputs) for step in steps}
    if len(rows) > 1:
        raise ArgumentError(
            f"model: expected its cell to run on every row at each step, it ran on {min(rows)} to "
            f"{max(rows)}. Keep the rows that have ended, and read each state at its length."
        )
    states = [step.cell_states for step in steps if step.cell_states is not None]
    return replace(
        steps[0],
        inputs=torch.cat([step.inputs for step in steps], 1),
        lengths=torch.full((rows.pop(),), len(steps)),
        output=torch.cat([step.output for step in steps], 1),
        final=steps[-1].final,
        cell_states=(states[0][0], *(after for _, after in states)),
    )


def _standard_layout(
    layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], returned: Any
) -> LayerCall:
    inputs_raw: Any = kwargs.get("input", args[0] if args else None)
    hx = kwargs.get("hx", args[1] if len(args) > 1 else None)
    state = None if hx is None else hx if isinstance(hx, tuple) else (hx,)
    output, final = returned
    final = final if isinstance(final, tuple) else (final,)
    if isinstance(inputs_raw, PackedSequence):
        inputs, lengths = pad_packed("model", inputs_raw)
        output = pad_packed("model", output)[0]
        return LayerCall(layer, inputs.transpose(0, 1), lengths, state, output.transpose(0, 1), final)
    if inputs_raw.ndim == 2:  # one sequence without a batch axis
        inputs_raw, output = inputs_raw[None], output[None]
        state = None if state is None else tuple(part[:, None] for part in state)
        final = tuple(part[:, None] for part in final)
    elif not layer.batch_first:
        inputs_raw, output = inputs_raw.transpose(0, 1), output.transpose(0, 1)
    B, T = inputs_raw.shape[:2]
    lengths = torch.full((B,), T) if kwargs.get("lengths") is None else torch.as_tensor(kwargs["lengths"])
    return LayerCall(layer, inputs_raw, lengths.reshape(B), state, output, final)


def _restore_layout(answer: tuple[Tensor, State], like: Any, layer: nn.Module) -> tuple[Any, Any]:
    """Convert output and state to the layout that the layer itself would have returned."""
    output: Any
    output, final = answer
    before = like[0]
    if isinstance(before, PackedSequence):
        output = pack_like(output.transpose(0, 1), before)
    elif before.ndim == 2:
        output, final = output[0], tuple(part[:, 0] for part in final)
    elif not layer.batch_first:
        output = output.transpose(0, 1)
    return output, final if isinstance(like[1], tuple) else final[0]
