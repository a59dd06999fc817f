"""The only loop that steps a cell: lengths, resets, directions and stacks, once, for every cell.

This is the reference path: plain torch operations, differentiable any number of times, mapped by
`torch.func`. It is what every faster path is tested against.

Shapes: T steps, B rows, F inputs; time-major.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.nn.arguments import check_lengths, check_resets
from unrolled.nn.cells import Cell, S

W = TypeVar("W")


def unroll(
    cell: Cell[S, W],
    inputs: Tensor,
    weights: W,
    state: S | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    reverse: bool = False,
) -> tuple[Tensor, S]:
    """Run a cell over its inputs and hand back every output and the state it ends in.

        state_t = step(x_t, state_{t-1}, weights),  output_t = output(state_t)

    Args:
        cell: what to run; see `Cell`.
        inputs: (T, B, F).
        weights: whatever the cell's step takes.
        state: where to start, each part (B, ...); the cell's initial state if None.
        lengths: (B,) whole numbers from 0 to T in any order: the steps each row has. What lies
            beyond them is never read, be it NaN, and gets no gradient. None: every row has T.
        resets: (B, T) bool. Where true, the row's step t begins a new segment: running forward, the
            state is the initial one before step t; in reverse it is the initial one before step
            t - 1, so that no segment sees another whichever way it is read. A reset at step 0
            therefore makes no difference in reverse, and one beyond a row's length none at all.
        reverse: run from each row's own last step to step 0.

    Returns:
        The outputs (T, B, outputs), zero beyond each row's length, at the place of the input they
        belong to; and the state after each row's last step (step 0 in reverse).

    Raises:
        ArgumentError: `inputs`, `lengths` or `resets` have the wrong shape, dtype or range.

    With T = 0, or for a row of length 0, the state comes back as it was given.

    >>> from unrolled.nn.cells import GRUCell, GRUWeights
    >>> weights = GRUWeights(torch.randn(12, 3), torch.randn(12, 4))
    >>> output, state = unroll(GRUCell(), torch.randn(5, 2, 3), weights, lengths=[5, 2])
    >>> output.shape, torch.equal(output[1, 1], state.h[1])
    (torch.Size([5, 2, 4]), True)
    """
    if inputs.ndim < 2:
        raise ArgumentError(f"unroll inputs: expected (T, B, F), got shape {tuple(inputs.shape)}.")
    T, B = inputs.shape[:2]
    valid = starts = None
    if lengths is not None:
        lengths = check_lengths("unroll", lengths, B, T).to(inputs.device)
        valid = torch.arange(T, device=inputs.device)[:, None] < lengths  # (T, B)
        # A NaN in the padding times a zero gradient would still be NaN in the weights' gradient.
        inputs = inputs.masked_fill(~_widen(valid, inputs), 0.0)
    if resets is not None:
        starts = _segment_starts(check_resets("unroll", resets, B, T).to(inputs.device), valid, reverse)
    initial = cell.initial_state(B, weights)
    outputs, state = _loop(
        cell, inputs, weights, initial if state is None else state,
        initial=initial, valid=valid, starts=starts, reverse=reverse,
    )  # fmt: skip
    return (outputs if valid is None else outputs.masked_fill(~_widen(valid, outputs), 0.0)), state


def _loop(
    cell: Cell[S, W], inputs: Tensor, weights: W, state: S, *,
    initial: S, valid: Tensor | None, starts: Tensor | None, reverse: bool,
) -> tuple[Tensor, S]:  # fmt: skip
    """Step through time; a row that is not valid at a step keeps its state."""
    xs = inputs.unbind(0)  # one autograd node for all steps; indexing would cost T of full size
    outputs = []
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        if starts is not None:
            state = _choose(starts[t], initial, state)
        stepped = cell.step(xs[t], state, weights)
        state = stepped if valid is None else _choose(valid[t], stepped, state)
        outputs.append(cell.output(state))
    if not outputs:
        return cell.output(state).new_zeros(0, *cell.output(state).shape), state
    return torch.stack(outputs[::-1] if reverse else outputs), state


def _segment_starts(resets: Tensor, valid: Tensor | None, reverse: bool) -> Tensor:
    """(T, B) true where the state is set back before the step, in the direction of travel."""
    starts = resets.T if valid is None else resets.T & valid
    if not reverse:
        return starts
    return torch.cat([starts[1:], torch.zeros_like(starts[:1])])  # before t comes t + 1


def _widen(mask: Tensor, like: Tensor) -> Tensor:
    """The mask with axes of size 1 after its own, so that it broadcasts against `like`."""
    return mask.reshape(mask.shape + (1,) * (like.ndim - mask.ndim))


def _choose(mask: Tensor, yes: S, no: S) -> S:
    """A state whose rows come from `yes` where the mask (B,) is true, else from `no`."""
    return yes._make(torch.where(_widen(mask, a), a, b) for a, b in zip(yes, no, strict=True))


def unroll_stack(
    cell: Cell[S, W],
    inputs: Tensor,
    weights: Sequence[Sequence[W]],
    states: Sequence[Sequence[S]] | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    dropout: float = 0.0,
) -> tuple[Tensor, list[list[S]]]:
    """Run layers on top of one another, each in one direction or in both.

    Args:
        cell: what to run in each of them.
        inputs: (T, B, F).
        weights: one a layer and direction; two directions make a layer bidirectional, and the
            outputs of the second, in reverse, follow those of the first on the last axis.
        states: where to start, one a layer and direction.
        lengths: as for `unroll`.
        resets: as for `unroll`.
        dropout: the share of each layer's outputs that the next layer does not see, in [0, 1]; the
            others grow by 1 / (1 - dropout). The last layer's outputs are left alone.

    Returns:
        The last layer's outputs (T, B, directions * outputs), and the states that each layer and
        direction ends in.

    Raises:
        ArgumentError: as for `unroll`.

    >>> from unrolled.nn.cells import RNNCell, RNNWeights
    >>> one = [RNNWeights(torch.randn(4, 3), torch.randn(4, 4)) for _ in "ab"]
    >>> two = [RNNWeights(torch.randn(4, 8), torch.randn(4, 4)) for _ in "ab"]
    >>> output, states = unroll_stack(RNNCell(), torch.randn(5, 2, 3), [one, two])
    >>> output.shape, len(states), states[0][0].h.shape
    (torch.Size([5, 2, 8]), 2, torch.Size([2, 4]))
    """
    finals: list[list[S]] = []
    for k, layer in enumerate(weights):
        if k > 0 and dropout > 0:
            inputs = F.dropout(inputs, dropout)
        ran = [
            unroll(
                cell, inputs, w, None if states is None else states[k][d],
                lengths=lengths, resets=resets, reverse=d == 1,
            )
            for d, w in enumerate(layer)
        ]  # fmt: skip
        inputs = torch.cat([output for output, _ in ran], dim=-1)
        finals.append([final for _, final in ran])
    return inputs, finals
