"""Pooling of the states of a sequence into one vector; feature standardisation; masks from lengths."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unrolled.nn.ops.gradients import trains_plainly
from unrolled.nn.ops.sequence import Poolings, pool, pool_backward

POOLINGS = ("last", "mean", "max", "attention")


class Pooling(nn.Module):
    """Pool the states of each sequence over its valid steps.

        last = h_T,  mean = Σ_t h_t / T,  max = max_t h_t (unit by unit)
        attention = Σ_t a_t h_t,  a = softmax_t(v · tanh(W h_t + b))

    Args:
        pooling: one of `POOLINGS`, or several joined by "+", such as "last+mean", whose outputs are
            concatenated.
        width: H, the size of a state.
        bidirectional: whether the second half of H is the reverse direction, whose last state is at step 0.

    Shapes: states (B, T, H), lengths (B,) to (B, P · H) with P poolings. A row of length 0 gives zeros.

    Source: attention as in Bahdanau et al. (2015), with one learned query for all sequences.

    >>> pool = Pooling("last+max", 5)
    >>> pool(torch.randn(2, 7, 5), torch.tensor([7, 4])).shape
    torch.Size([2, 10])
    """

    def __init__(self, pooling: str, width: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.poolings, self.bidirectional = tuple(pooling.split("+")), bidirectional
        self.width = width * len(self.poolings)
        if "attention" in self.poolings:
            self.attention_hidden = nn.Linear(width, width)
            self.attention_score = nn.Linear(width, 1, bias=False)

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Pool (B, T, H) to (B, P · H)."""
        return torch.cat([getattr(self, f"_{pooling}")(states, lengths) for pooling in self.poolings], 1)

    @property
    def has_vjp(self) -> bool:
        """Tell whether `vjp` can pool so: each pooling once, without weights and hooks."""
        is_plain = "attention" not in self.poolings and len({*self.poolings}) == len(self.poolings)
        return is_plain and trains_plainly(self, ())

    def vjp(self, states: Tensor, lengths: Tensor | None) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Pool on the kernels, and return the function that computes the states' gradient.

        Args:
            states: (T, B, H) float32 on the CPU, time first.
            lengths: (B,); None where every row has T steps.

        Returns:
            (B, P · H), equal to what `forward` computes up to rounding; and a function from its gradient to
            that of the states, (T, B, H).
        """
        places = {name: k * states.shape[2] for k, name in enumerate(self.poolings)}
        poolings = Poolings(places.get("last", -1), places.get("mean", -1), places.get("max", -1), self.width)
        pooled, maxima = pool(states, lengths, poolings)
        if not self.bidirectional or poolings.last < 0:
            return pooled, lambda d_pooled: pool_backward(states, lengths, poolings, d_pooled, maxima)
        half, end = states.shape[2] // 2, poolings.last + states.shape[2]
        reverse, is_empty = slice(end - half, end), None  # whose last state is at step 0
        pooled[:, reverse] = states[0, :, half:]
        if lengths is not None:
            is_empty = (lengths == 0)[:, None]
            pooled[:, reverse].masked_fill_(is_empty, 0.0)

        def backward(d_pooled: Tensor) -> Tensor:
            d_forward = d_pooled.clone()
            d_forward[:, reverse] = 0
            d_states = pool_backward(states, lengths, poolings, d_forward, maxima)
            d_last = d_pooled[:, reverse]
            d_states[0, :, half:] += d_last if is_empty is None else d_last.masked_fill(is_empty, 0.0)
            return d_states

        return pooled, backward

    def _last(self, states: Tensor, lengths: Tensor) -> Tensor:
        rows = torch.arange(len(states), device=states.device)
        last = states[rows, (lengths - 1).clamp(min=0)]
        if self.bidirectional:
            half = states.shape[2] // 2
            last = torch.cat([last[:, :half], states[:, 0, half:]], 1)
        return last.masked_fill((lengths == 0)[:, None], 0.0)

    def _mean(self, states: Tensor, lengths: Tensor) -> Tensor:
        valid = states.masked_fill(~sequence_mask(lengths, states)[..., None], 0.0)
        return valid.sum(1) / lengths.clamp(min=1)[:, None]

    def _max(self, states: Tensor, lengths: Tensor) -> Tensor:
        # not amax, which shares the gradient among equal maxima: the first of them gets it
        maxima = states.masked_fill(~sequence_mask(lengths, states)[..., None], -torch.inf).max(1).values
        return maxima.masked_fill((lengths == 0)[:, None], 0.0)

    def _attention(self, states: Tensor, lengths: Tensor) -> Tensor:
        valid_mask = sequence_mask(lengths, states)
        valid = states.masked_fill(~valid_mask[..., None], 0.0)
        scores = self.attention_score(torch.tanh(self.attention_hidden(valid)))[..., 0]  # (B, T)
        weights = scores.masked_fill(~valid_mask, -1e9).softmax(1)
        return (weights[..., None] * valid).sum(1)  # type: ignore[no-any-return]


class Standardize(nn.Module):
    """Standardise features: (x - center) * factor, with center 0 and factor 1 until `set_statistics`.

    A head then starts from features of one scale, and a penalty on its weights treats them alike.

    Args:
        width: D, the number of features.

    >>> scaled = Standardize(2)
    >>> scaled.set_statistics(torch.tensor([2.0, 5.0]), torch.tensor([4.0, 0.0]))
    >>> scaled(torch.tensor([[6.0, 5.5]])).tolist()
    [[1.0, 0.0]]
    """

    center: Tensor
    factor: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("factor", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise x (..., D)."""
        return (x - self.center) * self.factor

    @torch.no_grad()
    def set_statistics(self, mean: Tensor, deviation: Tensor) -> None:
        """Set the mean (D,) and standard deviation (D,).

        A feature whose deviation is below 1e-4 of the largest one is set to 0: it would be noise, scaled up.
        """
        self.center.copy_(mean)
        varies = deviation > 1e-4 * deviation.max()
        self.factor.copy_(torch.where(varies, 1 / deviation.clamp(min=1e-30), 0.0))


def sequence_mask(lengths: Tensor, steps: Tensor) -> Tensor:
    """Compute the mask (B, T), true at the steps of (B, T, ...) that lie within their row's length.

    >>> sequence_mask(torch.tensor([1, 3]), torch.zeros(2, 3)).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    return torch.arange(steps.shape[1], device=steps.device) < lengths[:, None]
