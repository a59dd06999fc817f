"""Attribute outputs to the input k steps back, by gradients and by occlusion.

Shapes: N sequences, B of them at once, T steps, F inputs, A explained outputs, K steps back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.probe.measure.half_life import Floats
from unrolled.probe.model.layer_hook import LayerCall, State, capture_calls, is_cell, single_call
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.texts import TextCall
from unrolled.train.progress import ProgressLine

_ALL_STEPS = 64  # of longer sequences, occlusion measures some steps only
_LEAST_SHARE = 0.05  # of the sequences
_DIRECT = 0.01  # share of the squared gradient on states other than the last


def counts_by_steps_back(lengths: Tensor) -> NDArray[np.int64]:
    """Number of sequences (K,) with a step k back, as far as one in twenty has it.

    >>> counts_by_steps_back(torch.tensor([3, 1, 2])).tolist()
    [3, 2, 1]
    """
    longer = (lengths.cpu()[:, None] > torch.arange(int(lengths.max()))).sum(0).numpy()
    return longer[longer >= _LEAST_SHARE * len(lengths)]


@torch.enable_grad()
def gradient_attribution(probed: ProbedModel, rows: Tensor, rng: torch.Generator) -> tuple[Floats, Floats]:
    """Measure influences (K,) on the output and on the last state, for a change of one standard deviation."""
    counts = counts_by_steps_back(probed.lengths[rows])
    scale = _valid_steps(probed, rows).double().std(0, correction=0)
    squares = torch.zeros(2, len(counts), dtype=torch.float64)
    signs: list[Tensor] = []  # of output and state, for all rows: the batches must not matter
    for batch in probed.batches(rows):
        values, lengths = probed.values_at(batch).requires_grad_(), probed.lengths[batch]
        with capture_calls(probed.layer) as calls:
            last = _last_outputs(probed, probed.outputs(values, rows=batch), batch)
        answers, places = (
            _explained_outputs(last, _explained_classes(probed, last, batch)),
            torch.searchsorted(rows, batch),
        )
        for k, explained in enumerate((answers, _last_state(single_call(calls, probed.layer), lengths))):
            if len(signs) == k:
                signs.append(torch.randint(2, (len(rows), explained.shape[1]), generator=rng) * 2 - 1)
            signed = explained * signs[k][places].to(explained)
            gradient = _input_gradient(signed.sum(), values, probed.name)
            each = (gradient.double() * scale).square().sum(-1)  # (B, T)
            back, is_valid = _indices_from_end(lengths, len(counts))
            squares[k] += (each.gather(1, back.to(each.device)).cpu() * is_valid).sum(0)
    answer, state = np.sqrt(squares.numpy() / counts)
    return answer, state


@torch.no_grad()
def occlusion_attribution(probed: ProbedModel, rows: Tensor, K: int, rng: torch.Generator) -> Floats:
    """Measure influences (K,) on the output by replacing steps with those of another sequence.

    NaN for steps that are not measured. Where only one sequence is so long, its step is replaced by the mean.
    """
    replacements = {
        k: _replacement_steps(probed, rows, k, rng)
        for k in _occluded_steps(K)
        if (probed.lengths[rows] > k).any()
    }
    squares = torch.zeros(K, dtype=torch.float64)
    batches = probed.batches(rows)
    with ProgressLine("memory", len(batches) * len(replacements), shown=None, unit="replaced steps") as line:
        for i, batch in enumerate(batches):
            for done, (k, change) in enumerate(_occluded_changes(probed, rows, batch, replacements), 1):
                squares[k] += change
                line.advance(i * len(replacements) + done)
    influence = np.full(K, np.nan)
    for k in replacements:
        n = int((probed.lengths[rows] > k).sum())
        influence[k] = (float(squares[k]) / n * (0.5 if n > 1 else 1.0)) ** 0.5
    return influence


def _occluded_changes(
    probed: ProbedModel, rows: Tensor, batch: Tensor, replacements: dict[int, Tensor]
) -> Iterator[tuple[int, Tensor]]:
    """Yield each step back, and the sum of the squared changes of a batch's outputs where it is replaced."""
    values, lengths = probed.values_at(batch), probed.lengths[batch]
    last = _last_outputs(probed, probed.outputs(values, rows=batch), batch)
    classes = _explained_classes(probed, last, batch)
    before, places = _explained_outputs(last, classes), torch.searchsorted(rows, batch)
    for k, donors in replacements.items():
        has = torch.nonzero(lengths > k)[:, 0]
        if len(has):
            changed = values.clone()
            changed[has, lengths[has] - 1 - k] = donors[places[has]]
            after = _last_outputs(probed, probed.outputs(changed, rows=batch), batch)
            yield k, (_explained_outputs(after, classes) - before).double().square().sum().cpu()


