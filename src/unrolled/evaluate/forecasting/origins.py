"""Origins of a backtest: which series can be judged from them, how far they are apart, how many fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.sequences import Sequences
from unrolled.data.splits import rolling_origins
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.forecasting.rolling_origin import common_ends
from unrolled.formatting import join_words, quantity
from unrolled.models.protocols import SupportsFitCheck

Ints = NDArray[np.int64]

_LEAST_STEPS = 3  # of a series up to the first origin
_MOST_ENDS = 64  # ends of series that are tried as the one that origins are counted back from
_MOST_NAMES = 5  # series that a sentence names


@dataclass(frozen=True, eq=False)
class PlacedOrigins:
    """Origins in the series that can be judged from them.

    Args:
        series: N series; others are left out.
        origins: (N, K) positions of the last step that each forecast may know, rising.
        step: steps from one to the next.
        remarks: which series are left out, and where origins are counted back from, a sentence each.
    """

    series: Sequences
    origins: Ints
    step: int
    remarks: tuple[str, ...]


def place_origins(series: Sequences, horizon: int, origins: int, step: int | None) -> PlacedOrigins:
    """Place the latest origins in all series, or in those that are long enough for them.

    Args:
        series: regular series.
        horizon: h, steps that follow each origin.
        origins: K, how many.
        step: steps from one to the next; None to choose: see `default_step`.

    Raises:
        ArgumentError: no series is long enough.

    >>> steps = Sequences.from_arrays([np.arange(40.0), np.arange(5.0)])
    >>> placed = place_origins(steps, horizon=2, origins=4, step=None)
    >>> placed.origins.tolist(), placed.step
    ([[31, 33, 35, 37]], 2)
    >>> placed.remarks
    ("1 of 2 series is left out, as 4 origins and what follows them need 8 steps: '1'.",)
    """
    least = horizon + (origins - 1) * (step or 1) + _LEAST_STEPS
    ends, remark = common_ends(series)
    left_out = ""
    if len(series) > 1 and ends.min() < least:
        kept = _judged(series, least)
        if len(kept):
            left_out = _left_out_remark(series, kept, origins, least)
            series = series.select(kept)
            ends, remark = common_ends(series)
    chosen = default_step(ends, horizon, origins) if step is None else step
    positions = rolling_origins(ends, horizon, origins, chosen)
    return PlacedOrigins(series, positions, chosen, tuple(filter(None, (left_out, remark))))


def default_step(lengths: Ints, horizon: int, origins: int) -> int:
    """Return the horizon, or less where half of the shortest series would not be left; at least 1.

    >>> default_step(np.array([100]), horizon=12, origins=4), default_step(np.array([100]), 12, origins=24)
    (12, 1)
    """
    free_steps = int(lengths.min()) // 2 - horizon
    return max(1, min(horizon, free_steps // max(1, origins - 1)))


def most_origins(series: Sequences, model: Any, horizon: int, origins: int, step: int | None) -> int:
    """Count the origins below `origins` from the first of which the model can be fitted; 0 if from none.

    Each count is tried with all that the model asks of the steps up to its first origin, where it says so.
    """
    least, most = 0, origins
    while most - least > 1:
        middle = (least + most) // 2
        if _is_possible(series, model, horizon, middle, step):
            least = middle
        else:
            most = middle
    return least


def _is_possible(series: Sequences, model: Any, horizon: int, origins: int, step: int | None) -> bool:
    try:
        placed = place_origins(series, horizon, origins, step)
        if isinstance(model, SupportsFitCheck):
            model.check_fit(placed.series.head(placed.origins[:, 0] + 1))
    except (ArgumentError, DataError):
        return False
    return int(placed.origins[:, 0].max()) + 1 >= horizon + _LEAST_STEPS  # for the feedforward baseline


def _judged(series: Sequences, least: int) -> Ints:
    """Choose the series (their positions) with so many steps up to an end that they share.

    Of all ends, the one that leaves out the fewest series; of those, the latest.
    """
    own_ends = series.observed
    if series.times is None:
        return np.flatnonzero(own_ends >= least)
    last_times = series.times[series.offsets[:-1] + np.maximum(own_ends - 1, 0)]
    ends = np.unique(last_times)
    ends = ends[np.linspace(0, len(ends) - 1, min(len(ends), _MOST_ENDS)).round().astype(np.int64)]
    best: Ints = np.empty(0, dtype=np.int64)
    for end in ends[::-1]:
        n_before = np.concatenate([[0], np.cumsum(series.times <= end)])[series.offsets]
        kept = np.flatnonzero((last_times >= end) & (np.diff(n_before) >= least))
        best = kept if len(kept) > len(best) else best
    return best


def _left_out_remark(series: Sequences, kept: Ints, origins: int, least: int) -> str:
    names = [repr(series.ids[k]) for k in np.setdiff1d(np.arange(len(series)), kept)]
    verb = "is" if len(names) == 1 else "are"
    shown = join_words(names) if len(names) <= _MOST_NAMES else f"{', '.join(names[:_MOST_NAMES])} and others"
    need = f"{quantity(origins, 'origin')} and what follows them need {least} steps"
    if series.times is not None:
        need += " up to an end in common"
    return f"{len(names):,} of {len(series):,} series {verb} left out, as {need}: {shown}."
