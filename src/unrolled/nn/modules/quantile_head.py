"""From the state after the newest step to an answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class QuantileHead(nn.Module):
    """Quantiles that never cross: a centre, and steps away from it that are never negative.

    In training mode they are the same up to rounding, which may make neighbours cross by as much.

        u        = GELU(W_1 s + b_1)
        median_k = (W_c u)_k + Σ_a (W_a u)_{k,a} · anchor_{k,a}
        q_{k,j}  = median_k ± Σ_{i ≤ j} softplus((W_q u)_{k,i})

    Args:
        state_size: S, width of what is read.
        hidden_size: width of u.
        horizon: h, steps answered.
        levels: Q, an odd number of quantiles, the middle one being the median.
        anchors: A, known values that the median may lean on, each with a learned weight in every step.

    Shapes: state (B, S), anchors (B, h, A) to (B, h, Q), rising along the last axis.

    >>> readout = QuantileHead(8, 16, horizon=3, levels=5, anchors=0).eval()
    >>> answer = readout(torch.randn(2, 8), torch.empty(2, 3, 0))
    >>> answer.shape, bool((answer.diff(dim=-1) >= 0).all())
    (torch.Size([2, 3, 5]), True)
    """

    cumulation: Tensor

    def __init__(self, state_size: int, hidden_size: int, *, horizon: int, levels: int, anchors: int) -> None:
        super().__init__()
        self.horizon, self.levels, self.anchors = horizon, levels, anchors
        self.hidden = nn.Linear(state_size, hidden_size)
        self.raw_quantiles = nn.Linear(hidden_size, horizon * levels)
        self.anchor_weights = nn.Linear(hidden_size, horizon * anchors) if anchors else None
        self.register_buffer("cumulation", _cumulation_matrix(levels), persistent=False)
        with torch.no_grad():  # begin near "no change": the naive forecast, or the seasonal one leaned on
            self.raw_quantiles.weight.mul_(0.1)
            self.raw_quantiles.bias.zero_()
            if self.anchor_weights is not None:
                self.anchor_weights.weight.zero_()
                self.anchor_weights.bias.fill_(0.3)

    def forward(self, state: Tensor, anchors: Tensor) -> Tensor:
        """(B, h, Q) quantiles."""
        u = F.gelu(self.hidden(state))
        raw = self.raw_quantiles(u).view(-1, self.horizon, self.levels)
        median = raw[..., self.levels // 2]
        if self.anchor_weights is not None:
            weights = self.anchor_weights(u).view(-1, self.horizon, self.anchors)
            for a in range(self.anchors):  # a sum over so short an axis takes longer
                median = median + weights[..., a] * anchors[..., a]
        steps = F.softplus(raw)
        if not self.training:
            return _cumulate_from_median(median, steps)
        steps[..., self.levels // 2] = median
        return steps @ self.cumulation


def _cumulate_from_median(median: Tensor, steps: Tensor) -> Tensor:
    """(..., Q) the quantiles, each from its neighbour nearer to the median.

    So no rounding makes them cross, and no infinity farther out reaches one.
    """
    each, middle = steps.unbind(-1), steps.shape[-1] // 2
    below, above = [median], [median]
    for step in reversed(each[:middle]):
        below.append(below[-1] - step)
    for step in each[middle + 1 :]:
        above.append(above[-1] + step)
    return torch.stack([*reversed(below[1:]), *above], -1)


def _cumulation_matrix(levels: int) -> Tensor:
    """(Q, Q) which terms add up to a quantile: column j has 1 or -1 for each from the median to j.

    In training a product with it takes half the time of sums one after the other. Up to rounding it is the
    same where every term is finite; that no quantiles cross is then left to the order in which it adds.

    >>> _sums(3).int().tolist()
    [[-1, 0, 0], [1, 1, 1], [0, 0, 1]]
    """
    terms, quantiles = torch.meshgrid(torch.arange(levels), torch.arange(levels), indexing="ij")
    middle = levels // 2
    above = (terms >= middle) & (terms <= quantiles)
    below = (terms < middle) & (terms >= quantiles)
    sums = above.float() - below.float()
    sums[middle] = 1.0
    return sums


def pinball_loss(answer: Tensor, target: Tensor, quantiles: Tensor) -> Tensor:
    """max(τ e, (τ − 1) e) of e = target − answer: least, on average, at the quantile τ.

    Args:
        answer: (..., Q) quantiles.
        target: (...) what came.
        quantiles: (Q,) their levels τ, between 0 and 1.

    Returns:
        (..., Q).

    Source: Koenker and Bassett (1978), Regression Quantiles.

    >>> pinball_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0]), torch.tensor([0.1, 0.5])).tolist()
    [[0.2..., 0.5]]
    """
    error = target[..., None] - answer
    # τ, less 1 where the answer is too high: neither torch.maximum nor torch.where is nearly as quick
    return error * (quantiles + error.detach().sign().clamp_(max=0))