@torch.enable_grad()
def readout_pools_states(probed: ProbedModel, rows: Tensor) -> bool:
    """Tell whether the output has a gradient by other states than each direction's last."""
    squares = [_squared_state_gradients(probed, batch) for batch in probed.batches(rows)]
    other_states, all_states = torch.tensor(squares, dtype=torch.float64).sum(0).tolist()
    return bool(other_states > _DIRECT * all_states)


def _squared_state_gradients(probed: ProbedModel, batch: Tensor) -> tuple[float, float]:
    """Squared gradient of the outputs by other states than each direction's last, and by all of them."""
    if is_cell(probed.layer):
        return _squared_cell_gradients(probed, batch)
    outputs, calls = [], []

    def keep_output(call: LayerCall) -> tuple[Tensor, State]:
        calls.append(call)
        outputs.append(call.output.detach().requires_grad_())
        return outputs[0], call.final

    last = _last_outputs(probed, probed.outputs(rows=batch, replacement=keep_output), batch)
    explained = _explained_outputs(last, _explained_classes(probed, last, batch)).sum()
    if not explained.requires_grad:
        return 0.0, 0.0
    (gradient,) = torch.autograd.grad(explained, outputs[0], allow_unused=True)
    if gradient is None:  # the readout takes the final state
        return 0.0, 0.0
    squares, steps = gradient.double().square(), torch.minimum(calls[0].lengths.cpu(), probed.lengths[batch])
    total = float(squares.sum())
    H = squares.shape[-1] // (1 + bool(getattr(calls[0].layer, "bidirectional", False)))
    squares[torch.arange(len(batch)), steps - 1, :H] = 0
    squares[:, 0, H:] = 0  # where the other direction ends
    return float(squares.sum()), total


def _squared_cell_gradients(probed: ProbedModel, batch: Tensor) -> tuple[float, float]:
    """Squared gradient of the outputs by the states of a cell, as for a layer; each state is cut off."""
    with capture_calls(probed.layer, cut=True) as calls:
        last = _last_outputs(probed, probed.outputs(rows=batch), batch)
    explained = _explained_outputs(last, _explained_classes(probed, last, batch)).sum()
    states = single_call(calls, probed.layer).cell_states
    assert states is not None
    by_state = (
        torch.autograd.grad(explained, [state[0] for state in states[1:]], allow_unused=True)
        if explained.requires_grad
        else []
    )
    squares = torch.zeros(len(batch), len(states) - 1, dtype=torch.float64)
    for t, gradient in enumerate(by_state):
        if gradient is not None:
            squares[:, t] = gradient.double().square().flatten(1).sum(1).cpu()
    total = float(squares.sum())
    squares[torch.arange(len(batch)), probed.lengths[batch].cpu().clamp(max=squares.shape[1]) - 1] = 0
    return float(squares.sum()), total


def _occluded_steps(K: int) -> list[int]:
    """List the steps back to occlude: all, or near ones and then ever fewer."""
    if K <= _ALL_STEPS:
        return list(range(K))
    near = _ALL_STEPS // 2
    return sorted({*range(near), *np.geomspace(near, K - 1, near).round().astype(int).tolist()})


