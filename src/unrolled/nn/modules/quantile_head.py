"""Quantile head: quantiles of the horizon from the last state, and their loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.nn.ops.gradients import trains_plainly


class QuantileHead(nn.Module):
    """Predict quantiles that do not cross: a median, and non-negative distances from it.

    In training mode they are equal up to rounding, and neighbours may cross by as much.

        u        = GELU(W_1 s + b_1)
        median_k = (W_c u)_k + Σ_a (W_a u)_{k,a} · anchor_{k,a}
        q_{k,j}  = median_k ± Σ_{i ≤ j} softplus((W_q u)_{k,i})

    Args:
        state_size: S, size of the input.
        hidden_size: size of u.
        horizon: h, steps predicted.
        levels: Q, an odd number of quantiles; the middle one is the median.
        anchors: A, known values that are added to the median, each with a predicted weight at every step.

    Shapes: state (B, S), anchors (B, h, A) to (B, h, Q), ascending along the last axis.

    >>> head = QuantileHead(8, 16, horizon=3, levels=5, anchors=0).eval()
    >>> predictions = head(torch.randn(2, 8), torch.empty(2, 3, 0))
    >>> predictions.shape, bool((predictions.diff(dim=-1) >= 0).all())
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
        with torch.no_grad():  # start near the naive forecast, or the seasonal naive one with anchors
            self.raw_quantiles.weight.mul_(0.1)
            self.raw_quantiles.bias.zero_()
            if self.anchor_weights is not None:
                self.anchor_weights.weight.zero_()
                self.anchor_weights.bias.fill_(0.3)

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
        """Weight and bias of each layer: of u, of the quantiles, and of the anchors or None twice."""
        anchors = self.anchor_weights
        last = (None, None) if anchors is None else (anchors.weight, anchors.bias)
        return self.hidden.weight, self.hidden.bias, self.raw_quantiles.weight, self.raw_quantiles.bias, *last

    @property
    def trains_plainly(self) -> bool:
        """Tell whether code beside autograd may compute the gradients of all weights."""
        layers = (self.hidden, self.raw_quantiles, self.anchor_weights)
        names = ("weight", "bias")
        return trains_plainly(self, ()) and all(
            each is None or trains_plainly(each, names) for each in layers
        )

    def forward(self, state: Tensor, anchors: Tensor) -> Tensor:
        """Predict the quantiles (B, h, Q)."""
        u = F.gelu(self.hidden(state))
        raw = self.raw_quantiles(u).view(-1, self.horizon, self.levels)
        median = raw[..., self.levels // 2]
        if self.anchor_weights is not None:
            weights = self.anchor_weights(u).view(-1, self.horizon, self.anchors)
            for a in range(self.anchors):  # faster than torch.sum over so short an axis
                median = median + weights[..., a] * anchors[..., a]
        steps = F.softplus(raw)
        if not self.training:
            return _cumulate_from_median(median, steps)
        steps[..., self.levels // 2] = median
        # a product with so narrow a matrix is several times faster the other way round: (Q, B · h)
        summed = self.cumulation.t() @ steps.flatten(0, 1).t()
        return summed.t().view_as(raw)


def _cumulate_from_median(median: Tensor, steps: Tensor) -> Tensor:
    """Compute the quantiles (..., Q), each from its neighbour nearer to the median.

    Rounding cannot make them cross then, and an infinite outer quantile leaves the inner ones finite.
    """
    distances, middle = steps.unbind(-1), steps.shape[-1] // 2
    below, above = [median], [median]
    for distance in reversed(distances[:middle]):
        below.append(below[-1] - distance)
    for distance in distances[middle + 1 :]:
        above.append(above[-1] + distance)
    return torch.stack([*reversed(below[1:]), *above], -1)


def _cumulation_matrix(levels: int) -> Tensor:
    """Build the matrix (Q, Q) whose column j has 1 or -1 for each term from the median to quantile j.

    In training a product with it takes half the time of successive sums. It is equal to them up to rounding
    if every term is finite, but rounding may make neighbours cross.

    >>> _cumulation_matrix(3).int().tolist()
    [[-1, 0, 0], [1, 1, 1], [0, 0, 1]]
    """
    terms, quantiles = np.indices((levels, levels))
    middle = levels // 2
    above = (terms >= middle) & (terms <= quantiles)
    below = (terms < middle) & (terms >= quantiles)
    sums = above.astype(np.float32) - below
    sums[middle] = 1.0
    return torch.from_numpy(sums.astype(np.float32))


def pinball_loss(predictions: Tensor, target: Tensor, quantiles: Tensor) -> Tensor:
    """Compute max(τ e, (τ − 1) e) with e = target − prediction, whose mean is least at the quantile τ.

    Args:
        predictions: (..., Q) quantiles.
        target: (...) observed values.
        quantiles: (Q,) levels τ, between 0 and 1.

    Returns:
        (..., Q).

    Source: Koenker and Bassett (1978), Regression Quantiles.

    >>> pinball_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0]), torch.tensor([0.1, 0.5])).tolist()
    [[0.2..., 0.5]]
    """
    error = target[..., None] - predictions
    # τ, less 1 where the prediction is too high: several times faster than torch.maximum or torch.where
    return error * (quantiles + error.detach().sign().clamp_(max=0))
