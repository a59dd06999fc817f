"""Decay of filled inputs: the last known value moves to the mean of the training data as it grows old."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_FIRST_RATE = 0.1  # a step: half of a value is left after 7 steps


class InputDecay(nn.Module):
    """Decay each filled value from the last known one to the mean, at a learned rate of its feature.

        γ_t = exp(-max(0, w ⊙ δ_t + b)),  δ_t steps since the last known value
        x̂_t = m_t ⊙ γ_t ⊙ x_t + (1 - m_t) ⊙ x_t,  m_t 1 where x_t was filled, else 0

    The values are scaled, so that the mean is 0. A step reads no other one.

    Args:
        features: F.
        gain: factor of the inputs that say where and since when.

    Shapes: inputs (B, T, 3 F) and outputs alike: the values x, filled by the last known one; the mask m; and
    log(1 + δ), both times the gain. The mask and the steps are passed on as they are.

    Source: Che et al., Recurrent Neural Networks for Multivariate Time Series with Missing Values (2018),
    equations 3 to 5; w is their diagonal W_γx.

    >>> decay = InputDecay(1)
    >>> one_step_old = torch.tensor([[[2.0, 1.0, 0.6931]]])
    >>> decay(one_step_old)[..., 0].item() < 2.0
    True
    """

    def __init__(self, features: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.rate = nn.Parameter(torch.full((features,), _FIRST_RATE))
        self.offset = nn.Parameter(torch.zeros(features))

    def forward(self, inputs: Tensor) -> Tensor:
        """Decay the first F of the inputs (B, T, 3 F)."""
        values, mask, log_steps = inputs.tensor_split(3, dim=-1)
        kept = torch.exp(-torch.relu(self.rate * torch.expm1(log_steps / self.gain) + self.offset))
        # padding may hold anything, also NaN, and stays as it is
        return torch.cat([torch.where(mask > 0, kept * values, values), mask, log_steps], -1)
