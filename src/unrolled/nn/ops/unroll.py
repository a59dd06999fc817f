"""Reference `unroll`: the one loop over time, with lengths, resets, directions and stacks, for every cell.

It consists of plain torch operations, differentiable any number of times and mapped by `torch.func`. Every
faster path is tested against it.

Shapes: T steps, B rows, F inputs; time-major.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.nn.cells.core import Cell, S
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.ops.checks import check_lengths, check_resets
from unrolled.nn.ops.dropout import dropout as drop_numbers

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
    dropped: Tensor | None = None,
    zoneout: Zoneout | None = None,
) -> tuple[Tensor, S]:
    """Run a cell over its inputs; return every output and the final state.

        state_t = step(x_t, state_{t-1}, weights),  output_t = output(state_t)

    Args:
        cell: see `Cell`.
        inputs: (T, B, F).
        weights: those that the cell's step takes.
        state: the initial state, each part (B, ...); None for the cell's own.
        lengths: (B,) whole numbers from 0 to T in any order: the steps of each row. Inputs beyond
            them are never read, be they NaN, and get no gradient. None: every row has T.
        resets: (B, T) bool. Where true, the row's step t begins a new segment: running forward, the
            state is the initial one before step t; in reverse it is the initial one before step
            t - 1, so that no segment sees another whichever way it is read. A reset at step 0
            therefore makes no difference in reverse, and one beyond a row's length none at all.
        reverse: run from each row's own last step to step 0.
        dropped: (B, H), recurrent dropout: the mask that multiplies h_{t-1} where it enters the recurrent
            weights, equal at every step; 0 where a unit is dropped. The cell's step takes it as
            `dropped`.
        zoneout: rates and seed of the units that keep their state at a step.

    Returns:
        The outputs (T, B, outputs), zero beyond each row's length, at the place of the input they
        belong to; and the state after each row's last step (step 0 in reverse).

    Raises:
        ArgumentError: `inputs`, `lengths` or `resets` have the wrong shape, dtype or range; the cell's step
            takes no `dropped`; `zoneout` has not one rate for each part of the state.

    With T = 0, or for a row of length 0, the initial state is returned.

    Source: recurrent dropout is Gal and Ghahramani (2016), eq. 7, with one mask for all gates and
    none on the inputs; zoneout is described in `Zoneout`.

    >>> from unrolled.nn.cells.core import GRUCell, GRUWeights
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
        lengths = check_lengths("unroll", lengths, B, T, has_values=not inputs.is_meta).to(inputs.device)
        valid = torch.arange(T, device=inputs.device)[:, None] < lengths  # (T, B)
        # A NaN in the padding times a zero gradient would still be NaN in the weights' gradient.
        inputs = inputs.masked_fill(~_widen(valid, inputs), 0.0)
    if resets is not None:
        starts = _segment_starts(check_resets("unroll", resets, B, T).to(inputs.device), valid, reverse)
    initial = cell.initial_state(B, weights)
    outputs, state = _loop(
        cell, _stepper(cell, weights, dropped), inputs, initial if state is None else state, initial=initial,
        valid=valid, starts=starts, reverse=reverse, hold=_holder(zoneout, initial, inputs),
    )  # fmt: skip
    return (outputs if valid is None else outputs.masked_fill(~_widen(valid, outputs), 0.0)), state


def _loop(
    cell: Cell[S, W], step: Callable[[Tensor, S], S], inputs: Tensor, state: S, *,
    initial: S, valid: Tensor | None, starts: Tensor | None, reverse: bool,
    hold: Callable[[int, S, S], S] | None,
) -> tuple[Tensor, S]:  # fmt: skip
    """Step through time; a row keeps its state at steps beyond its length."""
    xs = inputs.unbind(0)  # one autograd node for all steps; indexing would cost T of full size
    outputs = []
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        if starts is not None:
            state = _choose(starts[t], initial, state)
        stepped = step(xs[t], state)
        if hold is not None:
            stepped = hold(t, state, stepped)
        state = stepped if valid is None else _choose(valid[t], stepped, state)
        outputs.append(cell.output(state))
    if not outputs:
        return cell.output(state).new_zeros(0, *cell.output(state).shape), state
    return torch.stack(outputs[::-1] if reverse else outputs), state


def _stepper(cell: Cell[S, W], weights: W, dropped: Tensor | None) -> Callable[[Tensor, S], S]:
    """Bind the cell's step to its weights, and to its mask if there is one."""
    if dropped is None:
        return partial(_step, cell, weights)
    if "dropped" not in inspect.signature(cell.step).parameters:
        name = type(cell).__name__
        raise ArgumentError(
            f"unroll dropped: expected a cell whose step takes dropped=, got {name}."
            " Let its step multiply h by the mask where h enters the recurrent weights."
        )
    return partial(_step, cell, weights, dropped=dropped)


def _step(cell: Any, weights: Any, x: Tensor, state: S, **more: Tensor) -> S:
    stepped: S = cell.step(x, state, weights, **more)
    return stepped


