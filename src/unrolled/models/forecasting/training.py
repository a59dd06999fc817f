"""Training of a Forecaster: fit on a split to choose the step and to calibrate; then refit on all data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.models.fitting import identified
from unrolled.models.forecasting.calibration import calibration_factors
from unrolled.models.forecasting.data import ForecastData
from unrolled.models.forecasting.network import (
    FORECAST_CHUNK,
    QUANTILES,
    ForecastNetwork,
    ForecastNetworkConfig,
)
from unrolled.models.forecasting.windows import ForecastBatch, ForecastDataset
from unrolled.train.config import Monitor, TrainingConfig
from unrolled.train.ensemble import Ensemble, fit_ensemble, fit_then_refit
from unrolled.train.loop import BatchLoss

Floats = NDArray[np.float64]

_READOUTS, _FEW_READOUTS = 16, 8  # origins that one pass of a recurrent core over a window trains on
_BATCH, _LEAST_BATCH = 64, 8
_LONG_HORIZON = 6  # steps, from which on few windows have targets enough for smaller batches
_SHARE, _LONG_SHARE = 8, 24  # a batch is at most one window in so many
_CHECKS = 12
_PATIENCE = 8


@dataclass(frozen=True)
class CalibratedEnsemble:
    """Networks of a Forecaster, and the factors that rescale their quantiles.

    Args:
        ensemble: the networks, with the history of the training that was validated.
        factors: (Q,) one for each quantile; 1 where nothing was held out.
    """

    ensemble: Ensemble[ForecastNetwork]
    factors: Floats


def fit_forecast_networks(
    data: ForecastData,
    network_config: ForecastNetworkConfig,
    configure: Callable[[int], TrainingConfig],
    *,
    n_members: int,
    device: str,
    monitor: Monitor,
) -> CalibratedEnsemble:
    """Fit without the latest part of every series, calibrate on that part, then refit on all steps.

    Where nothing is held out, fit once, for all steps. Ctrl-C leaves what `fit_then_refit` says.

    Args:
        data: as `prepare` returns it.
        network_config: of the networks.
        configure: the settings of a training on so many windows.
        n_members: networks of the ensemble.
        device: where torch computes.
        monitor: checkpoint, progress line and callbacks.
    """

    def make_network() -> ForecastNetwork:
        return ForecastNetwork(network_config).to(device)

    def loss(network: ForecastNetwork, batch: ForecastBatch) -> BatchLoss:
        return network.loss(batch.to(device))

    def config(training: ForecastDataset) -> TrainingConfig:
        return identified(configure(len(training)), monitor, training, None, network_config)

    readouts = _readouts(network_config.cell, network_config.horizon, len(data.everything(1)))
    everything, split = data.everything(readouts), data.split(readouts)
    if split is None:
        ensemble = fit_ensemble(
            make_network, loss, everything, None, config(everything), n_members=n_members, monitor=monitor
        )
        return CalibratedEnsemble(ensemble, np.ones(len(QUANTILES)))
    ensemble = fit_then_refit(
        make_network, loss, split, everything, (config(split[0]), config(everything)),
        n_members=n_members, monitor=monitor,
    )  # fmt: skip
    assert ensemble.validated is not None
    return CalibratedEnsemble(ensemble, _calibrate(ensemble.validated, split[1], device))


def forecast_training_config(
    n_windows: int, cell: str, horizon: int, *, max_steps: int | None, val_check_steps: int | None,
    patience: int | None, batch_size: int | None, learning_rate: float, seed: int,
) -> TrainingConfig:  # fmt: skip
    """Fill in the settings of a training on so many windows.

    By default it makes 12 checks, a quarter of the root of the number of windows apart (8 to 160 steps), so
    that large sets and small ones are validated equally often. A batch is 64 windows, but at most a 24th of
    them: those of one long series overlap, so that 64 would hold each of its values many times. Where a
    window has few targets, at a horizon below 6 or of a "feedforward" network, it is at most an eighth.

    >>> config = forecast_training_config(10_000, "lstm", 12, max_steps=None, val_check_steps=None,
    ...                          patience=None, batch_size=None, learning_rate=3e-3, seed=0)
    >>> config.max_steps, config.val_check_steps, config.batch_size
    (300, 25, 64)
    """
    rule = int(np.clip(round(np.sqrt(n_windows) / 4), 8, 160))
    interval = rule if val_check_steps is None else val_check_steps
    share = _LONG_SHARE if _has_many_targets(cell, horizon) else _SHARE
    usual_batch = min(_BATCH, max(_LEAST_BATCH, n_windows // share))
    batch = usual_batch if batch_size is None else min(batch_size, n_windows)
    return TrainingConfig(
        max_steps=_CHECKS * interval if max_steps is None else max_steps,
        val_check_steps=interval,
        batch_size=batch,
        learning_rate=learning_rate,
        patience=_PATIENCE if patience is None else patience,
        seed=seed,
    )


def _readouts(cell: str, horizon: int, n_windows: int) -> int:
    """Count the readouts of a window: half as many where its targets are many and windows few."""
    if cell == "feedforward":
        return 1
    is_few = _has_many_targets(cell, horizon) and n_windows < _BATCH * _LONG_SHARE
    return _FEW_READOUTS if is_few else _READOUTS


def _has_many_targets(cell: str, horizon: int) -> bool:
    """Tell whether each window brings many targets to a step: several readouts of many steps ahead."""
    return cell != "feedforward" and horizon >= _LONG_HORIZON


@torch.inference_mode()
def _calibrate(network: ForecastNetwork, validation: ForecastDataset, device: str) -> Floats:
    """Factor (Q,) of each quantile, from every step ahead of the validation set."""
    predictions, targets = [], []
    for rows in torch.split(torch.arange(len(validation)), FORECAST_CHUNK):
        batch = validation.batch(rows)
        is_observed = batch.target_mask > 0
        predictions.append(network(batch.to(device)).cpu()[is_observed])
        targets.append(batch.target[is_observed])
    predicted, observed = (torch.cat(parts).double().numpy() for parts in (predictions, targets))
    return calibration_factors(predicted, observed, QUANTILES)
