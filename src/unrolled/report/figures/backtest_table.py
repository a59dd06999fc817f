"""Forecasts of a backtest as arrays: those of each model at each origin, and the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.parse.table import join_ids
from unrolled.report.figures.theme import axis_times

Floats = NDArray[np.float64]


def comparison_metric(backtest: Any) -> str:
    """Name of the metric that models are compared by: "mae", or "mase" for series of different units."""
    has_many = len(set(_names(backtest.columns))) > 1
    return "mase" if has_many and all(row["mase"] is not None for row in backtest.table) else "mae"


def _time_name(parts: dict[str, Any]) -> str:
    """Name of the column of times, which stands between those of the ids and the cutoff."""
    return list(parts)[list(parts).index("cutoff") - 1]


def _names(parts: dict[str, Any]) -> list[str]:
    """Name of the series of each row, from one id column or several."""
    columns = list(parts)
    return join_ids(parts[name] for name in columns[: columns.index("cutoff") - 1])


@dataclass(frozen=True, eq=False)
class BacktestTable:
    """Forecasts, a row a step, sorted by series, origin and time.

    Args:
        id: (R,) series names.
        time: (R,) the time forecast.
        cutoff: (R,) the origin, the last time known.
        truth: (R,) what happened; NaN where nothing was observed.
        models: the (R,) forecasts of each model.
    """

    id: NDArray[Any]
    time: NDArray[Any]
    cutoff: NDArray[Any]
    truth: Floats
    models: dict[str, Floats]

    @classmethod
    def of(cls, backtest: Any) -> BacktestTable:
        """Read the columns of a record of kind "backtest"."""
        parts: dict[str, NDArray[Any]] = backtest.columns
        time_name, ids = _time_name(parts), np.array(_names(parts))
        order = np.lexsort((parts[time_name], parts["cutoff"], ids))
        models = {row["model"]: parts[row["model"]][order].astype(np.float64) for row in backtest.table}
        truth = parts["y"][order].astype(np.float64)
        return cls(ids[order], parts[time_name][order], parts["cutoff"][order], truth, models)

    @property
    def ids(self) -> list[str]:
        """Names of the series, each once."""
        return list(dict.fromkeys(self.id.tolist()))

    def _starts(self) -> list[int]:
        """Row at which each origin's forecast begins."""
        new = (self.id[1:] != self.id[:-1]) | (self.cutoff[1:] != self.cutoff[:-1])
        return [0, *(np.flatnonzero(new) + 1).tolist()]

    def of_series(self, name: str) -> BacktestTable:
        """Select the rows of one series."""
        return self._where(self.id == name)

    @property
    def scored(self) -> BacktestTable:
        """Rows of which something was observed: filled values are not scored."""
        return self._where(np.isfinite(self.truth))

    def _where(self, rows: NDArray[np.bool_]) -> BacktestTable:
        return replace(
            self,
            id=self.id[rows],
            time=self.time[rows],
            cutoff=self.cutoff[rows],
            truth=self.truth[rows],
            models={model: values[rows] for model, values in self.models.items()},
        )

    def paths(self, model: str, observed: Mapping[Any, float]) -> tuple[list[Any], list[float | None]]:
        """Join the forecasts of all origins to one line, with a break between two origins.

        Args:
            model: whose forecasts.
            observed: what had been observed when; a forecast begins there.
        """
        times, origins = axis_times(self.time), axis_times(self.cutoff)
        x: list[Any] = []
        y: list[float | None] = []
        for start, stop in pairwise([*self._starts(), len(times)]):
            x += [origins[start], *times[start:stop], times[stop - 1]]
            y += [observed.get(origins[start]), *self.models[model][start:stop].tolist(), None]
        return x, y

    def difference_by_origin(self, model: str, baseline: str) -> tuple[NDArray[Any], Floats]:
        """Return origins, and the model's mean absolute error less the baseline's: below 0 it was closer."""
        rows = self.scored
        errors = np.abs(rows.models[model] - rows.truth) - np.abs(rows.models[baseline] - rows.truth)
        origins, where = np.unique(rows.cutoff, return_inverse=True)
        return origins, np.bincount(where, weights=errors) / np.bincount(where)

    def ratio_by_series(self, model: str, baseline: str) -> Floats:
        """Return for each series the model's mean absolute error divided by the baseline's."""
        rows = self.scored
        names, where = np.unique(rows.id, return_inverse=True)
        errors, baseline_errors = (
            np.bincount(where, weights=np.abs(rows.models[name] - rows.truth), minlength=len(names))
            for name in (model, baseline)
        )
        return np.divide(
            errors, baseline_errors, out=np.where(errors > 0, np.inf, 1.0), where=baseline_errors > 0
        )
