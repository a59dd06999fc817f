"""How a Forecaster is trained: a rehearsal that is judged, then the real thing on everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.splits import evenly_spaced_rows, train_origins, validation_origins
from unrolled.models.forecasting.calibration import calibration_factors
from unrolled.models.forecasting.network import (
    QUANTILES,
    ForecastNetwork,
    ForecastNetworkConfig,
    quantile_loss,
)
from unrolled.models.forecasting.windows import ForecastBatch, ForecastDataset, Windows
from unrolled.train.history import History, TrainingRecord
from unrolled.train.loop import TrainingConfig, fit, member_seed, seeded
from unrolled.train.progress import ProgressLine

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FIRST_ORIGIN = 2  # the third step: before that there is no change of a change
_READOUTS = 16  # origins that one pass over a window trains on
_BATCH = 64
_MOST_JUDGED = 4096  # held-out windows that each epoch is judged by
_CHUNK = 1024  # windows that are forecast at once


@dataclass(frozen=True)
class Settings:
    """What a training needs to know beside its windows; the arguments of `Forecaster` say what each is."""

    max_epochs: int
    batch_size: int | None
    learning_rate: float
    seed: int
    ensemble: int
    recurrent: bool
    device: str
    checkpoint: Path | None
    verbose: bool


@dataclass(frozen=True)
class Trained:
    """What a training leaves: networks, how far to stretch their quantiles, and the history."""

    networks: tuple[ForecastNetwork, ...]
    factors: Floats
    history: History


def fit_forecast_networks(
    windows: Windows,
    rehearsal: Windows,
    lengths: Ints,
    cuts: Ints,
    *,
    sizes: ForecastNetworkConfig,
    settings: Settings,
) -> Trained:
    """Train twice: without the latest part of every series, then afresh on everything.

    The rehearsal is judged on what it did not see, which says how many epochs help and how far the
    quantiles must be stretched. The real thing sees the latest steps too, for that many epochs and
    with the learning rate falling to 0 over them; nothing judges it. Ctrl-C in a member of the ensemble
    leaves the members before it; in the first, or in the rehearsal, the rehearsed network, whose worth is
    known. Where nothing was held out, it leaves what the first had reached.

    Args:
        windows: all of them.
        rehearsal: the same, in scales that know nothing from the cuts on.
        lengths: (N,) observed steps of each series.
        cuts: (N,) what `rehearsed_lengths` says; the lengths themselves for no rehearsal.
        sizes: of the networks.
        settings: of the training.
    """
    everything = _training(windows, lengths, settings)
    known = _training(rehearsal, cuts, settings)
    if (cuts == lengths).all() or not len(known):
        networks, reached, history = _ensemble(sizes, everything, settings, settings.max_epochs)
        if not (networks := networks or reached):
            raise KeyboardInterrupt  # before the first epoch ended: there is nothing to keep
        return Trained(networks, np.ones(len(QUANTILES)), history)
    judged = _judging(rehearsal, lengths, cuts)
    rehearsed = _seeded(sizes, settings)
    history = _fit(rehearsed, known, judged, settings, "rehearsal")
    factors = _calibration(rehearsed, judged, settings.device)
    if history.stopped == "interrupted":
        return Trained((rehearsed,), factors, history)
    networks, _, last = _ensemble(sizes, everything, settings, history.best_epoch)
    stopped = history.stopped if last.stopped == "finished" else "interrupted"
    return Trained(networks or (rehearsed,), factors, replace(history, stopped=stopped))


@torch.inference_mode()
def predict_quantiles(
    networks: tuple[ForecastNetwork, ...], windows: Windows, rows: Ints, device: str
) -> Floats:
    """(M, h, Q) quantiles at the end of these windows, in units of the origin, a mean over the networks."""
    parts = []
    for start in range(0, len(rows), _CHUNK):
        batch = windows.batch(rows[start : start + _CHUNK]).to(device)
        parts.append(torch.stack([network(batch) for network in networks]).double().mean(0).cpu())
    return torch.cat(parts).numpy()


def _ensemble(
    sizes: ForecastNetworkConfig, everything: ForecastDataset, settings: Settings, epochs: int
) -> tuple[tuple[ForecastNetwork, ...], tuple[ForecastNetwork, ...], History]:
    """The networks of all seeds, fewer after Ctrl-C; the one that it cut short; the history of the last."""
    networks: list[ForecastNetwork] = []
    history = History((), 0, "interrupted", 0.0)
    for member in range(settings.ensemble):
        own = replace(settings, seed=member_seed(settings.seed, member), max_epochs=epochs)
        network = _seeded(sizes, own)
        label = "training" if settings.ensemble == 1 else f"training {member + 1} of {settings.ensemble}"
        try:
            history = _fit(network, everything, None, own, label)
        except KeyboardInterrupt:  # before its first epoch ended
            history = replace(history, stopped="interrupted")
            break
        if history.stopped == "interrupted":
            return tuple(networks), (network,), history
        networks.append(network)
    return tuple(networks), (), history


def _fit(
    network: ForecastNetwork,
    training: ForecastDataset,
    judged: ForecastDataset | None,
    settings: Settings,
    label: str,
) -> History:
    by_rule = min(_BATCH, max(8, len(training) // 8))
    batch = by_rule if settings.batch_size is None else min(settings.batch_size, len(training))
    plan = TrainingConfig(
        max_epochs=settings.max_epochs,
        batch_size=batch,
        learning_rate=settings.learning_rate,
        steps_per_epoch=_steps_per_epoch(len(training)),
        seed=settings.seed,
    )
    folder = None if settings.checkpoint is None else settings.checkpoint / label.replace(" ", "-")
    if folder is not None:
        plan = replace(plan, identity=training.fingerprint(repr(network.sizes)))
    with ProgressLine(label, plan.max_epochs, shown=settings.verbose) as line:

        def tell(epoch: int, record: TrainingRecord) -> None:
            loss = record.train_loss if record.validation_loss is None else record.validation_loss
            line.update(epoch, f"epochs, loss {loss:.4g}")

        return fit(network, _loss(settings.device), training, judged, plan, checkpoint=folder, tell=tell)


def _steps_per_epoch(examples: int) -> int:
    """A quarter of the root of the number of windows, from 8 to 160."""
    return int(np.clip(round(np.sqrt(examples) / 4), 8, 160))


def _loss(device: str) -> Callable[[torch.nn.Module, ForecastBatch], Tensor]:
    return lambda network, batch: quantile_loss(network, batch.to(device))


def _training(windows: Windows, cuts: Ints, settings: Settings) -> ForecastDataset:
    """Every origin with a target before its series' cut."""
    steps = [train_origins(_FIRST_ORIGIN, int(cut)) for cut in cuts]
    return _selection(windows, steps, cuts, readouts=_READOUTS if settings.recurrent else 1)