def _holder(zoneout: Zoneout | None, initial: S, inputs: Tensor) -> Callable[[int, S, S], S] | None:
    """Return the function of t, the state before step t and the one after it that zoneout makes of both."""
    if zoneout is None:
        return None
    T, parts = len(inputs), tuple(initial)
    if len(zoneout.rates) != len(parts):
        raise ArgumentError(
            f"unroll zoneout: expected {len(parts)} rates, one a part of the state; got {len(zoneout.rates)}."
        )
    if zoneout.seed is None:
        return partial(_mean, zoneout.rates)
    masks = [
        zoneout.keep_mask(k, T, len(part), prod(part.shape[1:]), part.device).reshape(T, *part.shape)
        for k, part in enumerate(parts)
    ]
    return partial(_keep, masks)


def _mean(rates: Sequence[float], t: int, before: S, after: S) -> S:  # noqa: ARG001 (every step alike)
    """Zoneout at inference: each part is the mean of its possible values."""
    pairs = zip(rates, before, after, strict=True)
    return after._make(rate * old + (1 - rate) * new for rate, old, new in pairs)


def _keep(masks: Sequence[Tensor], t: int, before: S, after: S) -> S:
    """Zoneout in training: units whose mask is true at step t keep their old value."""
    triples = zip(masks, before, after, strict=True)
    return after._make(torch.where(mask[t], old, new) for mask, old, new in triples)


def _segment_starts(resets: Tensor, valid: Tensor | None, reverse: bool) -> Tensor:
    """Return (T, B), true where the state is reset before the step, in the direction of travel."""
    starts = resets.T if valid is None else resets.T & valid
    if not reverse:
        return starts
    return torch.cat([starts[1:], torch.zeros_like(starts[:1])])  # before t comes t + 1


def _widen(mask: Tensor, like: Tensor) -> Tensor:
    """Append axes of size 1 to the mask, so that it broadcasts against `like`."""
    return mask.reshape(mask.shape + (1,) * (like.ndim - mask.ndim))


def _choose(mask: Tensor, yes: S, no: S) -> S:
    """Take the rows of a state from `yes` where the mask (B,) is true, else from `no`."""
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
    recurrent_dropout: float = 0.0,
    zoneout: tuple[float, ...] | None = None,
    training: bool = True,
    run: Callable[..., tuple[Tensor, S]] = unroll,
) -> tuple[Tensor, list[list[S]]]:
    """Run layers on top of one another, each in one direction or in both.

    Args:
        cell: of every layer and direction.
        inputs: (T, B, F).
        weights: one a layer and direction; two directions make a layer bidirectional, and the
            outputs of the second, in reverse, follow those of the first on the last axis.
        states: initial states, one a layer and direction.
        lengths: as for `unroll`.
        resets: as for `unroll`.
        dropout: the share of each layer's outputs that the next layer does not see, in [0, 1]; the
            others are multiplied by 1 / (1 - dropout). The last layer's outputs are unchanged.
        recurrent_dropout: the share of the units of h_{t-1} that the recurrent weights do not see, in
            [0, 1]: the same at every step, drawn for each row, layer and direction; the others are
            multiplied by 1 / (1 - recurrent_dropout).
        zoneout: the probability, for each part of the state, that a unit keeps its value at a step.
        training: false at inference: nothing is dropped, and zoneout takes its mean. True: masks and
            seeds come from torch's generator, so that `torch.manual_seed` repeats them.
        run: runs one layer in one direction: `unroll`, or a function with its signature and meaning.

    Returns:
        The last layer's outputs (T, B, directions * outputs), and the final state of each layer and
        direction.

    Raises:
        ArgumentError: as for `unroll`.

    >>> from unrolled.nn.cells.core import RNNCell, RNNWeights
    >>> one = [RNNWeights(torch.randn(4, 3), torch.randn(4, 4)) for _ in "ab"]
    >>> two = [RNNWeights(torch.randn(4, 8), torch.randn(4, 4)) for _ in "ab"]
    >>> output, states = unroll_stack(RNNCell(), torch.randn(5, 2, 3), [one, two])
    >>> output.shape, len(states), states[0][0].h.shape
    (torch.Size([5, 2, 8]), 2, torch.Size([2, 4]))
    """
    finals: list[list[S]] = []
    for k, layer in enumerate(weights):
        if k > 0 and training and dropout > 0:
            inputs = drop_numbers(inputs, dropout)
        results = [
            run(
                cell, inputs, w, None if states is None else states[k][d],
                lengths=lengths, resets=resets, reverse=d == 1,
                dropped=_draw_mask(cell, w, inputs.shape[1], recurrent_dropout) if training else None,
                zoneout=None if zoneout is None else Zoneout(zoneout, _draw_seed() if training else None),
            )
            for d, w in enumerate(layer)
        ]  # fmt: skip
        inputs = results[0][0] if len(results) == 1 else torch.cat([output for output, _ in results], dim=-1)
        finals.append([final for _, final in results])
    return inputs, finals


def _draw_mask(cell: Cell[S, W], weights: W, batch: int, rate: float) -> Tensor | None:
    """Draw (B, H): 0 for dropped units, 1 / (1 - rate) for the others; None at rate 0."""
    if rate == 0:
        return None
    h, *_ = cell.initial_state(batch, weights)
    return F.dropout(torch.ones_like(h), rate)


def _draw_seed() -> Tensor:
    """Draw a seed of 32 bits, as a tensor: a number would break the graph under torch.compile."""
    return torch.randint(2**32, (), device="cpu")  # not on a default device: the kernels read it here
