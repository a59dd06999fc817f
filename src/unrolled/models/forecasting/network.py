"""Network of a Forecaster: a recurrent core over the window, a readout of quantiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.models.forecasting.windows import ForecastBatch, Windows
from unrolled.models.recurrent_core import CoreConfig, recurrent_core
from unrolled.nn.layers.base import RecurrentLayer
from unrolled.nn.modules.dropout import Dropout
from unrolled.nn.modules.quantile_head import QuantileHead, pinball_loss
from unrolled.nn.ops import torch_internals
from unrolled.nn.ops.dropout import draw_mask
from unrolled.nn.ops.forecasting import ReadoutOperands, quantile_readout, quantile_readout_backward
from unrolled.nn.ops.gradients import PlainTrainingCheck, gradient_buffer, trains_plainly
from unrolled.nn.ops.sequence import runs_on_kernels
from unrolled.train.loop import BatchLoss
from unrolled.train.threads import shared_processors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
_LEVELS = torch.tensor(QUANTILES, dtype=torch.float32, device="cpu")
_LEAST_PADDING = 0.02  # share of the steps from which on it pays to run those before all series once
FORECAST_CHUNK = 1024  # windows that are forecast at once


@dataclass(frozen=True, kw_only=True)
class ForecastNetworkConfig(CoreConfig):
    """Settings that a ForecastNetwork is built from, beside those of its core.

    Args:
        inputs: F, inputs a step.
        window: W, steps read.
        recent: V, latest levels that the readout sees beside the state.
        horizon: h, steps answered.
        anchors: A, seasonal anchors a step of the horizon.
        ahead: K, inputs known for each step of the horizon.
    """

    inputs: int
    window: int
    recent: int
    horizon: int
    anchors: int
    ahead: int


class ForecastNetwork(nn.Module):
    """Recurrent network that reads a window and predicts quantiles of every step of the horizon.

    Beside the state the readout sees the window's levels and the seasons' anchors (both as asinh, so that
    a huge move stays readable), the inputs of the horizon, and how large and how old the series is.
    """

    def __init__(self, config: ForecastNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.core = _core(config)
        self.dropout = Dropout(config.dropout)
        width = config.hidden_size + 2 + config.recent + config.horizon * (config.anchors + config.ahead)
        self.readout = QuantileHead(
            width,
            config.hidden_size,
            horizon=config.horizon,
            levels=len(QUANTILES),
            anchors=config.anchors,
        )
        self._trains_plainly = PlainTrainingCheck()

    def forward(self, batch: ForecastBatch) -> Tensor:
        """Quantiles (M, h, Q) of the horizon at every readout, in units of its origin."""
        output, _ = self.core(batch.inputs)  # (B, W, H)
        B, device = len(output), output.device
        steps = output.transpose(0, 1).flatten(0, 1)  # (W · B, H), as the recurrent cores lay it out
        places = batch.readouts * B + torch.arange(B, device=device)[:, None]
        return self.read_out(steps.index_select(0, places.flatten()), batch)

    def read_out(self, states: Tensor, batch: ForecastBatch) -> Tensor:
        """Compute the quantiles (M, h, Q) from the states (M, H) of the readouts of a batch."""
        moves = torch.cat([batch.levels, batch.anchors.flatten(1)], 1)
        seen = [states, batch.context, _asinh(moves), batch.ahead.flatten(1)]
        return self.readout(self.dropout(torch.cat(seen, 1)), batch.anchors)  # type: ignore[no-any-return]

    def loss(self, batch: ForecastBatch) -> BatchLoss:
        """Compute `quantile_loss` of a batch, for training.

        Where `trains_without_autograd` says so, a few calls of the kernels take a fraction of its time.
        """
        if not (self.training and torch.is_grad_enabled() and self.trains_without_autograd(batch)):
            return BatchLoss(quantile_loss(self, batch))
        value, backward = self._vjp(batch)
        return BatchLoss(value, backward=backward)

    def trains_without_autograd(self, batch: ForecastBatch) -> bool:
        """Tell whether `loss` computes the gradients on the kernels: all weights learn, nothing has hooks."""
        return runs_on_kernels(batch.inputs) and self._trains_plainly(
            self,
            lambda: (
                isinstance(self.core, RecurrentLayer)
                and self.core.has_vjp
                and self.readout.trains_plainly
                and not any(map(torch_internals.has_hooks, (self, self.dropout)))
                and trains_plainly(self, ())
            ),
        )

    @torch.no_grad()
    def _vjp(self, batch: ForecastBatch) -> tuple[Tensor, Callable[[], object]]:
        """Compute the loss of a batch, and the function that writes the `.grad` of all weights."""
        assert isinstance(self.core, RecurrentLayer)
        inputs = batch.inputs.transpose(0, 1)
        has_starts = (
            self.core.num_layers == 1 and batch.starts.sum() > _LEAST_PADDING * inputs[..., 0].numel()
        )
        states, core_backward = self.core.vjp(inputs, None, batch.starts if has_starts else None)
        weights = self.readout.weights
        keep, share = None, 1 - self.dropout.p
        if share < 1:
            shape = (len(batch.levels), self.readout.hidden.in_features)
            keep = draw_mask(shape, share, states).div_(share)
        operands = ReadoutOperands(
            states, batch.readouts, batch.context, batch.levels, batch.anchors, batch.ahead, batch.target,
            batch.target_mask, batch.weight, _LEVELS, keep, *weights,
        )  # fmt: skip
        results = quantile_readout(operands)

        @torch.no_grad()
        def backward() -> None:
            gradients = tuple(None if weight is None else gradient_buffer(weight) for weight in weights)
            quantile_readout_backward(operands, results, gradients)
            core_backward(results.d_states, False)

        return results.loss, backward


def _asinh(x: Tensor) -> Tensor:
    """Inverse hyperbolic sine of numbers up to 1e38, infinities not among them.

    On a CPU by a formula that loses none of the digits of small and of negative numbers: of many numbers
    four times as fast as torch's own.
    """
    if not x.is_cpu:
        return x.asinh()
    one = x.new_ones(())
    sign = one.copysign(x)  # never 0, so that the slope at 0 is 1
    size = x * sign
    # sqrt(x² + 1) - 1 = x² / (1 + sqrt(x² + 1)), where neither x² overflows nor 1 swallows it
    more = size * (size / (torch.hypot(size, one) + 1))
    return torch.log1p(size + more) * sign


def _core(config: ForecastNetworkConfig) -> nn.Module:
    if config.cell == "feedforward":
        return FeedForward(config.window * config.inputs, config.hidden_size)
    return recurrent_core(config, config.inputs)


class FeedForward(nn.Module):
    """One hidden layer over the window as a flat vector, to compare a recurrent core with.

    Called as a recurrent layer is, with the hidden layer in the place of the newest state.
    """

    def __init__(self, inputs: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, hidden_size)

    def forward(self, window: Tensor) -> tuple[Tensor, None]:
        """Outputs (B, W, H) of (B, W, F), the same at every step: to be read out at the end alone."""
        hidden = torch.tanh(self.hidden(window.flatten(1)))[:, None]
        return hidden.expand(-1, window.shape[1], -1), None


def quantile_loss(network: nn.Module, batch: ForecastBatch) -> Tensor:
    """Mean pinball loss over the observed steps, each in proportion to how far its series usually moves.

    Dividing a target by its unit makes series comparable; multiplying the loss by the unit's share gives
    back their importance: a quiet series must not count as much as a lively one.
    """
    levels = torch.tensor(QUANTILES, device=batch.target.device)
    lost = pinball_loss(network(batch), batch.target, levels).flatten(0, 1)  # (M · h, Q)
    shares = batch.target_mask * batch.weight[:, None] / batch.target_mask.sum().clamp(min=1.0)  # (M, h)
    return lost.t().mv(shares.flatten()).mean()  # lost lies quantile by quantile


@shared_processors()
@torch.inference_mode()
def predict_quantiles(
    networks: tuple[ForecastNetwork, ...], windows: Windows, rows: Ints, device: str
) -> Floats:
    """Predict quantiles (M, h, Q) at the end of windows, in units of the origin: means over networks."""
    parts = []
    for start in range(0, len(rows), FORECAST_CHUNK):
        batch = windows.batch(rows[start : start + FORECAST_CHUNK]).to(device)
        parts.append(torch.stack([network(batch) for network in networks]).double().mean(0).cpu())
    return torch.cat(parts).numpy()