def _replacement_steps(probed: ProbedModel, rows: Tensor, k: int, rng: torch.Generator) -> Tensor:
    """Replace the step k back in each row (n, F) by that of another row, never its own.

    Where only one row has such a step, by the mean of all steps; in texts, by any of them.
    """
    lengths = probed.lengths[rows]
    has = torch.nonzero(lengths > k)[:, 0]
    steps = probed.values[rows[has], lengths[has] - 1 - k]
    replacements = torch.zeros_like(probed.values[rows, 0])
    if len(has) > 1:
        replacements[has] = steps.roll(int(torch.randint(1, len(has), (), generator=rng)), 0)
    else:
        steps = _valid_steps(probed, rows)
        if isinstance(probed.call, TextCall):  # whose steps name words, which have no mean
            replacements[has] = steps[torch.randint(len(steps), (), generator=rng)]
        else:
            replacements[has] = steps.mean(0)
    return replacements


def _valid_steps(probed: ProbedModel, rows: Tensor) -> Tensor:
    """Join all steps (ΣT, F) of these sequences."""
    values, lengths = probed.values[rows], probed.lengths[rows]
    return values[torch.arange(values.shape[1]) < lengths[:, None]]


def _indices_from_end(lengths: Tensor, K: int) -> tuple[Tensor, Tensor]:
    """Positions (B, K) of the step k back from each row's end, and whether there is one."""
    back = lengths[:, None] - 1 - torch.arange(K)
    return back.clamp(min=0), back >= 0


def _last_outputs(probed: ProbedModel, answers: Tensor, rows: Tensor) -> Tensor:
    """Outputs (B, K); with an output a step, those at each row's last step."""
    if not probed.per_step:
        return answers
    return answers[torch.arange(len(rows)), probed.lengths[rows] - 1]


def _explained_classes(probed: ProbedModel, answers: Tensor, rows: Tensor) -> Tensor | None:
    """Class (B,) whose odds are explained: the right one where it is known, else the predicted one."""
    if probed.task == "number":
        return None
    if probed.targets is None:
        return answers.argmax(-1)
    targets = probed.targets[rows]
    return targets[torch.arange(len(rows)), probed.lengths[rows] - 1] if probed.per_step else targets


def _explained_outputs(answers: Tensor, classes: Tensor | None) -> Tensor:
    """Explained outputs (B, A): the numbers, or (B, 1) the log odds of a class."""
    return answers if classes is None else log_odds(answers, classes)[:, None]


def log_odds(log_probabilities: Tensor, classes: Tensor) -> Tensor:
    """Compute the log odds (...) of a class (...) each, from log probabilities (..., K).

    >>> log_odds(torch.tensor([[0.2, 0.8]]).log(), torch.tensor([1])).exp().round(decimals=4)
    tensor([4.])
    """
    is_explained = torch.nn.functional.one_hot(classes, log_probabilities.shape[-1]).bool()
    other_odds = log_probabilities.masked_fill(is_explained, -torch.inf).logsumexp(-1)
    return log_probabilities.gather(-1, classes[..., None])[..., 0] - other_odds


def _last_state(call: LayerCall, lengths: Tensor) -> Tensor:
    """State (B, H) of the last layer, forward, after each row's last step."""
    steps = torch.minimum(call.lengths.cpu(), lengths)
    ended = call.output[torch.arange(len(steps)), steps - 1]
    return ended[:, : ended.shape[1] // (1 + bool(getattr(call.layer, "bidirectional", False)))]


def _input_gradient(explained: Tensor, values: Tensor, name: str) -> Tensor:
    gradient = None
    if explained.requires_grad:
        (gradient,) = torch.autograd.grad(explained, values, retain_graph=True, allow_unused=True)
    if gradient is None:
        raise ArgumentError(
            f"memory model: expected a gradient from the output to the input, {name} blocks it. "
            "Take torch.no_grad(), .detach() and rounding out of its forward."
        )
    return gradient
