"""Dropout, whose masks are drawn 16 bits a number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.nn.ops.torch_internals import runs_eagerly

_FEW = 8192  # numbers, of which the two ways to draw take as long
_BITS = 16
_COARSE = 2.0**-10  # of a share: steps of 2^-16 would change it by more than a hundredth


def dropout(values: Tensor, rate: float) -> Tensor:
    """Zero numbers with probability `rate`, and scale the others up: as torch does, sooner on the CPU.

    Raises:
        ValueError: `rate` is not between 0 and 1.
    """
    if not (values.is_cpu and 0 < rate < 1 and runs_eagerly()):
        return F.dropout(values, rate)
    return values * draw_mask(values.shape, 1 - rate, values).div_(1 - rate)


def draw_mask(shape: Sequence[int], keep: float, like: Tensor) -> Tensor:
    """Draw a mask of ones and zeros, each a one with probability `keep`, of the dtype and device of `like`.

    Of torch's generator it takes a word of 64 bits for four numbers, where `bernoulli_` takes several words
    for each: on the CPU it is three to five times as quick. `keep` counts in steps of 2^-16 then, and where
    it lies too near 0 or 1 for that it is `bernoulli_` that draws.

    >>> mask = draw_mask((100, 100), 0.7, torch.empty(()))
    >>> mask.unique().tolist(), round(mask.mean().item(), 1)
    ([0.0, 1.0], 0.7)
    """
    count = torch.Size(shape).numel()
    if count < _FEW or not like.is_cpu or min(keep, 1 - keep) < _COARSE:
        return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(keep)
    words = torch.empty(-(-count * _BITS // 64), dtype=torch.int64, device=like.device)
    drawn = words.random_(-(1 << 63), None).view(torch.int16)[:count].view(shape)  # from -2^15 to below 2^15
    return drawn.lt(round(keep * (1 << _BITS)) - (1 << (_BITS - 1))).to(like.dtype)
