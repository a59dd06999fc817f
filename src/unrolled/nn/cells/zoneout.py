"""Zoneout: which units of a state hold the value they had.

Which unit holds at which step is no draw but a function of a seed, so that every path computes the
same masks to the bit and a backward pass can compute them again. Modulo 2³²:

    mix(x): x ^= x >> 16; x *= 0x21f0aaad; x ^= x >> 15; x *= 0x735a2d97; x ^= x >> 15
    key(part, t, b) = mix(mix(mix(seed + part) + t) + b)
    unit u holds where mix(key + 0x9E3779B9 u) >> 8 < floor(rate 2²⁴)

Shapes: T steps, B rows, U units of one part of the state.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

_LOW = 0xFFFFFFFF  # whole numbers of 64 bits, cut to their lower 32 after each step


class Zoneout(NamedTuple):
    """How a state holds on to itself, where s̃_t is what the cell's step makes of s_{t-1}.

        training, with a seed:     s_t = s_{t-1} where a unit holds, else s̃_t
        inference, without one:    s_t = rate s_{t-1} + (1 - rate) s̃_t

    Every part of the state has its rate, and every unit holds by itself. After a reset s_{t-1} is the
    initial state.

    Source: Krueger et al., Zoneout: regularizing RNNs by randomly preserving hidden activations
    (2017). As there, the LSTM's h̃_t = o_t tanh(c̃_t) sees the cell before the cell's own zoneout.

    >>> held = Zoneout((0.5,), seed=7).keep_mask(0, T=1000, B=2, U=3)
    >>> held.shape, round(held.float().mean().item(), 2)
    (torch.Size([1000, 2, 3]), 0.5)
    """

    rates: tuple[float, ...]  # each from 0 to 1, in the order of the state's parts
    seed: int | Tensor | None = None  # 0 to 2³² - 1; an int64 tensor () where it was drawn

    def keep_mask(self, part: int, T: int, B: int, U: int, device: torch.device | None = None) -> Tensor:
        """(T, B, U) bool: true where a unit holds; t counts in the input and b in the batch as given."""
        assert self.seed is not None, "the mean needs no mask"
        steps, rows, units = (torch.arange(size, device=device) for size in (T, B, U))
        seed = torch.as_tensor(self.seed, device=device)
        key = _mix(_mix(_mix(seed + part) + steps[:, None]) + rows)  # (T, B)
        return (_mix(key[..., None] + 0x9E3779B9 * units) >> 8) < math.floor(self.rates[part] * 2**24)


def _mix(x: Tensor) -> Tensor:
    """A 32-bit hash of whole numbers; products stay below 2⁶³."""
    x = x & _LOW
    x = x ^ (x >> 16)
    x = (x * 0x21F0AAAD) & _LOW
    x = x ^ (x >> 15)
    x = (x * 0x735A2D97) & _LOW
    return x ^ (x >> 15)
