"""Panels of competition series: from bare lists to a forecast of each, and how far it was off."""

import time
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled import Forecaster, Sequences

Floats = NDArray[np.float64]


class Answer(NamedTuple):
    """What one network said about a panel of N series."""

    model: Forecaster
    point: Floats  # (N, h)
    inside: Floats  # (N, h) 1 where the value came to lie in the 80 % band
    seconds: float  # fit and forecast


def sequences(values: list[Floats], starts: list[pd.Timestamp] | None, freq: str) -> Sequences:
    """Series that begin at these moments; whole-number times where there are none."""
    lengths = [len(one) for one in values]
    if starts is None:
        times: NDArray[Any] = np.concatenate([np.arange(n) for n in lengths])
    else:
        pairs = zip(starts, lengths, strict=True)
        times = np.concatenate([pd.date_range(s, periods=n, freq=freq, unit="ns") for s, n in pairs])
    return Sequences(
        np.concatenate(values)[:, None],
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        tuple(f"S{k + 1}" for k in range(len(values))),
        times=times,
        freq=freq,
    )


def forecast(series: Sequences, actual: Floats, *, toy: bool) -> Answer:
    """One network for all series, with default settings; a tiny one at toy size."""
    start_s = time.perf_counter()
    smaller: dict[str, Any] = {"hidden_size": 4, "max_steps": 8, "window": 16} if toy else {}
    model = Forecaster(horizon=actual.shape[1], **smaller).fit(series)
    frame = model.predict(level=80)
    point, lo, hi = (frame[f"lstm{end}"].to_numpy().reshape(actual.shape) for end in ("", "-lo-80", "-hi-80"))
    inside = ((lo <= actual) & (actual <= hi)).astype(np.float64)
    return Answer(model, point, inside, time.perf_counter() - start_s)


def smape(actual: Floats, point: Floats) -> Floats:
    """(N, h) 200 |y − ŷ| / (|y| + |ŷ|); to be averaged over all points, as the competitions did."""
    return 200 * np.abs(actual - point) / (np.abs(actual) + np.abs(point))


def made_up(count: int, length: int, season: int) -> list[Floats]:
    """Series for toy runs where the real ones are not here: growth, a season, noise."""
    rng = np.random.default_rng(length)
    steps = np.arange(length)
    wave = 1 + 0.2 * np.sin(2 * np.pi * steps / max(season, 2))
    return [np.exp(rng.normal(0.01, 0.05, size=length).cumsum() + 4) * wave for _ in range(count)]
