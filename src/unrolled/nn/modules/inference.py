"""Inference of a sequence network in a fixed order of sums: a row has the same bits alone and in a batch.

A live stream computes the same sums, one step after the other. All of it runs on the kernels; torch's
operators, whose order depends on the batch, compute the same up to rounding.

Shapes: M networks, B sequences, T steps, F inputs, D features, K outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.kernels.loading import compiled
from unrolled.nn.modules.conv_stem import ConvStem
from unrolled.nn.modules.pooling import Pooling, sequence_mask
from unrolled.nn.ops.sequence import (
    Poolings,
    StemOperands,
    conv_stem,
    pool,
    pool_by_attention,
    read_out,
)

Floats = NDArray[np.float64]


def states_of(
    stem: ConvStem | None, core: nn.Module, values: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute the states (B, T', H) of a core behind a stem, and the steps (B,) of each row."""
    lengths = lengths.to(torch.int64).contiguous()
    if stem is not None:
        operands = StemOperands(values.contiguous(), stem.change_scale, stem.weight, stem.bias, lengths)
        values = conv_stem(operands, stem.scales, stem.stride).output.transpose(0, 1)
        lengths = stem.blocks(lengths)
    return core(values, lengths=lengths)[0], lengths


def pool_states(pooling: Pooling, states: Tensor, lengths: Tensor) -> Tensor:
    """Pool states (B, T, H) to (B, P · H), in the order of the steps."""
    H, steps_first = states.shape[2], states.transpose(0, 1)
    places = {name: k * H for k, name in enumerate(pooling.poolings)}
    offsets = Poolings(places.get("last", -1), places.get("mean", -1), places.get("max", -1), pooling.width)
    pooled = pool(steps_first, lengths, offsets)[0]
    if "attention" in places:
        hidden, place = pooling.attention_hidden, places["attention"]
        weights = (hidden.weight, hidden.bias, pooling.attention_score.weight)
        pooled[:, place : place + H] = pool_by_attention(steps_first, lengths, weights)
    return pooled


def direct_features(values: Tensor, lengths: Tensor, *, per_step: bool) -> Tensor:
    """Compute what a readout reads of the inputs (B, T, F): these if `per_step`, else last and mean (B, 2 F).

    Means are sums in the order of the steps, in double precision.
    """
    values = values.masked_fill(~sequence_mask(lengths, values)[..., None], 0.0)
    if per_step:
        return values
    rows, ends = torch.arange(len(values), device=values.device), lengths.to(values.device) - 1
    means = values.double().cumsum(1)[rows, ends] / (ends + 1)[:, None]
    return torch.cat([values[rows, ends], means.to(values)], 1)


def outputs_of(standardize: Any, head: nn.Linear, features: Tensor) -> Tensor:
    """Compute the outputs (..., K) of features (..., D), in double precision and each row by itself."""
    flat = features.reshape(-1, features.shape[-1]).contiguous()
    outputs = read_out(flat, standardize.center, standardize.factor, head.weight, head.bias)
    return outputs.view(*features.shape[:-1], -1)


def mean_answers(outputs: Tensor, *, is_class: bool) -> Floats:
    """Average the softmax of the outputs (M, ..., K) of the networks, or their outputs: (..., K).

    Args:
        outputs: of each network, on the CPU.
        is_class: whether they are logits.

    >>> mean_answers(torch.tensor([[[0.0, 0.0]], [[0.0, 0.0]]]), is_class=True).tolist()
    [[0.5, 0.5]]
    """
    outputs = outputs.double()
    if compiled is None:
        return (outputs.softmax(-1) if is_class else outputs).mean(0).numpy()
    rows = outputs.reshape(len(outputs), -1, outputs.shape[-1]).contiguous()
    answers = np.empty(rows.shape[1:])
    compiled.mean_answers(rows.numpy(), is_class, answers)
    return answers.reshape(outputs.shape[1:])
