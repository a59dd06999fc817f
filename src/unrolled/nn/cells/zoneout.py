"""Zoneout: units of a state that keep their previous value.

The mask is a hash of a seed and not a draw, so that every backend computes the same mask to the bit
and a backward pass can compute it again. Modulo 2³²:

    mix(x): x ^= x >> 16; x *= 0x21f0aaad; x ^= x >> 15; x *= 0x735a2d97; x ^= x >> 15
    key(part, t, b) = mix(mix(mix(seed + part) + t) + b)
    unit u keeps its value where mix(key + 0x9E3779B9 u) >> 8 < floor(rate 2²⁴)

Shapes: T steps, B rows, U units of one part of the state.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

_LOW_32_BITS = 0xFFFFFFFF  # the arithmetic is in int64, masked to 32 bits after each operation


class Zoneout(NamedTuple):
    """Zoneout rates, and the seed of the masks; s̃_t is the result of the cell's step from s_{t-1}.

        training, with a seed:     s_t = s_{t-1} where the mask is true, else s̃_t
        inference, without one:    s_t = rate s_{t-1} + (1 - rate) s̃_t

    Each part of the state has its own rate, and each unit its own mask. After a reset s_{t-1} is the
    initial state.

    Source: Krueger et al., Zoneout: regularizing RNNs by randomly preserving hidden activations
    (2017). As there, the LSTM's h̃_t = o_t tanh(c̃_t) reads the cell before zoneout is applied to it.

    >>> mask = Zoneout((0.5,), seed=7).keep_mask(0, T=1000, B=2, U=3)
    >>> mask.shape, round(mask.float().mean().item(), 2)
    (torch.Size([1000, 2, 3]), 0.5)
    """

    rates: tuple[float, ...]  # each from 0 to 1, in the order of the state's parts
    seed: int | Tensor | None = None  # 0 to 2³² - 1; an int64 tensor () if it was drawn; None at inference

    def keep_mask(self, part: int, T: int, B: int, U: int, device: torch.device | None = None) -> Tensor:
        """Compute the mask (T, B, U) bool, true where a unit keeps its value at step t of row b."""
        assert self.seed is not None, "inference takes the mean and needs no mask"
        steps, rows, units = (torch.arange(size, device=device) for size in (T, B, U))
        seed = torch.as_tensor(self.seed, device=device)
        key = _mix(_mix(_mix(seed + part) + steps[:, None]) + rows)  # (T, B)
        return (_mix(key[..., None] + 0x9E3779B9 * units) >> 8) < math.floor(self.rates[part] * 2**24)


def _mix(x: Tensor) -> Tensor:
    """Hash integers to 32 bits; products stay below 2⁶³."""
    x = x & _LOW_32_BITS
    x = x ^ (x >> 16)
    x = (x * 0x21F0AAAD) & _LOW_32_BITS
    x = x ^ (x >> 15)
    x = (x * 0x735A2D97) & _LOW_32_BITS
    return x ^ (x >> 15)
