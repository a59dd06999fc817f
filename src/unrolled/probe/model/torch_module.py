"""Call torch modules with padded sequences, whether they take lengths or not.

Shapes: N sequences, B of them at once, T steps of the longest, F inputs, K outputs: classes or numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.data.sequences import Sequences

_ROUNDING = 1e-4  # by which probabilities may miss a sum of 1


def pad_sequences(sequences: Sequences) -> tuple[Tensor, Tensor]:
    """Pad sequences: (N, T, F) float64, zero beyond each length, and lengths (N,).

    >>> pad_sequences(Sequences.from_arrays([[1.0, 2.0], [3.0]]))[0][:, :, 0].tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """
    lengths = torch.from_numpy(sequences.lengths)
    N, T, inputs = len(sequences), int(lengths.max()), sequences.values.shape[1]
    values = torch.zeros(N, T, inputs, dtype=torch.float64)
    values[torch.arange(T) < lengths[:, None]] = torch.from_numpy(sequences.values)
    return values, lengths


def are_probabilities(answers: Tensor) -> bool:
    """Tell whether all rows (..., K ≥ 2) lie from 0 to 1 and sum to 1, up to rounding.

    >>> are_probabilities(torch.tensor([[0.25, 0.75]])), are_probabilities(torch.tensor([[-0.25, 1.25]]))
    (True, False)
    """
    K, rows = answers.shape[-1], answers.double()
    near = (rows.sum(-1) - 1).abs() <= max(_ROUNDING, K * torch.finfo(answers.dtype).eps)
    return K > 1 and bool(near.all() and (rows >= 0).all() and (rows <= 1).all())


_SCORES = ("logits", "scores", "log_probs", "probs", "prediction", "predictions", "output", "outputs", "out")


def first_tensor(raw: Any) -> Tensor:
    """Return the tensor of scores in a module's output, as (B, K) or (B, T, K).

    Of a tuple or a list it is the first; of a dictionary or a dataclass the only tensor, or the one under the
    first of the usual names.

    Raises:
        TypeError: there is none.

    >>> first_tensor({"loss": None, "logits": torch.zeros(2, 3), "hidden": torch.zeros(2, 8)}).shape
    torch.Size([2, 3])
    """
    if is_dataclass(raw) and not isinstance(raw, Mapping):
        raw = {field.name: getattr(raw, field.name) for field in fields(raw)}
    answer = raw
    if isinstance(raw, Mapping):
        tensors = {name: each for name, each in raw.items() if isinstance(each, Tensor) and each.ndim > 0}
        usual = [name for name in _SCORES if name in tensors] or list(tensors)[: len(tensors) == 1]
        if not usual:
            raise TypeError(
                f"it returns {', '.join(map(repr, raw))} by name, and which holds the scores cannot "
                "be told: call them 'logits', or return them alone"
            )
        answer = tensors[usual[0]]
    elif isinstance(raw, tuple | list) and raw:
        answer = raw[0]
    if not isinstance(answer, Tensor):
        raise TypeError(f"it returns {type(answer).__name__}, not a tensor")
    return answer[:, None] if answer.ndim == 1 else answer


_LENGTHS = ("lengths", "lens", "seq_lengths", "seq_lens", "sequence_lengths", "input_lengths", "x_lengths")


def lengths_argument(module: nn.Module) -> str | None:
    """Return the argument of a module's `forward` that takes lengths, by the usual names; None without one.

    >>> class Tagger(nn.Module):
    ...     def forward(self, x: Tensor, seq_lens: Tensor) -> Tensor: ...
    >>> lengths_argument(Tagger())
    'seq_lens'
    """
    taken = inspect.signature(module.forward).parameters
    return next((name for name in _LENGTHS if name in taken), None)


@dataclass(frozen=True)
class CallWithLengths:
    """Call of a network whose `forward` takes lengths: once, the longest sequence first.

    `torch.nn.utils.rnn.pack_padded_sequence` demands that order unless it is told otherwise.

    Args:
        argument: name of that argument.
    """

    argument: str

    def __call__(self, network: Callable[..., Any], values: Tensor, lengths: Tensor, _: Tensor) -> Tensor:
        """Run the network on (B, T, F): (B, K) or (B, T, K)."""
        order = lengths.cpu().argsort(descending=True, stable=True)
        if torch.equal(order, torch.arange(len(order))):
            return first_tensor(network(values, **{self.argument: lengths}))
        answers = first_tensor(network(values[order], **{self.argument: lengths[order]}))
        return answers[order.argsort()]


def call_by_length(network: Callable[..., Any], values: Tensor, lengths: Tensor, _: Tensor) -> Tensor:
    """Call a network once for each length, so that it never reads padding."""
    different = sorted(set(lengths.tolist()))
    if different == [values.shape[1]]:
        return first_tensor(network(values))
    order, parts = [], []
    for length in different:
        rows = torch.nonzero(lengths == length)[:, 0]
        answer = first_tensor(network(values[rows, :length]))
        if answer.ndim == 3:  # an output a step: pad to the longest
            answer = F.pad(answer, (0, 0, 0, values.shape[1] - answer.shape[1]))
        order.append(rows)
        parts.append(answer)
    return torch.cat(parts)[torch.cat(order).argsort()]
