"""Probe a Forecaster on its windows: their values may be changed, everything beside them stays.

Shapes: N windows, B of them at once, W steps, F inputs, h steps ahead.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.models.forecasting.network import QUANTILES
from unrolled.models.forecasting.windows import ForecastBatch

_MEDIAN = QUANTILES.index(0.5)


@dataclass(frozen=True, eq=False)
class ForecastCall:
    """Call of a Forecaster's network that returns the medians of its horizon, (B, h) in units of each origin.

    Args:
        batch: N windows, each read out at its end, with their levels, anchors and calendar.
    """

    batch: ForecastBatch

    def __call__(self, network: nn.Module, values: Tensor, _: Tensor, rows: Tensor) -> Tensor:
        """Run the network on windows (B, W, F), each with the rest of window `rows[i]`."""
        batch = ForecastBatch(*(part[rows] for part in self.batch))
        newest = torch.full_like(batch.readouts, values.shape[1] - 1)
        quantiles: Tensor = network(batch._replace(inputs=values, readouts=newest))
        return quantiles[..., _MEDIAN]

    def select(self, rows: Tensor) -> ForecastCall:
        """Take the windows at these positions."""
        return ForecastCall(ForecastBatch(*(part[rows] for part in self.batch)))

    @property
    def targets(self) -> Tensor:
        """Observed values (N, h), NaN where there are none."""
        return self.batch.target.masked_fill(self.batch.target_mask == 0, float("nan"))