def _judging(windows: Windows, lengths: Ints, cuts: Ints) -> ForecastDataset:
    """Origins all of whose targets were held out, a bounded number of them."""
    each = zip(lengths, cuts, strict=True)
    steps = [validation_origins(int(n), _FIRST_ORIGIN, int(cut)) for n, cut in each]
    return _selection(windows, steps, lengths, most=_MOST_JUDGED)


def _selection(
    windows: Windows, steps: list[Ints], cuts: Ints, *, readouts: int = 1, most: int | None = None
) -> ForecastDataset:
    """Origins as rows of the windows, each with the first origin and the cut of its series."""
    series = np.repeat(np.arange(len(steps)), [len(own) for own in steps])
    origins = np.concatenate(steps)
    if most is not None:
        kept = evenly_spaced_rows(np.arange(len(origins)), most)
        series, origins = series[kept], origins[kept]
    starts = windows.rows(series, np.zeros_like(origins))
    return ForecastDataset(
        windows,
        starts + origins,
        firsts=starts + _FIRST_ORIGIN,
        cuts=starts + cuts[series],
        readouts=readouts,
    )


@torch.inference_mode()
def _calibration(network: ForecastNetwork, judged: ForecastDataset, device: str) -> Floats:
    """The factor of each quantile, from every held-out step ahead."""
    answers, targets = [], []
    for chosen in torch.split(torch.arange(len(judged)), _CHUNK):
        batch = judged.batch(chosen)
        known = batch.known > 0
        answers.append(network(batch.to(device)).cpu()[known])
        targets.append(batch.target[known])
    return calibration_factors(
        torch.cat(answers).double().numpy(), torch.cat(targets).double().numpy(), QUANTILES
    )


def _seeded(sizes: ForecastNetworkConfig, settings: Settings) -> ForecastNetwork:
    with seeded(settings.seed):
        return ForecastNetwork(sizes).to(settings.device)
